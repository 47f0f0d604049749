"""The command line as processes that begin with everything imported: each is forked from one server, in milliseconds.

A command of its own process would import torch and its like anew, which costs more than most commands do. The server
is a process too; it ends with the tests. What it forks is what `python -m cotdistill` would be: arguments, working
directory, environment, and the three standard files are the caller's.
"""

import atexit
import gc
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
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent

LIGHT = ("cotdistill.cli.main", "cotdistill.stages.generate", "cotdistill.stages.filter", "cotdistill.stages.format",
         "cotdistill.stages.evaluate", "cotdistill.stages.finetune", "cotdistill.recipes.run", "cotdistill.report",
         "cotdistill.stages.ask", "openai", "anthropic", "aiohttp", "math_verify", "rich.progress")  # fmt: skip
HEAVY = ("cotdistill.training.job", "cotdistill.students.generator", "cotdistill.teachers.local",
         "cotdistill.stages.export.agreement", "trl", "peft", "datasets")  # fmt: skip
WANT_HEAVY = ("ask", "demo", "evaluate", "export", "finetune", "run")

READ_AT_IMPORT = ("PYTHON", "LD_", "OMP_", "HF_", "TRANSFORMERS_", "TORCH", "CUDA", "TRL_", "COLUMNS")
"""Variables that count when a module is imported: a command with others than the server's is a process of its own."""

CLIENT = f"""#!{sys.executable} -SE
import json, os, socket, struct, sys
place = "PLACE"
body = json.dumps({{"words": sys.argv[1:], "cwd": os.getcwd(), "environment": dict(os.environ)}}).encode()
with socket.socket(socket.AF_UNIX) as server:
    server.connect(place)
    socket.send_fds(server, [struct.pack("!I", len(body))], [0, 1, 2])
    server.sendall(body)
    code = server.recv(4)
sys.exit(struct.unpack("!i", code)[0] if code else 1)
"""
"""A `cotdistill` for shell scripts: the shortest program that hands its files to the server."""


def counted_at_import(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(READ_AT_IMPORT)}


class CommandServer:
    """Started by the first command; ends with this process."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="commands-")
        self.place = f"{self.folder.name}/socket"
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT)}
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

    def serves(self, environment: Mapping[str, str]) -> bool:
        return counted_at_import(environment) == counted_at_import(self.environment)

    def run(
        self, words: Sequence[str], environment: Mapping[str, str], timeout_s: float
    ) -> subprocess.CompletedProcess[str]:
        """A command with nothing on stdin. Raises TimeoutError where it takes longer."""
        body = json.dumps({"words": list(words), "cwd": str(Path.cwd()), "environment": dict(environment)}).encode()
        with (
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
            Path(os.devnull).open("rb") as nothing,
            socket.socket(socket.AF_UNIX) as server,
        ):
            server.settimeout(timeout_s)
            server.connect(self.place)
            files = [nothing.fileno(), out.fileno(), err.fileno()]
            socket.send_fds(server, [struct.pack("!I", len(body))], files)
            server.sendall(body)
            code = server.recv(4)
            out.seek(0)
            err.seek(0)
            shown = out.read().decode("utf-8", "replace"), err.read().decode("utf-8", "replace")
        exit_code = struct.unpack("!i", code)[0] if code else -signal.SIGKILL
        return subprocess.CompletedProcess(list(words), exit_code, *shown)

    def put_command(self, folder: Path) -> None:
        """A `cotdistill` that asks this server, for shell scripts."""
        command = folder / "cotdistill"
        command.write_text(CLIENT.replace("PLACE", self.place))
        command.chmod(0o755)


def main() -> None:
    """Listen until stdin closes."""
    load(LIGHT)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no child is waited for
    heavy = False
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(sys.argv[1])
        listener.listen()
        print("ready", flush=True)
        while True:
            readable, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in readable:
                return
            connection, _ = listener.accept()
            length, files, _, _ = socket.recv_fds(connection, 4, 3)
            body, size = b"", struct.unpack("!I", length)[0]
            while len(body) < size:
                body += connection.recv(size - len(body))
            request = json.loads(body)
            if not heavy and set(request["words"]) & set(WANT_HEAVY):
                heavy = True
                load(HEAVY)
            if os.fork() == 0:
                listener.close()
                serve(connection, request, files)
            connection.close()
            for file in files:
                os.close(file)


def load(names: Sequence[str]) -> None:
    for name in names:
        __import__(name)
    gc.freeze()


def serve(connection: socket.socket, request: dict[str, object], files: Sequence[int]) -> None:
    """In the child: become the command, and say how it ended."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for place, file in enumerate(files):
            os.dup2(file, place)
            os.close(file)
        sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), encoding="utf-8", errors="surrogateescape")
        sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), encoding="utf-8", errors="surrogateescape")
        sys.stderr = io.TextIOWrapper(
            io.FileIO(2, "w", closefd=False), encoding="utf-8", errors="backslashreplace", line_buffering=True
        )
        os.chdir(str(request["cwd"]))
        environment = request["environment"]
        assert isinstance(environment, dict)
        os.environ.clear()
        os.environ.update(environment)
        tempfile.tempdir = None
        random.seed()
        words = request["words"]
        assert isinstance(words, list)
        sys.argv = ["cotdistill", *words]
        from cotdistill.cli.main import main as command

        command()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        connection.sendall(struct.pack("!i", code))
        os._exit(code)


if __name__ == "__main__":
    main()
