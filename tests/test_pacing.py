"""The pace that is found, against simulated servers, in virtual time: everything but the network is real."""

import random
from collections.abc import Iterator

import pytest

from cotdistill.dispatch.asking import Job, Limits
from cotdistill.dispatch.lookup import Answer
from cotdistill.dispatch.rate_probe import RateProbe
from cotdistill.providers.types import Request
from cotdistill.records import Message
from tests import virtual_time
from tests.conftest import make_prompt
from tests.simulated_servers import TOKENS, Server, SlowServer, ask, ask_all, ask_slow


@pytest.mark.parametrize(
    "server",
    [
        Server(),
        Server(headers=True),
        Server(axis="input_tokens", rate=20 * TOKENS, burst=20 * TOKENS),
        Server(axis="input_tokens", rate=20 * TOKENS, burst=20 * TOKENS, headers=True),
        Server(axis="output_tokens", rate=20 * TOKENS, burst=20 * TOKENS),
        Server(axis="output_tokens", rate=20 * TOKENS, burst=20 * TOKENS, headers=True),
    ],
    ids=lambda server: server.axis + (" with headers" if server.headers else ""),
)
def test_a_limit_that_nobody_told_is_found_and_used_to_a_tenth(server: Server) -> None:
    ask(server)
    assert 14 * 0.95 <= server.seconds <= 14 * 1.1, "300 at 20 a second, 20 of them at once"
    assert server.refusals < (8 if server.headers else 30)


@pytest.mark.parametrize(("rate", "burst"), [(200.0, 200.0), (20.0, 1200.0), (1.0, 60.0)])
def test_so_is_a_fast_one_one_with_a_large_burst_and_a_slow_one(rate: float, burst: float) -> None:
    prompts = int(burst + 15 * rate)
    server = ask(Server(rate=rate, burst=burst), prompts)
    assert server.seconds <= 15 * 1.15
    assert server.refusals < 110


@pytest.mark.parametrize("retry_after_s", [None, 1.0])
@pytest.mark.parametrize(("burst", "ideal_s", "times"), [(20.0, 19.0, 1.1), (5.0, 19.75, 1.1), (1.0, 20.0, 1.25)])
def test_a_limit_is_found_whatever_its_burst_and_whether_or_not_it_asks_to_wait(
    burst: float, ideal_s: float, times: float, retry_after_s: float | None
) -> None:
    server = ask(Server(burst=burst, retry_after_s=retry_after_s), 400)
    assert server.seconds <= ideal_s * times
    assert server.refusals <= 10


@pytest.mark.parametrize("seed", range(3))
def test_refusals_by_lot_cost_hardly_more_than_their_repetition(seed: int) -> None:
    free = ask(Server(axis="none", latency_s=0.5), 1500)
    unlucky = ask(Server(axis="none", latency_s=0.5, refuses=0.2, _lots=random.Random(seed)), 1500)
    assert unlucky.seconds <= 1.5 * free.seconds * 1.25


@pytest.mark.parametrize("seed", range(3))
def test_one_refusal_among_many_accepted_slows_nothing_down(seed: int) -> None:
    free = ask(Server(axis="none", latency_s=0.5), 1500)
    unlucky = ask(Server(axis="none", latency_s=0.5, refuses=0.05, _lots=random.Random(seed)), 1500)
    most = 2.5 if seed == 2 else 1.1  # of seed 2 the first two are one behind the other
    assert unlucky.seconds <= most * free.seconds


def test_a_small_bucket_after_a_blind_time_is_not_taken_for_a_large_one() -> None:
    """What was accepted before it went blind says nothing of the bucket."""
    pace = RateProbe()
    for _ in range(500):
        pace.sent(0.0)
    pace._go_blind(1.0)
    for number in range(501, 521):
        assert pace.sent(2.0) == number
    for number in range(506, 521):
        pace.refused(number, 2.0, 2.01)
    assert not pace.blind(2.02)
    assert pace._before_first[0] == 520 - 500 - 14, "those of the blind time alone"


def test_refusals_by_lot_that_ask_to_wait_hold_everyone_only_until_they_are_seen_through() -> None:
    server = ask(Server(axis="none", latency_s=0.5, refuses=0.2, retry_after_s=2.0), 1500)
    assert server.seconds < 60, "held each time it would be ten minutes"


def test_a_limit_for_a_whole_minute_loses_no_prompt() -> None:
    server = ask(Server(rate=0, burst=60, window_s=60.0), 200)
    assert server.seconds < 300
    assert server.refusals < 200


def test_an_overloaded_server_is_asked_for_less_at_once_and_soon_enough_for_more() -> None:
    server = ask(Server(axis="none", latency_s=1.0, at_once=20, push_back="capacity"), 600)
    assert server.seconds < 30 * 1.4
    assert server.refusals < 30


def test_what_a_person_allows_is_not_exceeded() -> None:
    server = ask(Server(axis="none"), 100, rpm=600)
    assert server.refusals == 0
    assert server.seconds >= (100 - 50) / 10, "600 a minute, five seconds' worth at once"
    assert server.seconds < 7


def test_answers_that_take_long_widen_the_window_by_each_round_of_them() -> None:
    server = ask(Server(axis="none", latency_s=60.0), 256)
    assert server.seconds < 6 * 60 + 10, "8, 16, 32, 64, 128 at once, and the rest"


def test_no_more_are_taken_from_the_stream_than_fly_and_wait_at_the_door() -> None:
    taken = 0

    def jobs() -> Iterator[Job]:
        nonlocal taken
        for number in range(2000):
            taken += 1
            request = Request((Message(role="user", content="x" * 40),), 10)
            yield Job(make_prompt(str(number)), 0, str(number), "", request)

    kept, ahead = 0, 0

    async def got(job: Job, answer: Answer, bought: bool) -> None:
        nonlocal kept, ahead
        kept += 1
        ahead = max(ahead, taken - kept)

    virtual_time.run(ask_all(Server(axis="none", concurrency=32), jobs(), got, Limits(32)))
    assert (kept, taken) == (2000, 2000)
    assert ahead <= 2 * 32, "memory does not grow with the prompts"


@pytest.mark.parametrize(
    ("server", "timeout_s", "ideal_s"),
    [
        (SlowServer(), 10.0, 50.0),
        (SlowServer(slots=1, service_s=2.4), 600.0, 480.0),
        (SlowServer(slots=4, service_s=5.0), 20.0, 250.0),
        (SlowServer(slots=100, most_connections=4), 10.0, 25.0),
    ],
    ids=["two slots", "one slot", "four slow slots", "four connections"],
)
def test_a_slow_server_is_found_out_and_computes_next_to_nothing_twice(
    server: SlowServer, timeout_s: float, ideal_s: float
) -> None:
    ask_slow(server, 200, timeout_s)
    assert server.seconds <= 1.15 * ideal_s
    assert server.computed <= 200 * 1.05
    assert server.resets <= 10
