"""The files of a filter run: what is kept, what is dropped and why, suspect references, lines that cannot be read."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from cotdistill import artifacts
from cotdistill.artifacts import ArtifactWriter
from cotdistill.artifacts.files import Publishable
from cotdistill.artifacts.json_lines import BadLines
from cotdistill.artifacts.logprobs import carrying, logprobs_path
from cotdistill.config import FilterConfig
from cotdistill.records import Dropped, Judged
from cotdistill.stages.filter.funnel import Suspect
from cotdistill.stages.filter.suspects import Suspects
from cotdistill.wording import counted

BESIDE = ("dropped.jsonl", "suspects.jsonl")


def siblings(kept: Path, config: FilterConfig) -> list[Path]:
    """Every file beside `kept` that a run may write."""
    endings = (*BESIDE, *(("bad.jsonl",) if config.skip_bad else ()))
    return [*(artifacts.sibling(kept, ending) for ending in endings), logprobs_path(kept)]


class Output:
    """Takes each prompt's outcomes in order; the log-probabilities of a kept response go along with it."""

    def __init__(self, current: artifacts.Run, responses: Path, kept: Path, config: FilterConfig) -> None:
        self._current, self._responses, self._path, self._config = current, responses, kept, config
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            opened = stack.enter_context
            dropped, suspects = (artifacts.sibling(self._path, ending) for ending in BESIDE)
            bad = artifacts.sibling(self._path, "bad.jsonl") if self._config.skip_bad else None
            self.bad = opened(BadLines(bad))
            self._kept, self._dropped = opened(ArtifactWriter(self._path)), opened(ArtifactWriter(dropped))
            self._suspects = opened(Suspects(suspects))
            (self._logprobs,) = opened(carrying(self._current, self._responses, self._path))
            self._open = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    @property
    def kept(self) -> int:
        return self._kept.records

    @property
    def records(self) -> int:
        """Responses written so far, kept or dropped."""
        return self._kept.records + self._dropped.records

    def add(self, outcomes: Iterable[Judged | Dropped], suspect: Suspect | None) -> None:
        """One prompt: what became of each sample, and the prompt itself where its reference is suspect."""
        if suspect is not None:
            self._suspects.add(suspect)
        for outcome in outcomes:
            if isinstance(outcome, Judged):
                self._kept.write(outcome)
                self._logprobs.take(outcome.response)
            else:
                self._dropped.write(outcome)

    def notes(self) -> list[str]:
        """What a person should know of the files."""
        notes = [*self.bad.notes(), *self._logprobs.missing_notes(self._responses)]
        if suspects := len(self._suspects):
            notes.append(
                counted(suspects, "reference is", "references are")
                + f" suspect: nearly all samples agree on another answer; see {self._suspects.path}"
            )
        return notes

    def writers(self) -> Sequence[Publishable]:
        """For the run to publish."""
        return [
            self._kept,
            self._dropped,
            *self._logprobs.writers(),
            *self._suspects.writers(),
            *self.bad.writers(),
        ]
