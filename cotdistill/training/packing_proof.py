"""Whether a model reads several rows in one sequence as it reads each of them alone: shown on a few tokens, not taken
from its name. A recurrent layer, a short convolution, positions that are counted from the beginning, an attention that
ignores where rows end: each of them would train another loss, and none would say so."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import PreTrainedModel

from cotdistill.chat.template import Rendered
from cotdistill.students.memory import OutOfMemoryError, memory_explained
from cotdistill.training.collator import Collator
from cotdistill.training.loss import token_losses
from cotdistill.training.token_rows import TokenRows

LENGTHS = (5, 11, 8)
"""Of the rows that are read, in tokens."""

_NEAR, _NEAR_IN_HALVES = 0.01, 0.25
"""How far a pack may be from its rows, as a share of how far it would be if they saw each other. In 32 bits the two
differ by 1e-6. A GPU's kernel computes in 16 bits and rounds otherwise than what reads the rows alone: by 0.01 to 0.2
of it, in models of 4 to 30 layers (eager attention beside the reference, in bfloat16)."""

_BLIND = 0.01
"""How far the later rows of a pack may move, as the same share, when the first one is replaced: in any number format by
nothing, for every operation on them stays the same. So a little that gets across is seen here, however coarse the
numbers are: what recurrent_gemma lets across is 0.1, within the rounding of 16 bits."""

READS_OTHERWISE = "does not read a row in a pack as it reads it alone"


def objection(model: PreTrainedModel, attention: str, ids: Sequence[int]) -> str | None:
    """Why `model` cannot be trained on packs with this attention; None where the tokens of a pack have the scores, and
    the gradient, that they have in rows of their own. `ids` are tokens of a row. The model is left as it was.

    The gradient is taken too, of the embeddings alone: some kernels have a forward pass where they have no backward one
    (FlashAttention, for heads wider than 192, on some cards). Whatever goes wrong is an objection and ends no run, but
    for an access outside of the GPU's memory, after which CUDA does nothing more in this process."""
    before, training = model.config.get_text_config()._attn_implementation, model.training
    model.eval()
    try:
        on_gpu = model.device.type == "cuda"
        with memory_explained("student"), torch.autocast("cuda", torch.bfloat16, enabled=on_gpu):  # as training does
            return None if _is_near(model, attention, ids) else READS_OTHERWISE
    except OutOfMemoryError:
        return "has no memory left for a try with packs"
    except Exception as error:  # a kernel's, a compiler's, transformers' own: each says so in another way
        words = " ".join(str(error).split())[:160]
        return f"cannot be trained on packs here ({attention}: {type(error).__name__}: {words})"
    finally:
        model.set_attn_implementation(before)
        model.train(training)


def _is_near(model: PreTrainedModel, attention: str, ids: Sequence[int]) -> bool:
    tokens = [ids[place % len(ids)] for place in range(sum(LENGTHS))]
    rows, as_one, first = _rows(tokens, LENGTHS), _rows(tokens, [len(tokens)]), LENGTHS[0]
    each = [_read(model, rows, [number], packed=False) for number in range(len(rows))]
    together = _read(model, as_one, [0], packed=False)
    model.set_attn_implementation(attention)
    pack = _read(model, rows, range(len(rows)), packed=True)
    beside_another = [*reversed(tokens[:first]), *tokens[first:]]
    other = _read(model, _rows(beside_another, LENGTHS), range(len(rows)), packed=True)
    near = _NEAR if model.dtype == torch.float32 and model.device.type == "cpu" else _NEAR_IN_HALVES
    alone = [torch.cat(parts) for parts in zip(*each, strict=True)]
    return all(
        bool((its - own).norm() <= near * (seen - own).norm())
        and bool((its - moved)[first:].norm() <= _BLIND * (seen - own).norm())
        for its, own, seen, moved in zip(pack, alone, together, other, strict=True)
    )


def _rows(tokens: Sequence[int], lengths: Sequence[int]) -> TokenRows:
    rows, start = TokenRows(), 0
    for length in lengths:
        rows.add(Rendered(list(tokens[start : start + length]), 0, "native"))
        start += length
    return rows


def _read(
    model: PreTrainedModel, rows: TokenRows, numbers: Sequence[int], *, packed: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """(tokens, vocabulary) scores of these rows, and (tokens, width) what their loss changes about the embeddings."""
    batch = Collator(rows, 0, packed, compact=False)([{"rows": list(numbers), "held_out": False}])
    batch = {name: one.to(model.device) if isinstance(one, torch.Tensor) else one for name, one in batch.items()}
    embedded: list[torch.Tensor] = []

    def begin_here(module: torch.nn.Module, given: Any, output: torch.Tensor) -> torch.Tensor:
        embedded.append(output.detach().requires_grad_())
        return embedded[-1]

    hook = model.get_input_embeddings().register_forward_hook(begin_here)
    try:
        with torch.enable_grad():
            logits = model(**{name: batch[name] for name in _READ if name in batch}, use_cache=False).logits
            scores = logits.detach().flatten(0, 1).float().clone()  # the loss writes over its own
            loss = token_losses(logits, batch.get("kept"), batch["targets"]).sum()
            (gradient,) = torch.autograd.grad(loss, embedded[0])
    finally:
        hook.remove()
    return scores, gradient.flatten(0, -2).float()


_READ = (
    "input_ids", "position_ids", "cu_seq_lens_q", "cu_seq_lens_k", "max_length_q", "max_length_k", "seq_idx",
)  # fmt: skip
