"""Drawing tokens so that an answer depends on its own seed alone, whatever stands beside it in the batch.

The token with the largest sum of logit and Gumbel noise is a draw from the softmax (Gumbel 1954; Maddison et al. 2014,
https://arxiv.org/abs/1411.0030). The noise is a function of (seed, position, token), computed where the logits are, so
that nothing is sent between processor and GPU and no row waits for another.
"""

from collections.abc import Callable, Sequence

import torch

_WORD = 0xFFFFFFFF
_GOLDEN = 0x9E3779B9


def mix(word: int) -> int:
    """A bijection of 32 bits in which each input bit moves half of the output's (lowbias32, Wellons 2018)."""
    word = ((word ^ (word >> 16)) * 0x7FEB352D) & _WORD
    word = ((word ^ (word >> 15)) * 0x846CA68B) & _WORD
    return word ^ (word >> 16)


def mix_all(words: torch.Tensor) -> torch.Tensor:
    """`mix` of each of some 32-bit words, kept in 64 bits: shifts of signed words would drag the sign along."""
    words = ((words ^ (words >> 16)) * 0x7FEB352D) & _WORD
    words = ((words ^ (words >> 15)) * 0x846CA68B) & _WORD
    return words ^ (words >> 16)


MOST_NOISE = 23.0
"""No noise of 32 bits is above -log(2^-33)."""


def gumbel(keys: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Standard Gumbel noise, a function of key (32 bits) and token: of the common shape of both."""
    words = mix_all(tokens * _GOLDEN & _WORD ^ keys)
    # Of the two ends of (0, 1), the one where 32 bits of a float would round to a number without a logarithm is the
    # one that makes the noise very low, which never wins.
    exponential = -torch.log1p(-(words.to(torch.float32) + 0.5) * 2.0**-32)
    return -exponential.log()


class Sampler:
    """A logits processor for each batch of rows. `start` is the length of the padded prompts, so that the first token
    written is at position 0 in every batch."""

    def __init__(self, temperature: float, seeds: Sequence[int], start: int) -> None:
        self._temperature, self._start = temperature, start
        self._keys = [mix(mix(seed & _WORD) ^ (seed >> 32 & _WORD)) for seed in seeds]

    def processor(self, rows: Sequence[int]) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
        """For the rows with these numbers among the seeds, in this order."""
        keys: torch.Tensor | None = None

        def draw(ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            """(rows, length) ids, (rows, vocabulary) logits -> logits whose largest is the token that is drawn."""
            nonlocal keys
            if keys is None:
                keys = torch.tensor([self._keys[row] for row in rows], dtype=torch.int64, device=scores.device)
            position = ids.shape[1] - self._start
            here = mix_all(keys ^ mix(position * _GOLDEN & _WORD))
            return _noisy(scores.float() / self._temperature, here[:, None])

        return draw


def _noisy(logits: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """(rows, vocabulary) logits, (rows, 1) keys -> logits plus noise. A processor draws noise for the tokens alone that
    can still be the largest, and leaves out the others; the largest is the same."""
    if logits.is_cuda:
        return logits + gumbel(keys, torch.arange(logits.shape[1], device=logits.device))
    best = logits.argmax(dim=1, keepdim=True)
    to_beat = logits.gather(1, best) + gumbel(keys, best)
    rows, tokens = (logits + MOST_NOISE >= to_beat).nonzero(as_tuple=True)
    noisy = torch.full_like(logits, -torch.inf)
    noisy[rows, tokens] = logits[rows, tokens] + gumbel(keys[rows, 0], tokens)
    return noisy
