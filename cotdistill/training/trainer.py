"""What training adds to TRL's SFTTrainer: a cheaper loss that knows weights, counted tokens, and a clean stop."""

import inspect
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from cotdistill.training.token_rows import IGNORED

_LITTLE = 1e-9
"""Under a sum of weights, so that a batch of rows that count nothing has a loss of 0, not 0 / 0."""


def trainer_class() -> Any:
    """SFTTrainer that weighs rows, counts tokens and, on a CPU, scores trained positions alone."""
    from trl import SFTTrainer

    class Trainer(SFTTrainer):  # type: ignore[misc]
        trained_tokens = 0
        """Of this process."""
        read_tokens = 0
        """Of this process, prompts included, padding not."""
        all_trained_tokens = 0
        """Of all processes, up to the last log entry, also of the run that this one resumed."""
        _counted = 0

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            weights = inputs.pop("weights", None)
            taught = inputs["labels"][:, 1:] != IGNORED
            if self.model.training:
                self.trained_tokens += int(taught.sum())
                read = inputs["attention_mask"].sum() if "attention_mask" in inputs else inputs["input_ids"].numel()
                self.read_tokens += int(read)
            compact = _is_compact(self)
            if weights is None and not compact:
                return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            losses = _compact_losses(model, inputs, taught) if compact else _fused_losses(model, inputs)
            return _mean(losses, taught, weights, num_items_in_batch, self.accelerator.num_processes)

        def _get_num_items_in_batch(self, batch_samples: list[Any], device: Any) -> Any:
            """The weighted count of trained tokens in a step, over all its parts and processes."""
            if not batch_samples or "weights" not in batch_samples[0]:
                return super()._get_num_items_in_batch(batch_samples, device)
            share = sum(batch["weights"][:, 1:].sum() for batch in batch_samples).to(device)
            return self.accelerator.gather(share).sum()

        def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
            if "loss" in logs:
                new = self.trained_tokens - self._counted
                self._counted = self.trained_tokens
                self.all_trained_tokens += _over_all(self.accelerator, new)
                logs["tokens"] = self.all_trained_tokens
            super().log(logs, start_time)

        def _load_callback_state(self) -> None:
            super()._load_callback_state()
            logged = [entry["tokens"] for entry in self.state.log_history if "tokens" in entry]
            self.all_trained_tokens = int(logged[-1]) if logged else 0

    return Trainer


def _is_compact(trainer: Any) -> bool:
    """TRL's fused head scores prompts and padding too where there is no Triton: half the work of a step."""
    plain = getattr(trainer.model, "get_base_model", lambda: trainer.model)()
    return bool(
        trainer.args.device.type == "cpu"
        and not trainer.aux_loss_enabled
        and "logits_to_keep" in inspect.signature(type(plain).forward).parameters
    )


def _compact_losses(model: Any, inputs: Any, taught: Any) -> Any:
    """The loss of each trained token, in the order of `taught`."""
    from torch.nn.functional import cross_entropy

    places = taught.any(dim=0).nonzero().squeeze(1)
    read = {name: value for name, value in inputs.items() if name != "labels"}
    outputs = model(**read, logits_to_keep=places, use_cache=False)
    kept = taught[:, places]
    return cross_entropy(outputs.logits[kept].float(), inputs["labels"][:, 1:][:, places][kept], reduction="none")


def _fused_losses(model: Any, inputs: Any) -> Any:
    outputs = model(**inputs, use_cache=False, fused_lm_head=True)
    return -outputs.log_probs[outputs.label_mask]


def _mean(losses: Any, taught: Any, weights: Any, items: Any, processes: int) -> Any:
    """The weighted mean; `items`, where it is known, is the sum of the weights over all parts of a step."""
    import torch

    if weights is not None:
        losses = losses * weights[:, 1:][taught]
    if items is None:
        share = taught.sum() if weights is None else weights[:, 1:].sum()
        return losses.sum() / share.clamp(min=_LITTLE)
    # The items are those of all processes, over which the gradients are then averaged.
    return losses.sum() / torch.as_tensor(items).clamp(min=_LITTLE) * processes


def _over_all(accelerator: Any, number: int) -> int:
    import torch

    return int(accelerator.reduce(torch.tensor(number, device=accelerator.device)))


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
