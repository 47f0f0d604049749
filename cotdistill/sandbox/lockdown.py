"""The last steps of a process before it runs what nobody has read: fewer rights, limits, and fewer system calls.

`isolation` has taken away the machine before this runs; what is done here cannot be undone by the process.
"""

import ctypes
import fcntl
import os
import platform
import resource
import signal
import struct
import sys

NOBODY = 65534
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 1, 4, 38, 22, 2
OPEN_FILES = 64

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # BPF: load a word, jump if equal, jump if >=, return
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_EPERM, _ENOSYS = 1, 38

_REFUSED = {
    # a process, a thread, or another program: by these alone on every architecture
    "clone": (56, 220), "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281),
    # the network and other namespaces
    "socket": (41, 198), "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "chroot": (161, 51), "mount_setattr": (442, 442), "open_tree": (428, 428),
    "move_mount": (429, 429), "fsopen": (430, 430),
    # other processes' memory, and memory that outlives its owner or counts for nobody
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "shmget": (29, 194),
    "msgget": (68, 186), "semget": (64, 190), "memfd_create": (319, 279), "memfd_secret": (447, 447),
    # wide doors to the kernel
    "bpf": (321, 280), "perf_event_open": (298, 241), "io_uring_setup": (425, 425), "userfaultfd": (323, 282),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218), "mknod": (133, None), "mknodat": (259, 33),
}  # fmt: skip
"""Numbers on x86_64 and aarch64, from the kernel's unistd tables."""
_CLONE3 = 435
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}


def lock_down(cpu_s: int, memory_bytes: int, file_bytes: int, drop: bool = True) -> None:
    """Limits of this process: `cpu_s` seconds of processor time, then it is killed; `memory_bytes` of address space;
    `file_bytes` a file. On Linux, root becomes nobody (`drop`), and no process, thread, program or connection can be
    started.
    """
    if sys.platform == "linux":
        if drop and os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # a change of user has cleared it
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)  # its memory is closed to other processes of the same user
    _limit(cpu_s, memory_bytes, file_bytes)
    if sys.platform == "linux":
        _refuse_calls(libc)


def end_with_the_judge(lifeline: int) -> None:
    """Be killed when the process that asks for a verdict ends: it holds the other end of this pipe.

    A launcher's PR_SET_PDEATHSIG comes too late where that process dies while the launcher starts.
    """
    if not hasattr(fcntl, "F_SETSIG"):
        return
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    try:
        os.read(lifeline, 1)
    except BlockingIOError:
        return
    os._exit(1)  # it has ended already


def _limit(cpu_s: int, memory_bytes: int, file_bytes: int) -> None:
    wanted = [
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 1),  # itself: no other process, no thread
    ]
    for what, most in wanted:
        try:
            resource.setrlimit(what, (most, most))
        except (ValueError, OSError):  # macOS knows no limit of memory
            continue


def _refuse_calls(libc: ctypes.CDLL) -> None:
    """A seccomp filter. RLIMIT_NPROC counts nothing for root's own processes, and network namespaces leave `socket`.

    See Documentation/userspace-api/seccomp_filter.rst of the kernel.
    """
    if platform.machine() not in _ARCHITECTURES:
        return
    column, audit_arch = _ARCHITECTURES[platform.machine()]
    numbers = sorted({number for pair in _REFUSED.values() if (number := pair[column]) is not None})
    steps = [
        (_LOAD, 0, 0, 4),  # the architecture of the call: one of another table is no honest one
        (_EQUAL, 1, 0, audit_arch),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
        (_AT_LEAST, 0, 1, 0x40000000),  # x32's calls, under other numbers
        (_RETURN, 0, 0, _REFUSE | _EPERM),
        (_EQUAL, 0, 1, _CLONE3),  # then the C library asks `clone`
        (_RETURN, 0, 0, _REFUSE | _ENOSYS),
    ]
    for number in numbers:
        steps += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _REFUSE | _EPERM)]
    steps.append((_RETURN, 0, 0, _ALLOW))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    filter_program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code)))
    libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_void_p(ctypes.addressof(filter_program)), 0, 0)
