"""What is seen of a run while it trains: progress, live metrics, checkpoints that can be trusted, an early end."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from cotdistill.progress import Progress

FINISHED = "finished"
"""A mark in a checkpoint: a run killed while it wrote one leaves a directory without it."""

Entry = dict[str, float]


def entry(logged: Entry) -> Entry:
    """The part of a log entry that is the same in every run with these rows and options."""
    wanted = ("step", "loss", "eval_loss", "learning_rate", "tokens")
    return {name: logged[name] for name in wanted if name in logged}


def history_of(state: Any) -> list[Entry]:
    """step, loss, learning_rate, tokens, and eval_loss, in the order they were logged."""
    return [entry(logged) for logged in state.log_history if "loss" in logged or "eval_loss" in logged]


def is_stuck(eval_losses: Sequence[float], patience: int) -> bool:
    """Whether the best loss is `patience` or more measurements old."""
    if not eval_losses:
        return False
    best = eval_losses.index(min(eval_losses))
    return len(eval_losses) - 1 - best >= patience


class Watch:
    """A callback that tells the progress, keeps `metrics` up to date, marks finished checkpoints, and ends the run
    when told to or when the loss on held-out rows has not fallen `patience` times in a row."""

    def __init__(self, progress: Progress, metrics: Path, patience: int | None, trainer: Any) -> None:
        self._progress, self._metrics, self._patience, self._trainer = progress, metrics, patience, trainer
        self.stopped = self.patience_lost = False
        self._loss = self._eval_loss = ""
        self._begun = self._warm = 0.0
        self._warm_tokens = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._begun = time.monotonic()
        if state.is_world_process_zero:  # a resumed run's file may hold entries from after its checkpoint
            self._metrics.write_bytes(_lines(history_of(state)))

    def on_log(self, args: Any, state: Any, control: Any, logs: Entry, **_: Any) -> None:
        if "loss" in logs:
            self._loss = f"loss {logs['loss']:.3f}"
        if "eval_loss" in logs:
            self._eval_loss = f"  eval {logs['eval_loss']:.3f}"
        if state.is_world_process_zero and ("loss" in logs or "eval_loss" in logs):
            with self._metrics.open("ab") as file:
                file.write(_lines([entry(state.log_history[-1])]))

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        measured = [logged["eval_loss"] for logged in state.log_history if "eval_loss" in logged]
        if self._patience and is_stuck(measured, self._patience):
            self.patience_lost = control.should_training_stop = True

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        speed = f"{self.tokens_per_s():,.0f} tokens/s"
        self._progress.update(state.global_step, f"{self._loss}{self._eval_loss}  {speed}".strip())
        if not self._warm:
            self._warm, self._warm_tokens = time.monotonic(), self._trainer.read_tokens
        if self.stopped:
            control.should_log = control.should_save = control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / FINISHED).touch()

    def tokens_per_s(self) -> float:
        """Without the first step, which also sets things up; padding not counted."""
        read = self._trainer.read_tokens
        tokens, since = read - self._warm_tokens, self._warm or self._begun
        if not tokens:
            tokens, since = read, self._begun
        return float(tokens * self._trainer.args.world_size / max(time.monotonic() - since, 1e-3))


def watcher(progress: Progress, metrics: Path, patience: int | None, trainer: Any) -> Watch:
    """A Watch that transformers takes for one of its own callbacks."""
    from transformers import TrainerCallback

    class Callback(Watch, TrainerCallback):  # type: ignore[misc]
        """The events that Watch has no method for are TrainerCallback's, which do nothing."""

    return Callback(progress, metrics, patience, trainer)


def _lines(entries: Sequence[Entry]) -> bytes:
    return b"".join(msgspec.json.encode(one) + b"\n" for one in entries)
