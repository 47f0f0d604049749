"""Responses -> kept | dropped: verify, filter in order, select per prompt. Every dropped one has a reason."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from cotdistill import artifacts, extensions
from cotdistill.artifacts import ArtifactWriter, BadLines, Manifest
from cotdistill.config import FilterConfig
from cotdistill.filters import Filter
from cotdistill.intervals import wilson
from cotdistill.judging import NOTHING, Judge
from cotdistill.progress import Progress
from cotdistill.records import Dropped, Judged, Response
from cotdistill.selectors import Selector

BEFORE_VERDICT = ("stop_reason", "think_tags")
"""Default filters that say more than `incorrect` does: a truncated answer is dropped as truncated."""

AFTER_VERDICT = ("exact_duplicate",)
"""Default filters that must not let a wrong answer shadow a right one."""

PACKAGES = ("math-verify", "latex2sympy2_extended", "sympy")


def run(responses: Path, kept: Path, config: FilterConfig, progress: Progress) -> Manifest:
    """Write the kept to `kept`, the others with their reasons to `<stem>.dropped.jsonl`.

    `pass_rate` is the share of a prompt's samples that are correct, counted before anything is dropped.
    """
    sieve = Sieve.build(config)
    with artifacts.run("filter", kept, dataclasses.asdict(config), PACKAGES) as current:
        current.read(responses, allow_modified=config.allow_modified)
        progress.begin("filter", current.inputs[0].records)
        with (
            BadLines(artifacts.sibling(kept, "bad.jsonl") if config.skip_bad else None) as bad,
            ArtifactWriter(kept) as keeping,
            ArtifactWriter(artifacts.sibling(kept, "dropped.jsonl")) as dropping,
        ):
            for outcome in sieve.sift(artifacts.read_records(responses, Response, bad)):
                (keeping if isinstance(outcome, Judged) else dropping).write(outcome)
                progress.update(keeping.records + dropping.records, f"{keeping.records} kept")
            if bad.count:
                current.notes.append(f"{bad.count} unreadable lines set aside in {bad.path}")
            current.notes += sieve.notes()
            return current.publish([keeping, dropping], counts=sieve.counts(), results=sieve.results())


@dataclass
class Sieve:
    """The rules of one run, and what they did."""

    judge: Judge
    before: Sequence[tuple[str, Filter]]
    after: Sequence[tuple[str, Filter]]
    selector: Selector | None
    select_spec: str
    keep_incorrect: bool
    statuses: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    tally: Counter[str] = field(default_factory=Counter)
    pass_rates: Counter[str] = field(default_factory=Counter)

    @classmethod
    def build(cls, config: FilterConfig) -> "Sieve":
        chosen = [spec for spec in config.filter if spec != NOTHING]
        defaults = NOTHING not in config.filter
        before = [*(BEFORE_VERDICT if defaults else ()), *chosen]
        return cls(
            judge=Judge(config.verify),
            before=_named_filters(before),
            after=_named_filters(AFTER_VERDICT if defaults else ()),
            selector=extensions.build("selectors", config.select) if config.select else None,
            select_spec=config.select or "",
            keep_incorrect=config.keep_incorrect,
        )

    def sift(self, responses: Iterable[Response]) -> Iterator[Judged | Dropped]:
        """Judge and divide, one prompt at a time, in file order."""
        for _, group in groupby(responses, key=lambda response: response.prompt.id):
            yield from self._one_prompt(list(group))

    def _one_prompt(self, responses: Sequence[Response]) -> Iterator[Judged | Dropped]:
        verdicts = [self.judge.judge(response) for response in responses]
        self.statuses.update(verdict.status for verdict in verdicts)
        correct = sum(verdict.status == "correct" for verdict in verdicts)
        verified = any(verdict.status != "unverified" for verdict in verdicts)
        pass_rate = round(correct / len(verdicts), 4) if verified else None
        judged = [
            Judged(response=response, verdict=verdict, pass_rate=pass_rate)
            for response, verdict in zip(responses, verdicts, strict=True)
        ]
        outcomes = [self._drop(one) or one for one in judged]
        survivors = [one for one in outcomes if isinstance(one, Judged)]
        chosen = survivors if self.selector is None else self.selector.choose(survivors)
        chosen_samples = {id(one) for one in chosen}
        for outcome in outcomes:
            if isinstance(outcome, Judged) and id(outcome) not in chosen_samples:
                outcome = Dropped(judged=outcome, filter="select", reason=f"not chosen by {self.select_spec}")
            if isinstance(outcome, Dropped):
                self.reasons[f"{outcome.filter}: {outcome.reason}"] += 1
            yield outcome
        self.tally.update(prompts=1, responses=len(judged), kept=len(chosen), prompts_kept=bool(chosen))
        if pass_rate is not None:
            self.pass_rates["none" if not correct else "all" if correct == len(verdicts) else "some"] += 1

    def _drop(self, judged: Judged) -> Dropped | None:
        for name, one in self.before:
            if reason := one.reason_to_drop(judged):
                return Dropped(judged=judged, filter=name, reason=reason)
        status = judged.verdict.status
        if status not in ("correct", "unverified") and not self.keep_incorrect:
            return Dropped(judged=judged, filter="verify", reason=status)
        for name, one in self.after:
            if reason := one.reason_to_drop(judged):
                return Dropped(judged=judged, filter=name, reason=reason)
        return None

    def counts(self) -> dict[str, int]:
        names = ("prompts", "responses", "kept", "prompts_kept")
        counts = {name: self.tally[name] for name in names}
        return {**counts, "dropped": counts["responses"] - counts["kept"]}

    def results(self) -> dict[str, Any]:
        verified = self.statuses.total() - self.statuses["unverified"]
        results: dict[str, Any] = {
            "statuses": dict(self.statuses.most_common()),
            "dropped": dict(self.reasons.most_common()),
        }
        if verified:
            low, high = wilson(self.statuses["correct"], verified)
            results["accuracy"] = round(self.statuses["correct"] / verified, 4)
            results["accuracy_interval"] = [round(low, 4), round(high, 4)]
            results["prompts_solved"] = dict(self.pass_rates.most_common())
        return results

    def notes(self) -> list[str]:
        notes = [self.judge.describe()]
        if unverified := self.statuses["unverified"]:
            notes.append(f"{unverified} responses were kept unverified: their prompts have no reference")
        if broken := self.statuses["bad_reference"]:
            notes.append(f"{broken} responses could not be judged: their reference cannot be read")
        if not self.tally["kept"]:
            notes.append("nothing was kept; look at the reasons above, and at the dropped file")
        return notes


def _named_filters(specs: Iterable[str]) -> list[tuple[str, Filter]]:
    return [(extensions.parse(spec)[0], extensions.build("filters", spec)) for spec in specs]
