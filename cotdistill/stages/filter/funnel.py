"""What a filter run did: the funnel by reason, the teacher's accuracy, pass rates, cost, suspect references."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from cotdistill.answers.classes import classes
from cotdistill.answers.confusion import Confusion, class_scores
from cotdistill.artifacts.summary_labels import PASS_RATES
from cotdistill.inputs.values import shown
from cotdistill.pricing import plus
from cotdistill.records import UNDECIDED, Judged, Record, is_by_majority, is_right, money, question_of
from cotdistill.stages.calibration import Calibration
from cotdistill.stages.verification import NOTHING, verified_with
from cotdistill.statistics import Clustered
from cotdistill.wording import counted

MAX_TAGS = 1_000
"""The most tags that are counted: a tag may be an id."""

SUSPECT_SHARE, SUSPECT_SAMPLES = 0.75, 3
"""A reference is suspect where this share of at least this many samples agrees on another answer. On GSM8K with seven
samples a prompt, such an answer was right 99 times in 100."""

BINS = tuple(PASS_RATES)


class Suspect(Record, frozen=True, kw_only=True):
    """A prompt whose samples agree with each other against the reference. One of them is wrong."""

    id: str
    question: str
    reference: str | None
    answer: str
    votes: int
    samples: int
    confidence: float | None = None
    """The geometric mean of the probabilities of all its samples' tokens."""


@dataclass
class Funnel:
    """Fed prompt by prompt. Its memory grows with the reasons and tags, and by 34 bytes for each answer with a
    confidence."""

    statuses: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    tally: Counter[str] = field(default_factory=Counter)
    pass_rates: Counter[str] = field(default_factory=Counter)
    used: Counter[str] = field(default_factory=Counter)
    accuracy: Clustered = field(default_factory=Clustered)
    by_tag: dict[str, Clustered] = field(default_factory=dict)
    cost: Decimal | None = Decimal(0)
    confusion: Confusion = field(default_factory=Confusion)
    confidence: Calibration = field(default_factory=Calibration)
    confidence_of_prompts: Calibration = field(default_factory=Calibration)
    first_error: str = ""
    first_unreadable: str = ""
    judge_notes: list[str] = field(default_factory=list)
    """The verifier's notes on its questions so far."""

    def judged(self, samples: Sequence[Judged]) -> None:
        """Count all samples of one prompt, before anything is dropped."""
        statuses = [one.verdict.status for one in samples]
        self.statuses.update(statuses)
        self.tally.update(prompts=1, responses=len(samples))
        decided = sum(status not in UNDECIDED for status in statuses)
        correct = sum(is_right(one.response, one.verdict) for one in samples)
        self._count_undecided(samples)
        if decided and is_by_majority(samples[0].response.prompt):
            self.tally["by_majority"] += len(samples)  # how often the teacher agrees with itself is no accuracy
        elif decided:
            self.accuracy.add(correct, decided)
            for tag in _tags(samples[0]):
                if tag in self.by_tag or len(self.by_tag) < MAX_TAGS:
                    self.by_tag.setdefault(tag, Clustered()).add(correct, decided)
            self.pass_rates[_bin(correct / decided)] += 1
        for one in samples:
            self.confusion.add(one)
            if one.confidence and one.response.confidence and one.verdict.status not in UNDECIDED:
                self.confidence.add(one.response.confidence, is_right(one.response, one.verdict))
                self.confidence_of_prompts.add(one.confidence, is_right(one.response, one.verdict))
            cost = one.response.cost_usd
            self.cost = plus(self.cost, None if cost is None else Decimal(cost))

    def _count_undecided(self, samples: Sequence[Judged]) -> None:
        for one in samples:
            verdict = one.verdict
            if verdict.status == "error" and not self.first_error:
                self.first_error = f"{verdict.method}: {verdict.detail or 'no reason is given'}"
            if verdict.status == "bad_reference":
                self._count_bad_reference(one)
            if verdict.status == "unverified":
                asked = one.response.prompt.reference is not None
                why = "no_decision" if verdict.method != NOTHING else "not_asked" if asked else "no_reference"
                self.tally[why] += 1

    def _count_bad_reference(self, one: Judged) -> None:
        reference = one.response.prompt.reference
        self.tally["reference_missing" if reference is None else "reference_unreadable"] += 1
        if reference is not None and not self.first_unreadable:
            why = f" ({one.verdict.detail})" if one.verdict.detail else ""
            self.first_unreadable = f"{shown(reference)!r} of prompt {one.response.prompt.id!r}{why}"

    def kept(self, count: int) -> None:
        self.tally.update(kept=count, prompts_kept=bool(count))

    def drop(self, name: str, reason: str) -> None:
        self.dropped[f"{name}: {reason.partition(' | ')[0]}"] += 1

    def counts(self) -> dict[str, int]:
        counts = {name: self.tally[name] for name in ("prompts", "responses", "kept", "prompts_kept")}
        counts["dropped"] = counts["responses"] - counts["kept"]
        return counts

    def results(self) -> dict[str, Any]:
        results: dict[str, Any] = {
            "statuses": dict(self.statuses.most_common()),
            "dropped": dict(self.dropped.most_common()),
        }
        if self.accuracy.trials:
            results["accuracy"], results["accuracy_interval"] = _share(self.accuracy)
            results["right"] = self.accuracy.successes
            results["accuracy_by_tag"] = {
                tag: {"accuracy": _share(one)[0], "interval": _share(one)[1], "responses": one.trials}
                for tag, one in sorted(self.by_tag.items())
            }
            results["prompts_by_pass_rate"] = {name: self.pass_rates[name] for name in BINS}
        if by_class := class_scores(self.confusion):
            results["by_class"] = by_class
        if confidence := self.confidence.result(independent=False):
            of_prompts = self.confidence_of_prompts.result(independent=False) or {}
            results["confidence"] = {**confidence, "prompt": of_prompts["mean"]}
        if self.tally["suspects"]:
            results["suspect_references"] = self.tally["suspects"]
        if self.cost is not None and self.tally["kept"]:
            results["cost_usd_per_kept"] = money(round(self.cost / self.tally["kept"], 6))
        return results

    def notes(self) -> list[str]:
        notes = [verified_with(self.used)]
        if count := self.tally["no_reference"]:
            notes.append(
                f"{counted(count, 'response is', 'responses are')} unverified: no reference stands with the prompt"
            )
        if count := self.tally["not_asked"]:
            notes.append(f"{counted(count, 'response is', 'responses are')} unverified, as --verify none asks")
        if count := self.tally["no_decision"]:
            notes.append(f"{counted(count, 'response is', 'responses are')} unverified: the verifier could not decide")
        if count := self.statuses["error"]:
            notes.append(
                f"{counted(count, 'response')} could not be judged, which counts neither as right nor as wrong; "
                f"the first error: {self.first_error}"
            )
        if count := self.tally["by_majority"]:
            notes.append(
                f"{counted(count, 'response was', 'responses were')} compared with what most answers say (the "
                f"references of expand), which nobody has verified: that counts in no accuracy, and such a row weighs "
                f"what the tag weight of its prompt says"
            )
        notes += self._bad_references()
        if self.accuracy.trials and self.pass_rates["1"] == self.tally["prompts"] > 20:
            notes.append("every sample of every prompt is right: these prompts may be too easy to teach much")
        if len(self.by_tag) == MAX_TAGS:
            notes.append(f"accuracy by tag is counted for the first {MAX_TAGS} tags only")
        if self.tally["responses"] and not self.tally["kept"]:
            notes.append("nothing was kept; look at the reasons above, and at the dropped file")
        return notes

    def _bad_references(self) -> Iterator[str]:
        if count := self.tally["reference_missing"]:
            yield f"{counted(count, 'response')} could not be judged: no reference stands with the prompt"
        if count := self.tally["reference_unreadable"]:
            yield (
                f"{counted(count, 'response')} could not be judged: the reference cannot be read; the first is "
                f"{self.first_unreadable}"
            )

    def suspect(self, samples: Sequence[Judged]) -> Suspect | None:
        """A suspect, where nearly all samples of one prompt give the same wrong answer; else None."""
        ended = [one.verdict for one in samples if one.response.stop_reason == "stop"]
        wrong = [verdict.answer for verdict in ended if verdict.status == "incorrect" and verdict.answer]
        if len(samples) < SUSPECT_SAMPLES or len(wrong) < SUSPECT_SHARE * len(samples):
            return None
        most = max(classes(wrong), key=len)
        if len(most) < SUSPECT_SHARE * len(samples):
            return None
        self.tally["suspects"] += 1
        first = samples[0]
        prompt = first.response.prompt
        return Suspect(
            id=prompt.id,
            question=question_of(prompt),
            reference=first.verdict.reference or prompt.reference,
            answer=wrong[most[0]],
            votes=len(most),
            samples=len(samples),
            confidence=round(math.exp(known.mean_logprob), 6) if (known := first.confidence) else None,
        )


def _tags(judged: Judged) -> list[str]:
    return [f"{name}={value}" for name, value in (judged.response.prompt.tags or {}).items()]


def _bin(pass_rate: float) -> str:
    if pass_rate in (0, 1):
        return BINS[0] if pass_rate == 0 else BINS[-1]
    return BINS[1 + int(min(pass_rate * 4 - 1e-9, 3.5))]


def _share(clustered: Clustered) -> tuple[float, list[float]]:
    return round(clustered.share, 4), [round(bound, 4) for bound in clustered.interval()]
