"""Which of transformers' architectures finetune packs, and whether their packed rows have the loss of padded ones.

    python -m tests.benchmarks.packing_models [KIND…]

Every causal language model that is small enough in the shape of tests/test_packing.py (random weights so large that a
token's past matters, windows shorter than the rows) reads four rows padded and packed; on a CPU, so a pack is read by
the reference attention, or by the model's own where `--packing bfd` would take it. One line each, and a summary.
"""

import os
import sys
import warnings
from collections import Counter
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
import transformers
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from cotdistill.training import packing
from tests.test_packing import SMALL, of_each_row, uneven_rows

MOST_WEIGHTS = 5_000_000
LAYERS = 4
OTHER_NAMES = {
    "d_model": 32, "n_heads": 4, "n_layers": 4, "num_layers": 4, "ffn_dim": 48, "word_embed_proj_dim": 32,
    "rotary_dim": 4, "max_seq_len": 128, "num_local_experts": 4, "n_routed_experts": 4,
}  # fmt: skip
"""Of the same, in other architectures."""


def built(kind: str) -> PreTrainedModel | None:
    """A small one, None where the shape does not fit the architecture."""
    settings = CONFIG_MAPPING[kind]
    usual = settings()
    known = {name for name, value in usual.to_dict().items() if not isinstance(value, list | dict)}
    chosen: dict[str, Any] = {name: value for name, value in (SMALL | OTHER_NAMES).items() if name in known}
    kinds = list(dict.fromkeys(usual.to_dict().get("layer_types") or []))
    if kinds:
        chosen["layer_types"] = (kinds * LAYERS)[:LAYERS]
    config = settings(**chosen)
    with torch.device("meta"):
        weights = sum(one.numel() for one in AutoModelForCausalLM.from_config(config).parameters())
    if weights > MOST_WEIGHTS:
        return None
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()


def compared(model: PreTrainedModel) -> tuple[str, str]:
    """How its rows are packed, and by how much the loss of a row and the gradient differ from the padded ones."""
    rows, choice = uneven_rows(), "auto"
    padded, gradient = of_each_row(model, rows, packed=False)
    attention, problem = packing.attention(model, rows, "auto")
    if attention is None:
        choice, (attention, problem) = "only with bfd", packing.attention(model, rows, "bfd")
    if attention is None:
        return "padded", problem
    model.set_attn_implementation(attention)
    packed, its = of_each_row(model, rows, packed=True)
    loss = max(abs(one - other) for one, other in zip(packed, padded, strict=True))
    return choice, f"loss {loss:.0e}, gradient {float((its - gradient).norm() / gradient.norm()):.0e}"


def main(kinds: list[str]) -> None:
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    found: Counter[str] = Counter()
    for kind in kinds or sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES):
        try:
            model = built(kind)
        except Exception as error:  # each architecture has checks of its own
            print(f"{kind:24} not built      {type(error).__name__}: {error}"[:120].partition("\n")[0], file=sys.stderr)
            model = None
        if model is None:
            found["not built"] += 1
            continue
        try:
            way, how = compared(model)
        except Exception as error:  # it cannot read padded rows in this shape
            way, how = "not run", f"{type(error).__name__}: {error}"[:80]
        found[way] += 1
        print(f"{kind:24} {way:14} {how}", flush=True)
    print(", ".join(f"{way}: {count}" for way, count in found.most_common()))


if __name__ == "__main__":
    main(sys.argv[1:])
