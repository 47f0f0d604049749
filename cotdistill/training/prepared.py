"""Everything that is known of a training before its first step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from cotdistill.config import FinetuneConfig
from cotdistill.training import preference
from cotdistill.training.defaults import Choice, Way
from cotdistill.training.objective import Objective
from cotdistill.training.schedule import Schedule
from cotdistill.training.token_rows import TokenRows
from cotdistill.training.trainer import Trainer


class Lesson(Protocol):
    """Another way to come by the batches of a step than to read rows."""

    def trainer(self, **settings: Any) -> Trainer: ...

    def collate(self, examples: Sequence[Mapping[str, Any]]) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class Job:
    """A student, its rows in order, and a value for each option: `choices` are those that were made here. `stored` is
    the format in which the weights are saved; without an `objective` the loss is the cross-entropy."""

    config: FinetuneConfig
    tokenizer: PreTrainedTokenizerBase
    model: PreTrainedModel
    rows: TokenRows
    schedule: Schedule
    held_out: TokenRows = field(default_factory=TokenRows)
    objective: Objective | None = None
    lesson: Lesson | None = None
    stored: torch.dtype | None = None
    choices: Sequence[Choice] = ()
    packing: Way | None = None

    @property
    def pairs(self) -> int:
        """How many preference pairs the rows are; 0 where they are rows."""
        return len(self.rows) // 2 if isinstance(self.lesson, preference.Lesson) else 0

    @property
    def parameters(self) -> int:
        return int(self.model.num_parameters())
