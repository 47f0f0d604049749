"""What student and teacher make of one batch, at its trained tokens."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch


class Listed(NamedTuple):
    """The alternatives that a teacher over an API gave for each trained token. Where nothing is known of a token, or
    no more, the id is -1 and the log-probability -inf."""

    ids: torch.Tensor
    """(N, K)"""
    logprobs: torch.Tensor
    """(N, K), at temperature 1"""


class Span(NamedTuple):
    """Where one row stands in a batch: positions `start` to `end` of sequence `sequence`. Those from `first` to before
    the last one foretell its trained tokens."""

    sequence: int
    start: int
    first: int
    end: int


class Attended(NamedTuple):
    """What one layer's attention is computed from: (B, heads, L, width) queries, and keys and values of as many heads
    or of fewer, each for several queries."""

    queries: torch.Tensor
    keys: torch.Tensor
    values: torch.Tensor


@dataclass(frozen=True)
class View:
    """One model's outputs; `attended` by layer, from 0, where a loss needs it."""

    outputs: Any
    config: Any
    """Of the model's text part."""
    attended: Mapping[int, Attended] = field(default_factory=dict)


@dataclass(frozen=True)
class Scored:
    """N trained tokens of a batch of B rows (one, where rows are packed).

    The models' logits have the shape (B, P, vocabulary), where `places` (P,) are positions in the rows (None: all), and
    `kept` (N,) the trained ones among the B x P (None: all)."""

    student: View
    targets: torch.Tensor
    places: torch.Tensor | None = None
    kept: torch.Tensor | None = None
    spans: Sequence[Span] = ()
    teacher: View | None = None
    listed: Listed | None = None
    projections: Mapping[str, torch.nn.Module] = field(default_factory=dict)

    def pair(self) -> tuple[View, View]:
        """Student and local teacher."""
        assert self.teacher is not None, "a loss that needs a teacher has one"
        return self.student, self.teacher

    def scores(self, view: View) -> torch.Tensor:
        """(N, vocabulary)"""
        logits: torch.Tensor = view.outputs.logits
        if self.places is not None and logits.shape[1] != len(self.places):  # of a model that scores every position
            logits = logits[:, self.places]
        return self._trained(logits)

    def agrees(self) -> torch.Tensor:
        """(N,) whether the local teacher's first choice is the token of the row."""
        _, teacher = self.pair()
        return self.scores(teacher).argmax(dim=-1) == self.targets

    def hidden(self, view: View, layer: int) -> torch.Tensor:
        """(N, width) after one layer, from 1; 0 is the embedding. In the projections' number format, where there are
        any: under autocast a model's states have 16 bits, and what is learnt 32."""
        states: torch.Tensor = view.outputs.hidden_states[layer]
        trained = self._trained(states if self.places is None else states[:, self.places])
        learnt = (weight for module in self.projections.values() for weight in module.parameters())
        return trained.to(next((weight.dtype for weight in learnt), trained.dtype))

    def _trained(self, at_places: torch.Tensor) -> torch.Tensor:
        flat = at_places.flatten(0, 1)
        return flat if self.kept is None else flat[self.kept]


def layer_pairs(student: Any, teacher: Any, which: str) -> Iterator[tuple[int, int]]:
    """Layers, from 1, of two configurations that are compared: each of the student's with the teacher's at the same
    share of the depth (`uniform`: TinyBERT, Jiao et al. 2020, https://arxiv.org/abs/1909.10351, section 3), or the
    `last` of both (MiniLM, Wang et al. 2020, https://arxiv.org/abs/2002.10957)."""
    own, its = student.num_hidden_layers, teacher.num_hidden_layers
    for layer in range(1, own + 1) if which == "uniform" else (own,):
        yield layer, max(1, round(layer * its / own))
