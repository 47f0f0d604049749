"""What training adds to TRL's SFTTrainer: a cheaper loss, counted tokens, progress, checkpoints that can be trusted,
and a clean stop."""

import inspect
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from cotdistill.progress import Progress
from cotdistill.students.token_rows import IGNORED

FINISHED = "finished"
"""A mark in a checkpoint: a run killed while it wrote one leaves a directory without it."""


def trainer_class() -> Any:
    """SFTTrainer that counts tokens and, on a CPU, scores trained positions alone."""
    from torch.nn.functional import cross_entropy
    from trl import SFTTrainer

    class Trainer(SFTTrainer):  # type: ignore[misc]
        trained_tokens = 0
        read_tokens = 0

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            labels = inputs["labels"][:, 1:]
            taught = labels != IGNORED
            if self.model.training:
                self.trained_tokens += int(taught.sum())
                self.read_tokens += int(inputs["attention_mask"].sum())
            if not self._compact:
                return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            # TRL's fused head scores prompts and padding too where there is no Triton: half the work of a step.
            places = taught.any(dim=0).nonzero().squeeze(1)
            outputs = model(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                logits_to_keep=places,
                use_cache=False,
            )
            kept = taught[:, places]
            loss = cross_entropy(outputs.logits[kept].float(), labels[:, places][kept], reduction="sum")
            return loss / (kept.sum() if num_items_in_batch is None else num_items_in_batch)

        @property
        def _compact(self) -> bool:
            plain = getattr(self.model, "get_base_model", lambda: self.model)()
            return bool(
                self.args.device.type == "cpu"
                and not self.aux_loss_enabled
                and "logits_to_keep" in inspect.signature(type(plain).forward).parameters
            )

        def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
            if "loss" in logs:
                logs["tokens"] = self.trained_tokens
            super().log(logs, start_time)

        def _load_callback_state(self) -> None:
            super()._load_callback_state()
            logged = [entry["tokens"] for entry in self.state.log_history if "tokens" in entry]
            self.trained_tokens = int(logged[-1]) if logged else 0

    return Trainer


def watcher(progress: Progress) -> Any:
    """A callback that tells the progress, marks finished checkpoints, and ends the run when told to."""
    from transformers import TrainerCallback

    class Watch(TrainerCallback):  # type: ignore[misc]
        stopped = False
        detail = ""

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
            if "loss" in logs:
                self.detail = f"loss {logs['loss']:.3f}"

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            progress.update(state.global_step, self.detail)
            if self.stopped:
                control.should_log = control.should_save = control.should_training_stop = True

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / FINISHED).touch()

    return Watch()


@contextmanager
def stopping(watch: Any) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM ends the run after a checkpoint; the second one ends it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handled = (signal.SIGINT, signal.SIGTERM)

    def stop(number: int, frame: FrameType | None) -> None:
        watch.stopped = True
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    before = {number: signal.signal(number, stop) for number in handled}
    try:
        yield
    finally:
        restore()
