"""Options that meet: a judge with --until-accepted, with each kind of store, with a cap, with evaluate, and twice at
once. One server answers both, teacher and judge, so every request is counted in one place."""

import asyncio
import contextlib
import json
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import openai  # noqa: F401  two runs in threads of one process must not both be the first to import it
import pytest

from cotdistill.artifacts import Manifest
from cotdistill.artifacts.json_lines import read_records
from cotdistill.config import EvaluateConfig, FilterConfig, GenerateConfig
from cotdistill.errors import BudgetError, CotDistillError, UsageError
from cotdistill.progress import Silent
from cotdistill.records import Judged, Response
from cotdistill.stages import evaluate, generate
from cotdistill.stages import filter as filter_stage
from cotdistill.store.location import default_path
from tests.command_server import Command
from tests.conftest import start
from tests.scripted_server import Scripted, Server, completion, serving

PROMPTS = 20
PRICED: dict[str, Any] = {"price_in": 1_000_000.0, "price_out": 1_000_000.0}
"""A dollar a token: the scripted server bills 7 in and 5 out, so 12 USD an answer."""


def prompts(tmp_path: Path, count: int = PROMPTS) -> Path:
    path = tmp_path / "p.jsonl"
    if path.exists():  # another run reads it
        return path
    path.write_text(
        "".join(json.dumps({"id": str(n), "question": f"Q {n}", "answer": "4"}) + "\n" for n in range(count))
    )
    return path


def is_judge(body: dict[str, Any]) -> bool:
    return "VERDICT" in body["messages"][-1]["content"]


def both(number: int, body: dict[str, Any]) -> Scripted:
    """The teacher is right at the third sample of odd questions, at the first one of even ones."""
    content = body["messages"][-1]["content"]
    if is_judge(body):
        return Scripted(completion(f"VERDICT: {'CORRECT' if 'I say 4' in content else 'INCORRECT'}"))
    tries[content] += 1
    right = int(content.split()[1]) % 2 == 0 or tries[content] > 2
    return Scripted(completion(f"I say {4 if right else 4 + tries[content]}"))


tries: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def _no_tries() -> None:
    tries.clear()


def against(work: Callable[[Server], Any], answer: Callable[[int, dict[str, Any]], Scripted] = both) -> list[Any]:
    """`work(server)` in threads of their own, at once where it is a list; gives what each returned, and the server."""

    async def run() -> list[Any]:
        async with serving(answer) as server:
            calls = work(server)
            calls = calls if isinstance(calls, list) else [calls]
            found = await asyncio.gather(*(asyncio.to_thread(call) for call in calls))
            return [*found, server]

    return asyncio.run(run())


def judge(server: Server, more: str = "") -> str:
    return f"judge:teacher=openai:judge,base_url={server.url}/v1{more}"


def generating(tmp_path: Path, server: Server, output: str = "r", **options: Any) -> Callable[[], Manifest]:
    chosen = {"teacher": "openai:m", "base_url": f"{server.url}/v1", "samples": 3, "until_accepted": 1, **options}
    config = GenerateConfig(**{"verify": judge(server), **chosen})
    return lambda: generate.run(prompts(tmp_path), tmp_path / f"{output}.jsonl", config, Silent())


def asked(server: Server) -> tuple[int, int]:
    """Requests to the teacher and to the judge."""
    judged = sum(map(is_judge, server.requests))
    return len(server.requests) - judged, judged


def stored(path: Path) -> Counter[str]:
    with closing(sqlite3.connect(path)) as store:
        return Counter(model for (model,) in store.execute("SELECT model FROM answers"))


def test_a_judge_decides_how_many_samples_are_asked_and_its_answers_are_kept(tmp_path: Path) -> None:
    manifest, server = against(lambda server: generating(tmp_path, server))
    assert manifest.complete
    assert manifest.counts["responses"] == 10 + 10 * 3
    assert asked(server) == (40, 40)
    assert stored(default_path()) == {"m": 40, "judge": 40}
    assert len(list(read_records(tmp_path / "r.jsonl", Response))) == 40


def test_a_second_run_asks_nobody(tmp_path: Path) -> None:
    def work(server: Server) -> Callable[[], Any]:
        run = generating(tmp_path, server)
        return lambda: [run(), run()]

    (first, second), server = against(work)
    assert asked(server) == (40, 40)
    assert (first.counts["bought"], second.counts["bought"]) == (40, 0)


def test_two_at_once_on_one_store_pay_each_answer_and_each_verdict_once(tmp_path: Path) -> None:
    one, other, server = against(lambda server: [generating(tmp_path, server, name) for name in ("a", "b")])
    assert asked(server) == (40, 40)
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    assert one.counts["bought"] + other.counts["bought"] == 40


@pytest.mark.parametrize("options", [{"cache": "own.sqlite"}, {"no_cache": True}])
def test_the_judges_answers_go_to_the_runs_own_store(tmp_path: Path, options: dict[str, Any]) -> None:
    if "cache" in options:
        options = {"cache": str(tmp_path / options["cache"])}
    manifest, server = against(lambda server: generating(tmp_path, server, **options))
    assert manifest.complete and asked(server) == (40, 40)
    assert not default_path().exists()
    if "cache" in options:
        assert stored(tmp_path / "own.sqlite") == {"m": 40, "judge": 40}


def test_a_cap_that_leaves_no_verdict_buys_no_answer(tmp_path: Path) -> None:
    priced = ",price_in=1000000,price_out=1000000,max_output_tokens=5000"
    requests: list[Server] = []

    def work(server: Server) -> Any:
        requests.append(server)
        return generating(
            tmp_path, server, **PRICED, max_output_tokens=10, max_cost=1300.0, verify=judge(server, priced)
        )

    with pytest.raises(UsageError, match=r"--max-cost 1300.00: one verdict of the judge may cost up to .* USD"):
        against(work)
    assert asked(requests[0]) == (0, 0)


def test_a_dry_run_asks_no_judge_either(tmp_path: Path) -> None:
    def work(server: Server) -> Callable[[], Any]:
        full, dry = (
            generating(tmp_path, server, until_accepted=None, verify=None),
            generating(tmp_path, server, dry_run=True),
        )
        return lambda: [full(), dry()]

    (_, dry), server = against(work)
    assert asked(server) == (60, 0)
    assert dry.counts["in_store"] == 20, "one answer each is known, and nobody knows whether it is right"
    assert dry.results["judge_usd_at_most"] == "unknown"


def test_a_dry_run_bounds_what_the_judge_may_cost(tmp_path: Path) -> None:
    priced = ",price_in=1,price_out=1,max_output_tokens=1000"

    def work(server: Server) -> Callable[[], Any]:
        verify = judge(server, priced)
        options: dict[str, Any] = {"verify": verify, "max_output_tokens": 100, "price_in": 1.0, "price_out": 1.0}
        dry, real = generating(tmp_path, server, dry_run=True, **options), generating(tmp_path, server, **options)
        return lambda: [dry(), real()]

    (dry, real), _ = against(work)
    most = float(dry.results["cost_usd_at_most"]) + float(dry.results["judge_usd_at_most"])
    assert float(dry.results["judge_usd_at_most"]) >= 60 * 1000 / 1e6, "a whole answer of the judge for each sample"
    assert float(real.results["spent_usd"]) <= most


def test_answers_of_the_store_are_judged_many_at_once(tmp_path: Path) -> None:
    def work(server: Server) -> Callable[[], Any]:
        full, again = (
            generating(tmp_path, server, until_accepted=None, verify=None, concurrency=1),
            generating(tmp_path, server),
        )
        return lambda: [full(), again()]

    (_, again), server = against(work)
    assert asked(server) == (60, 40)
    assert again.complete and again.counts["bought"] == 0


def test_one_cap_holds_for_teacher_and_judge_together(tmp_path: Path) -> None:
    priced = ",price_in=1000000,price_out=1000000,max_output_tokens=10"
    manifest, server = against(
        lambda server: generating(
            tmp_path, server, **PRICED, max_output_tokens=10, max_cost=1300.0, verify=judge(server, priced)
        )
    )
    teacher, judged = asked(server)
    assert manifest.stopped_by == "budget" and not manifest.complete
    # the server says 7 tokens of every prompt, and the judge's are longer: they count as what they are
    assert 12 * (teacher + judged) <= float(manifest.results["spent_usd"]) <= 1300


def test_the_judges_own_cap_stops_the_asking_too(tmp_path: Path) -> None:
    capped = ",price_in=1000000,price_out=1000000,max_output_tokens=10,max_cost=1000"
    manifest, server = against(lambda server: generating(tmp_path, server, verify=judge(server, capped), concurrency=1))
    teacher, judged = asked(server)
    assert manifest.stopped_by == "budget" and not manifest.complete
    assert teacher <= judged + 4, "answers that nobody can judge are not bought"


def test_evaluate_keeps_what_generate_keeps_of_an_answer_and_shares_the_store(tmp_path: Path) -> None:
    def answer(number: int, body: dict[str, Any]) -> Scripted:
        return Scripted(completion("<think>2+2</think>4"))

    def work(server: Server) -> Callable[[], Any]:
        config = EvaluateConfig(student="openai:m", base_url=f"{server.url}/v1", price_in=1.0, price_out=1.0)
        path = prompts(tmp_path)
        return lambda: [evaluate.run(path, tmp_path / "s.json", config, Silent()) for _ in range(2)]

    (first, again), server = against(work, answer)
    assert len(server.requests) == PROMPTS
    assert (first.results["spent_usd"], "spent_usd" in again.results) == ("0.00024", False)
    one = next(iter(read_records(tmp_path / "s.answers.jsonl", Judged))).response
    assert (one.reasoning, one.reasoning_rule) == ("2+2", "</think>")
    assert (one.teacher.served_model, one.cost_usd) == ("served", "0.000012")


def test_two_evaluations_at_once_pay_each_answer_once(tmp_path: Path) -> None:
    def answer(number: int, body: dict[str, Any]) -> Scripted:
        text = "VERDICT: CORRECT" if is_judge(body) else "4"
        return Scripted(completion(text), delay_s=0.01)

    def work(server: Server) -> list[Callable[[], Any]]:
        config = EvaluateConfig(student="openai:m", base_url=f"{server.url}/v1", verify=judge(server))
        path = prompts(tmp_path)
        return [lambda n=n: evaluate.run(path, tmp_path / f"s{n}.json", config, Silent()) for n in range(2)]  # type: ignore[misc]

    *_, server = against(work, answer)
    assert asked(server) == (PROMPTS, PROMPTS)
    assert (tmp_path / "s0.answers.jsonl").read_bytes() == (tmp_path / "s1.answers.jsonl").read_bytes()


def test_evaluate_stops_at_its_cap_and_goes_on_with_a_larger_one(tmp_path: Path) -> None:
    options: dict[str, Any] = {**PRICED, "max_output_tokens": 10}

    def work(server: Server) -> Callable[[], Any]:
        def run() -> Any:
            config = EvaluateConfig(student="openai:m", base_url=f"{server.url}/v1", max_cost=150.0, **options)
            with pytest.raises(
                BudgetError, match=r"answers of m are missing: stopped at --max-cost: .* of 150.00 USD spent"
            ):
                evaluate.run(prompts(tmp_path), tmp_path / "s.json", config, Silent())
            spent = 12 * len(server.requests)
            more = EvaluateConfig(student="openai:m", base_url=f"{server.url}/v1", **options)
            evaluate.run(prompts(tmp_path), tmp_path / "s.json", more, Silent())
            return spent

        return run

    spent, server = against(work, lambda number, body: Scripted(completion("4")))
    assert 0 < spent <= 150
    assert len(server.requests) == PROMPTS


def test_a_judge_that_fails_on_every_answer_is_no_score_of_nought(tmp_path: Path) -> None:
    def answer(number: int, body: dict[str, Any]) -> Scripted:
        return Scripted(completion("I cannot tell" if is_judge(body) else "4"))

    def work(server: Server) -> Callable[[], Any]:
        config = EvaluateConfig(student="openai:m", base_url=f"{server.url}/v1", verify=judge(server))

        def run() -> None:
            with pytest.raises(CotDistillError, match="none of its answers could be judged; the first: error by judge"):
                evaluate.run(prompts(tmp_path), tmp_path / "s.json", config, Silent())

        return run

    against(work, answer)


def test_filter_and_generate_share_a_judges_answers(tmp_path: Path) -> None:
    def work(server: Server) -> Callable[[], Any]:
        own = str(tmp_path / "own.sqlite")
        asking = generating(tmp_path, server, cache=own)
        config = FilterConfig(verify=judge(server), cache=own)
        return lambda: [asking(), filter_stage.run(tmp_path / "r.jsonl", tmp_path / "k.jsonl", config, Silent())]

    (_, filtered), server = against(work)
    assert asked(server) == (40, 40)
    assert filtered.counts["kept"] == PROMPTS
    assert "spent_usd" not in filtered.results, "the store knew every verdict"
    assert not default_path().exists()


def test_what_a_judge_cost_stands_in_the_manifest_of_filter(tmp_path: Path) -> None:
    def work(server: Server) -> Callable[[], Any]:
        asking = generating(tmp_path, server, until_accepted=None, verify=None)
        config = FilterConfig(verify=judge(server, ",price_in=1,price_out=2"))
        return lambda: [asking(), filter_stage.run(tmp_path / "r.jsonl", tmp_path / "k.jsonl", config, Silent())]

    (_, filtered), _ = against(work)
    assert float(filtered.results["spent_usd"]) > 0


@pytest.mark.slow
def test_a_second_ctrl_c_leaves_at_once_though_a_verdict_is_on_its_way(tmp_path: Path) -> None:
    async def run() -> tuple[int | None, str]:
        judging = asyncio.Event()

        def answer(number: int, body: dict[str, Any]) -> Scripted:
            if is_judge(body):
                judging.set()
            return Scripted(completion("4"), delay_s=15 if is_judge(body) else 0)

        async with serving(answer) as server:
            words = ["generate", str(prompts(tmp_path)), "-o", str(tmp_path / "r.jsonl"), "--teacher", "openai:m"]
            words += ["--base-url", f"{server.url}/v1", "--until-accepted", "1", "--verify", judge(server)]
            process = start(*words)
            await judging.wait()
            return await asyncio.to_thread(press_twice, process)

    def press_twice(process: Command) -> tuple[int | None, str]:
        process.send_signal(signal.SIGINT)
        said = ""
        while "stopping" not in said:
            said += process.stderr.readline()
        while process.poll() is None:  # as a person does who sees nothing happen
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(TimeoutError):
                process.wait(2)
        _, rest = process.communicate()
        return process.returncode, said + rest

    code, said = asyncio.run(run())
    assert code == 130, said
    assert "Traceback" not in said
