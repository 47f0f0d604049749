"""Buckets and window by a clock of the test's own; the limiter's queue on a real loop. The pace: test_pacing.py."""

import asyncio
import math
from itertools import pairwise

import pytest

from cotdistill.dispatch.concurrency import ConcurrencyWindow
from cotdistill.dispatch.errors import NotAskedError
from cotdistill.dispatch.limiter import Estimate, Limiter
from cotdistill.dispatch.token_buckets import Amount, Bucket, Buckets, believable
from cotdistill.providers.types import Failure, Quota, RateLimits, Reply, Request
from cotdistill.records import Message, Usage

# Buckets


def test_a_bucket_refills_all_the_time_and_never_above_its_capacity() -> None:
    bucket = Bucket.learnt(Quota(per_minute=60), now=0)
    bucket.take(60, now=0)
    assert bucket.wait_s(1, now=0) == pytest.approx(1)
    assert bucket.wait_s(1, now=1) == 0
    assert bucket.wait_s(30, now=10) == pytest.approx(20)
    assert bucket.wait_s(60, now=1000) == 0


def test_more_than_a_bucket_holds_waits_for_a_full_one_and_leaves_a_debt() -> None:
    bucket = Bucket.learnt(Quota(per_minute=60), now=0)
    bucket.take(30, now=0)
    assert bucket.wait_s(500, now=0) == pytest.approx(30), "full again after 30 s; it never holds 500"
    bucket.take(500, now=30)
    assert bucket.wait_s(1, now=30) == pytest.approx(61), "a debt of one bucket at most, whatever a server counts"


def test_a_limit_that_a_person_gave_lets_a_few_seconds_burst_and_no_header_raises_it() -> None:
    bucket = Bucket.given(120, now=0)
    assert bucket.capacity == 10
    bucket.learn(Quota(per_minute=6000, remaining=5999), now=0)
    assert (bucket.per_minute, bucket.level) == (120, 10)
    bucket.learn(Quota(per_minute=6000, remaining=3), now=0)
    assert bucket.level == 3, "less than thought is left: someone else uses the account"
    assert Bucket.given(1, now=0).wait_s(1, now=0) == 0, "one request a minute still begins with one"


def test_the_reservation_is_settled_with_what_the_answer_took() -> None:
    buckets = Buckets({"requests": None, "input_tokens": None, "output_tokens": 1200}, now=0)
    reserved = Amount(1, 10, 100)
    buckets.take(reserved, now=0)
    assert buckets.wait_s(Amount(1, 10, 100), now=0) == pytest.approx(5)
    buckets.take(Amount(1, 10, 20) - reserved, now=0)
    assert buckets.wait_s(Amount(1, 10, 80), now=0) == 0
    assert buckets.wait_s(Amount(1, 10, 100), now=0) == pytest.approx(1)


def test_every_axis_a_server_names_is_learnt_and_the_scarcest_decides() -> None:
    buckets = Buckets({}, now=0)
    assert buckets.wait_s(Amount(1, 1e9, 1e9), now=0) == 0, "no limit is known"
    limits = RateLimits(requests=Quota(600, 600), tokens=Quota(6000, 50))
    buckets.learn(limits, now=0)
    assert buckets.wait_s(Amount(1, 40, 20), now=0) == pytest.approx(0.1), "10 of 60 tokens are missing"
    buckets.learn(RateLimits(requests=Quota(0, 0)), now=0)  # a nonsense header changes nothing
    assert buckets.wait_s(Amount(1, 20, 10), now=0) == 0


def test_cached_input_is_not_counted_against_a_limit() -> None:
    assert Amount.of(Usage(input_tokens=100, output_tokens=5, cached_tokens=90), Amount()).input_tokens == 10


def test_what_a_server_does_not_count_took_what_was_expected() -> None:
    assert Amount.of(Usage(input_tokens=100), Amount(1, 80, 500)) == Amount(1, 100, 500)


@pytest.mark.parametrize("used", [Amount(1, 1e12, 5), Amount(1, 7, 1e12)])
def test_usage_beyond_a_minute_of_the_server_s_own_limit_is_not_believed_while_it_has_some_left(used: Amount) -> None:
    guess = Amount(1, 10, 100)
    for limits in (
        RateLimits(tokens=Quota(9000, 8000)),
        RateLimits(input_tokens=Quota(9000, 8000), output_tokens=Quota(9000, 8000)),
    ):
        assert believable(used, guess, limits) == guess
    assert believable(used, guess, None) == used, "nothing speaks against it"
    assert believable(used, guess, RateLimits(tokens=Quota(9000, 0))) == used, "it did take all"
    assert believable(Amount(1, 10, 8000), guess, RateLimits(tokens=Quota(9000, 500))) == Amount(1, 10, 8000)


def test_estimates_follow_what_answers_took() -> None:
    estimate = Estimate()
    assert estimate.predict(300, most=8192) == Amount(1, 100, 2000)
    assert estimate.predict(300, most=50).output_tokens == 50, "never above the cap"
    for _ in range(100):
        estimate.learn(300, Amount(1, 200, 400))
    settled = estimate.predict(300, most=8192)
    assert settled.input_tokens == pytest.approx(200, rel=0.01)
    assert settled.output_tokens == pytest.approx(400, rel=0.01)


# Window


def rounds(window: ConcurrencyWindow, answers: int, started: float = 0.0, latency_s: float = 1.0) -> None:
    for _ in range(answers):
        window.answered(window.limit, started, now=started + latency_s)


def test_the_window_doubles_until_the_first_overload_then_grows_slowly() -> None:
    window = ConcurrencyWindow(most=256, limit=4)
    for number, answers in enumerate((4, 8, 16)):
        rounds(window, answers, started=2.0 * number)
    assert window.limit == 32
    window.overloaded(started=9, now=10)
    assert window.limit == 22
    window.overloaded(started=9, now=10.1)
    rounds(window, 1, started=9)
    assert window.limit == 22, "one cut for all that were sent before it, and no credit for them"
    rounds(window, 22, started=11)
    assert window.limit == 23
    for number in range(60):
        window.overloaded(started=100 + number, now=100 + number)
    assert window.limit == 1, "never less than one"


def test_a_window_that_only_lengthens_the_queue_goes_back_and_doubles_no_more() -> None:
    window = ConcurrencyWindow(most=256, limit=8)
    rounds(window, 8, started=0, latency_s=2)
    rounds(window, 16, started=10, latency_s=4)
    assert window.limit == 8, "twice the requests took twice as long: the server's slots were full"
    rounds(window, 8, started=20, latency_s=2)
    assert window.limit == 9


def test_answers_that_would_come_too_late_are_not_asked_for() -> None:
    window = ConcurrencyWindow(most=256, limit=8, timeout_s=10)
    rounds(window, 8, started=0, latency_s=3)
    assert window.limit == 8, "at twice the requests, six of ten seconds: half of the time-out is the bound"


def test_a_time_out_halves_the_window_once_for_all_that_were_out() -> None:
    window = ConcurrencyWindow(most=256, limit=8)
    for _ in range(8):
        window.overloaded(started=0, now=10, lost=True)
    assert window.limit == 4


def test_a_width_that_was_too_large_is_tried_again_after_twice_as_many_rounds_each_time() -> None:
    window, now, tried = ConcurrencyWindow(most=256, limit=6), 0.0, []
    for number in range(300):
        now += 2
        rounds(window, window.limit, started=now)
        if window.limit > 4:  # a server with four slots
            tried.append(number)
            window.overloaded(started=now, now=now + 1)
    gaps = [after - before for before, after in pairwise(tried)]
    assert gaps[3:] == [9, 17, 33, 65, 65, 65], "and after so many at most"


def test_the_window_never_passes_what_was_asked_for_and_begins_with_it() -> None:
    window = ConcurrencyWindow(most=5, limit=16)
    rounds(window, 100)
    assert window.limit == 5


def test_a_window_that_is_not_used_does_not_grow() -> None:
    window = ConcurrencyWindow(most=256, limit=8)
    for _ in range(100):
        window.answered(in_flight=3, started=0, now=1)
    assert window.limit == 8


def test_without_answers_a_window_never_grows() -> None:
    window = ConcurrencyWindow(most=256, limit=8)
    assert window.wait_s(in_flight=8, now=5) == math.inf
    assert window.wait_s(in_flight=8, now=500) == math.inf
    assert window.limit == 8


# The limiter


def request(size: int = 3, most: int = 10) -> Request:
    return Request((Message(role="user", content="x" * size),), most)


def reply(input_tokens: int = 1, output_tokens: int = 10, limits: RateLimits | None = None) -> Reply:
    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
    return Reply(b"", "4", None, "none", "stop", None, usage, limits=limits)


def test_turns_are_given_in_the_order_of_asking_and_a_large_request_is_not_overtaken() -> None:
    async def run() -> list[int]:
        order: list[int] = []
        async with Limiter(asyncio.Event(), most=10, output_tpm=60_000) as limiter:
            limiter.buckets.take(Amount(0, 0, 5_000), 0)  # nearly empty: 1,000 tokens a second come in
            limiter.estimate.output_tokens = 1_000

            async def one(number: int, most: int) -> None:
                await limiter.enter(request(most=most))
                order.append(number)

            await asyncio.gather(*(one(n, most) for n, most in enumerate([10, 400, 10, 10])))
        return order

    assert asyncio.run(run()) == [0, 1, 2, 3]


def test_no_more_fly_than_the_window_allows_and_a_leaving_one_lets_the_next_in() -> None:
    async def run() -> None:
        async with Limiter(asyncio.Event(), most=2) as limiter:
            first, second = await limiter.enter(request()), await limiter.enter(request())
            third = asyncio.create_task(limiter.enter(request()))
            await asyncio.sleep(0)
            assert (limiter.in_flight, third.done()) == (2, False)
            limiter.leave(first, reply(), None)
            await third
            assert limiter.in_flight == 2
            limiter.leave(second, None, Failure("row", "no"))
            assert limiter.in_flight == 1

    asyncio.run(run())


def test_stopping_turns_everyone_away_who_waits() -> None:
    async def run() -> None:
        stop = asyncio.Event()
        async with Limiter(stop, most=1) as limiter:
            await limiter.enter(request())
            waiting = [asyncio.create_task(limiter.enter(request())) for _ in range(3)]
            await asyncio.sleep(0)
            stop.set()
            found = await asyncio.gather(*waiting, return_exceptions=True)
            assert all(isinstance(one, NotAskedError) for one in found)
            with pytest.raises(NotAskedError):
                await limiter.enter(request())

    asyncio.run(run())


def test_a_refused_account_lets_nobody_else_in() -> None:
    async def run() -> None:
        stop = asyncio.Event()
        async with Limiter(stop, most=1) as limiter:
            ticket = await limiter.enter(request())
            waiting = asyncio.create_task(limiter.enter(request()))
            await asyncio.sleep(0)
            limiter.leave(ticket, None, Failure("account", "no credit"))
            with pytest.raises(NotAskedError):
                await waiting

    asyncio.run(run())


def test_a_retry_after_holds_everyone_once() -> None:
    async def run() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        async with Limiter(asyncio.Event(), most=8) as limiter:
            tickets = [await limiter.enter(request()) for _ in range(4)]
            began = loop.time()
            for ticket in tickets:
                limiter.leave(ticket, None, Failure("retry", "429", wait_s=0.7, push_back="quota"))
            held = limiter._held_until
            await limiter.enter(request())
            return loop.time() - began, held - began

    waited, held = asyncio.run(run())
    assert waited >= 0.7
    assert held <= 0.7 * 1.05 + 0.05, "four times the same wait is one wait, with its jitter"


def test_capacity_cuts_the_window_and_leaves_the_buckets_alone() -> None:
    async def run() -> None:
        async with Limiter(asyncio.Event(), most=20, rpm=600) as limiter:
            ticket = await limiter.enter(request())
            level = limiter.buckets._buckets["requests"].level
            limiter.leave(ticket, None, Failure("retry", "529", push_back="capacity"))
            assert limiter.window.limit == 5
            assert limiter.pace.rate is None
            assert limiter.buckets._buckets["requests"].level >= level
            assert limiter.pushed_back == 1

    asyncio.run(run())


def test_limits_are_learnt_from_an_answer_s_headers() -> None:
    async def run() -> None:
        async with Limiter(asyncio.Event(), most=8) as limiter:
            ticket = await limiter.enter(request())
            limiter.leave(ticket, reply(limits=RateLimits(requests=Quota(per_minute=60, remaining=0))), None)
            waiting = asyncio.create_task(limiter.enter(request()))
            await asyncio.sleep(0.02)
            assert not waiting.done(), "none is left for a second"
            waiting.cancel()

    asyncio.run(run())
