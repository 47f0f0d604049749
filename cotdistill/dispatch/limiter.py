"""When each request may be sent: within the known limits, at the pace that was found, first come, first served."""

import asyncio
import math
import random
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from cotdistill.dispatch.concurrency import ConcurrencyWindow
from cotdistill.dispatch.errors import NotAskedError
from cotdistill.dispatch.rate_probe import RateProbe
from cotdistill.dispatch.token_buckets import Amount, Buckets, believable
from cotdistill.providers.types import Failure, Reply, Request

FIRST_IN_FLIGHT, FIRST_AT_A_PROVIDER = 8, 32

SILENT_S = 30.0
"""Seconds with nothing sent and nothing in flight before the user is told the reason."""

FIRST_OUTPUT_TOKENS = 2_000
"""The guess of an answer's length until the first one is in, if the output cap allows that much."""

BYTES_A_TOKEN = 3.0
"""The guess until the first answer is in: English and code with the usual vocabularies."""

LEARNING = 0.1
"""The weight of the newest answer in a moving average."""


class Ticket(NamedTuple):
    """A request in flight: when it was sent, its number in the order of sending, the tokens it is expected to take, and
    the length of its text."""

    started: float
    number: int
    amount: Amount
    size: int


@dataclass
class Estimate:
    """Predicts what a request will take: its input by a learnt ratio of letters to tokens, its output by the recent
    answers."""

    bytes_a_token: float = BYTES_A_TOKEN
    output_tokens: float | None = None

    def predict(self, size: int, most: int) -> Amount:
        output = min(most, FIRST_OUTPUT_TOKENS if self.output_tokens is None else self.output_tokens)
        return Amount(1, size / self.bytes_a_token, output)

    def learn(self, size: int, amount: Amount) -> None:
        if amount.input_tokens > 0 and size:
            self.bytes_a_token += LEARNING * (size / amount.input_tokens - self.bytes_a_token)
        known = amount.output_tokens if self.output_tokens is None else self.output_tokens
        self.output_tokens = known + LEARNING * (amount.output_tokens - known)


@dataclass
class Limiter:
    """Lets requests out first in, first out: a small request never overtakes a large one, so none starves. A ticket is
    for one attempt; a request that waits for a retry has handed its ticket in.

    Sources: Anthropic and OpenAI describe their limits as token buckets on requests, input and output tokens a minute
    (Anthropic: Rate limits; OpenAI: Rate limits, both tokens together).
    """

    stop: asyncio.Event
    most: int
    first: int = FIRST_IN_FLIGHT
    rpm: int | None = None
    input_tpm: int | None = None
    output_tpm: int | None = None
    timeout_s: float = math.inf
    in_flight: int = 0
    pushed_back: int = 0
    _waiting: deque[tuple["asyncio.Future[Ticket]", int, int]] = field(default_factory=deque, repr=False)
    _timer: asyncio.TimerHandle | None = field(default=None, repr=False)
    _held_until: float = field(default=0.0, repr=False)
    _sent_at: float = field(default=0.0, repr=False)
    _answered: bool = field(default=False, repr=False)

    def __post_init__(self) -> None:
        self._sent_at = _now()
        limits = {"requests": self.rpm, "input_tokens": self.input_tpm, "output_tokens": self.output_tpm}
        self.buckets = Buckets(limits, _now())
        self.window = ConcurrencyWindow(self.most, self.first, self.timeout_s)
        self.pace = RateProbe()
        self.estimate = Estimate()

    async def __aenter__(self) -> Self:
        self._watch = asyncio.create_task(self._turn_away_when_stopped())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._watch.cancel()
        if self._timer:
            self._timer.cancel()

    async def enter(self, request: Request) -> Ticket:
        """Wait for a turn, and return the ticket. Raises NotAskedError once the run stops."""
        if self.stop.is_set():
            raise NotAskedError
        size = request.size
        if not self._waiting and (ticket := self._try(size, request.max_output_tokens)):
            return ticket
        turn: asyncio.Future[Ticket] = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, size, request.max_output_tokens))
        self._let_in()
        return await turn

    def leave(self, ticket: Ticket, reply: Reply | None, failure: Failure | None) -> None:
        """Hand the ticket in, and learn from the attempt's outcome."""
        now = _now()
        self.in_flight -= 1
        if reply is not None:
            used = believable(Amount.of(reply.usage, ticket.amount), ticket.amount, reply.limits)
            self._answered = True
            self.estimate.learn(ticket.size, used)
            self.buckets.take(used - ticket.amount, now)
            self.window.answered(self.in_flight + 1, ticket.started, now)
        else:  # the request was counted; what it would have taken was not
            self.buckets.take(Amount(1) - ticket.amount, now)
        if limits := (reply or failure or _NOTHING).limits:
            self.buckets.learn(limits, now)
        if failure is not None and failure.kind == "account":
            self.stop.set()  # before the next one is let in: it would be refused too
        elif failure is not None and failure.kind != "row":
            self._back_off(failure, ticket, now)
        self._let_in()

    def stalled(self) -> str | None:
        """The reason why no request was sent in the last half minute although some wait and none is in flight; None
        where that is not so."""
        now = _now()
        if not self._waiting or self.in_flight or now - self._sent_at < SILENT_S:
            return None
        if self._held_until > now:
            return f"the server, which asked for a pause: {self._held_until - now:.0f} s more"
        _, size, most_output = self._waiting[0]
        wait_s, axis = self.buckets.scarcest(self.estimate.predict(size, most_output), now)
        if wait_s > 0:
            limit = f"{axis.replace('_', ' ')} ({self.buckets.per_minute(axis):g} a minute)"
            return f"the limit on {limit}: {wait_s:.0f} s more"
        return "a turn at the pace that this server's refusals allow"

    def hold(self, wait_s: float) -> None:
        """Send nothing for `wait_s` seconds and a random moment longer, because the server gives every client the same
        time."""
        now = _now()
        until = now + wait_s + random.uniform(0, min(5.0, wait_s / 20))
        self.pace.held(max(0.0, until - max(now, self._held_until)))
        self._held_until = max(self._held_until, until)

    def _back_off(self, failure: Failure, ticket: Ticket, now: float) -> None:
        if failure.push_back == "quota":
            self.pushed_back += 1
            if pause_s := self.pace.refused(ticket.number, ticket.started, now):
                self.window.limited(now)
                self._held_until = max(self._held_until, now + pause_s)
            lone = self.pace.in_doubt and self._answered  # before the first answer, what the server says is for all
            if self.pace.blind(now) or lone or self.pace.rate is not None:
                return  # what the server says then, it says to this request
        elif failure.push_back is not None:
            self.pushed_back += failure.push_back == "capacity"
            self.window.overloaded(ticket.started, now, lost=failure.push_back == "lost")
        if failure.wait_s is not None and now + failure.wait_s > self._held_until:
            self.hold(failure.wait_s)

    def _try(self, size: int, most_output: int) -> Ticket | None:
        now = _now()
        room_s = self.window.wait_s(self.in_flight, now)
        if room_s == math.inf:
            return None  # the one that leaves lets the next one in
        amount = self.estimate.predict(size, most_output)
        wait_s = max(room_s, self._held_until - now, self.pace.wait_s(now), self.buckets.wait_s(amount, now))
        if wait_s > 0:
            self._wake_in(wait_s)
            return None
        self.buckets.take(amount, now)
        self.window.sent(now)
        self._sent_at = now
        self.in_flight += 1
        return Ticket(now, self.pace.sent(now), amount, size)

    def _let_in(self) -> None:
        while self._waiting and not self.stop.is_set():
            turn, size, most_output = self._waiting[0]
            if not turn.cancelled():
                ticket = self._try(size, most_output)
                if ticket is None:
                    return
                turn.set_result(ticket)
            self._waiting.popleft()

    def _wake_in(self, wait_s: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._let_in)

    async def _turn_away_when_stopped(self) -> None:
        await self.stop.wait()
        while self._waiting:
            turn, _, _ = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(NotAskedError())


def _now() -> float:
    """Seconds of the event loop's clock: a loop with virtual time tests hours in no time."""
    return asyncio.get_running_loop().time()


_NOTHING = Failure("retry", "")
