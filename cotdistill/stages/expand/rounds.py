"""Asks some lines of the plan at a time, filters and answers what was written, until enough prompts are kept."""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil

from cotdistill.records import DroppedPrompt, Prompt
from cotdistill.stages.expand.answerable import Answerable
from cotdistill.stages.expand.asking import Asker, Round
from cotdistill.stages.expand.figures import ENOUGH_TRIES, Figures, OfMethod
from cotdistill.stages.expand.plan import Line, Plan
from cotdistill.stages.expand.sieve import Candidate, Sieve

FIRST_TRIES = 30
"""Tries of each method before more are asked: enough to see what it yields."""

MORE_IN_A_DEAR_ROUND = 1.1
"""The factor by which a round that takes long asks for more than is expected to suffice."""

AT_ONCE, LAST_TRIES = 0.8, 20
"""The share of the missing requests that one round asks, and the number below which it asks them all: a prompt kept
beyond --count was paid for too early."""


@dataclass
class Rounds:
    """The same answers give the same rounds, so a killed run goes through them again and pays only for what is missing.
    `solver` is None where no prompt is answered."""

    plan: Plan
    sieve: Sieve
    writer: Asker
    solver: Asker | None
    answerable: Answerable | None
    count: int
    note: Callable[[str], None]
    dear: bool = False
    """Whether a round takes long: up to a day in batches, or a model is loaded again. Then no round tries the methods
    first, and each asks for a little more."""
    kept: list[Prompt] = field(default_factory=list)
    left: list[DroppedPrompt] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """Which methods were stopped, and why."""
    not_asked: int = 0
    unwritten: list[Line] = field(default_factory=list)
    """Lines of a dry run that the store has no answer to."""

    def __post_init__(self) -> None:
        self.figures = Figures({method: OfMethod() for method in self.plan.expanders})

    @property
    def exhausted(self) -> bool:
        return self.writer.exhausted or (self.solver is not None and self.solver.exhausted)

    def run(self) -> None:
        """Ask until `count` prompts are kept, or the plan or the money is used up. A dry run looks up as many lines as
        are expected to be asked, because stored answers may stand anywhere among them."""
        while self._missing > 0 and not self.exhausted and (self.writer.stored_only or not self.not_asked):
            if not (lines := self.plan.take(self.next_tries())):
                return
            self._one(lines)
            self._stop_what_yields_little()

    @property
    def _missing(self) -> float:
        """How many more prompts must be kept, without those expected from what a dry run did not ask."""
        pending = len(self.unwritten) + sum(one.undecided for one in self.figures.methods.values())
        return self.count - len(self.kept) - pending * self.figures.share_kept(self.plan.active)

    def next_tries(self) -> int:
        active = self.plan.active
        wanted = ceil(self._missing / self.figures.share_kept(active))
        if self.unwritten:
            return wanted
        if not self.figures.tries:
            return ceil(wanted * MORE_IN_A_DEAR_ROUND) if self.dear else min(wanted, FIRST_TRIES * len(active))
        if self.dear:
            wanted = ceil(wanted * MORE_IN_A_DEAR_ROUND)
        elif wanted > LAST_TRIES:
            wanted = ceil(wanted * AT_ONCE)
        return min(wanted, self._until_all_are_known(active) or wanted)

    def _until_all_are_known(self, active: list[str]) -> int:
        """Tries until every method has shown whether it is to be stopped: a method that yielded little so far would
        otherwise be asked for very many at once."""
        known = min((self.figures.methods[name].decided for name in active), default=ENOUGH_TRIES)
        return max(0, ENOUGH_TRIES - known) * len(active)

    def _one(self, lines: list[Line]) -> None:
        round = self.writer.ask([self.plan.request(line) for line in lines])
        self.not_asked += round.missing
        candidates = []
        for line in lines:
            method = self.figures.methods[line.method]
            answers = round.answers.get(line.id)
            if answers:
                method.cost.add(answers)
                found = self.sieve.look(line, answers[0])
            elif line.id in round.failed:
                found = DroppedPrompt(id=line.id, filter="failed", reason=round.failed[line.id], tags=line.tags)
            else:
                self.unwritten.append(line)
                continue
            method.tries += 1
            if isinstance(found, Candidate):
                method.candidates += 1
                candidates.append(found)
            else:
                method.repeats += self.sieve.is_repeat(found)
                self._leave(found)
        self._answer(candidates)

    def _answer(self, candidates: list[Candidate]) -> None:
        round = Round({}, {}, 0)
        if self.solver is not None:
            round = self.solver.ask([one.prompt for one in candidates if not one.line.source.is_open])
            self.not_asked += round.missing
        for one in candidates:
            if self.answerable is None or one.line.source.is_open:
                self._keep(one, one.prompt)
                continue
            answers = round.answers.get(one.prompt.id, [])
            method = self.figures.methods[one.line.method]
            method.cost.add(answers)
            if len(answers) < self.answerable.samples and (round.missing or self.exhausted):
                method.undecided += 1
                continue
            found = self.answerable.look(one, answers)
            if isinstance(found, DroppedPrompt):
                self._leave(found)
            else:
                self._keep(one, found)

    def _keep(self, candidate: Candidate, prompt: Prompt) -> None:
        if len(self.kept) == self.count:
            self._leave(
                DroppedPrompt(
                    id=prompt.id,
                    filter="count",
                    reason="more than were asked for",
                    tags=candidate.line.tags,
                    text=prompt.messages[-1].content,
                )
            )
            return
        self.kept.append(prompt)
        self.figures.methods[candidate.line.method].kept += 1
        self.figures.covered.add(candidate.line.source.id)

    def _leave(self, left: DroppedPrompt) -> None:
        self.left.append(left)
        self.figures.drop(left.filter, left.reason)

    def _stop_what_yields_little(self) -> None:
        for method in self.plan.active:
            own = self.figures.methods[method]
            if own.yields_little:
                self.plan.stopped.add(method)
                self.said.append(f"method {method} is stopped: {own.kept} of its {own.tries} requests gave a prompt")
                self.note(self.said[-1])
