"""Runs a server and ends it with the process that started it. `python -I _watch.py LOG COMMAND…`, with a pipe as stdin.

The pipe closes when its other end does, however that process ends, also by SIGKILL: then the server is asked to end,
and after GRACE_S is killed, with every process of its group. The log that it wrote is deleted then, unless something
came through the pipe before. Of the standard library alone, so that it starts at once.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

GRACE_S = 10.0
PR_SET_PDEATHSIG = 1


def main(log: str, *command: str) -> int:
    parent = os.getpid()
    server = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: _die_with(parent),  # no thread runs yet that could hold a lock
    )
    useless = threading.Event()
    threading.Thread(target=_end_with_the_pipe, args=(server.pid, useless), daemon=True).start()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: _signal(server.pid, signal.SIGTERM))
    if hasattr(os, "waitid"):  # not on every macOS
        # Not reaped yet, so that its number, and its group's, belong to nobody else when workers are killed.
        os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)
        _signal(server.pid, signal.SIGKILL)
    code = server.wait()
    if useless.is_set():
        with contextlib.suppress(OSError):
            Path(log).unlink()
    return code if code >= 0 else 128 - code


def _die_with(parent: int) -> None:
    """On Linux the server ends even when this process is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)


def _end_with_the_pipe(group: int, useless: threading.Event) -> None:
    if not os.read(0, 1):
        useless.set()
    while os.read(0, 1):
        pass
    _signal(group, signal.SIGTERM)
    threading.Event().wait(GRACE_S)
    _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
