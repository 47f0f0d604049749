"""The code verifier: what passes, what does not, and programs that try to get out, to cheat, or not to end."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from cotdistill.errors import CotDistillError, UsageError
from cotdistill.plugins import build
from cotdistill.records import Verdict
from cotdistill.stages.verification import Judge
from cotdistill.verifiers.code import MAX_CASES, RUNNER, Verifier
from tests.conftest import make_prompt, make_response

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the limits are those of Linux and macOS")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux's")

TESTS = "assert add(1, 2) == 3\nassert add(-1, 1) == 0"
ADD = "def add(a, b):\n    return a + b\n"
SUM = "a, b = map(int, input().split())\nprint(a + b)\n"
CASES = '[{"stdin": "1 2\\n", "stdout": "3\\n"}, {"stdin": "4 5", "stdout": "9"}]'


def judged(program: str, tests: str | None = TESTS, deadline_s: float = 5, memory_mb: int = 512) -> Verdict:
    text = f"Here it is:\n```python\n{program}\n```\n"
    verifier = Verifier(deadline_s=deadline_s, memory_mb=memory_mb)
    return verifier.judge(make_response(text, make_prompt(reference=tests)))


def outcome(program: str, tests: str | None = TESTS, deadline_s: float = 5) -> tuple[str, str | None]:
    verdict = judged(program, tests, deadline_s)
    return verdict.status, verdict.detail


def isolated() -> bool:
    return judged(ADD).method == "code/namespaces"


@pytest.mark.parametrize(
    ("program", "status", "detail"),
    [
        (ADD, "correct", None),
        (ADD.replace("+", "-"), "incorrect", "a test fails"),
        ("def add(a, b) return a", "incorrect", "the program raises SyntaxError"),
        (ADD + "1 / 0", "incorrect", "the program raises ZeroDivisionError"),
        ("x = 1", "incorrect", "the program raises NameError"),
        ("def add(a, b):\n    return add(a, b)", "incorrect", "the program raises RecursionError"),
        ("import numpy\n" + ADD, "incorrect", "the program raises ModuleNotFoundError"),
        ("from dataclasses import dataclass\n\n@dataclass\nclass A:\n    x: 'int'\n\n" + ADD, "correct", None),
        ("import asyncio\nasync def f(x): return x\ndef add(a, b): return asyncio.run(f(a + b))", "correct", None),
        ("print('passed ' * 1000)\n" + ADD, "correct", None),
        (ADD + "if __name__ == '__main__':\n    print(add(*map(int, input().split())))", "correct", None),
        ("# \u00e9\u4e2d\n" + ADD, "correct", None),
    ],
)
def test_a_program_is_judged_by_its_tests(program: str, status: str, detail: str | None) -> None:
    assert outcome(program) == (status, detail)


@pytest.mark.parametrize(
    ("program", "status", "detail"),
    [
        (SUM, "correct", None),
        (SUM.replace("a + b", "a - b"), "incorrect", "a test fails"),
        (SUM.replace("print(a + b)", "print(a + b, end='  \\n\\n')"), "correct", None),
        ("print(3)", "incorrect", "a test fails"),
        (SUM + "exit()", "correct", None),
        (SUM + "raise SystemExit(1)", "incorrect", "the program raises SystemExit"),
        (SUM + "input()", "incorrect", "the program raises EOFError"),
        ("import os\n" + SUM.replace("print(a + b)", "os.write(1, str(a + b).encode()); os._exit(9)"), "incorrect",
         "a test fails"),
        ("while True:\n    print('x' * 10_000)", "incorrect", "the program prints too much"),
        ("if __name__ == '__main__':\n    " + SUM.replace("\n", "\n    "), "correct", None),
    ],
)  # fmt: skip
def test_a_program_that_reads_and_prints_is_judged_by_its_output(program: str, status: str, detail: str | None) -> None:
    assert outcome(program, CASES) == (status, detail)


@pytest.mark.parametrize(
    ("tests", "detail"),
    [
        (None, "the prompt has no reference, and no tests are given"),
        (" ", "the prompt has no reference, and no tests are given"),
        ("18", "the tests assert nothing"),
        ("add(1, 2)", "the tests assert nothing"),
        ("assert (", "the tests cannot be compiled: SyntaxError"),
        ("assert " + "(" * 500 + "1" + ")" * 500, "the tests cannot be compiled: SyntaxError"),
        ("[]", f"expected 1 to {MAX_CASES} cases"),
    ],
)
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
    verdict = Verifier().judge(make_response(text, make_prompt(reference=TESTS)))
    assert verdict.status == status, verdict


def test_tests_in_a_file_win_over_the_reference(tmp_path: Path) -> None:
    (tmp_path / "tests.py").write_text("assert add(2, 2) == 4")
    verifier = build("verifiers", f"code:tests={tmp_path / 'tests.py'}")
    text = f"```python\n{ADD}```"
    assert verifier.judge(make_response(text, make_prompt(reference="assert False"))).status == "correct"
    with pytest.raises(UsageError, match="cannot be read"):
        build("verifiers", f"code:tests={tmp_path / 'none.py'}")


def test_a_data_file_cannot_ask_for_it() -> None:
    response = make_response(ADD, make_prompt(reference=TESTS, verifier="code"))
    with pytest.raises(CotDistillError, match="runs code or costs money; ask for it with --verify"):
        Judge().judge(response)
    assert Judge("code").judge(response).status == "correct"


@pytest.mark.parametrize("options", ["deadline_s=0", "deadline_s=inf", "deadline_s=nan", "memory_mb=0"])
def test_a_limit_that_is_none_is_refused(options: str) -> None:
    with pytest.raises(UsageError):
        build("verifiers", f"code:{options}")


# Programs that cheat --------------------------------------------------------------------------------------------------

GUESS = 'b\'{"state": "passed", "token": "0123456789abcdef0123456789abcdef"}\\n\''

CHEATS = {
    "ends before the tests": "import os\nos._exit(0)",
    "exits before the tests": "import sys\nsys.exit(0)",
    "ends within the tests": "import os\ndef add(a, b): os._exit(0)",
    "exits within the tests": "def add(a, b): raise SystemExit(0)",
    "guesses the token": f"import os\nfor fd in range(3, 60):\n    try: os.write(fd, {GUESS})\n"
    "    except OSError: pass\nos._exit(0)",
    "prints the token": f"print({GUESS}.decode())\nimport os\nos._exit(0)",
    "writes nonsense to the pipe": "import os\nfor fd in range(3, 60):\n    try: os.write(fd, b'\\x00\\n{\\n[]\\n')\n"
    "    except OSError: pass\nos._exit(0)",
    "looks for the token in the frames": "import sys\nframe = sys._getframe()\nwhile frame:\n"
    "    for value in frame.f_locals.values():\n"
    "        assert not (isinstance(value, str) and len(value) == 32), 'found'\n    frame = frame.f_back\n"
    "def add(a, b): return 0",
    "takes the builtins away": "import builtins\nbuiltins.AssertionError = builtins.exec = builtins.compile = None\n"
    "def add(a, b): return 0",
    "swallows assertions": "class AssertionError(Exception): pass\ndef add(a, b): return 0",
    "replaces modules": "import sys, types\nfor name in list(sys.modules): sys.modules[name] = types.ModuleType(name)\n"
    "def add(a, b): return 0",
    "runs at exit": "import atexit\natexit.register(print, 'passed')\ndef add(a, b): return 0",
    "crashes": "import faulthandler\nfaulthandler._sigsegv()",
}  # fmt: skip


@pytest.mark.parametrize("name", CHEATS)
def test_a_program_that_cheats_is_incorrect(name: str) -> None:
    verdict = judged(CHEATS[name])
    assert verdict.status == "incorrect", verdict


def test_a_program_that_clears_all_modules_is_still_judged_by_its_tests() -> None:
    assert outcome("import sys\nsys.modules.clear()\n" + ADD) == ("correct", None)


# Programs that do harm ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "program",
    ["while True: pass", "import time\ntime.sleep(99)", "def add(a, b):\n    while True: pass", "x = 9 ** 9 ** 9"],
)
def test_a_program_without_end_is_a_timeout(program: str) -> None:
    began = time.monotonic()
    assert outcome(program, deadline_s=1) == ("timeout", "the program did not end in time")
    assert time.monotonic() - began < 5


def test_all_cases_share_one_deadline() -> None:
    cases = "[" + ",".join(['{"stdin": "", "stdout": "1"}'] * 50) + "]"
    began = time.monotonic()
    assert outcome("import time\ntime.sleep(0.1)\nprint(1)", cases, deadline_s=1)[0] == "timeout"
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("program", ["x = bytearray(10**11)", "x = []\nwhile True: x.append('a' * 10**6)"])
def test_memory_is_limited(program: str) -> None:
    assert outcome(program) == ("incorrect", "the program raises MemoryError")


@pytest.mark.parametrize(
    "program",
    [
        "import os\nwhile True: os.fork()",
        "import subprocess\nsubprocess.Popen(['sleep', '99'])",
        "import os\nos.system('sleep 99')",
        "import multiprocessing\nmultiprocessing.Process(target=print).start()",
        "import threading\nthreading.Thread(target=print).start()",
        "import os\nos.posix_spawn('/bin/sleep', ['sleep', '99'], {})",
    ],
)
def test_no_process_and_no_thread_is_started(program: str) -> None:
    status, detail = outcome(program + "\n" + ADD)
    if "threading" in program and not isolated():
        return  # as root without namespaces, the system counts no threads
    assert status == "incorrect"
    assert detail in {f"the program raises {kind}" for kind in ("PermissionError", "RuntimeError", "BlockingIOError")}


@on_linux
def test_without_the_interpreters_refusal_the_system_still_lets_no_process_start() -> None:
    """The audit hook is undone by ways that a program may know; here the limits stand alone."""
    if not isolated():
        pytest.skip("no namespaces here: refused by the interpreter only")
    bare = RUNNER.read_text().replace("    sys.addaudithook(hook)\n", "")
    program = (
        "import os, socket\nfailed = []\n"
        "for act in (os.fork, lambda: open('/proc/%d/environ' % os.getppid()), lambda: os.kill(PARENT, 9),\n"
        "            lambda: socket.create_connection(('127.0.0.1', PORT), timeout=1)):\n"
        "    try: act()\n    except OSError as error: failed.append(type(error).__name__)\n" + ADD
    )
    server = subprocess.Popen(
        [sys.executable, "-c", "import socket; s = socket.create_server(('127.0.0.1', 0));"
         "print(s.getsockname()[1], flush=True); s.accept()"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stdout
        port = server.stdout.readline().strip()
        program = program.replace("PORT", port).replace("PARENT", str(server.pid))
        with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as directory:
            copy = Path(directory) / "runner.py"
            copy.write_text(bare)
            patch.setattr("cotdistill.verifiers.code.RUNNER", copy)
            verdict = judged(program, "assert len(failed) == 4, failed\n" + TESTS)
        assert verdict.status == "correct", verdict
        assert server.poll() is None
    finally:
        server.kill()
        server.communicate()


@pytest.mark.parametrize("call", ["os.kill(os.getppid(), 9)", "os.kill(-1, 9)", "os.killpg(os.getpgid(0), 9)"])
def test_no_other_process_can_be_killed(call: str) -> None:
    status, detail = outcome(f"import os\n{call}\n{ADD}")
    assert (status, detail) == ("incorrect", "the program raises PermissionError")


def test_the_network_is_out_of_reach() -> None:
    program = "import socket\nsocket.create_connection(('127.0.0.1', 80))\n" + ADD
    assert outcome(program) == ("incorrect", "the program raises PermissionError")


def test_the_environment_is_not_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    program = "import os\nseen = repr(dict(os.environ))\n" + ADD
    assert judged(program, TESTS + "\nassert 'sk-' not in seen and 'KEY' not in seen, seen").status == "correct"
    reading = "import os\nfor pid in (os.getppid(), 'self', 1):\n    open(f'/proc/{pid}/environ').read()\n"
    assert outcome(reading + ADD) == ("incorrect", "the program raises PermissionError")


def test_files_are_written_in_a_directory_that_goes_away(tmp_path: Path) -> None:
    program = "import os\nopen('here', 'w').write('x')\nos.mkdir('d')\nos.chmod('d', 0)\nhome = os.getcwd()\n" + ADD
    before = set(Path(tempfile.gettempdir()).glob("cotdistill-code-*"))
    assert judged(program, TESTS + "\nassert open('here').read() == 'x'").status == "correct"
    assert set(Path(tempfile.gettempdir()).glob("cotdistill-code-*")) == before
    tmp_path.chmod(0o777)
    for act in (f"open({str(tmp_path / 'x')!r}, 'w')", f"os.mkdir({str(tmp_path / 'x')!r})", "os.remove('/etc/passwd')",
                "os.symlink('/etc', 'e')\nopen('e/x', 'w')"):  # fmt: skip
        assert outcome(f"import os\n{act}\n{ADD}") == ("incorrect", "the program raises PermissionError"), act
    assert not list(tmp_path.iterdir())


def test_file_size_and_number_of_files_are_limited() -> None:
    large = "with open('f', 'wb') as f:\n    for _ in range(100): f.write(bytes(10**6))\n"
    assert outcome(large + ADD) == ("incorrect", "the program raises OSError")
    many = "for n in range(1000): open(f'f{n}', 'w').close()\n"
    assert outcome(many + ADD) == ("incorrect", "the program raises PermissionError")
    held = "import os\nfiles = [open('/dev/null') for _ in range(1000)]\n"
    assert outcome(held + ADD) == ("incorrect", "the program raises OSError")


@on_linux
def test_nothing_of_it_is_left_running() -> None:
    before = _below(os.getpid())
    assert outcome("import time\nprint('x', flush=True)\ntime.sleep(60)", CASES, deadline_s=0.5)[0] == "timeout"
    assert set(_below(os.getpid())) <= set(before)


@on_linux
def test_a_killed_parent_leaves_no_program_behind(tmp_path: Path) -> None:
    parent = (
        f"import sys\nsys.path[:] = {sys.path!r}\n"
        "from cotdistill.verifiers.code import Verifier\nfrom tests.conftest import make_prompt, make_response\n"
        "text = '```python\\nimport time\\ntime.sleep(60)\\n```'\n"
        "print('begins', flush=True)\n"
        "Verifier(deadline_s=60).judge(make_response(text, make_prompt(reference='assert 1')))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdout=subprocess.PIPE, env={**os.environ, "TMPDIR": str(tmp_path)}
    ) as process:
        assert process.stdout and process.stdout.readline()
        until = time.monotonic() + 20
        while len(runners := _below(process.pid)) < (2 if isolated() else 1):
            assert time.monotonic() < until, "a runner started"
        process.kill()
    until = time.monotonic() + 10
    while any(_alive(pid) for pid in runners):
        assert time.monotonic() < until, "a program outlived whoever asked"
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


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def test_a_runner_that_cannot_start_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "runner.py"
    broken.write_text("raise SystemExit(1)")
    monkeypatch.setattr("cotdistill.verifiers.code.RUNNER", broken)
    assert outcome(ADD) == ("error", "the process for the program did not start")
