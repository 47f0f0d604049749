"""Confidence intervals for shares."""

from math import sqrt

Z_95 = 1.959964


def wilson(successes: int, trials: int, z: float = Z_95) -> tuple[float, float]:
    """The score interval of Wilson (1927) for a proportion: right at 0 and 1 and for few trials, where the
    normal approximation is not. (0, 1) when there are no trials."""
    if not trials:
        return 0.0, 1.0
    share, spread = successes / trials, z * z / trials
    centre = share + spread / 2
    half = z * sqrt(share * (1 - share) / trials + spread / trials / 4)
    return max(0.0, (centre - half) / (1 + spread)), min(1.0, (centre + half) / (1 + spread))
