"""Slow, bursty, lying and failing servers: time against the ideal, requests wasted, answers lost.

Pace and slots are simulated in virtual time (`tests/simulated_servers.py`): these figures do not depend on the machine.
What a server may say is said over HTTP, to a real command: it must end, or say within a minute what it waits for.
"""

import json
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tests.background import in_background
from tests.batch_world import forked
from tests.benchmarks.chaos_kills import Process
from tests.scripted_server import Scripted, Server, completion, serving
from tests.simulated_servers import TOKENS, SlowServer, ask, ask_slow
from tests.simulated_servers import Server as Simulated

PROMPTS = 40
SAYS_WITHIN_S = 75
"""A minute, and what a start takes on a machine with other work."""

# Simulated ------------------------------------------------------------------------------------------------------------


class Pace(NamedTuple):
    """`ideal_s` is what the limit or the slots allow. `times` and `wasted` are the aims: of the ideal, and the share of
    requests that were refused, reset or computed once more."""

    name: str
    server: Callable[[int], Simulated]
    prompts: int
    ideal_s: float
    times: float
    wasted: float
    timeout_s: float = 600.0
    seeds: int = 5


def _by_tokens(axis: str) -> Simulated:
    return Simulated(axis=axis, rate=20.0 * TOKENS, burst=20.0 * TOKENS)


def _by_lot(seed: int, retry_after_s: float | None, share: float = 0.2) -> Simulated:
    lots = random.Random(seed)
    return Simulated(axis="none", latency_s=0.5, refuses=share, retry_after_s=retry_after_s, _lots=lots)


PACES = (
    Pace("20/s, burst 20, Retry-After 1", lambda _: Simulated(retry_after_s=1.0), 400, 19.0, 1.10, 0.02),
    Pace("20/s, burst 20, nothing said", lambda _: Simulated(), 400, 19.0, 1.10, 0.02),
    Pace("20/s, burst 20, headers", lambda _: Simulated(headers=True), 400, 19.0, 1.10, 0.02),
    Pace("20/s, burst 5, Retry-After 1", lambda _: Simulated(burst=5, retry_after_s=1.0), 400, 19.75, 1.10, 0.02),
    Pace("20/s, no burst, Retry-After 1", lambda _: Simulated(burst=1, retry_after_s=1.0), 400, 20.0, 1.25, 0.02),
    Pace("20/s, no burst, nothing said", lambda _: Simulated(burst=1), 400, 20.0, 1.25, 0.02),
    Pace("200/s, burst 200", lambda _: Simulated(rate=200, burst=200), 3200, 15.0, 1.15, 0.04),
    Pace("1/s, burst 60", lambda _: Simulated(rate=1, burst=60), 180, 120.0, 1.10, 0.10),
    Pace("4000 input tokens/s", lambda _: _by_tokens("input_tokens"), 300, 14.0, 1.10, 0.05),
    Pace("4000 output tokens/s", lambda _: _by_tokens("output_tokens"), 300, 14.0, 1.10, 0.08),
    Pace("60 a minute, at once", lambda _: Simulated(rate=0, burst=60, window_s=60.0), 180, 120.0, 1.50, 0.25),
    Pace("5 % of 429 at random", lambda seed: _by_lot(seed, None, 0.05), 1500, 5.84 / 0.95, 2.5, 0.08),
    Pace("20 % of 429 at random", lambda seed: _by_lot(seed, None), 1500, 5.84 / 0.8, 2.5, 0.27),
    Pace("the same, Retry-After 2", lambda seed: _by_lot(seed, 2.0), 1500, 5.84 / 0.8, 4.0, 0.27),
    Pace("20 at once, else overloaded", lambda _: Simulated(axis="none", latency_s=1.0, at_once=20,
         push_back="capacity"), 600, 30.0, 1.40, 0.05),
    Pace("two slots of 0.5 s, time-out 10 s", lambda _: SlowServer(), 200, 50.0, 1.15, 0.05, 10.0),
    Pace("one slot of 2.4 s, time-out 600 s", lambda _: SlowServer(slots=1, service_s=2.4), 200, 480.0, 1.15, 0.05),
    Pace("four slots of 5 s, time-out 20 s", lambda _: SlowServer(slots=4, service_s=5.0), 200, 250.0, 1.15, 0.05,
         20.0),
    Pace("resets above four connections", lambda _: SlowServer(slots=100, most_connections=4), 200, 25.0, 1.15, 0.05,
         10.0),
)  # fmt: skip
"""5.84 s is what the server that refuses by lot takes where it refuses nothing."""


def paced(pace: Pace, seed: int) -> tuple[float, float]:
    """Times the ideal, and the share of requests that was wasted. All are answered: `ask` asserts it."""
    server = pace.server(seed)
    if isinstance(server, SlowServer):
        ask_slow(server, pace.prompts, pace.timeout_s, seed)
        wasted = server.computed - pace.prompts + server.resets
    else:
        ask(server, pace.prompts, seed)
        wasted = server.refusals
    return server.seconds / pace.ideal_s, wasted / pace.prompts


def run_paces() -> bool:
    good = True
    print(f"{'':36}{'× ideal, best to worst':>24}{'aim':>6}{'wasted, most':>14}{'aim':>6}")
    for pace in PACES:
        found = [paced(pace, seed) for seed in range(pace.seeds)]
        times, wasted = sorted(one for one, _ in found), max(one for _, one in found)
        met = times[-1] <= pace.times and wasted <= pace.wasted
        good &= met
        print(f"{pace.name:36}{times[0]:>16.2f} to {times[-1]:.2f}{pace.times:>6.2f}{100 * wasted:>12.1f} %"
              f"{100 * pace.wasted:>4.0f} %{'' if met else '   MISSED'}", flush=True)  # fmt: skip
    return good


# Over HTTP ------------------------------------------------------------------------------------------------------------


class Wire(NamedTuple):
    """`answers` is how many of the 40 prompts must be answered where the run ends by itself. With `names`, this stands
    in what it says, and it sends at most `most` requests."""

    name: str
    answer: Callable[[int, dict[str, Any]], Scripted]
    answers: int | None = PROMPTS
    names: str = ""
    most: int = 10**6
    options: tuple[str, ...] = ()


def _said(**headers: str) -> Callable[[int, dict[str, Any]], Scripted]:
    """An answer under such headers."""
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda number, body: Scripted(completion(), headers=said)


def _usage(input_tokens: Any, output_tokens: Any, **headers: str) -> Callable[[int, dict[str, Any]], Scripted]:
    def answer(number: int, body: dict[str, Any]) -> Scripted:
        reply = _said(**headers)(number, body)
        reply.body["usage"] = {"prompt_tokens": input_tokens, "completion_tokens": output_tokens}
        return reply

    return answer


def _each(every: int, fault: Scripted) -> Callable[[int, dict[str, Any]], Scripted]:
    """The fault on each so-many-th request, and an answer to the others."""
    return lambda number, body: fault if number % every == every - 1 else Scripted(completion())


def _error(status: int, message: str = "no", **headers: str) -> Scripted:
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    return Scripted({"error": {"message": message}}, status, said)


def _for_one_prompt(fault: Scripted) -> Callable[[int, dict[str, Any]], Scripted]:
    return lambda number, body: fault if "Q 7?" in str(body["messages"]) else Scripted(completion())


_HTML = {"content-type": "text/html"}
_PAGE = Scripted(b"<html><title>Sign in</title>Sign in to the wireless network</html>", 200, _HTML)
_FORBIDDEN = Scripted(b"<html><title>Blocked</title>Blocked by the firewall</html>", 403, _HTML)
_LIMITS = {"x_ratelimit_limit_tokens": "90000", "x_ratelimit_remaining_tokens": "89000"}
_QUICK = ("--timeout-s", "3")

WIRES = (
    Wire("usage of 10^12 tokens, limit headers", _usage(7, 10**12, **_LIMITS)),
    Wire("input of 10^12 tokens, limit headers", _usage(10**12, 5, **_LIMITS)),
    Wire("usage below zero", _usage(-5, -10**9, **_LIMITS)),
    Wire("usage in words and fractions", _usage("many", 5.5, **_LIMITS)),
    Wire("limit 0, remaining 0", _said(x_ratelimit_limit_requests="0", x_ratelimit_remaining_requests="0")),
    Wire("limit below zero", _said(x_ratelimit_limit_requests="-5", x_ratelimit_remaining_requests="-1")),
    Wire("limit in words", _said(x_ratelimit_limit_requests="lots", x_ratelimit_remaining_requests="NaN",
         x_ratelimit_reset_requests="soon")),
    Wire("limit of 10^30, infinity", _said(x_ratelimit_limit_requests="1" + "0" * 30,
         x_ratelimit_remaining_tokens="inf", x_ratelimit_limit_tokens="1e999")),
    Wire("remaining 0, reset in a year", _said(x_ratelimit_limit_requests="1000", x_ratelimit_remaining_requests="0",
         x_ratelimit_reset_requests="8760h")),
    Wire("one request a minute", _said(x_ratelimit_limit_requests="1", x_ratelimit_remaining_requests="0",
         x_ratelimit_reset_requests="60s"), answers=None),
    Wire("one token a minute", _said(x_ratelimit_limit_tokens="1", x_ratelimit_remaining_tokens="0"), answers=None),
    Wire("Retry-After of a day", lambda number, body: _error(429, retry_after="86400"), answers=0, names="--max-wait",
         most=40),
    Wire("Retry-After of a day, for two", _each(20, _error(503, retry_after="86400")), answers=PROMPTS - 2),
    Wire("Retry-After that is none", _each(5, _error(429, retry_after="1e400"))),
    Wire("Retry-After in the past", _each(5, _error(503, retry_after="Wed, 21 Oct 2015 07:28:00 GMT"))),
    Wire("Retry-After below zero", _each(5, _error(429, retry_after="-30"))),
    Wire("200 and a web page, always", lambda number, body: _PAGE, answers=0, names="20 web pages in a row", most=60),
    Wire("200 and a web page, one in five", _each(5, _PAGE)),
    Wire("403 and a web page for one prompt", _for_one_prompt(_FORBIDDEN), answers=PROMPTS - 1),
    Wire("500, one in five", _each(5, _error(500))),
    Wire("connection reset, one in five", _each(5, Scripted(cut=True))),
    Wire("body breaks off, one in five", _each(5, Scripted(b'{"id": "x", "choices": [{"index": 0, "mess'))),
    Wire("no answer at all, one in ten", _each(10, Scripted(completion(), delay_s=600)), options=_QUICK),
    Wire("no choices, one in five", _each(5, Scripted({**completion(), "choices": []}))),
    Wire("error under 200, one in five", _each(5, Scripted({"error": {"message": "overloaded", "code": 529}}))),
    Wire("an array, a number, nothing", lambda number, body: Scripted((b"[]", b"7", b"", b"null")[number % 4]),
         answers=0, options=("--max-attempts", "2")),
    Wire("a refusal of everything", lambda number, body: _error(400, "your prompt is too long"), answers=0,
         names="the first 20 requests were all refused", most=60),
)  # fmt: skip


@dataclass
class Found:
    """What one command did."""

    seconds: float
    code: int | None
    """None: it still ran after the time, and was ended."""
    requests: int
    answers: int
    words: str
    bad: list[str] = field(default_factory=list)


def wired(wire: Wire, folder: Path) -> Found:
    folder.mkdir()
    prompts = "".join(json.dumps({"id": f"p{n}", "question": f"Q {n}?"}) + "\n" for n in range(PROMPTS))
    (folder / "p.jsonl").write_text(prompts)
    with in_background(serving(wire.answer)) as server:
        words = ["generate", "p.jsonl", "-o", "r.jsonl", "--teacher", "openai:m", "--base-url", f"{server.url}/v1"]
        began = time.monotonic()
        process = Process(forked([*words, "--cache", "store.sqlite", *wire.options], folder / ".stderr", folder))
        ended = process.ends_within(SAYS_WITHIN_S)
        found = Found(time.monotonic() - began, process.process.exitcode if ended else None, *_came_of(server, folder))
        process.kill()
    return _judged(wire, found)


def _came_of(server: Server, folder: Path) -> tuple[int, int, str]:
    output = folder / "r.jsonl"
    answers = output.read_text().count("\n") if output.exists() else 0
    return len(server.requests), answers, (folder / ".stderr").read_text()


def _judged(wire: Wire, found: Found) -> Found:
    if "Traceback" in found.words:
        found.bad.append("traceback")
    if found.code is None and "waiting for" not in found.words:
        found.bad.append("still runs, and does not say what it waits for")
    if found.code is not None and wire.answers is not None and found.answers != wire.answers:
        found.bad.append(f"{found.answers} answers, expected {wire.answers}")
    if wire.names not in found.words:
        found.bad.append(f"does not say {wire.names!r}")
    if found.requests > wire.most:
        found.bad.append(f"{found.requests} requests, at most {wire.most} expected")
    return found


def run_wires(root: Path) -> bool:
    with ThreadPoolExecutor(6) as threads:
        each: Iterator[Found] = threads.map(lambda pair: wired(pair[1], root / f"wire-{pair[0]}"), enumerate(WIRES))
        print(f"\n{'':36}{'s':>6}{'exit':>6}{'requests':>10}{'answers':>9}   last word")
        good = True
        for wire, found in zip(WIRES, each, strict=True):
            good &= not found.bad
            word = (found.words.strip().splitlines() or [""])[-1][:110]
            code = "runs" if found.code is None else str(found.code)
            print(f"{wire.name:36}{found.seconds:>6.1f}{code:>6}{found.requests:>10}{found.answers:>9}   {word}"
                  + "".join(f"\n    MISSED: {one}" for one in found.bad), flush=True)  # fmt: skip
    return good
