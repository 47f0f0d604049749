"""Servers that answer for a local student: how they start, answer, fail, and end with whoever started them."""

import asyncio
import contextlib
import json
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

pytest.importorskip("transformers", reason="the train extra is not installed")

from cotdistill import plugins, servers, teachers
from cotdistill.config import EvaluateConfig, GenerateConfig, check
from cotdistill.config.options import Engine
from cotdistill.dispatch.lookup import keys_of
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.providers.types import Request
from cotdistill.recipes import lookups
from cotdistill.records import Message
from cotdistill.servers import Sampling, running
from cotdistill.students import load
from cotdistill.teachers.local import Teacher
from tests.command_server import Command
from tests.conftest import ROOT, cotdistill, start
from tests.engine_stand_in import MOCK, PLAIN, put_on_path
from tests.test_evaluate import chains

ENGINES = plugins.names("servers")


def ask(text: str = "2+2?", tokens: int = 8, temperature: float | None = None) -> Request:
    return Request((Message(role="user", content=text),), tokens, temperature)


@pytest.fixture
def tiny_folder(tmp_path: Path) -> Path:
    model, tokenizer = load.student("tiny")
    for one in (model, tokenizer):
        one.save_pretrained(tmp_path / "student")
    return tmp_path / "student"


def wait_until_gone(number: int) -> None:
    while Path(f"/proc/{number}").exists():  # or pytest's time limit ends the test
        time.sleep(0.05)


def read_when_there(path: Path) -> str:
    while not (path.exists() and (text := path.read_text()).endswith("\n")):  # or pytest's time limit ends the test
        time.sleep(0.05)
    return text


async def until_it_runs(engine: str, **settings: Any) -> None:
    async with running(servers.build(engine), engine, "some/model", **settings):
        pass


def test_each_engine_of_the_folder_is_a_choice_of_the_option() -> None:
    assert sorted(get_args(Engine)) == sorted(["local", *ENGINES])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("temperature", [None, 0.6])
def test_a_request_says_all_that_decides_its_answer(engine: str, temperature: float | None) -> None:
    sampling = Sampling(
        16, temperature, seed=5, end_tokens=[2, 9], padding=2, template_kwargs={"enable_thinking": True}
    )
    body = servers.build(engine).body(sampling)
    flat = {**body, **json.loads(body.pop("generation_config", "{}"))}
    assert flat["seed"] == 5
    assert flat.get("max_tokens", flat.get("max_new_tokens")) == 16
    assert flat.get("stop_token_ids", flat.get("eos_token_id")) == [2, 9]
    assert flat["chat_template_kwargs"] == {"enable_thinking": True}
    if temperature is None:
        assert flat.get("temperature") == 0 or flat["do_sample"] is False
    else:
        assert flat["temperature"] == 0.6 and flat.get("do_sample", True)


def test_the_request_key_follows_student_and_engine_and_no_port(tiny_folder: Path) -> None:
    def key(engine: str) -> str:
        return keys_of(teachers.build(f"local:{tiny_folder}", engine=engine), ask()).key

    before = key("vllm")
    assert before == key("vllm") and len({before, key("sglang"), key("local")}) == 3
    (tiny_folder / "note.txt").write_text("retrained")
    assert key("vllm") != before


def test_evaluate_asks_the_engine_that_is_on_path(
    tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice, on two ports: the same answers under the same keys."""
    put_on_path(tmp_path / "bin", "vllm", MOCK, monkeypatch)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    prompts, keys = chains(tmp_path, 6), []
    for name in ("one", "two"):
        scores = tmp_path / f"{name}.json"
        done = cotdistill("evaluate", prompts, "-o", scores, "--student", tiny_folder, "--engine", "vllm")
        assert done.returncode == 0, done.stderr
        assert f"starting vllm for {tiny_folder}" in done.stderr
        lines = (tmp_path / f"{name}.answers.jsonl").read_text().splitlines()
        answers = [json.loads(line)["response"] for line in lines]
        keys.append([(one["request_key"], one["text"], one["teacher"]) for one in answers])
    assert keys[0] == keys[1]
    assert keys[0][0][2] == {"provider": "local", "model": str(tiny_folder), "base_url": "local"}
    assert all(text and "?" not in text for _, text, _ in keys[0]), "the simulated teacher solves chains"


def test_ask_talks_to_the_engine_that_is_on_path(
    tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_on_path(tmp_path / "bin", "vllm", MOCK, monkeypatch)
    done = cotdistill("ask", tiny_folder, "a=1 b=a+1 b?", "--engine", "vllm")
    assert (done.returncode, done.stdout) == (0, "2\n"), done.stderr
    assert f"starting vllm for {tiny_folder}" in done.stderr


def test_generate_stores_what_the_engine_answers_and_asks_it_no_more(
    tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = put_on_path(tmp_path / "bin", "sglang", PLAIN + "serve()\n", monkeypatch)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a-key-of-a-person-0123456789")
    prompts = chains(tmp_path, 3)
    words = ("--teacher", f"local:{tiny_folder}", "--engine", "sglang", "--max-output-tokens", "16")
    for name in ("one", "two"):
        done = cotdistill("generate", prompts, "-o", tmp_path / f"{name}.jsonl", *words)
        assert done.returncode == 0, done.stderr
        assert (f"starting sglang for {tiny_folder}" in done.stderr) == (name == "one"), "nothing is asked again"
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()
    asked = [json.loads(line) for line in (folder / "requests.jsonl").read_text().splitlines()]
    assert len(asked) == 3
    assert asked[0]["body"]["model"] == str(tiny_folder)
    assert "sk-a-key" not in json.dumps(asked), "a person's key is for OpenAI alone"


def test_a_server_of_this_machine_finds_no_key_but_the_hubs_token(
    tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "VLLM_API_KEY", "AWS_SECRET_ACCESS_KEY", "HF_TOKEN"):
        monkeypatch.setenv(name, "sk-0123456789-abcdefghij")
    script = "print('found', *(name for name in os.environ if name[-4:] in ('_KEY', 'OKEN'))); sys.exit(3)\n"
    put_on_path(tmp_path / "bin", "vllm", "import os, sys\n" + script, monkeypatch)
    words = ("-o", tmp_path / "s.json", "--student", tiny_folder, "--engine", "vllm")
    done = cotdistill("evaluate", chains(tmp_path, 2), *words)
    assert "found HF_TOKEN\n" in done.stderr, done.stderr
    Path(done.stderr.split("its whole log is ")[1].strip()).unlink()


def test_a_server_that_ends_at_its_start_is_quoted_and_its_log_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "print('torch.OutOfMemoryError: CUDA out of memory', file=sys.stderr); sys.exit(3)\n"
    put_on_path(tmp_path / "bin", "vllm", "import sys\n" + script, monkeypatch)
    words = ("-o", tmp_path / "s.json", "--student", "tiny", "--engine", "vllm")
    done = cotdistill("evaluate", chains(tmp_path, 2), *words)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert "engine vllm, tiny: the server ended with code 3" in done.stderr, "by the name that a person gave"
    assert "CUDA out of memory" in done.stderr
    log = Path(done.stderr.split("its whole log is ")[1].strip())
    assert "CUDA out of memory" in log.read_text()
    log.unlink()


def test_a_server_that_ends_while_it_is_asked_ends_the_run_with_its_last_words(
    tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after some answers, where any other lost connection is tried again."""
    dies = (
        "def reply(body, whole=reply):\n"
        "    if len(open(HERE + '/requests.jsonl').readlines()) > 2:\n"
        "        print('engine core died: illegal memory access', flush=True); os._exit(70)\n"
        "    return whole(body)\n"
        "serve()\n"
    )
    put_on_path(tmp_path / "bin", "vllm", PLAIN + dies, monkeypatch)
    words = ("-o", tmp_path / "s.json", "--student", tiny_folder, "--engine", "vllm", "--concurrency", "1")
    done = cotdistill("evaluate", chains(tmp_path, 6), *words)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert "the server ended with code 70" in done.stderr and "illegal memory access" in done.stderr
    Path(done.stderr.split("its whole log is ")[1].strip()).unlink()


def test_a_server_that_never_answers_is_given_up_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = put_on_path(tmp_path / "bin", "vllm", PLAIN + "import time; time.sleep(600)\n", monkeypatch)
    with pytest.raises(
        CotDistillError, match=r"engine vllm, some/model: the server did not answer within 2 s"
    ) as caught:
        asyncio.run(until_it_runs("vllm", starting_s=2))
    wait_until_gone(int((folder / "pids").read_text()))
    assert str(caught.value).endswith("within 2 s and said nothing"), "no log is named that is empty"


def test_a_port_that_another_program_took_meanwhile_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = (
        "if len(open(HERE + '/pids').readlines()) == 1:\n"
        "    sys.exit('[Errno 98] error while attempting to bind on address: address already in use')\n"
        "serve()\n"
    )
    folder = put_on_path(tmp_path / "bin", "vllm", PLAIN + taken, monkeypatch)
    asyncio.run(until_it_runs("vllm"))
    assert len((folder / "pids").read_text().split()) == 2


def test_a_server_that_cares_for_no_signal_is_killed_with_its_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stubborn = (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "if not os.fork():\n"
        "    open(HERE + '/worker', 'w').write(f'{os.getpid()}\\n'); signal.pause()\n"
        "serve()\n"
    )
    folder = put_on_path(tmp_path / "bin", "vllm", PLAIN + stubborn, monkeypatch)
    monkeypatch.setattr("cotdistill.servers._process._WATCHER", quick_watcher(tmp_path))
    asyncio.run(until_it_runs("vllm"))
    for name in ("pids", "worker"):
        wait_until_gone(int(read_when_there(folder / name)))


def quick_watcher(folder: Path) -> Path:
    """The watcher with a grace that a test can wait for."""
    from cotdistill.servers import _watch

    source = Path(_watch.__file__).read_text()
    assert "GRACE_S = 10.0" in source
    (folder / "watch.py").write_text(source.replace("GRACE_S = 10.0", "GRACE_S = 0.3"))
    return folder / "watch.py"


@pytest.mark.parametrize(
    ("phase", "number"),
    [("starting", signal.SIGTERM), ("starting", signal.SIGKILL), ("asked", signal.SIGINT), ("asked", signal.SIGKILL)],
)
def test_the_server_ends_with_the_command_however_that_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_folder: Path, phase: str, number: signal.Signals
) -> None:
    waits = "import time\nopen(HERE + '/watcher', 'w').write(f'{os.getppid()}\\n')\n" + (
        "time.sleep(600)\n" if phase == "starting" else ""
    )
    waits += "def reply(body):\n    time.sleep(600)\nserve()\n"
    folder = put_on_path(tmp_path / "bin", "vllm", PLAIN + waits, monkeypatch)
    words = ["evaluate", chains(tmp_path, 2), "-o", tmp_path / "s.json", "--student", tiny_folder, "--engine", "vllm"]
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    with start(*map(str, words), cwd=ROOT, new_session=True) as run:
        read_when_there(folder / ("watcher" if phase == "starting" else "requests.jsonl"))
        server = first(folder)
        run.send_signal(number)
        if phase == "asked" and number != signal.SIGKILL:
            time.sleep(0.5)
            press_until_it_ends(run)  # what is in flight is waited for; the second one ends the command
        _, said = run.communicate()
        wait_until_gone(server)
        wait_until_gone(int((folder / "watcher").read_text()))
    assert not list((tmp_path / "temporary").glob("cotdistill-vllm-*")), "of a server that did not fail"
    assert run.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 130), said
    assert "Traceback" not in said
    assert not (tmp_path / "s.json").exists()


def press_until_it_ends(run: Command) -> None:
    """Two signals that come before the process has looked at the first are one."""
    while run.poll() is None:
        run.send_signal(signal.SIGINT)
        with contextlib.suppress(TimeoutError):
            run.wait(2)


def first(folder: Path) -> int:
    return int((folder / "pids").read_text().split()[0])


def test_the_server_ends_when_its_watcher_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform != "linux":
        pytest.skip("Linux alone tells a process of its parent's end")
    folder = put_on_path(tmp_path / "bin", "vllm", PLAIN + "serve()\n", monkeypatch)

    async def kill_the_watcher() -> None:
        async with running(servers.build("vllm"), "vllm", "m") as found:
            found.process.kill()
            await found.process.wait()
            wait_until_gone(first(folder))

    asyncio.run(kill_the_watcher())


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (
            GenerateConfig(teacher="openai:m", engine="vllm"),
            "--engine: vllm answers for --teacher local:DIR; got 'openai:m'",
        ),
        (EvaluateConfig(student="tiny", engine="vllm", batch_size=4), "--batch-size: goes with --engine local"),
    ],
)
def test_options_that_do_not_go_with_an_engine_are_refused(config: Any, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        check(config)
    assert words in str(caught.value)


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_an_engine_that_is_not_installed_says_how_before_anything_is_asked(engine: str, tmp_path: Path) -> None:
    if shutil.which(engine):
        pytest.skip(f"{engine} is installed")
    with pytest.raises(CotDistillError, match=f"engine {engine}: n.* on PATH.*: pip install {engine}"):
        lookups.engine(engine)
    done = cotdistill(
        "evaluate", chains(tmp_path, 1), "-o", tmp_path / "s.json", "--student", "tiny", "--engine", engine
    )
    assert (done.returncode, f"pip install {engine}" in done.stderr) == (1, True), done.stderr


def test_marks_of_the_trace_that_an_engine_would_leave_out_are_refused(tiny_folder: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_folder)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<think>", "</think>"]})
    tokenizer.save_pretrained(tiny_folder)

    async def opened() -> None:
        async with teachers.on_this_machine(str(tiny_folder), engine="transformers"):
            pass

    pytest.importorskip("uvicorn", reason="the serve extra is not installed")
    with pytest.raises(
        UsageError, match=r"engine transformers: leaves special tokens out .*<think>.*take --engine local"
    ):
        asyncio.run(opened())


@pytest.mark.slow
def test_transformers_serve_answers_what_this_process_answers(tmp_path: Path) -> None:
    """The real server: greedy answers are the same, sampled ones differ from seed to seed alone."""
    pytest.importorskip("uvicorn", reason="the serve extra is not installed")
    requests = [ask("2+2?", 12), ask("a longer question", 12), ask("x", 5)]

    async def answers(teacher: Teacher, requests: list[Request], keys: str) -> list[Any]:
        async with teacher:
            return [await teacher.ask(one, key) for one, key in zip(requests, keys, strict=True)]

    async def served() -> tuple[list[Any], list[Any]]:
        hot = [ask(temperature=1.0)] * 3
        found = await answers(
            teachers.on_this_machine("tiny", engine="transformers", threads=1), requests + hot, "abcded"
        )
        return found[:3], found[3:]

    greedy, sampled = asyncio.run(served())
    here = asyncio.run(answers(Teacher("tiny"), requests, "abc"))
    assert [msgspec.structs.replace(one, raw=b"") for one in greedy] == [
        msgspec.structs.replace(one, raw=b"") for one in here
    ]
    assert [one.raw for one in greedy] == [one.raw for one in here], "stored in the same form"
    assert len({one.text for one in sampled}) == 2 and sampled[0].text == sampled[2].text
