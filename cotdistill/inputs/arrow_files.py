"""Parquet and Arrow (Feather, the files of `datasets`): rows as objects, in batches."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cotdistill.artifacts.opening import open_input
from cotdistill.errors import CotDistillError

_ROWS = 1_000


def parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Raises CotDistillError for a file that is none."""
    exceptions = _needs(path, "Parquet")
    from pyarrow import parquet

    open_input(path).close()
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS):
                yield from batch.to_pylist()
    except exceptions as error:
        raise CotDistillError(f"{path}: not a Parquet file: {error}") from None


def arrow_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Of a file that can be read in any order, and of a stream, as `datasets` keeps it. Raises CotDistillError for a
    file that is neither."""
    exceptions = _needs(path, "Arrow")
    from pyarrow import ipc

    try:
        with open_input(path) as file:
            in_any_order = file.read(6) == b"ARROW1"
            file.seek(0)
            with ipc.open_file(file) if in_any_order else ipc.open_stream(file) as reader:
                for batch in map(reader.get_batch, range(reader.num_record_batches)) if in_any_order else reader:
                    yield from _rows_of(batch)
    except exceptions as error:
        raise CotDistillError(f"{path}: not an Arrow file: {error}") from None


def _rows_of(batch: Any) -> Iterator[dict[str, Any]]:
    """Some rows at a time: a batch may hold a whole file."""
    for start in range(0, batch.num_rows, _ROWS):
        yield from batch.slice(start, _ROWS).to_pylist()


def _needs(path: Path, what: str) -> tuple[type[Exception], ...]:
    """What pyarrow raises for a file that it cannot read."""
    try:
        from pyarrow import ArrowException
    except ImportError:
        raise CotDistillError(f"{path}: {what} needs the extra train: pip install 'cotdistill[train]'") from None
    return ArrowException, OSError, EOFError
