"""Rows as tokens, four bytes each, and the order they are trained in."""

from array import array
from collections.abc import Sequence
from typing import Any

from cotdistill.chat.template import Rendered

IGNORED = -100
"""The label of a token that is read, not trained."""

_WINDOW = 50
"""Batches among which rows are sorted by length: enough to save the padding, little enough to stay random."""


class TokenRows:
    """Grows row by row; a million rows of a thousand tokens take 4 GB, not 40."""

    def __init__(self) -> None:
        self._ids = array("i")
        self._ends = array("q")
        self._n_prompts = array("i")
        self._weights = array("f")
        self.longest = 0
        self.end_tokens: set[int] = set()

    def __len__(self) -> int:
        return len(self._ends)

    @property
    def tokens(self) -> int:
        return len(self._ids)

    @property
    def trained_tokens(self) -> int:
        return self.tokens - sum(self._n_prompts)

    @property
    def weighted(self) -> bool:
        """Whether any row counts more or less than another."""
        return any(weight != 1 for weight in self._weights)

    def add(self, row: Rendered, weight: float = 1.0) -> None:
        self._ids.extend(row.input_ids)
        self._ends.append(len(self._ids))
        self._n_prompts.append(row.n_prompt)
        self._weights.append(weight)
        self.longest = max(self.longest, len(row.input_ids))
        self.end_tokens.add(row.input_ids[-1])

    def prompt(self, number: int) -> list[int]:
        """What the student reads of one row."""
        start = self._ends[number - 1] if number else 0
        return self._ids[start : start + self._n_prompts[number]].tolist()

    def dataset(self, packs: Sequence[Sequence[int]] | None = None) -> Any:
        """`input_ids`, `labels` that are IGNORED on the prompt, and `weights` of the labels where they differ.

        An example is a row, or with `packs` all the rows of one pack, whose lengths are in `seq_lengths`."""
        import numpy
        import pyarrow  # type: ignore[import-untyped]
        from datasets import Dataset
        from datasets.table import InMemoryTable

        lengths = self.lengths()
        order = numpy.arange(len(self)) if packs is None else numpy.concatenate([numpy.asarray(pack) for pack in packs])
        lengths_in_order = lengths[order]
        ends = numpy.cumsum(lengths_in_order)
        place = numpy.arange(ends[-1]) - numpy.repeat(ends - lengths_in_order, lengths_in_order)
        ids = numpy.frombuffer(self._ids, dtype=numpy.int32)
        if packs is not None:
            starts = numpy.frombuffer(self._ends, dtype=numpy.int64) - lengths
            ids = ids[numpy.repeat(starts[order], lengths_in_order) + place]
        n_prompts = numpy.frombuffer(self._n_prompts, dtype=numpy.int32)[order]
        read = place < numpy.repeat(n_prompts, lengths_in_order)
        columns = {"input_ids": ids, "labels": numpy.where(read, IGNORED, ids).astype(numpy.int32)}
        if self.weighted:
            weights = numpy.frombuffer(self._weights, dtype=numpy.float32)[order]
            columns["weights"] = numpy.where(read, 0, numpy.repeat(weights, lengths_in_order)).astype(numpy.float32)
        rows_in = numpy.ones(len(order), dtype=int) if packs is None else numpy.array([len(pack) for pack in packs])
        row_offsets = numpy.concatenate([[0], numpy.cumsum(rows_in)])
        offsets = pyarrow.array(numpy.concatenate([[0], ends])[row_offsets])
        lists = {
            name: pyarrow.LargeListArray.from_arrays(offsets, pyarrow.array(values)) for name, values in columns.items()
        }
        if packs is not None:
            lists["seq_lengths"] = pyarrow.LargeListArray.from_arrays(
                pyarrow.array(row_offsets), pyarrow.array(lengths_in_order)
            )
        return Dataset(InMemoryTable(pyarrow.table(lists)))

    def order(self, total: int, batch_size: int, seed: int) -> Any:
        """Row numbers for `total` rows of training: each pass over the data in a new order, rows of like length in
        one batch. Known beforehand, so a resumed run continues at the very row where it was killed."""
        import numpy

        random = numpy.random.default_rng(seed)
        passes = -(-total // len(self))
        order = numpy.concatenate([random.permutation(len(self)) for _ in range(passes)])[:total]
        lengths = self.lengths()
        if lengths.min() == lengths.max():
            return order
        window = _WINDOW * batch_size
        parts = (order[start : start + window] for start in range(0, total, window))
        order = numpy.concatenate([part[numpy.argsort(-lengths[part], kind="stable")] for part in parts])
        whole = total - total % batch_size  # a last, smaller batch stays last
        batches = random.permutation(order[:whole].reshape(-1, batch_size))
        return numpy.concatenate([batches.reshape(-1), order[whole:]])

    def padding_share(self, order: Any, batch_size: int) -> float:
        """The share of a run's tokens that would be padding, from 0 to 1."""
        import numpy

        lengths = self.lengths()[order]
        starts = numpy.arange(0, len(lengths), batch_size)
        widest = numpy.maximum.reduceat(lengths, starts)
        rows = numpy.diff(numpy.append(starts, len(lengths)))
        return float(1 - lengths.sum() / (widest * rows).sum())

    def lengths(self) -> Any:
        """Tokens of each row, as an array."""
        import numpy

        return numpy.diff(numpy.frombuffer(self._ends, dtype=numpy.int64), prepend=0)
