"""The generate command as people run it: real processes, the real SDKs, the embedded teacher over HTTP."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import msgspec
import pytest

from cotdistill.records import Response
from tests.conftest import AT_ONCE, cotdistill, mock_teacher, start

QUESTIONS = 40


@pytest.fixture(scope="module")
def teacher() -> Iterator[str]:
    with mock_teacher("--latency-ms", "20") as url:
        yield url


def billed(url: str) -> int:
    with urlopen(f"{url}/ledger") as reply:
        return int(json.load(reply)["answers"])


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    from cotdistill.mock import problems

    path = tmp_path / "prompts.jsonl"
    # A seed per test directory: the teacher counts what it billed, and no test shall pay for another's.
    chosen = problems.generate(QUESTIONS, seed=abs(hash(str(tmp_path))) % 2**31)
    lines = [msgspec.json.encode(problem.as_prompt(f"p{number:03}")) for number, problem in enumerate(chosen)]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def generate(
    prompts: Path, output: Path, *words: str, url: str = "", store: str = ""
) -> subprocess.CompletedProcess[str]:
    base = ("--base-url", f"{url}/v1") if url else ()
    environment = {"COTDISTILL_CACHE": store} if store else {}
    teacher = "openai:simulated" if url else "mock:digit-chains"
    return cotdistill("generate", prompts, "-o", output, "--teacher", teacher, *base, *words, **environment)


def responses(path: Path) -> list[Response]:
    from cotdistill.artifacts.json_lines import read_records

    return list(read_records(path, Response))


def test_answers_come_in_prompt_order_with_trace_usage_and_manifest(prompts: Path, tmp_path: Path) -> None:
    done = generate(prompts, tmp_path / "r.jsonl", "--samples", "3", "--json")
    assert done.returncode == 0, done.stderr
    found = responses(tmp_path / "r.jsonl")
    assert [(one.prompt.id, one.sample) for one in found] == [
        (f"p{n:03}", k) for n in range(QUESTIONS) for k in range(3)
    ]
    assert all(one.reasoning and one.reasoning_kind == "raw" and one.stop_reason == "stop" for one in found)
    assert all(one.usage.output_tokens and one.cost_usd is None for one in found)
    summary = json.loads(done.stdout)
    assert summary["counts"]["bought"] == 3 * QUESTIONS
    assert json.loads((tmp_path / "r.manifest.json").read_text()) == summary


def test_both_wire_formats_give_the_same_answers(prompts: Path, tmp_path: Path, teacher: str) -> None:
    assert generate(prompts, tmp_path / "o.jsonl", url=teacher).returncode == 0
    done = cotdistill(
        "generate", prompts, "-o", tmp_path / "a.jsonl", "--teacher", "anthropic:simulated", "--base-url", teacher
    )
    assert done.returncode == 0, done.stderr
    openai, anthropic = responses(tmp_path / "o.jsonl"), responses(tmp_path / "a.jsonl")
    assert [(one.reasoning, one.text) for one in openai] == [(one.reasoning, one.text) for one in anthropic]
    assert {one.reasoning_kind for one in openai} == {"raw"}
    assert {one.reasoning_kind for one in anthropic} == {"summary"}


def test_only_what_is_new_is_paid_for(prompts: Path, tmp_path: Path, teacher: str) -> None:
    def cost_of(*words: str, file: Path = prompts, output: str = "r.jsonl") -> int:
        before = billed(teacher)
        done = generate(file, tmp_path / output, *words, url=teacher)
        assert done.returncode == 0, done.stderr
        return billed(teacher) - before

    lines = prompts.read_text().splitlines()
    fewer = tmp_path / "fewer.jsonl"
    fewer.write_text("\n".join(reversed(lines[:30])) + "\n")
    assert cost_of(file=fewer) == 30
    assert cost_of(file=fewer) == 0, "the same again"
    assert cost_of() == 10, "more prompts, another order"
    assert cost_of("--samples", "2") == 40, "one more sample each"
    assert cost_of("--samples", "2", "--concurrency", "3", output="elsewhere.jsonl") == 0, "speed and place"
    assert cost_of("--system", "Be brief.") == 40, "another system prompt"
    assert cost_of("--temperature", "0.7") == 40, "another temperature"
    assert cost_of("--template", "worked") == 40, "another template"


def test_one_question_under_two_ids_is_bought_once(tmp_path: Path, teacher: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"id":"a","question":"a=1 b=a+1 b? twice"}\n{"id":"b","question":"a=1 b=a+1 b? twice"}\n')
    before = billed(teacher)
    done = generate(path, tmp_path / "r.jsonl", url=teacher)
    assert (done.returncode, billed(teacher) - before) == (0, 1), done.stderr
    assert [one.prompt.id for one in responses(tmp_path / "r.jsonl")] == ["a", "b"]


@pytest.mark.slow
def test_a_run_killed_halfway_asks_only_for_what_was_in_flight(prompts: Path, tmp_path: Path, teacher: str) -> None:
    words = ("--samples", "5", "--concurrency", "4", "--max-output-tokens", "100")
    undisturbed = generate(prompts, tmp_path / "u.jsonl", *words, url=teacher, store=str(tmp_path / "u.db"))
    assert undisturbed.returncode == 0, undisturbed.stderr
    command = ["generate", str(prompts), "-o", str(tmp_path / "k.jsonl")]
    command += ["--teacher", "openai:simulated", "--base-url", f"{teacher}/v1", *words]
    total, killed = 5 * QUESTIONS, 0
    before = billed(teacher)
    while killed < 3:
        with start(*command) as process:
            aim = billed(teacher) + total // 5
            while billed(teacher) < aim and process.poll() is None:
                time.sleep(0.01)
            assert process.poll() is None, "it finished before it could be killed"
            process.send_signal(signal.SIGKILL)
            process.wait()
        killed += 1
        assert not (tmp_path / "k.jsonl").exists(), "nothing half-written"
    finished = cotdistill(*command)
    assert finished.returncode == 0, finished.stderr
    again = billed(teacher) - before - total
    assert 0 <= again <= killed * 4, f"{again} answers bought twice in {killed} kills with 4 in flight"
    assert (tmp_path / "k.jsonl").read_bytes() == (tmp_path / "u.jsonl").read_bytes()


def test_no_cache_keeps_a_killed_runs_answers_and_leaves_no_store(prompts: Path, tmp_path: Path) -> None:
    done = generate(prompts, tmp_path / "r.jsonl", "--no-cache")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith(".")) == [
        "prompts.jsonl",
        "r.jsonl",
        "r.manifest.json",
    ]


def test_ctrl_c_finishes_what_is_in_flight_and_keeps_it(prompts: Path, tmp_path: Path, teacher: str) -> None:
    command = ["generate", str(prompts), "-o", str(tmp_path / "r.jsonl")]
    command += ["--teacher", "openai:simulated", "--base-url", f"{teacher}/v1", "--samples", "50", "--concurrency", "4"]
    before = billed(teacher)
    process = start(*command)
    while billed(teacher) - before < 20:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, words = process.communicate()
    assert process.returncode == 130, words
    paid = billed(teacher) - before
    assert f"{paid} new answers are kept, the same command continues" in words
    assert "Traceback" not in words
    assert not (tmp_path / "r.jsonl").exists()


def test_a_dry_run_sends_and_writes_nothing(prompts: Path, tmp_path: Path, teacher: str) -> None:
    before = billed(teacher)
    done = generate(prompts, tmp_path / "r.jsonl", "--dry-run", "--samples", "2", "--json", url=teacher)
    assert (done.returncode, billed(teacher)) == (0, before)
    assert json.loads(done.stdout)["counts"] == {"prompts": 40, "responses": 80, "in_store": 0, "to_ask": 80}
    assert not (tmp_path / "r.jsonl").exists()


@pytest.mark.parametrize(
    ("options", "is_said"),
    [("--samples 4 --temperature 0", True), ("--samples 4", False), ("--temperature 0", False)],
)
def test_several_greedy_samples_of_a_prompt_are_said_to_be_alike(
    options: str, is_said: bool, prompts: Path, tmp_path: Path, teacher: str
) -> None:
    said = "the 4 samples of a prompt are alike; give --temperature 1"
    for more in ("--dry-run", "--limit=1"):
        done = generate(prompts, tmp_path / "r.jsonl", more, *options.split(), "--json", url=teacher)
        assert (said in done.stdout) == is_said, done.stdout


def test_samples_of_a_simulated_teacher_are_not_said_to_be_alike_for_it_takes_no_temperature(
    prompts: Path, tmp_path: Path
) -> None:
    words = ("-o", tmp_path / "r.jsonl", "--teacher", "mock:digit-chains", "--samples", "3", "--temperature", "0")
    done = cotdistill("generate", prompts, *words, "--no-cache", "--json")
    assert "alike" not in done.stdout
    texts: dict[str, set[str]] = {}
    for line in (tmp_path / "r.jsonl").read_text().splitlines():
        response = json.loads(line)
        texts.setdefault(response["prompt"]["id"], set()).add(f"{response['reasoning']}{response['text']}")
    assert any(len(found) > 1 for found in texts.values())


def own_prompts(tmp_path: Path, *items: Any) -> Path:
    path = tmp_path / "own.jsonl"
    path.write_text("".join(item if isinstance(item, str) else json.dumps(item) + "\n" for item in items))
    return path


@pytest.mark.parametrize(
    ("items", "words", "code", "line"),
    [
        (['{"question": "q"}\n{"question": \n'], (), 1, r"own\.jsonl:2: not valid JSON.*--skip-bad"),
        (
            [{"id": 1, "question": "q"}, {"id": 1, "question": "r"}],
            (),
            1,
            r"own\.jsonl:2: id '1' stands on line 1 already",
        ),
        ([{"question": "q"}], ("--teacher", "openai:gpt-x"), 6, "OPENAI_API_KEY is not set"),
        ([{"question": "q"}], ("--teacher", "anthropic:claude"), 6, "ANTHROPIC_API_KEY is not set"),
        ([{"question": "q"}], ("--teacher", "opnai:gpt"), 2, r"no teacher named 'opnai'.*did you mean 'openai'"),
        ([{"question": "q"}], ("--teacher", "gpt-x"), 2, "expected PROVIDER:MODEL"),
        ([{"question": "q"}], ("--teacher", "mock:nothing-like-it"), 2, "nothing-like-it"),
        ([{"question": "q"}], ("--samples", "0"), 2, "--samples: expected 1 to 10000, got 0"),
        ([{"question": "q"}], ("--template", "wroked"), 2, "no template named 'wroked'"),
        ([{"question": "q"}], ("--price-in", "1"), 2, "--price-in: goes with --price-out"),
        (
            [{"question": "q"}],
            ("--teacher", "openai:m", "--base-url", "http://127.0.0.1:9/v1"),
            1,
            r"cannot connect to 127\.0\.0\.1:9: Connection refused\. Is the server running",
        ),
    ],
)
@pytest.mark.timeout(60)
def test_what_goes_wrong_is_one_clear_line_and_the_documented_code(
    tmp_path: Path, items: list[Any], words: tuple[str, ...], code: int, line: str
) -> None:
    path = own_prompts(tmp_path, *items)
    teacher = () if "--teacher" in words else ("--teacher", "mock:digit-chains")
    output = tmp_path / "r.jsonl"
    done = cotdistill("generate", path, "-o", output, *teacher, *words, "--log-format", "text", before=AT_ONCE)
    problem = [text for text in done.stderr.splitlines() if text.startswith("cotdistill: ")]
    assert (done.returncode, len(problem)) == (code, 1), done.stderr
    assert re.search(line, problem[0]), problem[0]
    assert "Traceback" not in done.stderr
    left = {path.name for path in tmp_path.iterdir()} - {
        "own.jsonl",
        ".r.jsonl.lock",
        "store.sqlite",
        ".store.sqlite.claims",
    }
    assert left == set(), "nothing half-written"


def test_an_input_edited_after_its_manifest_is_refused_by_the_next_stage(prompts: Path, tmp_path: Path) -> None:
    assert generate(prompts, tmp_path / "r.jsonl").returncode == 0
    with (tmp_path / "r.jsonl").open("a") as file:
        file.write("\n")
    done = cotdistill("filter", tmp_path / "r.jsonl", "-o", tmp_path / "k.jsonl")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "changed since r.manifest.json was written" in done.stderr
    assert not (tmp_path / "k.jsonl").exists()
    assert cotdistill("filter", tmp_path / "r.jsonl", "-o", tmp_path / "k.jsonl", "--allow-modified").returncode == 0


def test_a_refused_key_stops_the_run_within_the_first_requests(prompts: Path, tmp_path: Path) -> None:
    import asyncio

    from cotdistill.config import GenerateConfig
    from cotdistill.errors import AccountError
    from cotdistill.progress import Silent
    from cotdistill.stages import generate as stage
    from tests.scripted_server import Scripted, serving

    async def run() -> int:
        refusal = Scripted({"error": {"message": "Incorrect API key"}}, 401, delay_s=0.05)
        async with serving(lambda number, body: refusal) as server:
            config = GenerateConfig(teacher="openai:m", base_url=f"{server.url}/v1", concurrency=4)
            with pytest.raises(AccountError, match="the provider refuses the key: 401: Incorrect API key"):
                await asyncio.to_thread(stage.run, prompts, tmp_path / "r.jsonl", config, Silent())
            return len(server.requests)

    assert asyncio.run(run()) <= 4


def test_failed_prompts_are_listed_and_the_same_command_asks_only_for_them(tmp_path: Path) -> None:
    import asyncio

    from cotdistill.config import GenerateConfig
    from cotdistill.progress import Silent
    from cotdistill.stages import generate as stage
    from tests.scripted_server import Scripted, completion, serving

    path = own_prompts(tmp_path, *({"id": str(n), "question": f"question {n}"} for n in range(6)))
    broken = True

    def answer(number: int, body: dict[str, Any]) -> Scripted:
        if broken and body["messages"][0]["content"] == "question 3":
            return Scripted({"error": {"message": "prompt too long"}}, 400)
        return Scripted(completion("4"))

    async def run() -> None:
        nonlocal broken
        async with serving(answer) as server:
            config = GenerateConfig(teacher="openai:m", base_url=f"{server.url}/v1")
            first = await asyncio.to_thread(stage.run, path, tmp_path / "r.jsonl", config, Silent())
            assert (first.complete, first.counts["failed"], first.counts["responses"]) == (False, 1, 5)
            failed = json.loads((tmp_path / "r.failed.jsonl").read_text())
            assert failed == {"id": "3", "sample": 0, "reason": "400: prompt too long", "final": True}
            assert "1 of 1 failed with: 400: prompt too long" in first.notes
            broken, before = False, len(server.requests)
            second = await asyncio.to_thread(stage.run, path, tmp_path / "r.jsonl", config, Silent())
            assert (second.complete, second.counts["bought"], len(server.requests) - before) == (True, 1, 1)
            assert not (tmp_path / "r.failed.jsonl").exists()

    asyncio.run(run())
    assert [one.prompt.id for one in responses(tmp_path / "r.jsonl")] == [str(n) for n in range(6)]


def test_a_line_set_aside_is_told_once_and_written_once(tmp_path: Path) -> None:
    prompts = tmp_path / "p.jsonl"
    prompts.write_text('{"question": "a=1 b=a+1 b?", "answer": "2"}\n{"question":\n')
    done = generate(prompts, tmp_path / "r.jsonl", "--skip-bad")
    assert done.returncode == 0
    assert f"1 unreadable line set aside in {tmp_path / 'r.bad.jsonl'}" in done.stderr
    assert (tmp_path / "r.bad.jsonl").read_text().count("\n") == 1, "the file is gone through three times"
