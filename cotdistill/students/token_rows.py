"""Rows as tokens, four bytes each, and the order they are trained in."""

from array import array
from typing import Any

from cotdistill.students.rendering import Rendered

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

    def add(self, row: Rendered) -> None:
        self._ids.extend(row.input_ids)
        self._ends.append(len(self._ids))
        self._n_prompts.append(row.n_prompt)
        self.longest = max(self.longest, len(row.input_ids))
        self.end_tokens.add(row.input_ids[-1])

    def dataset(self) -> Any:
        """`input_ids`, and `labels` that are IGNORED on the prompt."""
        import numpy
        import pyarrow  # type: ignore[import-untyped]
        from datasets import Dataset
        from datasets.table import InMemoryTable

        ids = numpy.frombuffer(self._ids, dtype=numpy.int32)
        lengths = self._lengths()
        ends = numpy.frombuffer(self._ends, dtype=numpy.int64)
        place = numpy.arange(len(ids)) - numpy.repeat(ends - lengths, lengths)
        n_prompts = numpy.frombuffer(self._n_prompts, dtype=numpy.int32)
        labels = numpy.where(place < numpy.repeat(n_prompts, lengths), IGNORED, ids).astype(numpy.int32)
        offsets = pyarrow.array(numpy.concatenate([[0], ends]))
        columns = {
            name: pyarrow.LargeListArray.from_arrays(offsets, pyarrow.array(values))
            for name, values in (("input_ids", ids), ("labels", labels))
        }
        return Dataset(InMemoryTable(pyarrow.table(columns)))

    def order(self, total: int, batch_size: int, seed: int) -> Any:
        """Row numbers for `total` rows of training: each pass over the data in a new order, rows of like length in
        one batch. Known beforehand, so a resumed run continues at the very row where it was killed."""
        import numpy

        random = numpy.random.default_rng(seed)
        passes = -(-total // len(self))
        order = numpy.concatenate([random.permutation(len(self)) for _ in range(passes)])[:total]
        lengths = self._lengths()
        if lengths.min() == lengths.max():
            return order
        window = _WINDOW * batch_size
        parts = (order[start : start + window] for start in range(0, total, window))
        order = numpy.concatenate([part[numpy.argsort(-lengths[part], kind="stable")] for part in parts])
        whole = total - total % batch_size  # a last, smaller batch stays last
        batches = random.permutation(order[:whole].reshape(-1, batch_size))
        return numpy.concatenate([batches.reshape(-1), order[whole:]])

    def _lengths(self) -> Any:
        import numpy

        return numpy.diff(numpy.frombuffer(self._ends, dtype=numpy.int64), prepend=0)
