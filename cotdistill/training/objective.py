"""The loss of a run and what it needs besides the student: a teacher, recorded probabilities, projections."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from cotdistill import plugins
from cotdistill.config import FinetuneConfig
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.training import losses
from cotdistill.training.attention_record import make_recordable, recording
from cotdistill.training.local_teacher import load_teacher
from cotdistill.training.loss import is_compact
from cotdistill.training.losses import Loss
from cotdistill.training.precision import is_half
from cotdistill.training.recorded import Recorded
from cotdistill.training.scored import Listed, Scored, Span, View

PLAIN = "nll"

_PROJECTIONS = "distillation_projections"
"""The attribute under which projections hang on the model while it trains, so that optimizer and processes share
them."""

_FILE = "projections.safetensors"


@dataclass
class Objective:
    """A loss and its teacher. `spec` is the loss as the option names it; `teacher` is frozen and reads what the student
    reads."""

    loss: Loss
    spec: str
    teacher: PreTrainedModel | None = None
    recorded: Recorded | None = None
    projections: Mapping[str, torch.nn.Module] = field(default_factory=dict)

    @property
    def needs(self) -> losses.Needs:
        return losses.needs(self.loss)

    @classmethod
    def of(
        cls, config: FinetuneConfig, tokenizer: PreTrainedTokenizerBase, longest: int, recorded: Recorded | None = None
    ) -> Self:
        """Raises UsageError where the teacher's tokens are not the student's, or where the loss needs a teacher and
        none is given."""
        loss: Loss = plugins.build("losses", config.loss)
        teacher = load_teacher(config.teacher, tokenizer, longest) if config.teacher else None
        if teacher is None and losses.needs(loss) in ("hidden states", "attention"):
            raise UsageError(f"--loss {config.loss}: needs the teacher itself; give --teacher local:DIR")
        return cls(loss, config.loss, teacher, recorded)

    def is_plain(self) -> bool:
        """Whether the loss is the cross-entropy of the rows' tokens and nothing else."""
        return self.spec == PLAIN

    def asks(self) -> bool:
        """Whether the loss learns from a teacher, loaded or recorded."""
        return self.teacher is not None or self.recorded is not None

    def needed_bytes(self, tokens: int) -> int:
        """Bytes beyond the student's own, with `tokens` in memory at once: the teacher's scores and their softmax, or
        its hidden states. The teacher itself is loaded already."""
        if self.teacher is None:
            return 0
        config = self.teacher.config.get_text_config()
        states = config.num_hidden_layers * config.hidden_size * 2 if self.needs == "hidden states" else 0
        return int(tokens * (2 * 4 * config.vocab_size + states))

    def readers(self, student: PreTrainedModel) -> Mapping[str, PreTrainedModel]:
        """The models that read the rows, by their names in messages."""
        return {"the student": student, **({"the teacher": self.teacher} if self.teacher is not None else {})}

    def prepare(self, student: PreTrainedModel, *, packed: bool) -> None:
        """Prepare the attention of both models for a loss that compares it."""
        if self.needs == "attention":
            for name, model in self.readers(student).items():
                make_recordable(model, name, packed)

    def attach(self, student: torch.nn.Module, config: FinetuneConfig) -> None:
        """Hang the projections on the model that is trained, with weights drawn by the run's seed."""
        if self.teacher is None:
            return
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            made = losses.projections(self.loss, _text_config(student), _text_config(self.teacher))
        if made:
            device = next(student.parameters()).device
            modules = torch.nn.ModuleDict(dict(made)).to(device, torch.bfloat16 if is_half(config) else torch.float32)
            student.add_module(_PROJECTIONS, modules)
            self.projections = dict(modules.items())

    def detach(self, student: torch.nn.Module) -> None:
        """Remove the projections: only the student is saved."""
        if self.projections:
            delattr(student, _PROJECTIONS)

    def save(self, checkpoint: Path) -> None:
        """Save the projections beside a checkpoint's own weights, because a LoRA checkpoint holds the adapter alone."""
        if self.projections:
            save_file(torch.nn.ModuleDict(dict(self.projections)).state_dict(), checkpoint / _FILE)

    def load(self, checkpoint: Path) -> None:
        if self.projections:
            torch.nn.ModuleDict(dict(self.projections)).load_state_dict(load_file(checkpoint / _FILE))

    def outputs(self, model: torch.nn.Module, read: Mapping[str, Any]) -> View:
        """The student's outputs, with what the loss compares."""
        return self._view(model, read, _text_config(model))

    def token_losses(self, student: View, batch: Mapping[str, Any], read: Mapping[str, Any]) -> torch.Tensor:
        """(N,) losses in nats of the batch's trained tokens."""
        teacher = None
        if self.teacher is not None:
            its = read if is_compact(self.teacher) else {name: read[name] for name in read if name != "logits_to_keep"}
            with torch.no_grad():
                teacher = self._view(self.teacher, its, _text_config(self.teacher))
        scored = Scored(
            student,
            batch["targets"],
            places=read.get("logits_to_keep"),
            kept=batch.get("kept"),
            spans=[Span(*span) for span in batch["spans"]],
            teacher=teacher,
            listed=Listed(*batch["listed"]) if "listed" in batch else None,
            projections=self.projections,
        )
        found = self.loss.token_losses(scored)
        if found.shape != batch["targets"].shape:
            raise CotDistillError(
                f"loss {self.spec!r}: expected a loss for each of the {len(batch['targets'])} trained tokens, got a "
                f"tensor of shape {tuple(found.shape)}"
            )
        return found

    def _view(self, model: torch.nn.Module, read: Mapping[str, Any], config: Any) -> View:
        if self.needs == "attention":
            with recording() as attended:
                return View(model(**read, use_cache=False), config, attended)
        more = {"output_hidden_states": True} if self.needs == "hidden states" else {}
        return View(model(**read, **more, use_cache=False), config)


def _text_config(model: Any) -> Any:
    return getattr(model, "module", model).config.get_text_config()
