"""The code verifier: what passes, what does not, and programs that try to get out, to cheat, or not to end.

The programs are in `tests/programs.py`.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from functools import lru_cache
from pathlib import Path

import pytest

from cotdistill.errors import CotDistillError, UsageError
from cotdistill.plugins import build
from cotdistill.records import Verdict
from cotdistill.sandbox.isolation import Isolation, find
from cotdistill.sandbox.run import Limits, Suite, examine
from cotdistill.stages.verification import Judge
from cotdistill.verifiers._code_tests import MAX_CASES
from tests.conftest import cotdistill, is_alive, make_prompt, make_response
from tests.programs import ADD, CASES, CHEATS, GREEDY, HONEST, SECRET, SUM, Program, harmful, plant, snapshot

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the limits are those of Linux and macOS")

SKIPPED = (
    "import unittest\nclass T(unittest.TestCase):\n    @unittest.skip('later')\n"
    "    def test(self): assert add(1, 2) == 3"
)
TESTS = "assert add(1, 2) == 3\nassert add(-1, 1) == 0"


@lru_cache
def method() -> str:
    """What isolates here; where nothing does, the tests of verdicts run without."""
    try:
        return find().method
    except ValueError:
        return "none"


def isolated(wanted: str = "auto") -> None:
    try:
        find(wanted)
    except ValueError as error:
        pytest.skip(str(error))


def judged(program: str, tests: str | None = TESTS, deadline_s: float = 5, isolation: str | None = None) -> Verdict:
    text = f"Here it is:\n```python\n{program}\n```\n"
    verifier = build("verifiers", f"code:deadline_s={deadline_s},memory_mb=512,isolation={isolation or method()}")
    verdict: Verdict = verifier.judge(make_response(text, make_prompt(reference=tests)))
    return verdict


def outcome(program: str, tests: str | None = TESTS, deadline_s: float = 5) -> tuple[str, str | None]:
    verdict = judged(program, tests, deadline_s)
    return verdict.status, verdict.detail


# Verdicts -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", HONEST, ids=lambda one: one.name)
def test_honest_programs_have_the_right_verdict_in_every_shape_of_tests(one: Program) -> None:
    verdict = judged(one.program, one.spelling)
    assert verdict.status == ("correct" if one.right else "incorrect"), verdict
    assert verdict.detail == (None if one.right else "a test fails"), verdict


@pytest.mark.parametrize(
    ("program", "status", "detail"),
    [
        ("def add(a, b) return a", "incorrect", "the program raises SyntaxError"),
        (ADD + "1 / 0", "incorrect", "the program raises ZeroDivisionError"),
        ("x = 1", "incorrect", "the program does not define add"),
        ("def add(a, b): return None", "incorrect", "a test fails"),
        ("def add(a): return a", "incorrect", "the program raises TypeError"),
        ("def add(a, b):\n    return add(a, b)", "incorrect", "the program raises RecursionError"),
        ("import numpy\n" + ADD, "incorrect", "the program raises ModuleNotFoundError"),
        (f"raise type({SECRET!r}, (Exception,), {{}})", "incorrect", "the program raises an exception of its own"),
        ("from dataclasses import dataclass\n\n@dataclass\nclass A:\n    x: 'int'\n\n" + ADD, "correct", None),
        ("import asyncio\nasync def f(x): return x\ndef add(a, b): return asyncio.run(f(a + b))", "correct", None),
        ("print('passed ' * 1000)\n" + ADD, "correct", None),
        (ADD + "if __name__ == '__main__':\n    print(add(*map(int, input().split())))", "correct", None),
        ("# \u00e9\u4e2d\n" + ADD, "correct", None),
        ("import sys\nsys.modules.clear()\n" + ADD, "correct", None),
    ],
)
def test_a_verdict_says_what_the_program_did(program: str, status: str, detail: str | None) -> None:
    assert outcome(program) == (status, detail)


@pytest.mark.parametrize(
    ("program", "status", "detail"),
    [
        (SUM.replace("print(a + b)", "print(a + b, end='  \\n\\n')"), "correct", None),
        ("print(3)", "incorrect", "a test fails"),
        (SUM + "raise SystemExit(1)", "incorrect", "a test fails"),
        (SUM + "input()", "incorrect", "the program raises EOFError"),
        ("while True:\n    print('x' * 10_000)", "incorrect", "the program prints too much"),
        ("if __name__ == '__main__':\n    " + SUM.replace("\n", "\n    "), "correct", None),
    ],
)
def test_a_program_that_reads_and_prints_is_judged_by_its_output(program: str, status: str, detail: str | None) -> None:
    assert outcome(program, CASES) == (status, detail)


@pytest.mark.parametrize(
    ("tests", "detail"),
    [
        (None, "the prompt has no reference, and no tests are given"),
        (" ", "the prompt has no reference, and no tests are given"),
        ("18", "an empty program passes the tests"),
        ("# assert add(1, 2) == 3", "an empty program passes the tests"),
        ("def test_add(): pass", "an empty program passes the tests"),
        ("add(1, 2)", "a program whose functions return None passes the tests"),
        ("assert not add(1, 2)", "a program whose functions return None passes the tests"),
        ("def check(candidate): candidate(1, 2)", "a program whose functions return None passes the tests"),
        (SKIPPED, "an empty program passes the tests"),
        ("assert (", "the tests cannot be compiled: SyntaxError"),
        ("assert " + "(" * 500 + "1" + ")" * 500, "the tests cannot be compiled: SyntaxError"),
        ("import numpy as np\nassert np.all(add(1, 2) == 3)",
         "the tests import numpy, which is not in the standard library"),
        ("def test_add(mocker): assert add(1, 2) == 3", "the tests need the fixture mocker, which is not at hand"),
        ("[]", f"expected 1 to {MAX_CASES} cases, found 0"),
        ('[{"stdin": "1 2", "stdout": " "}]', "an empty program passes the tests: no case expects any output"),
        ('{"entry_point": "add"}', 'expected "test", "tests" or "test_list" in the object of tests'),
    ],
)  # fmt: skip
def test_tests_that_test_nothing_are_a_bad_reference(tests: str | None, detail: str) -> None:
    assert outcome(ADD, tests) == ("bad_reference", detail)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (f"First:\n```python\nx = 1\n```\nBetter:\n```python\n{ADD}```\n", "correct"),
        (f"```python\n{ADD}```\nRun it:\n```bash\npython add.py\n```", "correct"),
        (f"```\n{ADD}```", "correct"),
        (f"```python\n{ADD}", "correct"),
        (ADD, "correct"),
        (f"<think>\n```python\n{ADD}```\n</think>\nI cannot.", "no_answer"),
        ("I would add both numbers.", "no_answer"),
        ("for example, we could add both", "no_answer"),
        ("```bash\nls\n```", "no_answer"),
        ("", "no_answer"),
    ],
)
def test_the_last_python_block_or_the_whole_text_is_the_program(text: str, status: str) -> None:
    verdict = build("verifiers", f"code:isolation={method()}").judge(make_response(text, make_prompt(reference=TESTS)))
    assert verdict.status == status, verdict


def test_tests_in_a_file_win_over_the_reference(tmp_path: Path) -> None:
    (tmp_path / "tests.py").write_text("assert add(2, 2) == 4")
    verifier = build("verifiers", f"code:tests={tmp_path / 'tests.py'},isolation={method()}")
    text = f"```python\n{ADD}```"
    assert verifier.judge(make_response(text, make_prompt(reference="assert False"))).status == "correct"
    with pytest.raises(UsageError, match="cannot be read"):
        build("verifiers", f"code:tests={tmp_path / 'none.py'}")


def test_a_data_file_cannot_ask_for_it() -> None:
    response = make_response(ADD, make_prompt(reference=TESTS, verifier="code"))
    with pytest.raises(CotDistillError, match="runs code or costs money; ask for it with --verify"):
        Judge().judge(response)
    assert Judge(f"code:isolation={method()}").judge(response).status == "correct"


@pytest.mark.parametrize(
    "options", ["deadline_s=0", "deadline_s=inf", "deadline_s=nan", "memory_mb=0", "isolation=docker"]
)
def test_a_wrong_option_is_refused(options: str) -> None:
    with pytest.raises(UsageError):
        build("verifiers", f"code:{options}")


# Isolation ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bubblewrap", "namespaces", "none"])
def test_the_verdict_says_what_isolated_the_program(name: str) -> None:
    if name != "none":
        isolated(name)
    verdict = judged(ADD, isolation=name)
    assert (verdict.status, verdict.method) == ("correct", f"code/{name}")


def test_without_isolation_it_refuses_and_says_what_to_install(tmp_path: Path) -> None:
    """Without bwrap on the path: the kernel's own namespaces may do, bubblewrap asked for by name does not."""
    output = tmp_path / "k.jsonl"
    done = cotdistill("filter", "none.jsonl", "-o", output, "--verify", "code:isolation=bubblewrap", PATH=str(tmp_path))
    assert done.returncode == 2
    for words in ("bwrap is not installed", "apt install bubblewrap", "code:isolation=none"):
        assert words in " ".join(done.stderr.split())


@pytest.mark.parametrize("one", CHEATS, ids=lambda one: one.name)
def test_a_program_that_cheats_is_incorrect(one: Program) -> None:
    verdict = judged(one.program, one.spelling)
    assert verdict.status == "incorrect", verdict


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bubblewrap", "namespaces"])
def test_no_program_gets_out(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    isolated(name)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    before = plant(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        for one in harmful(tmp_path, server.getsockname()[1]):
            verdict = judged(one.program, one.spelling, isolation=name)
            assert verdict.status == "correct", f"{one.name} got something: {verdict}"
            assert SECRET not in repr(verdict)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert snapshot(tmp_path) == before
    everywhere = ("/tmp", "/var/tmp", "/dev/shm", "/etc")
    assert not [place for place in everywhere if Path(place, "escaped-from-cotdistill").exists()]


def test_the_harmful_programs_would_do_harm(tmp_path: Path) -> None:
    """Or they would prove nothing: those that touch no more than their own place, without isolation."""
    plant(tmp_path)
    harmless = {"reads .env", "lists the directory", "reads with mmap", "removes a tree", "renames", "follows a link"}
    for one in harmful(tmp_path, 1):
        if one.name in harmless:
            plant(tmp_path)
            assert judged(one.program, one.spelling, isolation="none").status == "incorrect", one.name


@pytest.mark.parametrize(
    "act", ["open('/dev/null', 'w').write('x')", "open('here', 'w').write('x')", "import os\nos.mkdir('/tmp/d')",
            "import tempfile\ntempfile.mkdtemp()", "import os\nos.urandom(3)", "import random\nrandom.random()"]
)  # fmt: skip
def test_a_program_may_use_its_own_place(act: str) -> None:
    assert outcome(act + "\n" + ADD) == ("correct", None)


# Limits ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "program", "status"), [one for one in GREEDY if one[2] != "timeout"])
def test_a_program_that_takes_too_much_is_incorrect(name: str, program: str, status: str) -> None:
    assert outcome(program)[0] == status


@pytest.mark.slow
@pytest.mark.parametrize(("name", "program", "status"), [one for one in GREEDY if one[2] == "timeout"])
def test_a_program_without_end_is_a_timeout(name: str, program: str, status: str) -> None:
    assert outcome(program, deadline_s=1) == ("timeout", "the program did not end in time")


@pytest.mark.slow
def test_a_program_that_sleeps_too_long_is_a_timeout_and_leaves_nothing_running(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cotdistill.sandbox.run._AT_LEAST_S", 1.0)
    before = _below(os.getpid())
    assert outcome("import time\nprint('x', flush=True)\ntime.sleep(600)", CASES, deadline_s=0.1)[0] == "timeout"
    assert set(_below(os.getpid())) <= set(before)


def test_the_deadline_counts_processor_time_alone() -> None:
    """A second of sleep under a deadline of half a second, which the kernel counts as one of work."""
    assert outcome("import time\ntime.sleep(1.5)\n" + ADD, deadline_s=0.5) == ("correct", None)


def test_nothing_is_left_in_the_directory_for_temporary_files() -> None:
    before = set(Path(tempfile.gettempdir()).glob("cotdistill-code-*"))
    assert judged("open('here', 'w').write('x')\n" + ADD, isolation="none").status == "correct"
    assert set(Path(tempfile.gettempdir()).glob("cotdistill-code-*")) == before


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills with the parent")
@pytest.mark.parametrize("name", ["bubblewrap", "namespaces"])
@pytest.mark.parametrize("started", [1, 4])
def test_a_killed_parent_leaves_no_program_behind(name: str, started: int, tmp_path: Path) -> None:
    """Also where it dies while the processes are starting, each with others that wait for it."""
    isolated(name)
    parent = (
        f"import sys\nsys.path[:] = {sys.path!r}\n"
        "from cotdistill.verifiers.code import Verifier\nfrom tests.conftest import make_prompt, make_response\n"
        "text = '```python\\nimport time\\ntime.sleep(60)\\n```'\n"
        f"verifier = Verifier(deadline_s=60, isolation={name!r})\nprint('begins', flush=True)\n"
        "verifier.judge(make_response(text, make_prompt(reference='assert f() == 1')))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdout=subprocess.PIPE, env={**os.environ, "TMPDIR": str(tmp_path)}
    ) as process:
        assert process.stdout and process.stdout.readline()
        while len(runners := _below(process.pid)) < started:
            assert process.poll() is None, "the judge ended before its programs started"
        process.kill()
    while any(is_alive(pid) for pid in runners):  # pytest's time limit ends this where one lives on
        time.sleep(0.05)


def _below(parent: int) -> list[int]:
    """All processes that come of one."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            children.setdefault(int((path / "stat").read_text().rpartition(")")[2].split()[1]), []).append(
                int(path.name)
            )
        except OSError:
            continue
    below, found = [parent], []
    while below:
        below = [child for one in below for child in children.get(one, [])]
        found += below
    return found


def test_a_process_that_cannot_start_is_an_error(tmp_path: Path) -> None:
    """The first process starts a Python that is not there."""

    class Broken(Isolation):
        def command(self, module: str, arguments: list[str]) -> list[str]:
            return ["/bin/false"]

    assert examine(ADD, Suite(TESTS), Broken("none"), Limits(1, 2**29)).state == "not_started"
