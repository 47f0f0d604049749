"""What goes wrong between `generate` and a server: real SDKs over real HTTP, and no paid answer is lost."""

import asyncio
import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import tenacity

from cotdistill.dispatch.limiter import FIRST_IN_FLIGHT
from cotdistill.errors import AccountError, CotDistillError
from cotdistill.mock.faults import Fault, Faults
from cotdistill.mock.sources import Scripted
from tests.faulty_teacher import Rehearsal, rehearsing

PROVIDERS = ("openai", "anthropic")
PROMPTS = 6
both = pytest.mark.parametrize("provider", PROVIDERS)


@pytest.fixture(autouse=True)
def _no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long a retry waits is tested elsewhere."""
    monkeypatch.setattr(tenacity, "wait_random_exponential", lambda **_: tenacity.wait_fixed(0.01))


def play(tmp_path: Path, faults: str, scene: Callable[[Rehearsal], Awaitable[None]], **config: Any) -> None:
    async def run() -> None:
        async with rehearsing(tmp_path, faults, **config) as here:
            await scene(here)

    asyncio.run(run())


def survives(tmp_path: Path, provider: str, faults: str, retries: int, **options: Any) -> None:
    """The run is complete, each faulty request was made once more, and the answers are those of a calm run."""

    async def scene(here: Rehearsal) -> None:
        manifest = await here.generate(PROMPTS, provider, **options)
        assert (manifest.complete, manifest.counts["responses"]) == (True, PROMPTS), manifest.counts
        assert here.requests == PROMPTS + retries
        found = [(one.reasoning, one.text) for one in here.responses()]
        assert found == [Scripted().answer(one.prompt.messages[-1].content, 0) for one in here.responses()]

    play(tmp_path, faults, scene)


# Replies that are no answers


@both
def test_an_error_under_status_200_is_asked_again(provider: str, tmp_path: Path) -> None:
    survives(tmp_path, provider, "error@1-2", 2)


@both
def test_choices_that_are_null_are_asked_for_again(provider: str, tmp_path: Path) -> None:
    survives(tmp_path, provider, "null@1-2", 2)


@both
def test_an_empty_answer_is_kept_as_it_was_paid_for_and_not_bought_again(provider: str, tmp_path: Path) -> None:
    async def scene(here: Rehearsal) -> None:
        first = await here.generate(PROMPTS, provider, concurrency=1)
        assert first.counts["responses"] == PROMPTS
        assert (here.responses()[0].text, here.responses()[0].reasoning) == ("", None)
        await here.generate(PROMPTS, provider)
        assert here.answers == PROMPTS

    play(tmp_path, "empty@1", scene)


def test_a_block_of_an_unknown_type_is_skipped_and_the_answer_beside_it_kept(tmp_path: Path) -> None:
    survives(tmp_path, "anthropic", "unknown@1-3", 0)


def test_an_answer_in_parts_with_an_unknown_one_among_them_is_not_bought_again(tmp_path: Path) -> None:
    survives(tmp_path, "openai", "unknown@1", 0)


# Connections


@both
def test_a_body_shorter_than_its_length_says_is_asked_for_again(provider: str, tmp_path: Path) -> None:
    survives(tmp_path, provider, "truncated@1-2", 2)


@both
@pytest.mark.parametrize("byte", [0, 1, 120, 350, -30, -1])
def test_a_connection_cut_at_any_byte_costs_one_more_request(provider: str, byte: int, tmp_path: Path) -> None:
    """0 to 120 lie within the status line and the headers of these replies, which are 500 bytes long or more."""
    survives(tmp_path, provider, f"cut={byte}@1-2", 2)


@both
def test_a_server_that_trickles_bytes_runs_into_the_timeout_as_a_whole(provider: str, tmp_path: Path) -> None:
    """Each byte comes well within the timeout of a single read."""
    survives(tmp_path, provider, "slow=10@1-2", 2, timeout_s=0.5)


@both
def test_a_server_that_sleeps_runs_into_the_timeout(provider: str, tmp_path: Path) -> None:
    survives(tmp_path, provider, "delay=60000@1", 1, timeout_s=0.5)


@both
def test_a_redirect_within_the_server_is_followed(provider: str, tmp_path: Path) -> None:
    survives(tmp_path, provider, "redirect@1", 1)


# Capacity


@both
@pytest.mark.parametrize("status", [500, 502, 503, 529])
def test_a_server_error_is_asked_again(provider: str, status: int, tmp_path: Path) -> None:
    survives(tmp_path, provider, f"{status}@1-3", 3)


def test_an_overload_in_the_middle_of_a_stream_is_asked_again(tmp_path: Path) -> None:
    async def scene(here: Rehearsal) -> None:
        manifest = await here.generate(PROMPTS, "anthropic", max_output_tokens=30_000)
        assert (manifest.complete, manifest.counts["responses"]) == (True, PROMPTS)
        assert all(body.get("stream") is True for body in here.bodies), "a cap this large needs a stream"
        assert here.requests == PROMPTS + 2

    play(tmp_path, "overload@1-2", scene)


# The account


@both
@pytest.mark.parametrize("fault", ["401", "402", "403", "404", "quota"])
def test_a_refused_account_stops_the_run_at_once_and_the_store_goes_on_later(
    provider: str, fault: str, tmp_path: Path
) -> None:
    async def scene(here: Rehearsal) -> None:
        error = await here.fails(100, provider, concurrency=8)
        slip = fault == "404"  # of the person: the model or the path
        ended = (CotDistillError, 1) if slip else (AccountError, 6)
        assert (type(error), error.exit_code) == ended
        assert here.requests <= 5 + 8 + 1, "no more than were in flight, and one in place of the first that was refused"
        assert here.answers == 5
        here.mend()
        manifest = await here.generate(100, provider)
        assert (manifest.counts["responses"], manifest.counts["bought"], here.answers) == (100, 95, 100)

    play(tmp_path, f"{fault}@6-", scene)


@both
def test_a_bad_key_costs_no_more_than_the_first_window(provider: str, tmp_path: Path) -> None:
    async def scene(here: Rehearsal) -> None:
        assert isinstance(await here.fails(100, provider), AccountError)
        assert here.requests <= FIRST_IN_FLIGHT
        assert here.answers == 0

    play(tmp_path, "", scene, api_key="another")


def test_a_redirect_to_another_server_takes_neither_key_nor_prompt_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "very-secret")

    async def run() -> None:
        (tmp_path / "elsewhere").mkdir()
        async with rehearsing(tmp_path / "elsewhere") as there:
            for provider, path in (("openai", "/v1/chat/completions"), ("anthropic", "/v1/messages")):
                async with rehearsing(tmp_path, f"redirect={there.url}{path}@1-") as here:
                    with contextlib.suppress(CotDistillError):
                        await here.generate(1, provider, max_attempts=1)
                    assert "very-secret" in str(here.headers[0])
            assert "very-secret" not in str(there.headers)
            assert there.bodies == [], "nor the prompt"

    asyncio.run(run())


# Waiting


@pytest.mark.parametrize("form", ["seconds", "date", "milliseconds"])
def test_a_retry_after_in_any_form_is_waited_for(form: str, tmp_path: Path) -> None:
    async def scene(here: Rehearsal) -> None:
        soon = int(time.time()) + 2  # an HTTP date has full seconds
        headers, least_s = {
            "seconds": ({"retry-after": "1"}, 1.0),
            "date": ({"retry-after": formatdate(soon, usegmt=True)}, 0.0),
            "milliseconds": ({"retry-after-ms": "300", "retry-after": "3600"}, 0.3),
        }[form]
        here.teacher.faults = Faults((Fault("429", status=429, first=1, headers=headers),))
        assert (await here.generate(2, concurrency=1)).complete
        first, second, _ = here.arrivals
        assert second - first >= least_s
        assert form != "date" or second >= soon

    play(tmp_path, "", scene)


# The disk, other processes, and the end of this one


@pytest.mark.slow
def test_a_full_disk_ends_the_run_with_one_clear_line_and_loses_only_what_was_in_flight(tmp_path: Path) -> None:
    """The limit on the size of a file stands in for it: the store cannot grow."""

    async def scene(here: Rehearsal) -> None:
        size = 1_150_000  # a little more than is tried beforehand
        limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))"
        full = here.start(400, "r", "--concurrency", "8", before=limit)
        _, words = await asyncio.to_thread(full.communicate)
        assert full.returncode == 1, words
        (problem,) = [line for line in words.splitlines() if line.startswith("cotdistill: ")]
        assert "store" in problem and "Traceback" not in words
        bought, kept = here.answers, len(here.stored())
        assert 0 < kept < bought <= kept + 2 * 8
        manifest = await here.generate(400)
        assert (manifest.counts["responses"], here.answers) == (400, 400 + bought - kept)

    play(tmp_path, "", scene)


@pytest.mark.slow
def test_two_processes_share_one_store_and_write_the_same(tmp_path: Path) -> None:
    async def scene(here: Rehearsal) -> None:
        both = [here.start(200, name, "--concurrency", "8") for name in ("a", "b")]
        for process in both:
            _, words = await asyncio.to_thread(process.communicate)
            assert process.returncode == 0, words
        assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
        assert len(here.stored()) == 200
        assert here.answers <= 2 * 200

    play(tmp_path, "delay=5:1", scene)


@pytest.mark.slow
def test_a_run_killed_at_random_moments_pays_twice_only_for_what_was_in_flight(tmp_path: Path) -> None:
    """In flight is what was asked for and does not lie in the store; an answer keeps its place until it does."""
    prompts, concurrency = 150, 8
    moments = random.Random(0)

    async def scene(here: Rehearsal) -> None:
        stored: list[set[str]] = []
        for kill in range(1, 4):
            process = here.start(prompts, "killed", "--concurrency", str(concurrency))
            aim = kill * 40 - moments.randint(0, 30)
            while here.answers < aim and process.poll() is None:
                await asyncio.sleep(0.002)
            assert process.poll() is None, "it ended before it could be killed"
            process.send_signal(signal.SIGKILL)
            process.communicate()
            stored.append(here.stored())
        await here.generate(prompts, output="killed", concurrency=concurrency)
        bought = Counter(bill["idempotency_key"] for bill in here.bills())
        assert set(bought) == here.stored(), "the ledger is the store"
        assert len(bought) == prompts
        for key, times in bought.items():
            assert times <= 1 + sum(key not in kept for kept in stored), "bought again though it was stored"
        assert bought.total() - prompts <= len(stored) * concurrency
        await here.generate(prompts, output="undisturbed", cache=str(tmp_path / "other.sqlite"))
        assert (tmp_path / "killed.jsonl").read_bytes() == (tmp_path / "undisturbed.jsonl").read_bytes()

    play(tmp_path, "delay=10:1", scene)
