"""Whether a model reads several rows in one sequence as it reads each of them alone: shown on a few tokens, not taken
from its name. A recurrent layer, a short convolution, positions that are counted from the beginning, an attention that
ignores where rows end: each of them would train another loss, and none would say so."""

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel

from cotdistill.chat.template import Rendered
from cotdistill.training.collator import Collator
from cotdistill.training.token_rows import TokenRows

LENGTHS = (5, 11, 8)
"""Of the rows that are read, in tokens."""

_NEAR, _NEAR_IN_HALVES = 0.01, 0.1
"""How far a pack may be from its rows, as a share of what it would be if they saw each other. 16 bits round that
much, and a GPU's kernel computes in no more."""


@torch.no_grad()
def reads_apart(model: PreTrainedModel, attention: str, ids: Sequence[int]) -> bool:
    """Whether `model` gives the tokens of a pack the scores that they have in rows of their own, with this attention;
    `ids` are tokens of a row. The model is left as it was."""
    before, training = model.config.get_text_config()._attn_implementation, model.training
    model.eval()
    try:
        with torch.autocast("cuda", torch.bfloat16, enabled=model.device.type == "cuda"):  # as training multiplies
            return _is_near(model, attention, ids)
    except (ImportError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError):
        return False  # it says itself that it cannot: transformers' own models do so in several ways
    finally:
        model.set_attn_implementation(before)
        model.train(training)


def _is_near(model: PreTrainedModel, attention: str, ids: Sequence[int]) -> bool:
    rows, as_one = _rows(ids, LENGTHS), _rows(ids, [sum(LENGTHS)])
    alone = torch.cat([_scores(model, rows, [number], packed=False) for number in range(len(rows))])
    together = _scores(model, as_one, [0], packed=False)
    model.set_attn_implementation(attention)
    pack = _scores(model, rows, range(len(rows)), packed=True)
    near = _NEAR if model.dtype == torch.float32 and model.device.type == "cpu" else _NEAR_IN_HALVES
    return bool((pack - alone).abs().max() <= near * (together - alone).abs().max())


def _rows(ids: Sequence[int], lengths: Sequence[int]) -> TokenRows:
    rows, start = TokenRows(), 0
    for length in lengths:
        rows.add(Rendered([ids[place % len(ids)] for place in range(start, start + length)], 0, "native"))
        start += length
    return rows


def _scores(model: PreTrainedModel, rows: TokenRows, numbers: Sequence[int], *, packed: bool) -> torch.Tensor:
    """(tokens, vocabulary) of these rows."""
    batch = Collator(rows, 0, packed, compact=False)([{"rows": list(numbers), "held_out": False}])
    read = {name: batch[name] for name in _READ if name in batch}
    read = {name: one.to(model.device) if isinstance(one, torch.Tensor) else one for name, one in read.items()}
    scores: torch.Tensor = model(**read, use_cache=False).logits
    return scores.flatten(0, 1).float()


_READ = (
    "input_ids", "position_ids", "cu_seq_lens_q", "cu_seq_lens_k", "max_length_q", "max_length_k", "seq_idx",
)  # fmt: skip
