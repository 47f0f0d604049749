"""The trainer whose batches are made as it goes: answers that the student writes, with what a teacher says of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from cotdistill.errors import CotDistillError
from cotdistill.training import checkpoints
from cotdistill.training.collator import Batch, Collator
from cotdistill.training.entries import Entry
from cotdistill.training.loss import mean
from cotdistill.training.on_policy.rollout import Rollout, Written
from cotdistill.training.on_policy.teaching import LISTED, READ_BY_TEACHER, Local, Teaching, as_batch
from cotdistill.training.trainer import OF_THE_LOSS, Trainer

_NOT_READ = (*OF_THE_LOSS, *LISTED, READ_BY_TEACHER)


@dataclass(frozen=True)
class OwnAnswers:
    """Batches of the student's own answers, and the trainer that learns from them (see `prepared.BatchSource`)."""

    rollout: Rollout
    teaching: Teaching
    pad_token_id: int
    compact: bool
    """Whether the student can be asked for the scores of some positions alone."""

    def trainer(self, **settings: Any) -> "OnPolicyTrainer":
        return OnPolicyTrainer(source=self, **settings)

    def collator(self, of_rows: Collator) -> Callable[[Sequence[Mapping[str, Any]]], Batch]:
        """Numbers of prompts; the rest is made when their step comes."""
        return lambda examples: {"prompts": [number for example in examples for number in example["rows"]]}

    def readers(self, student: PreTrainedModel) -> Sequence[PreTrainedModel]:
        """The student writes too: prompts of several lengths, which it reads with a mask."""
        return [self.teaching.model] if isinstance(self.teaching, Local) else []


@dataclass
class _Since:
    """What was written since the last log entry."""

    answers: int = 0
    tokens: int = 0
    clipped: int = 0

    def add(self, written: Sequence[Written]) -> None:
        self.answers += len(written)
        self.tokens += sum(len(one.answer) for one in written)
        self.clipped += sum(not one.ended for one in written)

    def entry(self) -> Entry:
        return {
            "answer_tokens": round(self.tokens / self.answers, 2),
            "clipped_share": round(self.clipped / self.answers, 4),
        }


class OnPolicyTrainer(Trainer):
    def __init__(self, *, source: OwnAnswers, **settings: Any) -> None:
        super().__init__(**settings)
        self.source, self._since = source, _Since()

    def get_batch_samples(
        self, epoch_iterator: Iterator[Batch], num_batches: int, device: torch.device
    ) -> tuple[list[Batch], torch.Tensor | float | None]:
        """A step's answers, written and scored, and the number of their tokens."""
        parts = [batch["prompts"] for batch in islice(epoch_iterator, num_batches)]
        if not parts:
            return [], None
        numbers = [number for part in parts for number in part]
        step = self.state.global_step
        answers = iter(self.source.rollout.write(self.model, self.processing_class, numbers, step))
        written = [list(islice(answers, len(part))) for part in parts]
        batches = [
            as_batch(
                [(one.ids[: one.n_prompt], one.answer) for one in part],
                self.source.pad_token_id,
                compact=self.source.compact,
            )
            for part in written
        ]
        try:
            self.source.teaching.add(batches, written)
        except CotDistillError:
            self._keep()
            raise
        self._since.add([one for part in written for one in part])
        return batches, float(sum(batch["trained_tokens"] for batch in batches))

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | float | None = None,
    ) -> torch.Tensor:
        """In nats a token of the answers."""
        self.read_tokens += inputs["read_tokens"]
        self.trained_tokens += inputs["trained_tokens"]
        read = {name: value for name, value in inputs.items() if name not in _NOT_READ}
        logits = model(**read, use_cache=False).logits.flatten(0, 1)
        losses = self.source.teaching.losses(logits[inputs["kept"]] if "kept" in inputs else logits, inputs)
        return mean(losses, None, num_items_in_batch, self.accelerator.num_processes)

    def known_of_entry(self) -> Entry:
        known = self._since.entry()
        self._since = _Since()
        return known

    def in_words(self, logs: Mapping[str, float]) -> str:
        answers = f"{logs['answer_tokens']:.0f} tokens an answer, {logs['clipped_share']:.0%} cut"
        return f"KL {logs['loss']:.3f}  {answers}"

    def _keep(self) -> None:
        """A checkpoint of the last step: the scores of this one did not come."""
        last = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        if self.state.global_step and not (last / checkpoints.FINISHED).is_file():
            self.read_entry()
            self._save_checkpoint(self.model, None)
            self.callback_handler.on_save(self.args, self.state, self.control)
