"""The last steps of a training on the numbers that a GGUF file will hold: `finetune --quant-aware q4_0`.

Each step computes with the weights as the export rounds them; its gradients move the weights themselves (a
straight-through estimator, Bengio et al. 2013, arXiv 1308.3432; quantisation-aware training, Jacob et al. 2018, arXiv
1712.05877). What is saved at the end are the rounded numbers, which the export then writes without a loss.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import gguf
import torch
from gguf import GGMLQuantizationType as Type
from transformers import PreTrainedModel

from cotdistill.config import FinetuneConfig
from cotdistill.errors import UsageError
from cotdistill.students.gguf_types import ARCHITECTURES, rounded, type_of


@dataclass(frozen=True)
class Grid:
    """The weights that are rounded, with their types, from `first_step` on."""

    quantize: str
    weights: list[tuple[torch.nn.Parameter, Type]]
    first_step: int

    @classmethod
    def of(cls, model: PreTrainedModel, config: FinetuneConfig, steps: int) -> "Grid | None":
        """None where nothing was asked. Raises UsageError for a model that the export does not write."""
        if config.quant_aware is None:
            return None
        text = model.config.get_text_config()
        if text.model_type not in ARCHITECTURES:
            raise UsageError(
                f"--quant-aware {config.quant_aware}: {config.student} is a {text.model_type} model, and `export --to "
                f"gguf` writes {', '.join(ARCHITECTURES)}"
            )
        names = gguf.get_tensor_name_map(ARCHITECTURES[text.model_type], text.num_hidden_layers)
        weights = []
        for source, weight in model.named_parameters():
            name = names.get_name(source, try_suffixes=(".weight", ".bias")) or ""
            kind = type_of(name, tuple(weight.shape), config.quant_aware)
            if kind != Type.F32:
                weights.append((weight, kind))
        last = max(1, round(config.quant_aware_share * steps))
        return cls(config.quant_aware, weights, max(0, steps - last))

    @contextmanager
    def applied(self, step: int) -> Iterator[None]:
        """Within it the model computes with rounded weights, if it is time; gradients are of those, for the others."""
        if step < self.first_step:
            yield
            return
        before = [weight.data for weight, _ in self.weights]
        self.round()
        try:
            yield
        finally:
            for (weight, _), data in zip(self.weights, before, strict=True):
                weight.data = data

    @torch.no_grad()
    def round(self) -> None:
        """For good."""
        for weight, kind in self.weights:
            weight.data = rounded(weight.data, kind).to(weight.dtype)
