"""Carries log-probabilities along with their answers, from the file beside an input to the one beside an output."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from cotdistill.artifacts.logprobs.columns import logprobs_path
from cotdistill.artifacts.logprobs.reader import LogprobsReader
from cotdistill.artifacts.logprobs.sureness import ENOUGH_TOKENS, Sureness
from cotdistill.artifacts.logprobs.writer import LogprobsWriter
from cotdistill.artifacts.opening import is_remote, open_input
from cotdistill.artifacts.run import Run
from cotdistill.errors import CotDistillError
from cotdistill.records import Response


class Carrier:
    """Writes the log-probabilities of one output; nothing where its input has none."""

    def __init__(self, reader: LogprobsReader | None, writer: LogprobsWriter | None) -> None:
        self._reader, self._writer = reader, writer
        self.sureness = Sureness()
        """The teacher's sureness over the first answers that were carried."""
        self.missing = 0
        """Answers with a confidence whose tokens are not in the file."""

    def take(self, response: Response, row: str | None = None, *, sample: int | None = None) -> None:
        """Carry those of an answer. `row` is the id of the training row that it became; `sample` is its number from
        here on, where it changes."""
        if response.confidence is None:
            return
        one = self._reader.of(response.request_key, response.sample) if self._reader is not None else None
        if one is None or self._reader is None or self._writer is None:
            self.missing += 1
            return
        number = one.sample if sample is None else sample
        self._writer.copy(msgspec.structs.replace(one, sample=number), self._reader, row)
        if self.sureness.tokens < ENOUGH_TOKENS:
            self.sureness.add(one)

    def take_row(self, row: str) -> None:
        """Carry those of a training row."""
        if self._reader is not None and self._writer is not None and (one := self._reader.of_row(row)):
            self._writer.copy(one, self._reader, row)

    def notes(self) -> list[str]:
        """How sure the teacher was of the carried answers."""
        return [self.sureness.words()] if self.sureness.tokens else []

    def missing_notes(self, source: Path) -> list[str]:
        """A note on what could not be carried, and why."""
        if not self.missing:
            return []
        return [
            f"{self.missing:,} answers have a confidence, and no tokens in {logprobs_path(source)}: they go on without "
            f"log-probabilities. Put that file beside {source.name}, or have generate write both again"
        ]

    def writers(self) -> list[LogprobsWriter]:
        """The file, for the run to publish; none where nothing was carried."""
        return [self._writer] if self._writer is not None and self._writer.records else []


def source_of(artifact: Path) -> Path | None:
    """The file of log-probabilities beside an artifact; None where there is none."""
    beside = logprobs_path(artifact)
    if not is_remote(artifact):
        return beside if beside.exists() else None
    try:
        open_input(beside).close()
    except CotDistillError:
        return None
    return beside


@contextmanager
def carrying(current: Run, source: Path, *targets: Path) -> Iterator[list[Carrier]]:
    """Yields one carrier for each of the outputs `targets`. The file beside `source` becomes an input of the run."""
    beside = source_of(source)
    if beside is None:
        yield [Carrier(None, None) for _ in targets]
        return
    current.read_beside(beside, "logprobs")
    with ExitStack() as stack:
        reader = stack.enter_context(LogprobsReader(beside))
        yield [Carrier(reader, stack.enter_context(LogprobsWriter(logprobs_path(target)))) for target in targets]


@contextmanager
def joining(current: Run, sources: Sequence[Path], target: Path) -> Iterator[list[Carrier]]:
    """Yields one carrier for each of several sources. All write to the same file, which is published once."""
    with ExitStack() as stack:
        writer: LogprobsWriter | None = None
        carriers = []
        for beside in map(source_of, sources):
            if beside is None:
                carriers.append(Carrier(None, None))
                continue
            current.read_beside(beside, "logprobs")
            writer = writer or stack.enter_context(LogprobsWriter(logprobs_path(target)))
            carriers.append(Carrier(stack.enter_context(LogprobsReader(beside)), writer))
        yield carriers
