"""Prompts whose samples agree against the reference. The surest teacher comes first, because there the reference is
most likely wrong; where no confidence is known, the file's order stays."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import msgspec

from cotdistill.artifacts import ArtifactWriter
from cotdistill.stages.filter.funnel import Suspect


class Suspects:
    """Takes suspects as they come; `writers` sorts them. 100 bytes of memory each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._places: list[tuple[float, int, int]] = []
        self._end = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._writer = stack.enter_context(ArtifactWriter(self.path))
            self._spool = stack.enter_context(tempfile.TemporaryFile(dir=self.path.parent))
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def __len__(self) -> int:
        return len(self._places)

    def add(self, suspect: Suspect) -> None:
        line = msgspec.json.encode(suspect)
        self._spool.write(line)
        unsure = 1.0 if suspect.confidence is None else -suspect.confidence
        self._places.append((unsure, self._end, len(line)))
        self._end += len(line)

    def writers(self) -> list[ArtifactWriter]:
        """The sorted file, for the run to publish; none where there is no suspect."""
        for line in self._ordered():
            self._writer.write(line)
        return [self._writer] if self._places else []

    def _ordered(self) -> Iterator[msgspec.Raw]:
        for _, at, size in sorted(self._places):
            self._spool.seek(at)
            yield msgspec.Raw(self._spool.read(size))
