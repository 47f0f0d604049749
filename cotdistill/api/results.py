"""What a stage returns: its summary, and its records as a stream."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from cotdistill.artifacts import Manifest, sibling, summary
from cotdistill.artifacts.json_lines import read_records
from cotdistill.artifacts.scores import Score, scores_of
from cotdistill.errors import UsageError
from cotdistill.records import Dropped, DroppedPrompt, Judged, Prompt, Response

R = TypeVar("R")


@dataclass(frozen=True)
class Result(Generic[R]):
    """A finished stage. `print(result)` shows what the command line shows.

    `path` is the output (a dry run writes none), `manifest` everything that is known of the run.
    """

    path: Path
    manifest: Manifest

    @property
    def counts(self) -> dict[str, int]:
        """Records by outcome, such as `responses` and `bought` of generate."""
        return self.manifest.counts

    @property
    def results(self) -> dict[str, Any]:
        """The stage's figures: accuracy, funnel, loss … under the names of the manifest and of `--json`."""
        return self.manifest.results

    @property
    def notes(self) -> tuple[str, ...]:
        return self.manifest.notes

    @property
    def cost_usd(self) -> Decimal | None:
        """What the answers in the output cost, in USD, whenever they were bought; None where that is not known."""
        return None if self.manifest.cost_usd is None else Decimal(self.manifest.cost_usd)

    @property
    def spent_usd(self) -> Decimal | None:
        """What this run paid, in USD; None where nothing was to pay or a price is not known."""
        spent = self.results.get("spent_usd")
        return None if spent is None else Decimal(str(spent))

    @property
    def complete(self) -> bool:
        """False where prompts failed or the budget ended the run; the same call then asks for the rest."""
        return self.manifest.complete

    @property
    def exit_code(self) -> int:
        """What the command line would exit with: 0 done, 3 prompts failed or a guard did, 4 stopped at the budget."""
        return self.manifest.exit_code

    def __str__(self) -> str:
        return summary.as_text(self.manifest)

    def __repr__(self) -> str:
        counts = ", ".join(f"{name}={count}" for name, count in self.counts.items())
        return f"<{type(self).__name__} {self.path}: {counts}>"


class Responses(Result[Response]):
    """What generate wrote."""

    def rows(self) -> Iterator[Response]:
        """The responses in prompt order, read one by one."""
        return read_records(self.path, Response)


class NewPrompts(Result[Prompt]):
    """What expand wrote."""

    def rows(self) -> Iterator[Prompt]:
        """The new prompts in the order of the plan, read one by one."""
        return read_records(self.path, Prompt)

    def dropped(self) -> Iterator[DroppedPrompt]:
        """What was written and left out, each with the filter and its reason."""
        return read_records(sibling(self.path, "dropped.jsonl"), DroppedPrompt)


class Kept(Result[Judged]):
    """What filter wrote."""

    def rows(self) -> Iterator[Judged]:
        """The kept responses with their verdicts, read one by one."""
        return read_records(self.path, Judged)

    def dropped(self) -> Iterator[Dropped]:
        """The others, each with the filter that dropped it and its reason."""
        return read_records(sibling(self.path, "dropped.jsonl"), Dropped)

    def explain(self, prompt_id: str) -> str:
        """Every sample of one prompt and what was decided, in words. Raises UsageError for an id that is not there."""
        from cotdistill.report.explain import explain

        return explain(self.path, prompt_id)


class Rows(Result[dict[str, Any]]):
    """What format wrote: rows in the layout that was asked for."""

    def rows(self) -> Iterator[dict[str, Any]]:
        """The training rows, read one by one."""
        return read_records(self.path, dict[str, Any])

    @property
    def holdout(self) -> Path:
        """The held-out prompts, where `holdout` set some aside: what evaluate reads."""
        return sibling(self.path, "holdout.prompts.jsonl")

    def held_out(self) -> Iterator[Prompt]:
        """The same as records."""
        return read_records(self.holdout, Prompt)


class Student(Result[dict[str, Any]]):
    """What finetune wrote: `path` is a directory that transformers loads."""

    def rows(self) -> Iterator[dict[str, Any]]:
        """What was logged while it was trained, a step after the other: step, loss, learning rate …"""
        return read_records(self.path / "metrics.jsonl", dict[str, Any])


class Scores(Result[Judged]):
    """What evaluate wrote."""

    def rows(self) -> Iterator[Judged]:
        """Every judged answer of every student, read one by one; `response.teacher.model` says whose it is."""
        return read_records(sibling(self.path, "answers.jsonl"), Judged)

    @property
    def students(self) -> list[Score]:
        """The student's score, then those of its baselines."""
        return scores_of(self.manifest)

    @property
    def accuracy(self) -> float:
        """The student's, 0 to 1."""
        return self.students[0].accuracy

    def p_value(self, baseline: str) -> float:
        """Whether the difference to this baseline could be chance: McNemar's exact test on the same prompts (1947).

        Raises UsageError for a baseline that was not scored."""
        against = msgspec.json.decode(self.path.read_bytes(), type=dict[str, Any])["against"]
        if baseline not in against:
            raise UsageError(f"baseline {baseline!r}: was not scored; those that were: {', '.join(against) or 'none'}")
        return float(against[baseline]["p_value"])


class Exported(Result[None]):
    """What export wrote: `path` is the file, `manifest.outputs` all files."""
