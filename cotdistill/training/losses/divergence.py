"""How far a student's distribution over the next token is from its teacher's: forward, reverse and skewed KL.

Forward is KL(teacher ‖ student) (Hinton, Vinyals and Dean 2015, https://arxiv.org/abs/1503.02531), reverse is
KL(student ‖ teacher) (MiniLLM, Gu et al. 2024, https://arxiv.org/abs/2306.08543), and skew is
KL(teacher ‖ skew · teacher + (1 - skew) · student) (DistiLLM, Ko et al. 2024, https://arxiv.org/abs/2402.03898).
"""

import math
from typing import Literal, TypeAlias

import torch

Kind: TypeAlias = Literal["forward", "reverse", "skew"]

_NEVER = -1e4
"""The logarithm of a probability that is 0 in 32 bits, and yet a number: 0 times it is 0, where 0 times -inf is not."""

_LEAST_TAIL = 2.0**-23
"""The least mass that a teacher's tail is taken to have, since 32 bits know no less of 1 minus a sum: without it a
reverse KL would be infinite wherever the listed probabilities add up to 1."""


def divergence(
    student: torch.Tensor, teacher: torch.Tensor, kind: Kind = "forward", *, temperature: float = 1.0, skew: float = 0.1
) -> torch.Tensor:
    """(N, vocabulary) scores of both -> (N,) divergences in nats, times the square of the temperature.

    Both distributions are softened by the temperature; the square keeps the gradients as large as those of the
    cross-entropy they are mixed with (section 2 of Hinton et al.). Computed in 32 bits, or in 64 where the scores have
    them. No gradient flows into the teacher. `skew`: from 0, which is the forward KL, to below 1."""
    log_q = torch.log_softmax(_exact(student) / temperature, dim=-1)
    log_p = torch.log_softmax(_exact(teacher.detach()) / temperature, dim=-1)
    return _between(log_p, log_q, kind, skew) * temperature**2


def divergence_top_k(
    student: torch.Tensor, ids: torch.Tensor, logprobs: torch.Tensor, kind: Kind = "forward", *, skew: float = 0.1
) -> torch.Tensor:
    """(N, vocabulary) scores, and the teacher's (N, K) token ids with their log-probabilities -> (N,) divergences in
    nats over K + 1 categories: the listed tokens, and a tail that holds all others.

    Where a teacher listed fewer than K tokens, the places left over have the id -1. The temperature is 1: what the
    tail holds at another one cannot be computed from K probabilities."""
    scores = _exact(student)
    listed = ids >= 0
    # A place left over repeats the first token, whose score is taken out of the tail once or twice, which is the same.
    ids = torch.where(listed, ids, ids[..., :1].clamp(min=0))
    total = scores.logsumexp(dim=-1, keepdim=True)
    log_q = torch.where(listed, scores.gather(-1, ids) - total, _NEVER)
    log_p = torch.where(listed, _exact(logprobs.detach()).to(scores.dtype), _NEVER).clamp(min=_NEVER)
    others = scores.scatter(-1, ids, torch.finfo(scores.dtype).min)  # not -inf, whose gradient is no number
    tail_q = (others.logsumexp(dim=-1, keepdim=True) - total).clamp(min=_NEVER)
    tail_p = torch.log((1 - log_p.exp().sum(dim=-1, keepdim=True)).clamp(min=_LEAST_TAIL))
    return _between(torch.cat([log_p, tail_p], dim=-1), torch.cat([log_q, tail_q], dim=-1), kind, skew)


def _between(log_p: torch.Tensor, log_q: torch.Tensor, kind: Kind, skew: float) -> torch.Tensor:
    """(N, categories) log-probabilities of teacher and student -> (N,)."""
    log_p, log_q = log_p.clamp(min=_NEVER), log_q.clamp(min=_NEVER)
    if kind == "reverse":
        return _kl(log_q, log_p)
    if kind == "forward" or skew == 0:
        return _kl(log_p, log_q)
    return _kl(log_p, torch.logaddexp(log_p + math.log(skew), log_q + math.log1p(-skew)))


def _kl(log_p: torch.Tensor, log_q: torch.Tensor) -> torch.Tensor:
    return (log_p.exp() * (log_p - log_q)).sum(dim=-1)


def _exact(scores: torch.Tensor) -> torch.Tensor:
    return scores if scores.dtype == torch.float64 else scores.float()
