"""What judged answers say of a student, and of the difference between two of them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from cotdistill import records
from cotdistill.answers.classes import classes
from cotdistill.answers.confusion import class_scores, confusion_of
from cotdistill.records import Judged
from cotdistill.stages.calibration import Calibration
from cotdistill.statistics import mcnemar, pass_at_k, wilson

WEAK_TAGS = 3
"""How many of the weakest tags are named."""
FEWEST_OF_A_TAG = 5
"""With fewer prompts a tag's accuracy says nothing."""

BINS = 5
"""Bins of the vote share, for calibration."""


def score(student: str, judged: Sequence[Judged]) -> dict[str, Any]:
    """The scores of one student: `accuracy` and friends from the greedy answers (sample 0), `pass_at`, `majority` and
    `calibration` from the sampled ones. What could not be judged counts neither as right nor as wrong."""
    not_judged = sum(map(is_not_judged, judged))
    judged = [one for one in judged if not is_not_judged(one)]
    greedy = [one for one in judged if one.response.sample == 0]
    correct = sum(map(is_right, greedy))
    entry = {
        "student": student,
        "n": len(greedy),
        "correct": correct,
        "accuracy": _share(correct, len(greedy)),
        "interval": [round(bound, 4) for bound in wilson(correct, len(greedy))],
        "stopped": _share(sum(one.response.stop_reason == "stop" for one in greedy), len(greedy)),
    }
    if (tokens := _mean_output_tokens(greedy)) is not None:
        entry["mean_output_tokens"] = tokens
    if not_judged:
        entry["not_judged"] = not_judged
    if tags := _by_tag(greedy):
        entry["by_tag"] = tags
        entry["weakest"] = [tag for tag, found in tags.items() if found["n"] >= FEWEST_OF_A_TAG][:WEAK_TAGS]
    if by_class := class_scores(confusion_of(greedy)):
        entry["by_class"] = by_class
    if confidence := _confidence(greedy):
        entry["confidence"] = confidence
    sampled: dict[str, list[Judged]] = defaultdict(list)
    for one in judged:
        if one.response.sample:
            sampled[one.response.prompt.id].append(one)
    return entry | _of_samples(list(sampled.values())) if sampled else entry


def _confidence(greedy: Sequence[Judged]) -> dict[str, Any] | None:
    """How well the student's probabilities tell right answers from wrong ones; None where they are not known."""
    calibration = Calibration()
    for one in greedy:
        if one.response.confidence is not None:
            calibration.add(one.response.confidence, is_right(one))
    return calibration.result()


def _mean_output_tokens(greedy: Sequence[Judged]) -> float | None:
    """The mean over the answers whose server counted tokens; None where none did."""
    known = [tokens for one in greedy if (tokens := one.response.usage.output_tokens) is not None]
    return round(sum(known) / len(known), 1) if known else None


def is_not_judged(judged: Judged) -> bool:
    """Whether the verifier failed, or the reference cannot be read: nothing is known of the answer."""
    return judged.verdict.status in ("error", "bad_reference")


def is_right(judged: Judged) -> bool:
    return records.is_right(judged.response, judged.verdict)


def compare(student: Sequence[Judged], other: Sequence[Judged]) -> dict[str, Any]:
    """The paired difference on the same prompts, by their greedy answers: how many only one of them has right, and the
    exact two-sided test of McNemar (1947) whether that could be chance."""
    ours, theirs = (
        {one.response.prompt.id: is_right(one) for one in side if one.response.sample == 0 and not is_not_judged(one)}
        for side in (student, other)
    )
    shared = [name for name in ours if name in theirs]
    only_ours = sum(ours[name] and not theirs[name] for name in shared)
    only_theirs = sum(theirs[name] and not ours[name] for name in shared)
    theirs_right = sum(theirs[name] for name in shared)
    found = {
        "n": len(shared),
        "only_student": only_ours,
        "only_baseline": only_theirs,
        "difference": round((only_ours - only_theirs) / len(shared), 4) if shared else 0.0,
        "p_value": float(f"{mcnemar(only_ours, only_theirs):.6g}"),
    }
    if theirs_right:
        found["retention"] = round(sum(ours[name] for name in shared) / theirs_right, 4)
    return found


def _by_tag(greedy: Sequence[Judged]) -> dict[str, Any]:
    """Accuracy by tag, the weakest first."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for one in greedy:
        for tag, value in (one.response.prompt.tags or {}).items():
            counts[f"{tag}={value}"][0] += is_right(one)
            counts[f"{tag}={value}"][1] += 1
    found = {
        tag: {"n": n, "accuracy": _share(right, n), "interval": [round(bound, 4) for bound in wilson(right, n)]}
        for tag, (right, n) in counts.items()
    }
    return dict(sorted(found.items(), key=lambda item: (item[1]["accuracy"], item[0])))


def _of_samples(prompts: Sequence[Sequence[Judged]]) -> dict[str, Any]:
    n = min(map(len, prompts))
    ks = sorted({1, n} | {k for k in (2, 4, 8, 16, 32) if k < n})
    hits = [(len(samples), sum(map(is_right, samples))) for samples in prompts]
    votes = [_vote(samples) for samples in prompts]
    return {
        "pass_at": {str(k): round(sum(pass_at_k(of, right, k) for of, right in hits) / len(hits), 4) for k in ks},
        "majority": {
            "k": n,
            "accuracy": _share(sum(right for _, right in votes), len(votes)),
            "interval": [round(bound, 4) for bound in wilson(sum(right for _, right in votes), len(votes))],
        },
        "calibration": _calibration(votes),
    }


def _vote(samples: Sequence[Judged]) -> tuple[float, bool]:
    """The share of samples that end on the most frequent answer, by value, and whether that is right (Wang et al.,
    arXiv 2203.11171). Of answers that are equally frequent the first counts."""
    said = [one for one in samples if one.verdict.answer and one.response.stop_reason == "stop"]
    groups = classes([one.verdict.answer or "" for one in said])
    if not groups:
        return 0.0, False
    largest = max(groups, key=len)
    return len(largest) / len(samples), is_right(said[largest[0]])


def _calibration(votes: Sequence[tuple[float, bool]]) -> dict[str, Any]:
    """Vote share against correctness: bins of equal width, and the expected calibration error (Guo et al. 2017)."""
    ordered = sorted(votes)
    bins = []
    for _, group in groupby(ordered, key=lambda vote: min(int(vote[0] * BINS), BINS - 1)):
        members = list(group)
        bins.append(
            {
                "n": len(members),
                "vote_share": round(sum(share for share, _ in members) / len(members), 4),
                "accuracy": _share(sum(right for _, right in members), len(members)),
            }
        )
    error = sum(one["n"] * abs(one["vote_share"] - one["accuracy"]) for one in bins) / len(ordered)
    return {"bins": bins, "error": round(error, 4)}


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4)


def in_words(student: str, baseline: str, found: Mapping[str, Any]) -> str:
    """ "student against base: +12 points; of 100 prompts, student alone is right on 15, base alone on 3; p = 0.008"."""
    chance = "" if found["p_value"] < 0.05 else ", which may be chance"
    return (
        f"{student} against {baseline}: {found['difference'] * 100:+.1f} points; of {found['n']} prompts, "
        f"{student} alone is right on {found['only_student']}, {baseline} alone on {found['only_baseline']}; "
        f"{p_in_words(found['p_value'])}{chance}"
    )


def p_in_words(p_value: float) -> str:
    """A p-value in words. Below 0.0001 only that is said: a test of a few hundred prompts cannot tell smaller values
    apart, and none of them is 0."""
    return f"p = {p_value:.2g}" if p_value >= 1e-4 else "p < 0.0001"
