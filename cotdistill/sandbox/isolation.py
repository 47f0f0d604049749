"""What stands between a program and the machine: bubblewrap, else the kernel's namespaces; and what a program sees.

Inside there are the C library and Python's standard library, read-only, five devices, an empty /home and an empty /tmp;
no network, no other process, no /proc, no file of anybody.
"""

import json
import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from shutil import which
from typing import Literal

Method = Literal["bubblewrap", "namespaces", "none"]

HOME = "/home/nobody"
INSIDE = "/code"
"""Where this folder stands inside, as the package `cotdistill.sandbox`."""
_HERE = Path(__file__).resolve().parent
_SYSTEM = ("/lib", "/lib64", "/lib32", "/usr/lib", "/usr/lib64", "/usr/lib32", "/usr/share/zoneinfo",
           "/etc/ld.so.cache", "/nix/store")  # fmt: skip
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_PLAIN = ("-s", "-P", "-S", "-B")
"""Python without site-packages and without its user's; the environment holds PYTHONHASHSEED alone (see `run`)."""
_ROOM_BYTES = 64 * 2**20
PROBE_S = 60.0


@dataclass(frozen=True)
class Isolation:
    """`drop`: the process starts as root, in the machine's user namespace, and becomes nobody before it runs anything.
    A file that only root may read is then closed to it even where it is shown."""

    method: Method
    drop: bool = False

    def command(self, module: str, arguments: list[str]) -> list[str]:
        """A command that runs `cotdistill.sandbox.MODULE` with the arguments in its world."""
        path = str(_HERE.parent.parent) if self.method == "none" else INSIDE
        start = f"import sys; sys.path.insert(0, {path!r}); from cotdistill.sandbox.{module} import main; main()"
        inner = [_python(), *_PLAIN, "-X", "utf8", "-c", start, *arguments]
        if self.method == "bubblewrap":
            return [*_bubblewrap(self.drop), "--", *inner]
        if self.method == "namespaces":
            launcher = [_python(), *_PLAIN, str(_HERE / "namespaces.py")]
            return [*launcher, json.dumps(_shown()), str(os.getpid()), "--", *inner]
        return inner


class NoIsolationError(ValueError):
    """One sentence: what was tried, and what to install."""

    advice = (
        "install bubblewrap (apt install bubblewrap), or run them with the rights of this user: code:isolation=none"
    )

    def __init__(self, says: str) -> None:
        super().__init__(f"{says}: {self.advice}")
        self.says = says


def find(wanted: str = "auto") -> Isolation:
    """The strongest isolation that works here, tried by starting a process in it. Raises NoIsolationError where there
    is none."""
    if wanted == "none":
        return Isolation("none")
    tried = []
    for one in _candidates(wanted):
        problem = _problem(one)
        if problem is None:
            return one
        tried.append(f"{one.method}: {problem}")
    raise NoIsolationError(f"no isolation for programs works here ({'; '.join(tried)})")


def _candidates(wanted: str) -> list[Isolation]:
    root = os.geteuid() == 0
    found = [Isolation("bubblewrap", drop) for drop in ((True, False) if root else (False,))]
    found.append(Isolation("namespaces", root))
    return [one for one in found if wanted in ("auto", one.method)]


@lru_cache
def _problem(one: Isolation) -> str | None:
    """Why an isolation does not work here."""
    if sys.platform != "linux":
        return "it needs Linux"
    if one.method == "bubblewrap" and which("bwrap") is None:
        return "bwrap is not installed"
    try:
        done = subprocess.run(
            one.command("probe", []), env={}, capture_output=True, stdin=subprocess.DEVNULL, timeout=PROBE_S, cwd="/"
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return type(error).__name__
    if done.returncode == 0 and done.stdout.strip() == b"ready":
        return None
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:200] if lines else f"exit status {done.returncode}"


def _python() -> str:
    """The interpreter itself: a virtual environment's is a link to it."""
    return str(Path(getattr(sys, "_base_executable", sys.executable)).resolve())


def _shown() -> dict[str, list[list[str]]]:
    """What is shown, each at its own place: `bind` [from, to], `link` [target, at], `device` [path].

    Of Python's prefix only its library: a prefix in a home shows nothing else of that home.
    """
    bind, link = [], []
    prefix = Path(sys.base_prefix).resolve()
    python = {str(prefix / "lib"), str(prefix / sys.platlibdir), sysconfig.get_path("stdlib"), _python()}
    for place in _SYSTEM:
        path = Path(place)
        if path.is_symlink() and path.is_dir():
            link.append([str(path.readlink()), place])
        elif path.exists():
            bind.append([place, place])
    covered = [place for place, _ in bind] + [place for _, place in link]
    for place in sorted(python):
        if Path(place).exists() and not any(Path(place).is_relative_to(one) for one in covered):
            bind.append([place, place])
            covered.append(place)
    bind.append([str(_HERE), f"{INSIDE}/cotdistill/sandbox"])
    return {"bind": bind, "link": link, "device": [[one] for one in _DEVICES if Path(one).exists()]}


def _bubblewrap(drop: bool) -> list[str]:
    shown = _shown()
    words = [which("bwrap") or "bwrap", "--die-with-parent", "--new-session", "--unshare-pid", "--unshare-net",
             "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--hostname", "sandbox"]  # fmt: skip
    words += ["--cap-drop", "ALL"]
    if drop:
        words += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        words += ["--unshare-user", "--uid", "65534", "--gid", "65534"]
    for place in ("/home", "/tmp"):  # first, for Python itself may stand in somebody's home
        words += ["--perms", "0777", "--size", str(_ROOM_BYTES), "--tmpfs", place]
    words += ["--perms", "0777", "--dir", HOME]
    for source, place in shown["bind"]:
        for parent in [*reversed(Path(place).parents)][1:]:
            words += ["--perms", "0755", "--dir", str(parent)]  # those that it makes itself are closed to nobody
        words += ["--ro-bind", source, place]
    for target, place in shown["link"]:
        words += ["--symlink", target, place]
    words += ["--perms", "0755", "--dir", "/dev"]
    for (device,) in shown["device"]:
        words += ["--dev-bind", device, device]
    return [*words, "--remount-ro", "/", "--chdir", "/tmp"]
