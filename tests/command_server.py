"""The command line as processes that begin with everything imported: each is forked from one server, in milliseconds.

A command of its own process would import torch and its like anew, which costs more than most commands do. The server
is a process too; it ends with the tests, and with it whatever it has forked. What it forks is what
`python -m cotdistill` would be: arguments, working directory, environment, and the three standard files are the
caller's, and SIGINT does what it does under a shell in the foreground. Commands that need torch come from a second
server, a fork of the first: to fork a process of that size costs as much as what most other commands do.
"""

import atexit
import gc
import importlib
import io
import json
import os
import random
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from typing import IO, Any, NoReturn, Self

import typer.main

ROOT = Path(__file__).parent.parent

SERVED_AT = "COTDISTILL_TESTS_COMMANDS"
"""Where a server listens that was started for several processes."""

LIGHT = ("cotdistill.cli.main", "cotdistill.stages.generate", "cotdistill.stages.filter", "cotdistill.stages.format",
         "cotdistill.stages.evaluate", "cotdistill.stages.finetune", "cotdistill.recipes.run", "cotdistill.report",
         "cotdistill.stages.ask", "cotdistill.mock.server", "cotdistill.artifacts.summary", "cotdistill.recipes.seen",
         "cotdistill.recipes.status", "cotdistill.teachers.openai", "cotdistill.teachers.anthropic",
         "cotdistill.teachers.mock", "cotdistill.verifiers.math", "openai", "anthropic", "aiohttp", "dotenv",
         "encodings.idna", "genai_prices", "math_verify", "rich.progress", "tenacity", "uvloop")  # fmt: skip
HEAVY = ("cotdistill.training.job", "cotdistill.students.generator", "cotdistill.teachers.local",
         "cotdistill.stages.export.agreement", "trl", "peft", "datasets")  # fmt: skip
WANT_HEAVY = ("ask", "demo", "doctor", "evaluate", "export", "finetune", "run")
"""Commands that need torch; so does any with --student."""
HANGS_S = 590.0
"""A guard against hanging alone, a little before pytest's own: beside other work a command may take many times its own
seconds, and no test asserts on those."""

READ_AT_IMPORT = ("PYTHON", "LD_", "OMP_", "HF_", "TRANSFORMERS_", "TORCH", "CUDA", "TRL_", "COLUMNS")
"""Variables that count when a module is imported: a command with others than the server's is a process of its own."""
SET_BY_IMPORT = ("TORCHINDUCTOR_CACHE_DIR", "TRL_EXPERIMENTAL_SILENCE", "HF_HUB_DISABLE_TELEMETRY", "PYTHONBREAKPOINT")
"""And those of them that torch, Ray and ours set themselves in the process that imports them."""

CLIENT = f"""#!{sys.executable} -SE
import json, os, socket, struct, sys
body = json.dumps({{"words": sys.argv[1:], "cwd": os.getcwd(), "environment": dict(os.environ)}}).encode()
with socket.socket(socket.AF_UNIX) as server:
    server.connect("PLACE" + ".heavy" * ("--student" in sys.argv or sys.argv[1] in {WANT_HEAVY}))
    socket.send_fds(server, [struct.pack("!I", len(body))], [0, 1, 2])
    server.sendall(body)
    server.recv(4)  # its process
    code = server.recv(4)
sys.exit(struct.unpack("!i", code)[0] if code else 1)
"""
"""A `cotdistill` for shell scripts: the shortest program that hands its files to the server."""


def place_for(words: Sequence[str], place: str) -> str:
    """Where the server listens that begins with what a command needs."""
    return f"{place}.heavy" if "--student" in words or {*words[:1]}.intersection(WANT_HEAVY) else place


def counted_at_import(environment: Mapping[str, str]) -> set[tuple[str, str]]:
    return {
        (name, value)
        for name, value in environment.items()
        if name.startswith(READ_AT_IMPORT) and name not in SET_BY_IMPORT
    }


class Command:
    """A command under way, with the names of `subprocess.Popen`; what it writes on stderr can be read as it comes."""

    def __init__(self, server: socket.socket, pid: int, said: IO[str], out: IO[bytes], files: ExitStack) -> None:
        """`files` are those that close with it."""
        self.pid, self.stderr = pid, said
        self.returncode: int | None = None
        self._server, self._out, self._files = server, out, files

    def poll(self) -> int | None:
        with suppress(TimeoutError):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """As `Popen` has it, the number is negative where a signal ended it. Raises TimeoutError."""
        if self.returncode is None:
            if not select.select([self._server], [], [], timeout)[0]:
                raise TimeoutError
            self.returncode = struct.unpack("!i", self._server.recv(4))[0]
        return self.returncode

    def communicate(self, timeout: float = HANGS_S) -> tuple[str, str]:
        """All that it wrote on stdout, and on stderr since the last look. What takes longer is killed: TimeoutError."""
        timer = threading.Timer(timeout, self.kill)
        timer.start()
        with self:
            said = self.stderr.read()
            self.wait()
            if timer.finished.is_set():
                raise TimeoutError(f"not ended after {timeout} s; it wrote: {said}")
            timer.cancel()
            self._out.seek(0)
            return self._out.read().decode("utf-8", "replace"), said

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.wait()
        self._files.close()


class CommandServer:
    """Started by the first command, or by xdist's controller for all of its workers; ends with the process that did."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = {**environment, "PYTHONPATH": str(ROOT)}
        if place := os.environ.get(SERVED_AT):
            self.place = place
            return
        self.folder = tempfile.TemporaryDirectory(prefix="commands-")
        self.place = f"{self.folder.name}/socket"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.command_server", self.place],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self.environment,
            cwd=ROOT,
        )
        assert self.process.stdout
        self.process.stdout.readline()
        atexit.register(self.close)

    def close(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.folder.cleanup()

    def differing(self, environment: Mapping[str, str]) -> set[tuple[str, str]]:
        """The variables for which a command cannot be served."""
        return counted_at_import(environment) ^ counted_at_import(self.environment)

    def start(
        self,
        words: Sequence[str],
        environment: Mapping[str, str],
        *,
        given: str = "",
        before: str = "",
        cwd: Path | None = None,
        new_session: bool = False,
    ) -> Command:
        """`given` is what it finds on stdin; `before` is Python that is run in its process before the command."""
        asked = {"words": list(words), "cwd": str(cwd or Path.cwd()), "environment": dict(environment)}
        body = json.dumps({**asked, "before": before, "new_session": new_session}).encode()
        with ExitStack() as files:
            stdin, out = (files.enter_context(tempfile.TemporaryFile()) for _ in range(2))
            stdin.write(given.encode())
            stdin.seek(0)
            server = files.enter_context(socket.socket(socket.AF_UNIX))
            server.connect(place_for(words, self.place))
            read, write = os.pipe()
            said = files.enter_context(os.fdopen(read, encoding="utf-8", errors="replace"))
            socket.send_fds(server, [struct.pack("!I", len(body))], [stdin.fileno(), out.fileno(), write])
            os.close(write)
            server.sendall(body)
            pid = struct.unpack("!i", server.recv(4))[0]
            return Command(server, pid, said, out, files.pop_all())

    def put_command(self, folder: Path) -> None:
        """A `cotdistill` that asks this server, for shell scripts."""
        command = folder / "cotdistill"
        command.write_text(CLIENT.replace("PLACE", self.place))
        command.chmod(0o755)


def main() -> None:
    """Listen until stdin closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the tests' own end closes stdin
    place = sys.argv[1]
    with socket.socket(socket.AF_UNIX) as light, socket.socket(socket.AF_UNIX) as heavy:
        for listener, at in ((light, place), (heavy, f"{place}.heavy")):
            listener.bind(at)
            listener.listen(64)
        load(LIGHT)
        typer.main.get_command(importlib.import_module("cotdistill.cli.main").app)  # which keeps what it found out
        gc.freeze()
        print("ready", flush=True)
        if (second := os.fork()) == 0:
            light.close()
            listen(heavy, HEAVY)
        else:
            heavy.close()
            listen(light, ())
            with suppress(ChildProcessError):
                os.waitpid(second, 0)


def listen(listener: socket.socket, needed: Sequence[str]) -> None:
    """Fork for each command, from a process that has imported what all of them need."""
    woken, wake = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: dict[int, socket.socket] = {}
    while True:
        readable, _, _ = select.select([listener, woken, sys.stdin], [], [])
        if woken in readable:
            woken.recv(4096)
            report_the_ended(running)
        if sys.stdin in readable:
            break
        if listener in readable:
            connection, _ = listener.accept()
            request, files = received(connection)
            load(needed)
            if needed:
                load_a_student()
            if (pid := os.fork()) == 0:
                for one in (listener, woken, wake, connection, *running.values()):
                    one.close()
                serve(request, files)
            running[pid] = connection
            connection.sendall(struct.pack("!i", pid))
            for file in files:
                os.close(file)
    signal.set_wakeup_fd(-1)
    for pid in running:
        os.kill(pid, signal.SIGKILL)


def received(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    length, files, _, _ = socket.recv_fds(connection, 4, 3)
    body, size = b"", struct.unpack("!I", length)[0]
    while len(body) < size:
        body += connection.recv(size - len(body))
    return json.loads(body), files


def report_the_ended(running: dict[int, socket.socket]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        if asked := running.pop(pid, None):  # or the second server, at the end
            with asked, suppress(OSError):  # who asked may have ended too
                asked.sendall(struct.pack("!i", os.waitstatus_to_exitcode(status)))


@cache
def load(names: Sequence[str]) -> None:
    gc.disable()  # nothing of it is garbage
    for name in names:
        __import__(name)
    gc.freeze()
    gc.enable()


@cache
def load_a_student() -> None:
    """For the first model that it writes or reads, transformers compiles a thousand patterns: half a second."""
    import torch

    from cotdistill import students
    from cotdistill.students.load import student

    state = torch.get_rng_state()
    with students.quiet(), tempfile.TemporaryDirectory() as folder:
        for part in student("tiny"):
            part.save_pretrained(folder)
        student(folder)
    torch.set_rng_state(state)  # as in a process that begins
    gc.freeze()


def serve(request: dict[str, Any], files: Sequence[int]) -> NoReturn:
    """In the child: become the command, and end as the interpreter does."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if request.get("new_session"):
            os.setsid()
        for place, file in enumerate(files):
            os.dup2(file, place)
            os.close(file)
        sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), encoding="utf-8", errors="surrogateescape")
        sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), encoding="utf-8", errors="surrogateescape")
        sys.stderr = io.TextIOWrapper(
            io.FileIO(2, "w", closefd=False), encoding="utf-8", errors="backslashreplace", line_buffering=True
        )
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["environment"])
        tempfile.tempdir = None
        random.seed()
        sys.argv = ["cotdistill", *request["words"]]
        from cotdistill.cli.main import main as command

        exec(request.get("before", ""), {})
        command()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
