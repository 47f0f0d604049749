"""What all requests to the embedded teacher share: its source, counters of samples, a ledger of what it billed."""

import re
from collections import Counter, OrderedDict
from dataclasses import dataclass, field

from aiohttp import web

from cotdistill.mock.sources import Answer, Source

REMEMBERED_QUESTIONS = 100_000
"""How many questions' counters are kept for clients that do not say which sample they want."""

_SAMPLE = re.compile(r"-(\d{1,9})$")


@dataclass(frozen=True)
class ServerConfig:
    source: Source
    latency_s: float = 0.0
    api_key: str | None = None
    """The one key that is accepted; None accepts any, but not none at all."""


@dataclass
class Teacher:
    """What all requests share: the source, the counters of samples, the ledger of what was billed."""

    config: ServerConfig
    ledger: Counter[str] = field(default_factory=Counter)
    _asked: OrderedDict[str, int] = field(default_factory=OrderedDict)

    def answer(self, question: str, request: web.Request, offset: int = 0) -> Answer:
        """The sample that the idempotency key ends in (a retry gets the same answer again), else the next one."""
        found = _SAMPLE.search(request.headers.get("Idempotency-Key", ""))
        sample = int(found[1]) if found else self._next(question)
        return self.config.source.answer(question, sample + offset)

    def bill(self, input_tokens: int, output_tokens: int) -> None:
        self.ledger.update(answers=1, input_tokens=input_tokens, output_tokens=output_tokens)

    def accepts(self, key: str | None) -> bool:
        return bool(key) and self.config.api_key in (None, key)

    def _next(self, question: str) -> int:
        count = self._asked.pop(question, 0)
        self._asked[question] = count + 1
        if len(self._asked) > REMEMBERED_QUESTIONS:
            self._asked.popitem(last=False)
        return count


TEACHER = web.AppKey("teacher", Teacher)
