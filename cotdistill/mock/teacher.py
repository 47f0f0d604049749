"""What all requests to the embedded teacher share: its source, its limits and faults, a ledger of what it billed."""

import math
import random
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from aiohttp import web

from cotdistill.mock.faults import Fault, Faults
from cotdistill.mock.ledger import Bill, Ledger, sha256
from cotdistill.mock.limits import Account, Limits, Refused
from cotdistill.mock.sources import Answer, Source
from cotdistill.mock.wire_common import Reply, Wire, read_body
from cotdistill.mock.wire_scores import Scorer

REMEMBERED_QUESTIONS = 100_000
"""How many questions' counters are kept for clients that do not say which sample they want."""

_SAMPLE = re.compile(r"-(\d{1,9})$")


@dataclass(frozen=True)
class ServerConfig:
    """`latency_s` is the median; `latency_tail` is the sigma of a log-normal distribution around it: at 1.0, one answer
    in a hundred takes ten times the median."""

    source: Source
    latency_s: float = 0.0
    latency_tail: float = 0.0
    api_key: str | None = None
    """The one key that is accepted; None accepts any, but not none at all."""
    limits: Limits = field(default_factory=Limits)
    faults: tuple[Fault, ...] = ()
    truncate: bool = False
    """Every answer is cut, whatever the request's cap."""
    ledger: Path | None = None
    seed: int = 0
    scorer: Scorer | None = None
    """Scores given tokens; None where the server offers no scores."""


class Teacher:
    """Answers requests of any wire format. The order of them decides nothing that it says, only what goes wrong."""

    def __init__(self, config: ServerConfig) -> None:
        self.config = config
        self.account = Account(config.limits)
        self.faults = Faults(config.faults, config.seed)
        self.ledger = Ledger()
        if config.ledger:
            self.ledger.open(config.ledger)
        self._asked: OrderedDict[str, int] = OrderedDict()
        self._lots = random.Random(f"latency/{config.seed}")

    def answer(self, wire: Wire, content: bytes, headers: Mapping[str, str]) -> Reply:
        """Answer a request and bill it, in no time and whatever the rate limits: the line of a batch, say."""
        reply = self.compute(wire, content, headers)
        self.bill(reply)
        self.book(wire, content, headers, reply, delivered=True)
        return reply

    def compute(self, wire: Wire, content: bytes, headers: Mapping[str, str]) -> Reply:
        """What a request would be answered. Not billed yet."""
        if not self.accepts(wire.key(headers)):
            return wire.refusal(401, "Incorrect API key provided: it is not the one this server accepts.")

        def sample(question: str, offset: int) -> Answer:
            return self._sample(question, headers, offset)

        try:
            return wire.reply(read_body(content), headers, sample, self.config.truncate)
        except (ValueError, AttributeError, TypeError) as problem:
            return wire.refusal(400, str(problem))

    def admit(self, wire: Wire, reply: Reply) -> Reply:
        """The reply with the rate limits in its headers, or the 429 in its place."""
        if reply.billed is None:
            return reply
        refused = self.account.take(wire.AXES, reply.billed)
        levels = wire.limit_headers(self.account.levels(wire.AXES))
        if refused is None:
            return replace(reply, headers={**reply.headers, **levels})
        refusal = wire.refusal(429, _words(refused))
        wait = {"retry-after": str(math.ceil(refused.wait_s))}
        return replace(refusal, headers={**refusal.headers, **levels, **wait})

    def bill(self, reply: Reply) -> None:
        if reply.billed:
            self.ledger.bill(reply.billed)

    def book(self, wire: Wire, content: bytes, headers: Mapping[str, str], reply: Reply, *, delivered: bool) -> None:
        """One line in the ledger's file, where there is one."""
        if reply.billed and self.config.ledger:
            key = headers.get("Idempotency-Key")
            id, model = reply.content["id"], reply.content["model"]
            self.ledger.write(Bill(id, wire.NAME, model, sha256(content), key, reply.billed, reply.status, delivered))

    def latency_s(self) -> float:
        median, tail = self.config.latency_s, self.config.latency_tail
        return median * math.exp(self._lots.gauss(0.0, tail)) if tail else median

    def accepts(self, key: str | None) -> bool:
        return bool(key) and self.config.api_key in (None, key)

    def _sample(self, question: str, headers: Mapping[str, str], offset: int) -> Answer:
        """The sample that the idempotency key ends in (a retry gets the same answer again), else the next one."""
        found = _SAMPLE.search(headers.get("Idempotency-Key", ""))
        sample = int(found[1]) if found else self._next(question)
        return self.config.source.answer(question, sample + offset)

    def _next(self, question: str) -> int:
        count = self._asked.pop(question, 0)
        self._asked[question] = count + 1
        if len(self._asked) > REMEMBERED_QUESTIONS:
            self._asked.popitem(last=False)
        return count


def _words(refused: Refused) -> str:
    what = refused.axis.replace("_", " ")
    return f"Rate limit reached: {refused.limit} {what} per minute. Please try again in {refused.wait_s:.3f}s."


TEACHER = web.AppKey("teacher", Teacher)
