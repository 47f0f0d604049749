"""Runs one program that nobody has looked at, in a process of its own: started by `code`, never imported.

    python -s -P -S -B _code_runner.py JOB_FD REPORT_FD

JOB is a file: a line of JSON, then a line with a token. The token is read when the tests have ended and proves that
they did. Only the standard library is at hand: this file runs where the package is not.
"""

import builtins
import json
import os
import signal
import sys
import types
from collections.abc import Callable
from pathlib import Path

NOBODY = 65534
NEW_USER, NEW_PROCESSES, NEW_NETWORK, NEW_IPC, NEW_MOUNTS = 0x10000000, 0x20000000, 0x40000000, 0x08000000, 0x00020000
BIND, RECURSIVE, PRIVATE = 0x1000, 0x4000, 0x40000
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38

FILES_WRITTEN = 64
"""As many times may a file be opened for writing."""

FORBIDDEN = {
    "os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.kill", "os.killpg",
    "signal.pthread_kill", "gc.get_objects", "gc.get_referrers", "gc.get_referents", "os.setxattr", "os.removexattr",
}  # fmt: skip
FORBIDDEN_KINDS = ("socket.", "subprocess.", "ctypes.", "pty.", "syslog.")
CHANGES = {
    "os.chflags", "os.chmod", "os.chown", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink",
    "os.truncate", "os.utime",
}  # fmt: skip


def main() -> None:
    job_file = os.fdopen(int(sys.argv[1]), encoding="utf-8")
    report_fd = int(sys.argv[2])
    job = json.loads(job_file.readline())
    namespaces = enter_namespaces(job["parent"])
    limit(job["cpu_s"], job["memory_bytes"], job["file_bytes"])
    guard(str(Path.cwd().resolve()))
    write, dumps = os.write, json.dumps  # what the program makes of these modules is no matter any more

    def report(**fields: object) -> None:
        write(report_fd, dumps(fields).encode() + b"\n")

    report(state="ready", isolation="namespaces" if namespaces else "hooks")
    if job["tests"] is None:
        run(job["program"], "__main__", report)
    else:
        test(job["program"], job["tests"], report, job_file.readline)


def test(program: str, tests: str, report: Callable[..., None], read_token: Callable[[], str]) -> None:
    try:
        checks = compile(tests, "<tests>", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return report(state="bad_tests", detail=type(error).__name__)
    if (module := run(program, "program", report)) is None:
        return None
    try:
        exec(checks, module.__dict__)
    except AssertionError:
        return report(state="failed")
    except BaseException as error:
        return report(state="raised", detail=type(error).__name__, where="tests")
    return report(state="passed", token=read_token().strip())


def run(program: str, name: str, report: Callable[..., None]) -> types.ModuleType | None:
    """The program as a module, for dataclasses and pickle look for theirs; None where it raises."""
    module = types.ModuleType(name)
    sys.modules[name] = module
    sys.argv = [name]
    vars(builtins).update(exit=sys.exit, quit=sys.exit)  # what `site` would have made
    try:
        exec(compile(program, "<program>", "exec"), module.__dict__)
    except BaseException as error:
        if not (isinstance(error, SystemExit) and name == "__main__" and not error.code):
            report(state="raised", detail=type(error).__name__, where="program")
            return None
    sys.stdout.flush()
    return module


def enter_namespaces(parent: int) -> bool:
    """Go on as the only process of a world without network, where the system allows it; and not as root.

    There, no other process can be seen or signalled, and all ends when this one is killed.
    """
    if sys.platform != "linux":
        return False
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # whoever asked is dead
    root = os.geteuid() == 0
    wanted = NEW_PROCESSES | NEW_NETWORK | NEW_IPC | (NEW_MOUNTS if root else NEW_USER)
    alone = bool(libc.unshare(wanted) == 0)
    if alone and (child := os.fork()):
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        os._exit(code if code >= 0 else 128 - code)
    if alone:
        os.setsid()  # or killing one's own group would reach the waiting process
    if root:
        library = os.path.dirname(os.__file__)  # noqa: PTH120  as Python spells it, links and all
        if alone and not nobody_can_read(os.__file__):
            show_to_nobody(library, libc.mount)
        if nobody_can_read(os.__file__):
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # forgotten at a change of user, and by a child
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return alone


def nobody_can_read(path: str) -> bool:
    os.seteuid(NOBODY)
    try:
        Path(path).open("rb").close()
    except OSError:
        return False
    else:
        return True
    finally:
        os.seteuid(0)


def show_to_nobody(library: str, mount: Callable[..., int]) -> None:
    """A Python in root's home: an empty folder is laid over the home, for this process only, and the library into it
    at its old place."""
    closed = next(one for one in [*reversed(Path(library).parents), Path(library)] if not one.stat().st_mode & 0o001)
    held = Path.cwd() / ".library"
    held.mkdir()
    mount(None, b"/", None, RECURSIVE | PRIVATE, None)
    mount(library.encode(), bytes(held), None, BIND, None)
    if mount(b"none", bytes(closed), b"tmpfs", 0, b"mode=755,size=64k") == 0:
        Path(library).mkdir(parents=True)
        mount(bytes(held), library.encode(), None, BIND, None)


def limit(cpu_s: int, memory_bytes: int, file_bytes: int) -> None:
    import resource

    wanted = [
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ]
    if hasattr(resource, "RLIMIT_NPROC"):
        wanted.append((resource.RLIMIT_NPROC, 1))  # itself: no other process, no thread
    for what, most in wanted:
        try:
            resource.setrlimit(what, (most, most))
        except (ValueError, OSError):  # macOS knows no limit of memory
            continue


def guard(home: str) -> None:
    """Refuse what a solution to a problem never does. The program can undo this, for it runs in the same interpreter;
    the limits above it cannot."""
    PermissionDenied, realpath, fsdecode = PermissionError, os.path.realpath, os.fsdecode
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    local_family = getattr(__import__("socket"), "AF_UNIX", None)
    opened = 0

    def within(path: object) -> bool:
        return not isinstance(path, (str, bytes)) or (realpath(fsdecode(path)) + "/").startswith(home + "/")

    def hook(event, arguments):  # type: ignore[no-untyped-def]
        nonlocal opened
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, (str, bytes)) and fsdecode(path).startswith("/proc"):
                raise PermissionDenied("reading /proc is not allowed here")
            if flags & writing and not isinstance(path, int) and path != "/dev/null":
                opened += 1
                if not within(path) or opened > FILES_WRITTEN:
                    raise PermissionDenied("writing this file is not allowed here")
        elif event in FORBIDDEN or event.startswith(FORBIDDEN_KINDS):
            if event == "socket.__new__" and arguments[1] == local_family:
                return  # asyncio's pair
            raise PermissionDenied(f"{event} is not allowed here")
        elif (event in CHANGES or event.startswith("shutil.")) and not all(within(one) for one in arguments):
            raise PermissionDenied(f"{event} is not allowed here")

    sys.addaudithook(hook)


if __name__ == "__main__":
    main()
