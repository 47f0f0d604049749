"""Opens inputs, and finds what stands in the way of an output."""

import hashlib
import io
import re
import stat
from pathlib import Path
from typing import Any

from cotdistill.errors import CotDistillError, UsageError

_BUFFER_BYTES = 1_000_000
"""Read ahead of a remote file."""

PACKED = {b"\x1f\x8b\x08": ".gz", b"BZh": ".bz2", b"\xfd7zXZ\x00": ".xz", b"\x28\xb5\x2f\xfd": ".zst"}
"""What compressed files begin with, and how their names end."""

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def is_remote(path: Path) -> bool:
    """Whether a path is an address such as `s3://…`, and not a file of this machine."""
    return not isinstance(path, Path)


_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
"""The beginning of `s3://…` after it was taken for a local path."""


def meant_elsewhere(path: Path) -> str:
    """A hint for a path that looks like an address where only local files are read and written; "" for any other
    path."""
    first = path.parts[0] if not is_remote(path) and len(path.parts) > 1 else ""
    if not _ADDRESS.fullmatch(first) or Path(first).exists():
        return ""
    return f"filter alone reads and writes addresses such as {first}//; give a path on this machine"


def open_input(path: Path) -> Any:
    """Open a regular file for reading bytes. A pipe is refused: it is read more than once, to hash it and to use it.

    Raises UsageError where no such file is, CotDistillError where it cannot be read."""
    if is_remote(path):
        return _open_remote(path)
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            advice = "" if stat.S_ISDIR(mode) else "; it is read more than once, so write it into a file first"
            raise UsageError(f"{path}: expected a file, found {_kind(mode)}{advice}")
        return path.open("rb")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(f"{path}: cannot read it: {meant_elsewhere(path) or error.strerror}") from None
    except OSError as error:
        raise CotDistillError(f"{path}: cannot read it: {meant_elsewhere(path) or error.strerror}") from None


def _open_remote(path: Any) -> Any:
    try:
        if path.is_dir():
            raise UsageError(f"{path}: expected a file, found a directory")
        path.stat()
        # Of the files that drivers open, some know only a part of what a file can do: S3's has no readline(size).
        return io.BufferedReader(path.fs.open(path.path, "rb"), _BUFFER_BYTES)
    except CotDistillError:
        raise
    except FileNotFoundError:
        raise UsageError(f"{path}: cannot read it: No such file or directory") from None
    except Exception as error:  # every driver has errors of its own
        raise CotDistillError(f"{path}: cannot read it: {in_brief(error)}") from error


def in_brief(error: Exception) -> str:
    """The message of another library's error in one line: some quote everything that a server sent."""
    words = " ".join(str(error).split())
    return f"{words[:300]} …" if len(words) > 300 else words or type(error).__name__


def sha256(path: Path) -> str:
    with open_input(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def lines_of(path: Path) -> int | None:
    """The number of records of a JSON lines file: its lines that are not blank. None for a file of another kind."""
    if path.suffix != ".jsonl":
        return None
    with open_input(path) as file:
        return sum(not line.isspace() for line in file)


def obstacle(path: Path) -> str | None:
    """What stands at a path in the way of a file: "a device", say; None for a regular file or nothing.

    A symbolic link is in the way too: replacing it would leave its target with the old content.
    """
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISLNK(mode):
        return f"a symbolic link to {path.readlink()}"
    return None if stat.S_ISREG(mode) else _kind(mode)


def _kind(mode: int) -> str:
    return _KINDS.get(stat.S_IFMT(mode), "no regular file")


def check_directory(directory: Path) -> None:
    """Raises CotDistillError for a directory that is a file, or would have to be made inside one."""
    there = next((one for one in (directory, *directory.parents) if one.exists()), directory)
    if there.exists() and not there.is_dir():
        raise CotDistillError(f"{there}: is a file, and a directory is needed there; give another path")
