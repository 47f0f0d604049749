"""The part of filter that sees one prompt at a time: verdicts, votes, weights, and the filters without a memory.

It is a pure function of a range of lines, so any number of processes may do it and the result is the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import groupby

import msgspec

from cotdistill import plugins
from cotdistill.answers.classes import classes
from cotdistill.artifacts.json_lines import decode_lines
from cotdistill.artifacts.opening import open_input
from cotdistill.config import FilterConfig
from cotdistill.errors import CotDistillError
from cotdistill.filters import ChoosingFilter, Filter
from cotdistill.records import UNDECIDED, Confidence, Judged, Response, Verdict, is_right, trust
from cotdistill.stages.filter.chunks import Chunk, Range, chunks
from cotdistill.stages.verification import NOTHING, Judge

BEFORE_VERDICT = ("stop_reason", "empty_answer", "think_tags")
"""Default filters whose reason says more than `incorrect`: a truncated answer is dropped as truncated."""

AFTER_VERDICT = ("exact_duplicate",)
"""Default filters with a memory. They come after the verdict, so that no wrong answer shadows a right one."""

LEAST_WEIGHT = 0.1
"""The weight of a prompt that every sample solves: its rows still count a little."""


class Screened(msgspec.Struct, frozen=True, array_like=True):
    """A screened response. `filter` names the filter that drops it; it is empty as long as none does."""

    judged: Judged
    filter: str = ""
    reason: str = ""


class BadLine(msgspec.Struct, frozen=True, array_like=True):
    number: int
    line: str
    problem: str


class Result(msgspec.Struct, frozen=True, array_like=True):
    """One chunk of `lines` lines, prompt by prompt in file order. Bad lines are numbered from 1 within the chunk.
    `used` counts the verdicts of each verifier; `notes` are the verifiers' so far."""

    lines: int
    prompts: list[list[Screened]]
    bad: list[BadLine]
    used: dict[str, int]
    notes: list[str]


@dataclass
class Screen:
    """Everything that one process needs to screen chunks."""

    judge: Judge
    filters: Sequence[tuple[str, Filter]]
    keep_incorrect: bool
    weight: str
    incorrect_weight: float | None

    @classmethod
    def build(cls, config: FilterConfig) -> "Screen":
        return cls(
            judge=Judge(config.verify),
            filters=[(name, one) for name, one in named_filters(config) if not remembers(one)],
            keep_incorrect=config.keep_incorrect,
            weight=config.weight,
            incorrect_weight=config.incorrect_weight,
        )

    def screen(self, chunk: Chunk) -> Result:
        bad: list[BadLine] = []

        def refuse(number: int, line: bytes, problem: str) -> None:
            bad.append(BadLine(number, line.decode("utf-8", "backslashreplace"), problem))

        with open_input(chunk.path) as file:
            file.seek(chunk.start)
            lines = list(BytesIO(file.read(chunk.size)))
        numbered = decode_lines(lines, Response, refuse)
        responses = (response for _, response in numbered)
        prompts = [list(samples) for _, samples in groupby(responses, key=lambda response: response.prompt.id)]
        self.judge.used.clear()
        verdicts = self.judge.judge_all(prompts)
        screened = [self._one_prompt(*both) for both in zip(prompts, verdicts, strict=True)]
        return Result(len(lines), screened, bad, dict(self.judge.used), self.judge.notes() if self.judge.alone else [])

    def screen_range(self, part: Range) -> Iterator[Result]:
        return map(self.screen, chunks(part.path, within=part))

    def _one_prompt(self, responses: Sequence[Response], verdicts: Sequence[Verdict]) -> list[Screened]:
        correct = sum(map(is_right, responses, verdicts))
        decided = sum(verdict.status not in UNDECIDED for verdict in verdicts)
        pass_rate = round(correct / decided, 4) if decided else None
        votes = vote_share(responses, verdicts) if len(verdicts) > 1 else None
        confidence = confidence_of_all([one.confidence for one in responses if one.confidence])
        judged = [
            Judged(
                response=response,
                verdict=verdict,
                samples=len(verdicts),
                correct=correct if decided else None,
                pass_rate=pass_rate,
                vote_share=votes,
                confidence=confidence,
                weight=_trusted(self._weight(verdict, pass_rate), response),
            )
            for response, verdict in zip(responses, verdicts, strict=True)
        ]
        return [self._look(one) for one in judged]

    def _look(self, judged: Judged) -> Screened:
        for name, one in self.filters:
            if reason := ask(name, one, judged):
                return Screened(judged, name, reason)
        status = judged.verdict.status
        if status not in ("correct", "unverified") and not self.keep_incorrect:
            return Screened(judged, "verify", status)
        return Screened(judged)

    def _weight(self, verdict: Verdict, pass_rate: float | None) -> float | None:
        """The row's weight in the loss: 1 - p or 4p(1 - p) of the pass rate p (DART-Math, arXiv 2407.13690, samples by
        the first)."""
        if verdict.status not in ("correct", *UNDECIDED) and self.incorrect_weight is not None:
            return self.incorrect_weight
        if self.weight == NOTHING or pass_rate is None:
            return None
        weight = 1 - pass_rate if self.weight == "difficulty" else 4 * pass_rate * (1 - pass_rate)
        return round(max(weight, LEAST_WEIGHT), 4)


def _trusted(weight: float | None, response: Response) -> float | None:
    """The weight, reduced where the reference is unverified. Raises CotDistillError for a tag that is no weight."""
    try:
        share = trust(response.prompt)
    except ValueError as error:
        raise CotDistillError(str(error)) from None
    return weight if share == 1 else round((1.0 if weight is None else weight) * share, 4)


def named_filters(config: FilterConfig) -> list[tuple[str, Filter]]:
    """The filters of a run in order, with the default ones unless `none` clears them."""
    chosen = [spec for spec in config.filter if spec != NOTHING]
    if config.against:
        chosen.append("contamination:against=" + "|".join(config.against).replace(",", "\\,"))
    defaults = NOTHING not in config.filter
    specs = [*(BEFORE_VERDICT if defaults else ()), *chosen, *(AFTER_VERDICT if defaults else ())]
    return [(plugins.parse(spec)[0], plugins.build("filters", spec)) for spec in specs]


def ask(name: str, one: Filter, judged: Judged) -> str | None:
    """Ask one filter. Raises CotDistillError that names the filter and the sample where it fails or returns no
    reason."""
    try:
        reason = one.reason_to_drop(judged)
    except plugins.FAILURES as error:
        raise _failed(name, judged, error) from error
    if reason is not None and not isinstance(reason, str):
        raise CotDistillError(f"filter {name!r}: expected a reason or None for {_place(judged)}, got {reason!r}")
    return reason


def let_consider(name: str, one: ChoosingFilter, samples: Sequence[Judged]) -> None:
    """Show one prompt's samples to a filter that looks ahead. Raises CotDistillError that names both where it fails."""
    try:
        one.consider(samples)
    except plugins.FAILURES as error:
        raise _failed(name, samples[0], error) from error


def _failed(name: str, judged: Judged, error: BaseException) -> CotDistillError:
    return plugins.failure(error, f"filter {name!r}", _place(judged))


def _place(judged: Judged) -> str:
    return f"prompt {judged.response.prompt.id!r}, sample {judged.response.sample}"


def remembers(one: Filter) -> bool:
    return bool(getattr(one, "remembers", False))


def confidence_of_all(samples: Sequence[Confidence]) -> Confidence | None:
    """A prompt's confidence over its samples: the mean over all their tokens, and the mean of their least likely
    ones."""
    tokens = sum(one.tokens for one in samples)
    if not tokens:
        return None
    return Confidence(
        tokens=tokens,
        mean_logprob=round(sum(one.mean_logprob * one.tokens for one in samples) / tokens, 6),
        worst_logprob=round(sum(one.worst_logprob for one in samples) / len(samples), 6),
    )


def vote_share(responses: Sequence[Response], verdicts: Sequence[Verdict]) -> float:
    """The share of a prompt's samples that agree on its most frequent answer, by value. Right answers are one class; an
    answer that did not end by itself has no vote."""
    votes = [verdict for one, verdict in zip(responses, verdicts, strict=True) if one.stop_reason == "stop"]
    correct = sum(verdict.status == "correct" for verdict in votes)
    wrong = [verdict.answer for verdict in votes if verdict.status != "correct" and verdict.answer]
    return round(max([correct, *map(len, classes(wrong))]) / len(verdicts), 4)
