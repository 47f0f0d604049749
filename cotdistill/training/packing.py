"""Several rows in one sequence, each blind to the others: no padding at all, where attention can skip between rows."""

from bisect import bisect_left, insort
from collections.abc import Sequence

from cotdistill.training.token_rows import TokenRows


def chosen(choice: str) -> bool:
    """Whether rows are packed. Without FlashAttention a pack costs the square of its length, so auto packs only
    where it is there: on a GPU with the flash-attn package."""
    if choice != "auto":
        return choice == "bfd"
    from transformers.utils import is_flash_attn_2_available

    return bool(is_flash_attn_2_available())


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
