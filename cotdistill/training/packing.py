"""Several rows in one sequence, each blind to the others: no padding at all, where attention can skip between rows.

TRL's own packing fills each pack to a fixed length and shuffles packs; this one keeps rows whole, packs as many rows as
a batch has, and is known beforehand, so that a resumed run continues at the very row where it was killed.
"""

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence

import torch
from transformers import PreTrainedModel
from transformers.utils import is_flash_attn_2_available

from cotdistill.config import FinetuneConfig
from cotdistill.errors import UsageError
from cotdistill.training import varlen
from cotdistill.training.defaults import Way
from cotdistill.training.packing_proof import objection
from cotdistill.training.token_rows import TokenRows

_DROPOUTS = ("attention_dropout", "attn_pdrop", "attention_probs_dropout_prob")


def chosen(config: FinetuneConfig, models: Mapping[str, PreTrainedModel], rows: TokenRows) -> Way:
    """How rows are packed, and why. `models` are those that read the rows, by what they are to a person; where rows
    are packed, each is left with the attention for it. auto: on a GPU, where all of them read a pack as they read its
    rows; on a CPU batches of rows of like length are as fast.

    Raises UsageError where packs were asked for, and one of the models does not read them so."""
    if config.packing == "none" or config.order == "file":
        return Way("packing", "none", "as asked" if config.packing == "none" else "rows keep the order of the file")
    if config.packing == "auto" and not torch.cuda.is_available():
        return Way("packing", "none", "on a CPU, batches of rows of like length are as fast")
    found: dict[str, str] = {}
    for name, model in models.items():
        its, problem = attention(model, rows, config.packing)
        if its is None and config.packing == "auto":
            return Way("packing", "none", f"{name} {problem}", notable=True)
        if its is None:
            raise UsageError(
                f"--packing bfd: {name} {problem}; it is a {model.config.get_text_config().model_type} model. Take "
                "--packing none"
            )
        found[name] = its
    for name, model in models.items():
        model.set_attn_implementation(found[name])
    return Way("packing", "bfd", "as asked" if config.packing == "bfd" else "a GPU computes no padding so")


def attention(model: PreTrainedModel, rows: TokenRows, choice: str) -> tuple[str | None, str]:
    """The attention that reads a pack without looking from one row into the next; None, and why, where there is none.
    The model's own, with a mask of tokens times tokens, is for those who ask for packs."""
    candidates: list[str] = []
    if torch.cuda.is_available() and is_flash_attn_2_available() and model._supports_flash_attn:
        candidates.append("flash_attention_2")
    if _takes_varlen(model):
        candidates.append(varlen.register())
    if choice != "auto":
        candidates.append(model.config.get_text_config()._attn_implementation)
    ids, problem = rows.ids(0).tolist(), "has no attention that reads packs without a mask"
    for name in candidates:
        if (found := objection(model, name, ids)) is None:
            return name, ""
        problem = found
    return None, problem


def _takes_varlen(model: PreTrainedModel) -> bool:
    """Whether the model's attention can be replaced by one that has no dropout."""
    config = model.config.get_text_config()
    dropout = any(getattr(config, name, None) for name in _DROPOUTS)
    return bool(model._supports_attention_backend and model._supports_flash_attn and not dropout)


def best_fit(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Row numbers by pack: longest first, each into the fullest pack that still holds it (best fit decreasing).
    A row longer than `capacity` has a pack of its own; no row is cut."""
    packs: list[list[int]] = []
    room: list[tuple[int, int]] = []  # what is left in each open pack, sorted
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        at = bisect_left(room, (lengths[row], -1))
        if at == len(room):
            packs.append([row])
            left, pack = capacity - lengths[row], len(packs) - 1
        else:
            left, pack = room.pop(at)
            packs[pack].append(row)
            left -= lengths[row]
        if left > 0:
            insort(room, (left, pack))
    return packs


def packs_of(rows: TokenRows, batch_size: int) -> list[list[int]]:
    """Packs that hold `batch_size` rows on average, so that a step learns from as much as it would unpacked."""
    lengths = rows.lengths().tolist()
    return best_fit(lengths, max(rows.longest, round(batch_size * rows.tokens / len(rows))))
