"""Everything that is known of a training run before its first step."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from cotdistill.config import FinetuneConfig
from cotdistill.training import preference
from cotdistill.training.collator import Collator
from cotdistill.training.defaults import Choice, Way
from cotdistill.training.objective import Objective
from cotdistill.training.schedule import Schedule
from cotdistill.training.token_rows import TokenRows
from cotdistill.training.trainer import Trainer


class BatchSource(Protocol):
    """Makes the batches of a step where these are not the rows of a file: preference pairs, the student's own answers.
    It brings the trainer that knows how to learn from them."""

    def trainer(self, **settings: Any) -> Trainer: ...

    def collator(self, of_rows: Collator) -> Callable[[Sequence[Mapping[str, Any]]], Any]:
        """What makes a batch; `of_rows` is what would make one of rows."""

    def readers(self, student: PreTrainedModel) -> Sequence[PreTrainedModel]:
        """The models that only read, padded rows among them, and write nothing meanwhile."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A student, its rows in order, and a value for each option.

    `choices` are the values that the user left open and `training.defaults` chose. `stored` is the number format in
    which the weights are saved. Without an `objective` the loss is the cross-entropy, without a `batch_source` a batch
    is made of rows.
    """

    config: FinetuneConfig
    tokenizer: PreTrainedTokenizerBase
    model: PreTrainedModel
    rows: TokenRows
    schedule: Schedule
    held_out: TokenRows = field(default_factory=TokenRows)
    objective: Objective | None = None
    batch_source: BatchSource | None = None
    stored: torch.dtype | None = None
    choices: Sequence[Choice] = ()
    packing: Way | None = None

    @property
    def pairs(self) -> int:
        """The number of preference pairs, 0 in a run on rows."""
        return len(self.rows) // 2 if isinstance(self.batch_source, preference.PairBatches) else 0

    @property
    def parameters(self) -> int:
        return int(self.model.num_parameters())
