"""How often a student's guess would stand, were it the draft in speculative decoding with its teacher.

With one distribution over the next token each, p of the teacher and q of the draft, a drafted token is accepted with
probability sum min(p, q) (Leviathan, Kalman and Matias 2023, https://arxiv.org/abs/2211.17192, theorem 3.5); decoded
greedily, where both have the same first choice.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch

from cotdistill.statistics import Clustered
from cotdistill.students.generator import Generator
from cotdistill.students.prompts import Prompt

AT_ONCE = 32
"""Prompts that the teacher answers at once."""


@dataclass
class Accepted:
    """Sums over the tokens of a teacher's answers, both models in sight of the same text. `least` and `most` bound the
    sum of min(p, q): they are one where the whole of p is known."""

    agreed: Clustered = field(default_factory=Clustered)
    least: float = 0.0
    most: float = 0.0

    def add(self, same: torch.Tensor, least: torch.Tensor, most: torch.Tensor) -> None:
        """Of one answer's tokens (N,): whether the first choices agree, and the bounds."""
        self.agreed.add(int(same.sum()), len(same))
        self.least += float(least.sum(dtype=torch.float64))
        self.most += float(most.sum(dtype=torch.float64))

    @property
    def tokens(self) -> int:
        return self.agreed.trials


@dataclass(frozen=True)
class Listed:
    """An answer as the student reads it: `places` of `input_ids` are tokens of the teacher, with its (N, K) likeliest
    ones there, -1 where one has no id, and their log-probabilities; -inf where there is no further one."""

    input_ids: Sequence[int]
    places: Sequence[int]
    top: Sequence[Sequence[int]]
    top_logprobs: Sequence[Sequence[float]]


def with_local(
    draft: Generator, teacher: Generator, prompts: Sequence[Prompt], max_tokens: int, done: Callable[[int], None]
) -> Accepted:
    """The teacher answers greedily, and both score its tokens, the end token among them. `prompts` are the teacher's
    own; `done` hears how many are done."""
    found = Accepted()
    for start in range(0, len(prompts), AT_ONCE):
        some = prompts[start : start + AT_ONCE]
        answers = teacher.answer(some, max_tokens=max_tokens, temperature=None, seeds=[0] * len(some))
        for prompt, answer in zip(some, answers, strict=True):
            ids = [*prompt.ids, *answer.ids]
            pairs = zip(_rows(draft, ids, len(prompt.ids)), _rows(teacher, ids, len(prompt.ids)), strict=True)
            same, shared = zip(*(_both(q, p) for q, p in pairs), strict=True)
            found.add(torch.cat(same), torch.cat(shared), torch.cat(shared))
        done(start + len(some))
    return found


def with_listed(draft: Generator, answers: Sequence[Listed], done: Callable[[int], None]) -> Accepted:
    """The teacher's likeliest tokens alone are known: what the draft shares of the rest is between nothing and the
    smaller of both rests."""
    found = Accepted()
    for number, one in enumerate(answers, 1):
        same, least, most = (torch.cat(parts) for parts in zip(*_of_answer(draft, one), strict=True))
        found.add(same, least, most)
        done(number)
    return found


def _of_answer(draft: Generator, one: Listed) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Block by block, as the memory takes them."""
    begin, top, top_logprobs = one.places[0], torch.tensor(one.top), torch.tensor(one.top_logprobs)
    places = torch.tensor(one.places)
    for rows in _rows(draft, one.input_ids[: one.places[-1] + 1], begin):
        here = ((places >= begin) & (places < begin + len(rows))).nonzero()[:, 0]
        if len(here):
            yield _of_listed(rows[places[here] - begin], top[here], top_logprobs[here])
        begin += len(rows)


def _rows(model: Generator, ids: Sequence[int], start: int) -> Iterator[torch.Tensor]:
    for block in model.distributions(ids, start):
        yield block.cpu()


def _both(q: torch.Tensor, p: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(N, vocabulary) log-probabilities of both -> (N,) whether the first choices agree, and the shared mass. A model
    may have more rows than its tokenizer tokens; those are no token's."""
    width = min(q.shape[1], p.shape[1])
    return q.argmax(dim=1) == p.argmax(dim=1), torch.minimum(q[:, :width], p[:, :width]).exp().sum(dim=1)


def _of_listed(
    q: torch.Tensor, top: torch.Tensor, top_logprobs: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(N, vocabulary) log-probabilities of the draft, (N, K) ids and log-probabilities of the teacher -> (N,) whether
    the first choices agree, and the bounds of the shared mass."""
    q, p = q.double().exp(), top_logprobs.double().exp()
    listed = torch.where(top >= 0, q.gather(1, top.clamp(min=0)), 0.0)
    least = torch.minimum(listed, p).sum(dim=1)
    p_rest, q_rest = (1 - p.sum(dim=1)).clamp(min=0), (1 - listed.sum(dim=1)).clamp(min=0)
    first = top.gather(1, top_logprobs.argmax(dim=1, keepdim=True))[:, 0]
    return q.argmax(dim=1) == first, least, (least + torch.minimum(p_rest, q_rest)).clamp(max=1)
