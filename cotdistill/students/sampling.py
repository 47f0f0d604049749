"""What looks at the scores before a token is chosen: the noise that draws it, and a note of how likely it was.

Tokens are drawn so that an answer depends on its own seed alone, whatever stands beside it in the batch.

The token with the largest sum of logit and Gumbel noise is a draw from the softmax (Gumbel 1954; Maddison et al. 2014,
https://arxiv.org/abs/1411.0030). The noise is a function of (seed, position, token), computed where the logits are, so
that nothing is sent between processor and GPU and no row waits for another.

Both are classes, for transformers looks up the signature of what it calls, at each token: of a function's own
`__call__`, which is not written in Python, that takes longer than the noise.
"""

from collections.abc import Sequence

import torch
from transformers import LogitsProcessor

_WORD = 0xFFFFFFFF
_GOLDEN = 0x9E3779B9


def mix(word: int) -> int:
    """A bijection of 32 bits in which each input bit moves half of the output's (lowbias32, Wellons 2018)."""
    word = ((word ^ (word >> 16)) * 0x7FEB352D) & _WORD
    word = ((word ^ (word >> 15)) * 0x846CA68B) & _WORD
    return word ^ (word >> 16)


def mix_all(words: torch.Tensor) -> torch.Tensor:
    """`mix` of each of some 32-bit words, kept in 64 bits: shifts of signed words would drag the sign along."""
    mixed = words ^ (words >> 16)
    mixed.mul_(0x7FEB352D).bitwise_and_(_WORD)
    mixed.bitwise_xor_(mixed >> 15).mul_(0x846CA68B).bitwise_and_(_WORD)
    return mixed.bitwise_xor_(mixed >> 16)


def gumbel(words: torch.Tensor) -> torch.Tensor:
    """Standard Gumbel noise, a function of 32-bit words."""
    # Of the two ends of (0, 1), the one where 32 bits of a float would round to a number without a logarithm is the
    # one that makes the noise very low, which never wins.
    exponential = mix_all(words).to(torch.float32).add_(0.5).mul_(-(2.0**-32)).log1p_().neg_()
    return exponential.log_().neg_()


class Sampler:
    """A logits processor for each batch of rows. `start` is the length of the padded prompts, so that the first token
    written is at position 0 in every batch."""

    def __init__(self, temperature: float, seeds: Sequence[int], start: int) -> None:
        self._temperature, self._start = temperature, start
        self._keys = [mix(mix(seed & _WORD) ^ (seed >> 32 & _WORD)) for seed in seeds]

    def processor(self, rows: Sequence[int]) -> "Noise":
        """For the rows with these numbers among the seeds, in this order."""
        keys = torch.tensor([self._keys[row] for row in rows], dtype=torch.int64)
        return Noise(self._temperature, keys, self._start)


class Noise(LogitsProcessor):
    """`keys` (rows,) of the noise."""

    def __init__(self, temperature: float, keys: torch.Tensor, start: int) -> None:
        self._temperature, self._keys, self._start = temperature, keys, start
        self._tokens: torch.Tensor | None = None

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """(rows, length) ids, (rows, vocabulary) logits -> logits whose largest is the token that is drawn."""
        if self._tokens is None:
            self._keys = self._keys.to(scores.device)
            self._tokens = torch.arange(scores.shape[1], device=scores.device) * _GOLDEN & _WORD
        position = input_ids.shape[1] - self._start
        here = mix_all(self._keys ^ mix(position * _GOLDEN & _WORD))
        return gumbel(self._tokens ^ here[:, None]).add_(scores.float() / self._temperature)


class Note(LogitsProcessor):
    """Keeps the likeliest token's log-probability, (rows,) a step."""

    def __init__(self) -> None:
        self.logprobs: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        exact = scores.float()
        self.logprobs.append(exact.amax(dim=1) - exact.logsumexp(dim=1))
        return scores
