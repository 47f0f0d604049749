"""Sums over answers: while they come in, for the progress line; at the end, for records and manifest."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from cotdistill.dispatch.asking import Job
from cotdistill.dispatch.lookup import Answer, as_response
from cotdistill.pricing import Prices, plus
from cotdistill.providers.types import Reply, Teacher
from cotdistill.records import Response, Usage
from cotdistill.wording import amount, usd

FIRST_ANSWERS = 5
"""After this many answers without the reasoning that was paid for the user is warned."""

_TRACES_OF_A_MODEL = (
    "A model that thinks, --effort, --template worked, or --think-tags for marks of its own would bring it"
)
_TRACES_OF_A_RECORDING = (
    "A recording has it in a column beside the answer: reasoning, rationale, explanation or working; or name a teacher "
    "that thinks"
)


@dataclass
class Spending:
    """The cost so far and the expected total, for the progress line, and warnings where paid reasoning does not
    come."""

    prices: Prices
    wanted: int
    to_learn: bool = True
    """Whether a student is trained on the answers; other answers need no warning."""
    traces: bool = True
    """Whether reasoning is wanted."""
    logprobs: bool = False
    """Whether log-probabilities are wanted."""
    answered: int = 0
    cost: Decimal | None = Decimal(0)
    without_logprobs: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    unanswered: str | None = None
    """The first words of a simulated teacher that has no answer."""
    _warned: set[str] = field(default_factory=set, init=False, repr=False)

    def add(self, reply: Reply, *, batch: bool = False) -> None:
        self.answered += 1
        self.kinds[reply.reasoning_kind] += 1
        self.without_logprobs += self.logprobs and reply.confidence is None
        if self.prices.provider == "mock" and reply.stop_reason == "other":
            self.unanswered = self.unanswered or reply.stop_detail
        cost = self.prices.charge(reply, batch=batch)
        self.cost = plus(self.cost, cost)

    def describe(self) -> str:
        if self.cost is None or not self.answered:
            return ""
        in_all = self.cost / self.answered * max(self.wanted, self.answered)
        return f"{usd(self.cost)}, {amount(in_all)} in all"

    def warning(self) -> str | None:
        """A warning, each once: at the first question that a simulated teacher cannot answer, at the first answer
        without the log-probabilities that were asked for, and after the first few answers."""
        if self.without_logprobs and self._is_news("logprobs"):
            return (
                "WARNING: an answer came without the log-probabilities that --logprobs asks for; the answer is kept. "
                "Ctrl-C stops here; see whether this model or server gives any"
            )
        if not self.to_learn:
            return None
        if self.unanswered and self._is_news("unanswered"):
            return f"WARNING: mock:{self.prices.model} has no answer to some of these questions: {self.unanswered!r}"
        if self.answered != FIRST_ANSWERS:
            return None
        if self.kinds["omitted"] == FIRST_ANSWERS:
            return (
                f"WARNING: the first {FIRST_ANSWERS} answers came without the reasoning that was billed. "
                f"Ctrl-C stops here; see whether this model or server shows its reasoning at all"
            )
        if self.kinds["none"] == FIRST_ANSWERS and self.traces and not self.unanswered:
            way_out = _TRACES_OF_A_RECORDING if self.prices.provider == "mock" else _TRACES_OF_A_MODEL
            return (
                f"WARNING: the first {FIRST_ANSWERS} answers came without any reasoning: a student would learn bare "
                f"answers. {way_out}"
            )
        return None

    def _is_news(self, what: str) -> bool:
        if what in self._warned:
            return False
        self._warned.add(what)
        return True


@dataclass
class Tally:
    """Makes the records and adds up their cost. `in_batch` says whether an answer came out of a batch, at half the
    price."""

    prices: Prices
    in_batch: Callable[[str, int], bool] = lambda key, sample: False
    stop_reasons: Counter[str] = field(default_factory=Counter)
    reasoning_kinds: Counter[str] = field(default_factory=Counter)
    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    without_logprobs: int = 0
    without_usage: int = 0
    """Answers whose server did not report their tokens; the sums are of the others."""
    cost: Decimal | None = Decimal(0)

    def add(self, job: Job, answer: Answer, teacher: Teacher, license: str | None) -> Response:
        reply = answer.reply
        cost = self.prices.charge(reply, batch=self.in_batch(answer.key, job.sample))
        self.cost = plus(self.cost, cost)
        self.stop_reasons[reply.stop_reason] += 1
        self.reasoning_kinds[reply.reasoning_kind] += 1
        self.without_logprobs += reply.confidence is None
        self.without_usage += None in (reply.usage.input_tokens, reply.usage.output_tokens)
        self.input_tokens += reply.usage.input_tokens or 0
        self.output_tokens += reply.usage.output_tokens or 0
        self.reasoning_tokens += reply.usage.reasoning_tokens or 0
        return as_response(job, answer, teacher, cost=cost, license=license)

    def usage(self) -> Usage:
        return Usage(
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            reasoning_tokens=self.reasoning_tokens or None,
        )
