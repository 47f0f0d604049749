"""What training adds to TRL's SFTTrainer: a loss that knows weights and scores trained positions alone, counted
tokens, and a clean stop."""

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import torch
from transformers import TrainerState
from trl import SFTTrainer

from cotdistill.training.collator import Batch
from cotdistill.training.entries import Entries
from cotdistill.training.loss import LITTLE, mean, of_rows, token_losses
from cotdistill.training.objective import Objective
from cotdistill.training.quant_aware import Grid

OF_THE_LOSS = ("targets", "kept", "weights", "row_of", "spans", "listed", "read_tokens", "trained_tokens")
"""The entries of a batch that the model does not read."""


class Counting:
    """Counts tokens for `callbacks.Watch`. It must come before TRL's class among the bases."""

    trained_tokens = 0
    """Counted by this process."""
    read_tokens = 0
    """Counted by this process: prompts included, without padding."""
    all_trained_tokens = 0
    """Counted by all processes up to the last log entry that was read, those of the resumed run included."""
    _counted = _closed_at = 0
    accelerator: Any
    state: TrainerState

    @cached_property
    def entries(self) -> Entries:
        return Entries(self.accelerator)

    def training_step(self, *given: Any, **more: Any) -> torch.Tensor:
        loss: torch.Tensor = super().training_step(*given, **more)  # type: ignore[misc]
        self.entries.add("loss", loss)
        return loss

    def close_entry(self, learning_rate: float) -> None:
        """Of the steps since the last one. transformers' own logging is off: it reads the loss at once."""
        step, tokens = self.state.global_step, self.trained_tokens - self._counted
        known = {"step": step, "learning_rate": learning_rate, **self.known_of_entry()}
        self.entries.close(known, step - self._closed_at, tokens)
        self._closed_at, self._counted = step, self.trained_tokens

    def known_of_entry(self) -> dict[str, float]:
        """What an entry says besides, and no GPU has to be asked for."""
        return {}

    def read_entry(self) -> dict[str, float] | None:
        """The entry that was closed, if any; put into the trainer's state, and so into its checkpoints."""
        if (found := self.entries.read()) is None:
            return None
        self.all_trained_tokens += int(found["tokens"])
        found["tokens"] = self.all_trained_tokens
        self.state.log_history.append(found)
        return found

    def floating_point_ops(self, inputs: Mapping[str, Any]) -> int:
        """0: nothing reads them, and transformers would count the weights anew for each batch."""
        return 0

    def in_words(self, logs: Mapping[str, float]) -> str:
        """A log entry for the progress line."""
        return f"loss {logs['loss']:.3f}"

    def over_all(self, *numbers: int) -> list[int]:
        """The sum of each over all processes, which wait for one another here."""
        if self.accelerator.num_processes == 1:
            return list(numbers)
        found: list[int] = self.accelerator.reduce(torch.tensor(numbers, device=self.accelerator.device)).tolist()
        return found

    def count_on_from(self, state: TrainerState) -> None:
        """Continue the count from the last log entry of the run that is resumed."""
        logged = [entry["tokens"] for entry in state.log_history if "tokens" in entry]
        self.all_trained_tokens = int(logged[-1]) if logged else 0
        self._closed_at = state.global_step


class Trainer(Counting, SFTTrainer):
    grid: Grid | None = None
    """The rounded weights that the last steps use; None without --quant-aware."""
    objective: Objective | None = None
    """None for the cross-entropy of the rows' tokens."""

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | float | None = None,
    ) -> torch.Tensor:
        """The loss in nats a trained token. Nothing here waits for the GPU: the collator has counted everything."""
        self.read_tokens += inputs["read_tokens"]
        self.trained_tokens += inputs["trained_tokens"]
        read = {name: value for name, value in inputs.items() if name not in OF_THE_LOSS}
        own = {**read, "output_router_logits": True} if self.aux_loss_enabled else read
        if self.objective is None:
            outputs = model(**own, use_cache=False)
            losses = token_losses(outputs.logits, inputs.get("kept"), inputs["targets"])
        else:
            student = self.objective.outputs(model, own)
            outputs = student.outputs
            losses = self.objective.token_losses(student, inputs, read)
        loss = mean(losses, inputs.get("weights"), num_items_in_batch, self.accelerator.num_processes)
        if self.aux_loss_enabled:  # a mixture of experts: keep the load even
            parts = self.current_gradient_accumulation_steps if num_items_in_batch is not None else 1
            loss = loss + self.router_aux_loss_coef * outputs.aux_loss / parts
        return loss

    def prediction_step(
        self, model: torch.nn.Module, inputs: Batch, prediction_loss_only: bool, ignore_keys: list[str] | None = None
    ) -> tuple[torch.Tensor, None, None]:
        """The cross-entropy of held-out rows, whatever the loss of the training; kept for `evaluation_loop`."""
        inputs = self._prepare_inputs(inputs)
        read = {name: value for name, value in inputs.items() if name not in OF_THE_LOSS}
        with torch.no_grad(), self.compute_loss_context_manager():
            scores = model(**read, use_cache=False).logits
            losses = token_losses(scores, inputs.get("kept"), inputs["targets"])
        sums = of_rows(losses, inputs.get("weights"), inputs["row_of"], len(inputs["spans"]))
        self._held_out.append(self.accelerator.gather_for_metrics(sums))
        return losses.mean(), None, None

    def evaluation_loop(self, *given: Any, **more: Any) -> Any:
        """`eval_loss` is the weighted mean over all trained tokens. transformers' own is a mean of the batches' means:
        another one for the same weights when rows stand in other batches."""
        self._held_out: list[torch.Tensor] = []
        found = super().evaluation_loop(*given, **more)
        loss, share = torch.cat(self._held_out).sum(dim=0).tolist()
        found.metrics["eval_loss"] = loss / max(share, LITTLE)
        return found

    def training_step(self, *given: Any, **more: Any) -> torch.Tensor:
        with self.on_grid():
            loss: torch.Tensor = super().training_step(*given, **more)
        return loss

    def evaluate(self, *given: Any, **more: Any) -> dict[str, float]:
        with self.on_grid():
            measured: dict[str, float] = super().evaluate(*given, **more)
        return measured

    def on_grid(self) -> AbstractContextManager[None]:
        return nullcontext() if self.grid is None else self.grid.applied(self.state.global_step)

    def get_batch_samples(
        self, epoch_iterator: Iterator[Batch], num_batches: int, device: torch.device
    ) -> tuple[list[Batch], torch.Tensor | float | None]:
        """The batches of one step, and the sum of the weights of their trained tokens over all processes."""
        batches = list(islice(epoch_iterator, num_batches))
        if not batches:
            return batches, None
        if any("weights" in batch for batch in batches):
            share = sum((batch["weights"].sum().to(device) for batch in batches), torch.zeros((), device=device))
        elif self.accelerator.num_processes == 1:
            return batches, float(sum(batch["trained_tokens"] for batch in batches))
        else:
            share = torch.tensor(float(sum(batch["trained_tokens"] for batch in batches)), device=device)
        return batches, self.accelerator.gather(share).sum()

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        super()._save(output_dir, state_dict=state_dict)
        if self.objective is not None and self.is_world_process_zero():
            self.objective.save(Path(output_dir or self.args.output_dir))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: torch.nn.Module | None = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        if self.objective is not None:
            self.objective.load(Path(resume_from_checkpoint))


class Stoppable(Protocol):
    stopped: bool


@contextmanager
def stopping(watch: Stoppable) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM ends the run after a checkpoint; the second one ends it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        watch.stopped = True
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    before: Mapping[signal.Signals, Any] = {one: signal.signal(one, stop) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        restore()
