"""Files in an object store or behind another address that fsspec knows: `s3://bucket/responses.jsonl`.

They are read where they are, by ranges. What is written is put together on this machine, then uploaded, the manifest
last: its presence means that all of it is there. Nothing locks such an output: do not write one from two machines at
the same time.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import msgspec

from cotdistill.artifacts.earlier import Listing
from cotdistill.artifacts.manifest import Manifest
from cotdistill.artifacts.opening import in_brief, is_remote, open_input
from cotdistill.artifacts.scratch import scratch
from cotdistill.errors import CotDistillError, UsageError


def path(text: str) -> Path:
    """A path as it is typed. One with an address is no Path of this machine, but has its methods for reading.

    Raises UsageError without the extra remote, or without the package for that kind of address."""
    if "://" not in text or text.startswith("file://"):
        return Path(text.removeprefix("file://"))
    try:
        from upath import UPath

        found = UPath(text)
        _ = found.fs
    except ImportError as error:
        kind = text.partition("://")[0]
        raise UsageError(
            f"{text}: {error}. Paths such as {kind}://… need pip install 'cotdistill[remote]', and the fsspec package "
            f"for {kind} (s3fs, gcsfs, adlfs …)"
        ) from None
    except ValueError as error:
        raise UsageError(f"{text}: {error}") from None
    except Exception as error:  # some drivers connect at once
        raise CotDistillError(f"{text}: {in_brief(error)}") from error
    return cast(Path, found)


def check_lasts(path: Path) -> None:
    """Raises UsageError for an output of a command that would be gone with it."""
    if is_remote(path) and "memory" in str(path).split("://")[0].split("::"):
        raise UsageError(
            f"-o {path}: is in the memory of this process and gone when it ends; give a path on this machine, or the "
            f"address of a store such as s3://"
        )


def check_input(path: Path) -> None:
    """Raises CotDistillError for one that cannot be read, before anything else asks about it."""
    if is_remote(path):
        open_input(path).close()


class Staged:
    """A remote output while it is put together: `local` is where a stage writes it."""

    def __init__(self, stage: str, target: Path, folder: Path) -> None:
        self.local = folder / target.name
        self._stage, self._target, self._folder = stage, target, folder

    def check(self, names: Sequence[str]) -> None:
        """Raises UsageError where a file stands that `stage` did not write for this output."""
        before = self._before()
        for name in names:
            there = self._beside(name)
            if name not in before and _answer(there, there.exists):
                raise UsageError(
                    f"{there}: exists and was not written by this command; move it away, or give another path"
                )

    def upload(self, manifest: Manifest) -> Manifest:
        """Everything to where it belongs, and what only an earlier run wrote away; the manifest with the places."""
        stale = self._before() - {Path(one.path).name for one in manifest.outputs}
        for one in manifest.outputs:
            self._put(Path(one.path), self._beside(Path(one.path).name))
        for name in stale:
            _answer(self._beside(name), self._beside(name).unlink)
        here, there = f"{self._folder}/", f"{self._target.parent}".rstrip("/") + "/"
        written = self.local.with_suffix(".manifest.json")
        written.write_bytes(written.read_bytes().replace(_in_json(here), _in_json(there)))
        self._put(written, self._beside(written.name))
        return msgspec.json.decode(written.read_bytes(), type=Manifest)

    def _before(self) -> set[str]:
        """The names of what an earlier run wrote for this output."""
        place = self._beside(self.local.with_suffix(".manifest.json").name)
        if not _answer(place, place.exists):
            return set()
        try:
            known = msgspec.json.decode(_answer(place, place.read_bytes), type=Listing)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return set()
        names = [one.path.rpartition("/")[2] for one in known.outputs]
        return {*names, place.name} if known.stage == self._stage and names[:1] == [self._target.name] else set()

    def _beside(self, name: str) -> Path:
        return self._target.parent / name

    def _put(self, source: Path, target: Any) -> None:
        _answer(target, lambda: target.fs.put_file(str(source), target.path))


@contextmanager
def staged(stage: str, target: Path) -> Iterator[Staged]:
    """A folder of this machine for an output elsewhere; gone at the end."""
    with scratch("output") as folder:
        yield Staged(stage, target, folder)


def _answer(place: Path, ask: Callable[[], Any]) -> Any:
    """Raises CotDistillError in place of whatever the library for that address raises."""
    assert is_remote(place)
    try:
        return ask()
    except Exception as error:  # every driver has errors of its own
        raise CotDistillError(f"{place}: {in_brief(error)}") from error


def _in_json(text: str) -> bytes:
    return msgspec.json.encode(text)[1:-1]
