"""Rows as token ids, four bytes each, the order they are trained in, and files that other processes map into memory."""

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from cotdistill.chat.template import Rendered

IGNORED = -100
"""The label of a token that is read but not trained."""

Numbers: TypeAlias = npt.NDArray[Any]

_WINDOW = 50
"""Rows are sorted by length among this many batches: enough to save the padding, few enough to stay random."""

_COLUMNS = {"ids": np.int32, "ends": np.int64, "n_prompts": np.int32, "weights": np.float32}
"""The files of saved rows: every row's ids one after the other, and for each row where it ends, the tokens of its
prompt, and its weight in the loss."""

_LAST = "end_tokens.json"


class TokenRows:
    """Rows as token ids. They grow row by row: a million rows of a thousand tokens take 4 GB, not 40. Loaded rows do
    not grow."""

    def __init__(self) -> None:
        self._ids: array[int] | Numbers = array("i")
        self._ends: array[int] | Numbers = array("q")
        self._n_prompts: array[int] | Numbers = array("i")
        self._weights: array[float] | Numbers = array("f")
        self.end_tokens: set[int] = set()
        self.going_on = 0
        """Rows whose conversation holds an earlier answer of the student; not known for loaded rows."""

    def __len__(self) -> int:
        return len(self._ends)

    @property
    def tokens(self) -> int:
        return len(self._ids)

    @property
    def trained_tokens(self) -> int:
        return self.tokens - int(np.asarray(self._n_prompts).sum())

    @property
    def longest(self) -> int:
        """Tokens of the longest row, 0 without rows."""
        return int(self.lengths().max(initial=0))

    @property
    def weighted(self) -> bool:
        """Whether any row counts more or less than another."""
        return bool((np.asarray(self._weights) != 1).any())

    def add(self, row: Rendered, weight: float = 1.0) -> None:
        assert isinstance(self._ids, array) and isinstance(self._ends, array), "loaded rows are read only"
        assert isinstance(self._n_prompts, array) and isinstance(self._weights, array)
        self._ids.extend(row.input_ids)
        self._ends.append(len(self._ids))
        self._n_prompts.append(row.n_prompt)
        self._weights.append(weight)
        self.end_tokens.add(row.input_ids[-1])
        self.going_on += row.goes_on

    def ids(self, row: int) -> Numbers:
        """(tokens,) of prompt and completion."""
        return np.asarray(self._ids[self._start(row) : self._ends[row]], dtype=np.int64)

    def labels(self, row: int) -> Numbers:
        """(tokens,), IGNORED on the prompt."""
        labels = self.ids(row)
        labels[: self.n_prompt(row)] = IGNORED
        return labels

    def prompt(self, row: int) -> list[int]:
        """The tokens that the student reads of a row."""
        return [int(token) for token in self.ids(row)[: self.n_prompt(row)]]

    def with_prompts_of(self, others: "TokenRows") -> int:
        """How many rows have a prompt that stands in `others` too."""
        own = Counter(map(self._key, range(len(self))))
        found = {key for row in range(len(others)) if (key := others._key(row)) in own}
        return sum(own[key] for key in found)

    def _key(self, row: int) -> bytes:
        start = self._start(row)
        return self._ids[start : start + self.n_prompt(row)].tobytes()

    def n_prompt(self, row: int) -> int:
        """The number of these tokens."""
        return int(self._n_prompts[row])

    def weight(self, row: int) -> float:
        return float(self._weights[row])

    def lengths(self) -> Numbers:
        """(rows,) tokens of each row."""
        return np.diff(np.asarray(self._ends, dtype=np.int64), prepend=0)

    def _start(self, row: int) -> int:
        return int(self._ends[row - 1]) if row else 0

    def save(self, directory: Path) -> None:
        """Write the rows for `load`. The file that marks them complete is written last."""
        directory.mkdir(parents=True, exist_ok=True)
        for name, kind in _COLUMNS.items():
            np.save(directory / f"{name}.npy", np.asarray(getattr(self, f"_{name}"), dtype=kind))
        (directory / _LAST).write_bytes(msgspec.json.encode(sorted(self.end_tokens)))

    @staticmethod
    def is_whole(directory: Path) -> bool:
        """Whether `save` has written everything."""
        return (directory / _LAST).is_file()

    @classmethod
    def load(cls, directory: Path) -> "TokenRows":
        """Rows that `save` wrote, mapped into memory: processes of one machine share what they read."""
        rows = cls()
        for name in _COLUMNS:
            setattr(rows, f"_{name}", np.load(directory / f"{name}.npy", mmap_mode="r"))
        rows.end_tokens = set(msgspec.json.decode((directory / _LAST).read_bytes(), type=list[int]))
        return rows

    def order(self, total: int, batch_size: int, seed: int, *, shuffled: bool = True) -> Numbers:
        """Row numbers for `total` rows of training: each pass in a new order, with rows of like length in one batch;
        or, not `shuffled`, each pass as the rows stand. The order is known beforehand, so that a resumed run continues
        at the very row where it was killed."""
        if not shuffled:
            return np.arange(total) % len(self)
        random = np.random.default_rng(seed)
        passes = -(-total // len(self))
        order = np.concatenate([random.permutation(len(self)) for _ in range(passes)])[:total]
        lengths = self.lengths()
        if lengths.min() == lengths.max():
            return order
        window = _WINDOW * batch_size
        parts = (order[start : start + window] for start in range(0, total, window))
        order = np.concatenate([part[np.argsort(-lengths[part], kind="stable")] for part in parts])
        whole = total - total % batch_size  # a last, smaller batch stays last
        batches = random.permutation(order[:whole].reshape(-1, batch_size))
        return np.concatenate([batches.reshape(-1), order[whole:]])

    def padding_share(self, order: Sequence[int] | Numbers, batch_size: int) -> float:
        """The share of a run's tokens that would be padding, from 0 to 1."""
        lengths = self.lengths()[np.asarray(order)]
        starts = np.arange(0, len(lengths), batch_size)
        widest = np.maximum.reduceat(lengths, starts)
        rows = np.diff(np.append(starts, len(lengths)))
        return float(1 - lengths.sum() / (widest * rows).sum())


def examples(packs: Iterable[Sequence[int] | Numbers], *, held_out: bool = False) -> Any:
    """The data set that TRL's trainer walks through: row numbers, which `Collator` looks up. An example is one row, or
    all the rows of a pack."""
    from datasets import Dataset

    rows = [[int(row) for row in pack] for pack in packs]
    return Dataset.from_dict({"rows": rows, "held_out": [held_out] * len(rows)})
