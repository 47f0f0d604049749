"""The files of a format run: rows to train on, held-out rows and their prompts, log-probabilities, unreadable lines."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from cotdistill import artifacts
from cotdistill.artifacts import ArtifactWriter
from cotdistill.artifacts.files import Publishable
from cotdistill.artifacts.json_lines import BadLines
from cotdistill.artifacts.logprobs import carrying, logprobs_path
from cotdistill.config import FormatConfig
from cotdistill.records import Judged
from cotdistill.stages.format.features import Features
from cotdistill.stages.format.order import Ordered
from cotdistill.stages.format.sides import Side, Sides


def paths_of(train: Path) -> tuple[Path, Path, Path]:
    """Training rows, held-out rows, and the prompts of these."""
    return train, artifacts.sibling(train, "holdout.jsonl"), artifacts.sibling(train, "holdout.prompts.jsonl")


def siblings(train: Path, config: FormatConfig) -> list[Path]:
    """Every file beside `train` that a run may write."""
    rows, held, prompts = paths_of(train)
    bad = [artifacts.sibling(train, "bad.jsonl")] if config.skip_bad else []
    return [held, prompts, *map(logprobs_path, (rows, held)), *bad]


class Output:
    """Takes the rows of each prompt and puts them on their side; `features` are the columns of all rows."""

    def __init__(self, current: artifacts.Run, kept: Path, train: Path, config: FormatConfig) -> None:
        self._current, self._kept, self._train, self._config = current, kept, train, config
        self.features = Features()
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            opened, paths, config = stack.enter_context, paths_of(self._train), self._config
            self.bad = opened(BadLines(artifacts.sibling(self._train, "bad.jsonl") if config.skip_bad else None))
            self._rows, self._held, self._prompts = (opened(ArtifactWriter(path)) for path in paths)
            self._carriers = opened(carrying(self._current, self._kept, *paths[:2]))
            self._ordered = Ordered(self._rows, config.order)
            training, held = self._carriers
            self._sides = Sides(
                training=Side(self._ordered, training),
                held=Side(Ordered(self._held, "input"), held),
                prompts=self._prompts,
                share=config.holdout,
                features=self.features,
            )
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def records(self) -> int:
        """Rows written so far, on both sides."""
        return self._sides.records

    def write(self, samples: Sequence[Judged], rows: Iterable[tuple[dict[str, Any], Judged | None]]) -> None:
        """The rows of one prompt, each with the response that it holds whole; None where it holds none."""
        self._sides.write(samples, rows)

    def end(self) -> list[str]:
        """Call it when all rows are written. Returns what a person should know of their order."""
        return self._ordered.end()

    def notes(self) -> list[str]:
        """What a person should know of the log-probabilities and of the held-out share."""
        training = self._carriers[0]
        return [*training.notes(), *training.missing_notes(self._kept), *self._sides.notes()]

    def counts(self) -> dict[str, int]:
        held = {"holdout_rows": self._held.records, "holdout_prompts": self._prompts.records}
        return {"rows": self._rows.records, **held}

    def writers(self) -> list[Publishable]:
        """For the run to publish."""
        rows = [self._rows, self._held, self._prompts] if self._config.holdout else [self._rows]
        logprobs = [writer for carrier in self._carriers for writer in carrier.writers()]
        return [*rows, *logprobs, *self.bad.writers()]
