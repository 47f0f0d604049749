"""The one retry loop, with a teacher that follows a script, in virtual time."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from cotdistill.dispatch.errors import FailedRequestError, NotAskedError
from cotdistill.dispatch.limiter import Limiter
from cotdistill.dispatch.pool import Turn, work_through
from cotdistill.dispatch.retry import Retrier
from cotdistill.errors import AccountError
from cotdistill.providers.types import Failure, Reply, Request
from cotdistill.records import Message, Usage
from tests import virtual_time

REQUEST = Request((Message(role="user", content="2+2?"),), 10)
REPLY = Reply(b"", "4", None, "none", "stop", None, Usage(input_tokens=1, output_tokens=1))


class ScriptError(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass
class Scripted:
    """Answers request after request as `script` says; `asked` holds when, and under which key."""

    script: Callable[[int], Failure | float]
    provider: str = "scripted"
    asked: list[tuple[float, str]] = field(default_factory=list)

    async def ask(self, request: Request, idempotency_key: str) -> Reply:
        self.asked.append((virtual_time.now(), idempotency_key))
        outcome = self.script(len(self.asked) - 1)
        if isinstance(outcome, Failure):
            await asyncio.sleep(0.01)
            raise ScriptError(outcome)
        await asyncio.sleep(outcome)
        return REPLY

    def classify(self, error: Exception) -> Failure:
        if not isinstance(error, ScriptError):
            raise error
        return error.failure


@dataclass
class Desk:
    """What a test looks at."""

    teacher: Scripted
    retrier: Retrier
    limiter: Limiter
    notes: list[str]
    stop: asyncio.Event


def at_desk(
    script: Callable[[int], Failure | float],
    use: Callable[[Desk], Any],
    *,
    most: int = 8,
    first: int = 8,
    attempts: int = 8,
    timeout_s: float = 600,
) -> Desk:
    async def run() -> Desk:
        stop, notes, teacher = asyncio.Event(), list[str](), Scripted(script)
        kind: Any = teacher
        async with Limiter(stop, most=most, first=first) as limiter:
            retrier = Retrier(kind, limiter, attempts, timeout_s, notes.append, stop)
            desk = Desk(teacher, retrier, limiter, notes, stop)
            await use(desk)
            assert limiter.in_flight == 0
        return desk

    return virtual_time.run(run())


def then_fine(*failures: Failure) -> Callable[[int], Failure | float]:
    return lambda number: failures[number] if number < len(failures) else 0.05


BROKEN = Failure("retry", "500")


def test_what_may_pass_is_tried_again_under_the_same_key_with_growing_waits() -> None:
    async def use(desk: Desk) -> None:
        assert await desk.retrier.ask(REQUEST, "k") is REPLY

    desk = at_desk(then_fine(BROKEN, BROKEN, BROKEN), use)
    assert [key for _, key in desk.teacher.asked] == ["k"] * 4
    assert desk.retrier.retries == 3
    gaps = [
        later - earlier for (earlier, _), (later, _) in zip(desk.teacher.asked, desk.teacher.asked[1:], strict=False)
    ]
    assert all(gap >= 0.5 for gap in gaps)


def test_a_request_that_always_fails_is_given_up_with_its_last_failure() -> None:
    async def use(desk: Desk) -> None:
        with pytest.raises(FailedRequestError, match="500"):
            await desk.retrier.ask(REQUEST, "k")

    assert len(at_desk(lambda number: BROKEN, use, attempts=3).teacher.asked) == 3


@pytest.mark.parametrize(
    ("failure", "error", "attempts"),
    [
        (Failure("row", "400: too long"), FailedRequestError, 1),
        (Failure("account", "401: bad key"), AccountError, 1),
        (Failure("unreachable", "cannot connect"), FailedRequestError, 4),
    ],
)
def test_what_no_waiting_mends_is_not_repeated(failure: Failure, error: type[Exception], attempts: int) -> None:
    async def use(desk: Desk) -> None:
        with pytest.raises(error, match=failure.message):
            await desk.retrier.ask(REQUEST, "k")

    assert len(at_desk(lambda number: failure, use).teacher.asked) == attempts


def test_a_server_that_answered_before_and_is_gone_is_waited_for_longer() -> None:
    gone = Failure("unreachable", "cannot connect")

    async def use(desk: Desk) -> None:
        await desk.retrier.ask(REQUEST, "first")
        await desk.retrier.ask(REQUEST, "second")

    desk = at_desk(lambda number: gone if 1 <= number < 7 else 0.05, use)
    assert len(desk.teacher.asked) == 8


def test_whoever_waits_for_a_retry_has_given_the_turn_back() -> None:
    async def use(desk: Desk) -> None:
        await asyncio.gather(desk.retrier.ask(REQUEST, "unlucky"), desk.retrier.ask(REQUEST, "lucky"))

    desk = at_desk(then_fine(BROKEN), use, most=1)
    assert [key for _, key in desk.teacher.asked] == ["unlucky", "lucky", "unlucky"]


def test_a_retry_after_holds_everyone_once_and_they_come_back_spread() -> None:
    told = Failure("retry", "429", wait_s=8.0, push_back="quota")

    async def use(desk: Desk) -> None:
        await asyncio.gather(*(desk.retrier.ask(REQUEST, str(number)) for number in range(20)))

    desk = at_desk(then_fine(told, told), use, most=20)
    times = sorted(time for time, _ in desk.teacher.asked)
    early, late = [time for time in times if time < 8], [time for time in times if time >= 8]
    assert len(late) >= 2 and len(early) + len(late) == 22
    assert late[0] < 8 + 2 + 0.5, "the second Retry-After did not come on top of the first"
    assert desk.retrier.limiter.pushed_back == 2
    assert desk.notes == []


def test_a_very_long_wait_is_told_once() -> None:
    told = Failure("retry", "429: come back later", wait_s=300.0, push_back="quota")

    async def use(desk: Desk) -> None:
        await asyncio.gather(*(desk.retrier.ask(REQUEST, str(number)) for number in range(3)))

    desk = at_desk(then_fine(told, told, told), use)
    assert desk.notes == ["the server asks to wait 300 s (429: come back later); Ctrl-C is safe, nothing is lost"]


def test_an_attempt_that_takes_too_long_is_ended_and_repeated() -> None:
    async def use(desk: Desk) -> None:
        await desk.retrier.ask(REQUEST, "k")

    desk = at_desk(lambda number: 3600.0 if number == 0 else 0.05, use, timeout_s=60)
    assert len(desk.teacher.asked) == 2
    assert desk.teacher.asked[1][0] >= 60


def test_stopping_wakes_those_that_wait_and_sends_nothing_more() -> None:
    async def use(desk: Desk) -> None:
        asking = [asyncio.create_task(desk.retrier.ask(REQUEST, str(number))) for number in range(3)]
        await asyncio.sleep(0.1)
        desk.stop.set()
        began = virtual_time.now()
        found = await asyncio.gather(*asking, return_exceptions=True)
        assert {type(one) for one in found} <= {NotAskedError, FailedRequestError}
        assert virtual_time.now() - began < 0.1, "nobody sleeps on"

    desk = at_desk(lambda number: Failure("retry", "503", wait_s=900.0, push_back="capacity"), use)
    assert len(desk.teacher.asked) <= 3


def test_a_bug_is_not_an_answer_and_is_not_retried() -> None:
    async def use(desk: Desk) -> None:
        with pytest.raises(ZeroDivisionError):
            await desk.retrier.ask(REQUEST, "k")

    def broken(number: int) -> float:
        return 1 / 0

    assert len(at_desk(broken, use).teacher.asked) == 1


def test_a_bug_that_one_reply_lays_bare_does_not_end_a_run_that_has_answers() -> None:
    async def use(desk: Desk) -> None:
        await desk.retrier.ask(REQUEST, "fine")
        with pytest.raises(FailedRequestError, match="a bug in teacher scripted: ZeroDivisionError: division by zero"):
            await desk.retrier.ask(REQUEST, "odd")
        await desk.retrier.ask(REQUEST, "fine again")

    assert len(at_desk(lambda number: 0.05 if number != 1 else 1 / 0, use).teacher.asked) == 3


# Waits that are too long


def test_a_wait_longer_than_allowed_ends_the_run_and_holds_nobody() -> None:
    day = Failure("retry", "429: requests per day", wait_s=86_400.0, push_back="quota")

    async def use(desk: Desk) -> None:
        with pytest.raises(AccountError, match=r"requests per day.*asks to wait 24 h, and --max-wait is 15 min: come"):
            await desk.retrier.ask(REQUEST, "k")
        assert virtual_time.now() < 1 and desk.stop.is_set()

    assert len(at_desk(lambda number: day, use).teacher.asked) == 1


def test_a_limit_without_a_time_that_lets_nothing_through_ends_the_run_after_the_longest_wait() -> None:
    """Providers without a code for spent credit call it a rate limit, for ever."""
    spent = Failure("retry", "429: exhausted", push_back="quota")

    async def use(desk: Desk) -> None:
        await asyncio.gather(*(desk.retrier.ask(REQUEST, str(number)) for number in range(3)))
        two = (Request((Message(role="user", content=text),), 10) for text in ("a", "b"))
        outcomes = await asyncio.gather(*(desk.retrier.ask(one, "k") for one in two), return_exceptions=True)
        assert {type(one) for one in outcomes} == {FailedRequestError, AccountError}
        assert all("nothing was answered for 15 min (--max-wait): 429: exhausted" in str(one) for one in outcomes)
        assert 900 < virtual_time.now() < 1200

    at_desk(lambda number: 0.05 if number < 3 else spent, use, attempts=1000)


def test_a_limit_is_waited_for_while_the_server_is_at_work_on_something() -> None:
    busy = Failure("retry", "429: one at a time", push_back="quota")

    async def use(desk: Desk) -> None:
        await asyncio.gather(desk.retrier.ask(REQUEST, "long"), desk.retrier.ask(REQUEST, "patient"))

    def script(number: int) -> Failure | float:
        if number == 0:
            return 2000.0
        return busy if virtual_time.now() < 1990 else 0.05

    at_desk(script, use, attempts=1000, timeout_s=3000)


# The pool


def test_one_job_s_error_ends_the_stream_and_is_raised_when_the_others_are_done() -> None:
    finished: list[int] = []

    async def work(job: int, turn: Turn) -> None:
        turn.begun()
        await asyncio.sleep(job)
        if job == 2:
            raise ValueError("job 2")
        finished.append(job)

    async def run() -> None:
        await work_through(iter(range(1, 1000)), work, most=5, stop=asyncio.Event())

    with pytest.raises(ValueError, match="job 2"):
        virtual_time.run(run())
    assert finished == [1, 3, 4, 5, 6], "what had begun is finished, nothing else is begun"


def test_a_job_may_lead_to_more_after_the_stream_was_empty() -> None:
    todo, done = [3], list[int]()

    class Stream:
        def __iter__(self) -> "Stream":
            return self

        def __next__(self) -> int:
            if not todo:
                raise StopIteration
            return todo.pop()

    async def work(job: int, turn: Turn) -> None:
        turn.begun()
        await asyncio.sleep(1)
        done.append(job)
        todo.extend([job - 1] * 2 if job > 1 else [])

    virtual_time.run(work_through(Stream(), work, most=10, stop=asyncio.Event()))
    assert sorted(done) == [1, 1, 1, 1, 2, 2, 3]


def test_a_stream_that_breaks_is_raised_too() -> None:
    def stream() -> Any:
        yield 1
        raise OSError("disk")

    async def work(job: int, turn: Turn) -> None:
        await asyncio.sleep(1)

    with pytest.raises(OSError, match="disk"):
        virtual_time.run(work_through(stream(), work, most=10, stop=asyncio.Event()))


@pytest.mark.parametrize(("most", "asked"), [(8, 8), (128, 144)])
def test_an_answer_leaves_its_place_before_it_is_on_disk_only_beside_many(most: int, asked: int) -> None:
    """So a crash loses no more than what is in flight, or an eighth more."""
    disk: list[asyncio.Future[None]] = []

    def keep(reply: Reply) -> asyncio.Future[None]:
        disk.append(asyncio.get_running_loop().create_future())
        return disk[-1]

    async def use(desk: Desk) -> None:
        asking = [asyncio.create_task(desk.retrier.ask(REQUEST, f"k{n}", keep=keep)) for n in range(4 * most)]
        await asyncio.sleep(60)
        assert (len(desk.teacher.asked), len(disk), desk.limiter.in_flight) == (asked, asked, most)
        assert not any(one.done() for one in asking), "nothing counts before it is on disk"
        while not all(one.done() for one in asking):
            for saved in disk:
                if not saved.done():
                    saved.set_result(None)
            await asyncio.sleep(1)
        assert len(desk.teacher.asked) == 4 * most

    at_desk(then_fine(), use, most=most, first=most)
