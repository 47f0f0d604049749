"""Files that appear whole or not at all: written as `X.partial`, synced, renamed."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Protocol, Self

import msgspec

from cotdistill.artifacts.opening import obstacle
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.records import Record


class FileInfo(Record, frozen=True, kw_only=True):
    """A file as a manifest records it. `records` is absent where there are none, as for weights, and for a user's own
    input that is no JSON lines; `manifest_sha256` is absent for a file that no stage wrote. `option` names the option
    that a file was read for; it is absent for the input itself."""

    path: str
    sha256: str
    records: int | None = None
    manifest_sha256: str | None = None
    modified: bool = False
    option: str | None = None


def partial(path: Path) -> Path:
    """The path of a file until it is complete."""
    return path.with_name(path.name + ".partial")


TOGETHER_BYTES = 1 << 16
"""Bytes that are hashed and written at once: each of the two releases the interpreter's lock and waits to get it
back."""


class PartialFile:
    """Written at `path.partial` until `place` renames it to `path`. Only the owner can read a `private` file."""

    def __init__(self, path: Path, *, private: bool = False) -> None:
        self.path, self.partial = path, partial(path)
        self._digest = hashlib.sha256()
        self._waiting: list[bytes] = []
        self._bytes_waiting = 0
        if found := obstacle(path):
            raise UsageError(f"{path}: is {found}")
        with _explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self.partial.unlink(missing_ok=True)  # of a run that was killed; never written through, it may be a link
            mode = 0o600 if private else 0o666
            self._file = os.fdopen(os.open(self.partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb")

    def write(self, content: bytes) -> None:
        self._waiting.append(content)
        self._bytes_waiting += len(content)
        if self._bytes_waiting >= TOGETHER_BYTES:
            with _explained(self.path):
                self._write_waiting()

    def finish(self) -> FileInfo:
        """Put all of it on disk, still under its partial name."""
        with _explained(self.path):
            self._write_waiting()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        return FileInfo(path=str(self.path), sha256=self._digest.hexdigest())

    def place(self) -> None:
        with _explained(self.path):
            self.partial.replace(self.path)
            sync_directory(self.path.parent)

    def discard(self) -> None:
        """Remove the file unless it was placed: a full disk must not stay full because of it."""
        try:
            self._file.close()  # writes what is buffered, which may fail
        except OSError:
            pass
        finally:
            self.partial.unlink(missing_ok=True)

    def _write_waiting(self) -> None:
        content = b"".join(self._waiting)
        self._waiting, self._bytes_waiting = [], 0
        self._digest.update(content)
        self._file.write(content)


class ForeignFile(PartialFile):
    """`path.partial`, written by a library or a program that is given the name."""

    def finish(self) -> FileInfo:
        self._file.close()
        with _explained(self.path), self.partial.open("rb") as file:
            os.fsync(file.fileno())
            return FileInfo(path=str(self.path), sha256=hashlib.file_digest(file, "sha256").hexdigest())


class Publishable(Protocol):
    """A file that is being written, and gets its name later."""

    path: Path

    def finish(self) -> FileInfo: ...
    def place(self) -> None: ...


class ArtifactWriter:
    """Writes records, one JSON object a line. Leaving the block without a commit removes the file."""

    def __init__(self, path: Path, *, private: bool = False) -> None:
        self.path = path
        self.records = 0
        self._file = PartialFile(path, private=private)
        self._encoder = msgspec.json.Encoder(decimal_format="string")

    def write(self, record: object) -> None:
        self._file.write(self._encoder.encode(record) + b"\n")
        self.records += 1

    def finish(self) -> FileInfo:
        """Put all of it on disk and describe it; `place` then gives it its name."""
        return msgspec.structs.replace(self._file.finish(), records=self.records)

    def place(self) -> None:
        self._file.place()

    def commit(self) -> FileInfo:
        info = self.finish()
        self.place()
        return info

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def discard(self) -> None:
        self._file.discard()


def write_whole(path: Path, content: bytes, *, private: bool = False) -> FileInfo:
    """Write a small file atomically."""
    file = PartialFile(path, private=private)
    try:
        file.write(content)
        info = file.finish()
        file.place()
    finally:
        file.discard()
    return info


def sync_directory(directory: Path) -> None:
    """Put a directory's entries on disk: a rename survives a power cut only then."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


ROOM_BYTES = 1 << 20
"""Bytes that a disk must take before anything is paid for whose answer will be written there."""


def try_room(path: Path) -> None:
    """Write some bytes beside the file that will be written, and remove them. Raises CotDistillError for a disk that is
    full or not writable, before anything is paid for."""
    with _explained(path), TemporaryFile(dir=path.parent) as file:
        file.write(bytes(ROOM_BYTES))
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _explanation(path, error) from None


@contextmanager
def written_elsewhere(path: Path) -> Iterator[None]:
    """Wraps what another library writes to `path` or beside it: its errors do not say where, and NumPy's do not say
    why."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        if error.errno is None:
            error = OSError(None, f"not all of it was taken ({error}), as by a full disk")
        raise _explanation(path, error) from None


def _explanation(path: Path, error: OSError) -> CotDistillError:
    return CotDistillError(f"{path}: cannot write it: {error.strerror or error}; nothing of it is left behind")
