"""Several rows in one sequence, each blind to the others: no padding at all, where attention can skip between rows.

TRL's own packing fills each pack to a fixed length and shuffles packs; this one keeps rows whole, packs as many rows as
a batch has, and is known beforehand, so that a resumed run continues at the very row where it was killed.
"""

from bisect import bisect_left, insort
from collections.abc import Sequence

import torch
from transformers import PreTrainedModel
from transformers.utils import is_flash_attn_2_available

from cotdistill.training import varlen
from cotdistill.training.token_rows import TokenRows


def chosen(choice: str, model: PreTrainedModel) -> bool:
    """Whether rows are packed. auto: on a GPU, for every model whose attention can be told where rows end; on a CPU
    batches of rows of like length are as fast."""
    if choice != "auto":
        return choice == "bfd"
    return torch.cuda.is_available() and attention(model) is not None


def attention(model: PreTrainedModel) -> str | None:
    """The attention that reads a pack without looking from one row into the next, None where there is none: for models
    that cap their scores or have sinks, which torch's kernel does not know."""
    if torch.cuda.is_available() and is_flash_attn_2_available() and model._supports_flash_attn:
        return "flash_attention_2"
    config = model.config.get_text_config()
    special = getattr(config, "attn_logit_softcapping", None) or config.model_type in ("gpt_oss",)
    if special or not (model._supports_attention_backend and model._supports_flash_attn):
        return None
    return varlen.register()


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
