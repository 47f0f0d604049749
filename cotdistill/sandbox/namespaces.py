"""A new root and new namespaces by the kernel's own calls, for machines without bubblewrap: run as a program.

    python -I -S -B namespaces.py SHOWN CHANGED_DIRECTORIES -- COMMAND…

SHOWN is JSON: `{"bind": [[from, to], …], "link": [[target, at], …], "device": [path, …]}`. The command sees these,
read-only, an empty /home and an empty /tmp, and nothing else. Works as root, and as an ordinary user where the kernel
lets users make user namespaces. Exit status: the command's, 128 + the signal that ended it, or 125 where a step fails.
"""

import ctypes
import json
import os
import platform
import signal
import sys
from pathlib import Path

NEW_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x20000000 | 0x40000000
"""Mounts, control groups, host name, System V IPC, process ids, network."""
NEW_USER = 0x10000000
READ_ONLY, NO_SUID, NO_DEVICES, REMOUNT, BIND, DETACH = 1, 2, 4, 32, 4096, 2
RECURSIVE, PRIVATE = 16384, 262144
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
MOUNT_SETATTR, AT_RECURSIVE, HERE = 442, 0x8000, -100
PR_SET_PDEATHSIG = 1
NOBODY = 65534
FAILED = 125
PLACES = ("/mnt", "/media", "/srv", "/tmp", "/var", "/boot", "/sys", "/run")
"""Where the new root may lie until it is the root: what is below that place is out of sight meanwhile."""
ROOM_KB, ROOM_FILES = 65_536, 1_000

_libc = ctypes.CDLL(None, use_errno=True)


def main(shown: str, parent: int, command: list[str]) -> int:
    end_with_the_parent(parent)
    os.umask(0o022)  # what is made must be open to nobody, whom root becomes
    user, group = os.geteuid(), os.getegid()
    checked(_libc.unshare(NEW_NAMESPACES | (0 if user == 0 else NEW_USER)), "unshare")
    if user:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{NOBODY} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{NOBODY} {group} 1")
    if child := os.fork():
        return ended(child)
    end_with_the_parent(os.getppid())  # the first process of a namespace: with it all others end
    os.setsid()
    build_root(json.loads(shown))
    if child := os.fork():
        return ended(child)  # an init: signals without a handler do not reach the first process
    os.execv(command[0], command)


def ended(child: int) -> int:
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code if code >= 0 else 128 - code


def end_with_the_parent(parent: int) -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(FAILED)


def build_root(shown: dict[str, list[list[str]]]) -> None:
    sources = [Path(source) for source, _ in shown["bind"]]
    root = next(one for one in PLACES if Path(one).is_dir() and not any(path.is_relative_to(one) for path in sources))
    mount(None, "/", None, RECURSIVE | PRIVATE)
    mount("none", root, "tmpfs", NO_SUID | NO_DEVICES, "mode=755,size=1m")
    for place in ("/home", "/tmp"):  # first, for Python itself may stand in somebody's home
        Path(root + place).mkdir()
        mount("none", root + place, "tmpfs", NO_SUID | NO_DEVICES,
              f"mode=777,size={ROOM_KB}k,nr_inodes={ROOM_FILES}")  # fmt: skip
    Path(root + "/home/nobody").mkdir()
    Path(root + "/home/nobody").chmod(0o777)
    for source, place in shown["bind"]:
        make_place(root + place, Path(source).is_dir())
        mount(source, root + place, None, BIND | RECURSIVE)
        read_only(root + place)
    for device in shown["device"]:
        make_place(root + device[0], False)
        mount(device[0], root + device[0], None, BIND)
    for target, place in shown["link"]:
        Path(root + place).symlink_to(target)
    os.chdir(root)
    checked(_libc.syscall(PIVOT_ROOT[platform.machine()], b".", b"."), "pivot_root")
    checked(_libc.umount2(b".", DETACH), "umount")  # the old root lies on the new one
    checked(_libc.mount(None, b"/", None, REMOUNT | BIND | READ_ONLY | NO_SUID | NO_DEVICES, None), "remount /")
    os.chdir("/tmp")


def make_place(path: str, directory: bool) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    if directory:
        Path(path).mkdir(exist_ok=True)
    else:
        Path(path).touch()


def mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    words = [one.encode() if one is not None else None for one in (source, target, kind, options)]
    checked(_libc.mount(words[0], words[1], words[2], flags, words[3]), f"mount {target}")


def read_only(place: str) -> None:
    """And what is mounted below it. Before Linux 5.12 the top alone, with the flags that it has: those of another
    owner cannot be taken off."""
    attributes = (ctypes.c_uint64 * 4)(READ_ONLY | NO_SUID | NO_DEVICES, 0, 0, 0)
    if _libc.syscall(MOUNT_SETATTR, HERE, place.encode(), AT_RECURSIVE, attributes, ctypes.sizeof(attributes)) == 0:
        return
    kept = os.statvfs(place).f_flag & (NO_SUID | NO_DEVICES | os.ST_NOEXEC)
    checked(_libc.mount(None, place.encode(), None, REMOUNT | BIND | READ_ONLY | kept, None), f"remount {place}")


def checked(result: int, step: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        sys.stderr.write(f"{step}: {os.strerror(code)}\n")
        sys.stderr.flush()
        os._exit(FAILED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), sys.argv[4:]))
