"""Shared makers of records, and a clean environment: no key, no store of the person who runs the tests."""

import dataclasses
import gc
import importlib
import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cotdistill.inputs.prompt_files import NamedColumns, PromptFile
from cotdistill.progress import Silent
from cotdistill.records import Judged, Message, Prompt, Response, TeacherInfo, Usage, Verdict
from tests.command_server import HANGS_S, SERVED_AT, Command, CommandServer

ROOT = Path(__file__).parent.parent
SHARED = Path(os.environ.get("COTDISTILL_SHARED", ROOT.parent / "shared"))


PROVIDERS = ("OPENAI_", "ANTHROPIC_", "AZURE_", "AWS_", "GOOGLE_", "CLOUD_ML_", "CLOUDSDK_")

FROZEN = {"modules": 0}
"""How many there were when what they hold was last kept from the garbage collector."""

ENVIRONMENT: dict[str, str] = {}
"""As it is before a test changes it."""


def pytest_configure(config: pytest.Config) -> None:
    gc.set_threshold(50_000, 20, 20)  # not a look at every 700 things while all is imported
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # a core for each worker
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # begun in a shell's background: the commands inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    ENVIRONMENT.update(os.environ)
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        os.environ[SERVED_AT] = command_server().place  # which the workers inherit: torch is imported once for them all


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Files with slow tests first, and their share for each worker first: at the end no long test keeps one waiting."""
    workers = int(getattr(config, "workerinput", {}).get("workercount", 1))
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    slow = {path: sum(item.get_closest_marker("slow") is not None for item in held) for path, held in files.items()}
    order = sorted(files, key=lambda path: -slow[path])
    items[:] = [item for first in range(workers) for path in order[first::workers] for item in files[path]]


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    freeze_what_is_imported()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    freeze_what_is_imported()


def freeze_what_is_imported() -> None:
    """What is imported stays: the collector need not look through it each time. A training ends with a whole look,
    which takes longer than its steps where torch and all that it brings are among the living."""
    if len(sys.modules) > FROZEN["modules"] + 100:
        FROZEN["modules"] = len(sys.modules)
        gc.collect()
        gc.freeze()


@pytest.fixture(autouse=True)
def _clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in os.environ:
        if name.endswith("_API_KEY") or name.startswith(PROVIDERS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COTDISTILL_CACHE", str(tmp_path / "store.sqlite"))
    yield


class Notes(Silent):
    """Progress that keeps what it is given."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.steps: list[tuple[int, str]] = []

    def note(self, message: str) -> None:
        self.notes.append(message)

    def update(self, done: int, detail: str = "") -> None:
        self.steps.append((done, detail))


def make_prompt(id: str = "p1", question: str = "What is 2+2?", reference: str | None = "4", **more: Any) -> Prompt:
    return Prompt(id=id, messages=(Message(role="user", content=question),), reference=reference, **more)


def make_response(text: str = "Answer: 4", prompt: Prompt | None = None, **more: Any) -> Response:
    fields: dict[str, Any] = {
        "prompt": prompt or make_prompt(),
        "sample": 0,
        "reasoning_kind": "raw" if more.get("reasoning") else "none",
        "text": text,
        "stop_reason": "stop",
        "teacher": TeacherInfo(provider="mock", model="m", base_url="mock"),
        "usage": Usage(input_tokens=10, output_tokens=5),
        "request_key": "s1:0",
    }
    return Response(**{**fields, **more})


def make_judged(text: str = "Answer: 4", status: Any = "correct", **more: Any) -> Judged:
    return Judged(response=make_response(text, **more), verdict=Verdict(status=status, method="test", answer="4"))


def make_responses(prompts: int, samples: int = 4) -> list[Response]:
    """Responses of which more than two thirds are right; the last ten prompts repeat the questions of the first ten."""
    lots = random.Random(0)
    return [
        make_response(
            f"The answer is {lots.choice([n % 10, n % 10, n % 7])}.",
            make_prompt(f"p{n}", f"question {n % (prompts - 10)}", str(n % 10), tags={"kind": str(n % 3)}),
            sample=sample,
            cost_usd="0.001",
        )
        for n in range(prompts)
        for sample in range(samples)
    ]


def write_records(path: Path, records: Iterable[object]) -> Path:
    """A JSON lines file as a stage writes it, without a manifest."""
    path.write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in records))
    return path


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def make_teacher(provider: str, model: str = "m", **more: Any) -> Any:
    """A teacher that is not opened yet."""
    return importlib.import_module(f"cotdistill.teachers.{provider}").Teacher(model=model, **more)


@cache
def command_server() -> CommandServer:
    """One for all tests of this process, started by the first command."""
    return CommandServer(ENVIRONMENT or os.environ)


def start(
    *words: str | Path,
    given: str = "",
    before: str = "",
    cwd: Path | None = None,
    new_session: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Command:
    """Begin a command in a process of its own: `given` on its stdin, `before` run in it first."""
    whole = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
    assert not command_server().differing(whole)
    return command_server().start(
        [*map(str, words)], whole, given=given, before=before, cwd=cwd, new_session=new_session
    )


def cotdistill(
    *words: str | Path, given: str = "", before: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    whole = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    if not command_server().differing(whole):
        run = start(*words, given=given, before=before, environment=environment)
        out, said = run.communicate()
        return subprocess.CompletedProcess([*map(str, words)], run.wait(), out, said)
    assert not before
    return subprocess.run(
        [sys.executable, "-m", "cotdistill", *map(str, words)],
        input=given,
        capture_output=True,
        text=True,
        env=whole,
        timeout=HANGS_S,
    )


AT_ONCE = "import tenacity\ntenacity.wait_random_exponential = lambda **_: lambda _: 0.0"
"""To run before a command: it asks a server that is away again without a wait."""


@contextmanager
def mock_teacher(*words: str) -> Iterator[str]:
    """The simulated teacher in a process of its own; gives its URL."""
    with start("mock-teacher", "--port", "0", *words) as server:
        found = re.search(r"http://[\d.]+:\d+", server.stderr.readline())
        assert found, "the teacher says where it listens"
        yield found.group()


def prompt_file(path: Path, **options: Any) -> PromptFile:
    """With the columns that the options of these names name."""
    named = {one.name: options.pop(one.name) for one in dataclasses.fields(NamedColumns) if one.name in options}
    return PromptFile(path, NamedColumns(**named), **options)
