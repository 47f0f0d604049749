"""Watches a run while it trains: progress, live metrics, checkpoints that can be trusted, an early end."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from cotdistill.progress import Progress
from cotdistill.training import checkpoints, earlier
from cotdistill.training.entries import Entry

if TYPE_CHECKING:
    from cotdistill.training.trainer import Trainer

WARM_UP_STEPS = 3
"""In the first steps kernels are compiled and memory is first allocated; the speed is that of the steps after them."""

ASK_S = 2.0
"""After so long, by the first one's clock, several processes ask each other again whether to save or to stop."""

ASK_STEPS = 10
"""The most steps until then."""


def entry(logged: Entry) -> Entry:
    """The part of a log entry that is the same in every run with these rows and options."""
    wanted = ("step", "loss", "eval_loss", "learning_rate", "tokens", "answer_tokens", "clipped_share")
    return {name: logged[name] for name in wanted if name in logged}


def history_of(state: TrainerState) -> list[Entry]:
    """step, loss, learning_rate, tokens and eval_loss, in the order they were logged."""
    return [entry(logged) for logged in state.log_history if "loss" in logged or "eval_loss" in logged]


def is_stuck(eval_losses: Sequence[float], patience: int) -> bool:
    """Whether the best loss is `patience` or more measurements old."""
    if not eval_losses:
        return False
    best = eval_losses.index(min(eval_losses))
    return len(eval_losses) - 1 - best >= patience


class Watch(TrainerCallback):
    """Reports progress, keeps `metrics` up to date, saves a checkpoint every `checkpoint_s` seconds and at the end, and
    ends the run on `stopped`, or when the loss on held-out rows has not fallen `patience` times in a row.

    With `checkpoint_s` None it saves none: in a trial, and where transformers saves the best of several checkpoints by
    their loss.
    """

    def __init__(
        self,
        progress: Progress,
        metrics: Path,
        trainer: "Trainer",
        *,
        patience: int | None = None,
        checkpoint_s: float | None = None,
    ) -> None:
        self._progress, self._metrics, self._trainer = progress, metrics, trainer
        self._patience, self._checkpoint_s = patience, checkpoint_s
        self.stopped = self.patience_lost = False
        self.warm_up_s = 0.0
        """Seconds that the first steps took beyond the time they would take at the speed of the others."""
        self._loss = self._eval_loss = ""
        self._begun = self._warm = self._saved = self._stepped = 0.0
        self._away_s = self._away_warm_s = 0.0
        """Seconds that checkpoints and held-out rows took: in all, and before the first steps were done."""
        self._first_step = self._warm_tokens = 0
        self._learning_rate = 0.0
        self._ask_at = 0
        """The step after which several processes ask each other."""
        self._due = False
        """Whether they have agreed on a checkpoint."""

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._begun = self._saved = time.monotonic()
        self._first_step = state.global_step
        self._trainer.count_on_from(state)
        if state.is_world_process_zero:  # a resumed run's file may hold entries from after its checkpoint
            self._metrics.write_bytes(_lines(history_of(state)))

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Entry, **_: Any
    ) -> None:
        if "eval_loss" in logs:
            self._eval_loss = f"  eval {logs['eval_loss']:.3f}"
            self._write(state)

    def _write(self, state: TrainerState) -> None:
        """The newest entry."""
        if state.is_world_process_zero:
            with self._metrics.open("ab") as file:
                file.write(_lines([entry(state.log_history[-1])]))

    def on_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        self._learning_rate = float(given["optimizer"].param_groups[0]["lr"])  # of this step: the next one has another

    def _log(self, state: TrainerState, *, due: bool, now: bool) -> None:
        """Close an entry where one is `due`, after reading the one before it, which has arrived by then; `now`: read it
        too, before something that waits for the GPU anyway and is to find it in the trainer's state."""
        if due:
            self._read(state)
            self._trainer.close_entry(self._learning_rate)
        if now:
            self._read(state)

    def _read(self, state: TrainerState) -> None:
        if (found := self._trainer.read_entry()) is not None:
            self._loss = self._trainer.in_words(found)
            self._write(state)

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._come_back()
        measured = [logged["eval_loss"] for logged in state.log_history if "eval_loss" in logged]
        if self._patience and is_stuck(measured, self._patience):
            self.patience_lost = control.should_training_stop = True

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        step, self._stepped = state.global_step, time.monotonic()
        if not self._warm and step - self._first_step >= min(WARM_UP_STEPS, max(1, state.max_steps // 2)):
            self._warm, self._warm_tokens = self._stepped, self._trainer.read_tokens
            self._away_warm_s = self._away_s
        speed = f"{self.tokens_per_s():,.0f} tokens/s"
        self._progress.update(step, f"{self._loss}{self._eval_loss}  {speed}".strip())
        stopped, late = self._agreed(step, state)
        if stopped:
            self.stopped = True  # the signal may have reached another process alone
            control.should_save = control.should_training_stop = True
        elif self._checkpoint_s is not None and (late or step >= state.max_steps):
            # Between two log entries only at a stop: the mean that a resumed run logs would begin in the middle.
            control.should_save = step >= state.max_steps or step % state.logging_steps == 0
        now = control.should_save or control.should_evaluate or control.should_training_stop
        self._log(state, due=stopped or step % state.logging_steps == 0, now=now)

    def _agreed(self, step: int, state: TrainerState) -> tuple[bool, bool]:
        """Whether to stop and whether a checkpoint is due. Several processes must do so after the same step, though a
        signal reaches one before the other, or one alone, and clocks differ: they ask each other, which makes them
        wait, so only every few steps, as many as the first one says."""
        late = self._checkpoint_s is not None and time.monotonic() - self._saved >= self._checkpoint_s
        if self._trainer.accelerator.num_processes == 1:
            return self.stopped, late
        if step < self._ask_at or step >= state.max_steps:
            return False, self._due
        first = state.is_world_process_zero
        step_s = (self._stepped - self._begun - self._away_s) / max(1, step - self._first_step)
        apart = min(ASK_STEPS, max(1, round(ASK_S / max(step_s, 1e-6))))
        stopped, due, apart = self._trainer.over_all(int(self.stopped), int(late and first), apart if first else 0)
        self._ask_at, self._due = step + apart, due > 0
        return stopped > 0, self._due

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self._trainer.accelerator.num_processes > 1:  # each writes a part
            self._trainer.accelerator.wait_for_everyone()
        if state.is_world_process_zero:
            checkpoints.finish(Path(args.output_dir) / f"checkpoint-{state.global_step}")
            if not self.stopped:
                earlier.drop(Path(args.output_dir).parent)
        self._come_back()
        self._saved, self._due = self._stepped, False

    def _come_back(self) -> None:
        """Count the time of something that was done after a step and is no training."""
        now = time.monotonic()
        self._away_s, self._stepped = self._away_s + now - self._stepped, now

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._read(state)
        if self._warm and (speed := self.tokens_per_s()):
            usual = self._warm_tokens * args.world_size / speed
            self.warm_up_s = max(0.0, self._warm - self._begun - self._away_warm_s - usual)

    def tokens_per_s(self) -> float:
        """Tokens a second without padding, without the first steps, which also set things up, and without the time of
        checkpoints and held-out rows."""
        read = self._trainer.read_tokens
        tokens, since, away_s = read - self._warm_tokens, self._warm or self._begun, self._away_s - self._away_warm_s
        if not tokens:
            tokens, since, away_s = read, self._begun, self._away_s
        seconds = time.monotonic() - since - away_s
        return float(tokens * self._trainer.args.world_size / max(seconds, 1e-3))


def _lines(entries: Sequence[Entry]) -> bytes:
    return b"".join(msgspec.json.encode(one) + b"\n" for one in entries)
