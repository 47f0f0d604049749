"""filter reads and writes where fsspec can: the same bytes, nothing of others overwritten, errors in words."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from cotdistill.artifacts import remote
from cotdistill.artifacts.manifest import read_manifest
from cotdistill.artifacts.opening import in_brief
from cotdistill.config import FilterConfig, GenerateConfig
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.progress import Silent
from cotdistill.stages import filter as stage
from cotdistill.stages import generate

pytest.importorskip("upath", reason="the extra remote is not installed")

from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped, unused-ignore]
from fsspec.spec import AbstractBufferedFile  # type: ignore[import-untyped, unused-ignore]

from tests.conftest import make_responses, write_records


@pytest.fixture
def bucket() -> Path:
    """A folder of fsspec's file system in memory."""
    return remote.path(f"memory://{uuid.uuid4().hex}")


def sift(source: Path, target: Path, **options: Any) -> None:
    stage.run(source, target, FilterConfig(**options), Silent())


def test_a_file_elsewhere_is_filtered_to_the_same_bytes_with_places_in_its_manifest(
    tmp_path: Path, bucket: Path
) -> None:
    here = write_records(tmp_path / "r.jsonl", make_responses(60))
    (bucket / "r.jsonl").write_bytes(here.read_bytes())
    sift(here, tmp_path / "kept.jsonl", select="shortest:k=1")
    sift(bucket / "r.jsonl", bucket / "kept.jsonl", select="shortest:k=1")
    names = {path.name for path in tmp_path.glob("kept*")} - {".kept.jsonl.lock"}
    assert {path.name for path in bucket.iterdir()} == {"r.jsonl", *names}
    for name in names - {"kept.manifest.json"}:
        assert (bucket / name).read_bytes() == (tmp_path / name).read_bytes(), name
    manifest = read_manifest(bucket / "kept.manifest.json")
    assert manifest.inputs[0].path == str(bucket / "r.jsonl")
    assert [one.path for one in manifest.outputs] == [
        str(bucket / Path(one.path).name) for one in read_manifest(tmp_path / "kept.manifest.json").outputs
    ]


class _Ranges(AbstractBufferedFile):  # type: ignore[misc, unused-ignore]
    """What the drivers of object stores open: read by ranges, with fsspec's own buffer."""

    def _fetch_range(self, start: int, end: int) -> bytes:
        return bytes(self.fs.store[self.path].getvalue()[start:end])


def test_files_that_a_driver_reads_by_ranges_are_filtered_to_the_same_bytes(
    tmp_path: Path, bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = write_records(tmp_path / "r.jsonl", make_responses(60))
    (bucket / "r.jsonl").write_bytes(here.read_bytes())
    opening = MemoryFileSystem.open

    def open_by_ranges(self: MemoryFileSystem, path: str, mode: str = "rb", **more: Any) -> Any:
        stripped = self._strip_protocol(path)
        return _Ranges(self, stripped, mode) if mode == "rb" else opening(self, path, mode, **more)

    monkeypatch.setattr(MemoryFileSystem, "open", open_by_ranges)
    sift(here, tmp_path / "kept.jsonl")
    sift(bucket / "r.jsonl", bucket / "kept.jsonl")
    assert (bucket / "kept.jsonl").read_bytes() == (tmp_path / "kept.jsonl").read_bytes()


def test_another_run_replaces_what_the_command_wrote_and_nothing_else(tmp_path: Path, bucket: Path) -> None:
    source = write_records(tmp_path / "r.jsonl", make_responses(20))
    sift(source, bucket / "kept.jsonl")
    sift(source, bucket / "kept.jsonl", verify="none", filter=("none",))
    assert not (bucket / "kept.dropped.jsonl").read_bytes(), "all are kept this time"
    (bucket / "other.jsonl").write_bytes(b"somebody's\n")
    with pytest.raises(UsageError, match=r"other.jsonl: exists and was not written by this command"):
        sift(source, bucket / "other.jsonl")
    (bucket / "third.dropped.jsonl").write_bytes(b"somebody's\n")
    with pytest.raises(UsageError, match=r"third.dropped.jsonl: exists and was not written"):
        sift(source, bucket / "third.jsonl")
    assert (bucket / "other.jsonl").read_bytes() == (bucket / "third.dropped.jsonl").read_bytes() == b"somebody's\n"


def test_a_file_that_its_manifest_does_not_fit_is_refused_there_too(tmp_path: Path, bucket: Path) -> None:
    source = write_records(tmp_path / "r.jsonl", make_responses(20))
    (bucket / "r.jsonl").write_bytes(source.read_bytes())
    (bucket / "r.manifest.json").write_text(
        json.dumps(
            {
                "stage": "generate",
                "version": "1",
                "complete": True,
                "options": {},
                "inputs": [],
                "outputs": [{"path": "r.jsonl", "sha256": "0" * 64}],
                "counts": {},
                "packages": {},
                "started_at": "",
                "ended_at": "",
            }
        )
    )
    with pytest.raises(CotDistillError, match=r"memory://.*r.jsonl: changed since r.manifest.json was written"):
        sift(bucket / "r.jsonl", tmp_path / "kept.jsonl")


def test_what_is_not_there_or_cannot_be_reached_is_said_in_one_line(tmp_path: Path, bucket: Path) -> None:
    with pytest.raises(CotDistillError, match=r"memory://.*/no.jsonl: cannot read it: No such file"):
        sift(bucket / "no.jsonl", tmp_path / "kept.jsonl")
    with pytest.raises(CotDistillError, match=r"http://127.0.0.1:9/r.jsonl: cannot read it: "):
        sift(remote.path("http://127.0.0.1:9/r.jsonl"), tmp_path / "kept.jsonl")
    with pytest.raises(UsageError, match=r"adl://a/b: .*cotdistill\[remote\].*fsspec package for adl"):
        remote.path("adl://a/b")
    with pytest.raises(UsageError, match="nowhere://a"):
        remote.path("nowhere://a")
    written = bucket / "r.jsonl"
    written.write_bytes(b"")
    with pytest.raises(UsageError, match="is both input and output"):
        sift(written, written)
    assert remote.path("file:///a/b") == Path("/a/b")


def test_words_of_a_driver_are_one_line_however_much_of_the_file_they_quote(tmp_path: Path, bucket: Path) -> None:
    quoting = OSError("Data after the end:\n\n" + "x" * 100_000)
    assert len(in_brief(quoting).splitlines()) == 1 and len(in_brief(quoting)) < 400
    assert in_brief(OSError()) == "OSError"
    with pytest.raises(CotDistillError, match=r"^ftp://127.0.0.1:1/r.jsonl: .*Connection refused$"):
        remote.path("ftp://127.0.0.1:1/r.jsonl")


def test_an_address_is_no_folder_of_this_machine_where_only_such_are_read_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text('{"question": "a=1 b=a+1 b?", "answer": "2"}\n')
    said = "filter alone reads and writes addresses such as s3://"
    config = GenerateConfig(teacher="mock", cache="store.sqlite")
    with pytest.raises(UsageError, match=said):
        generate.run(prompts, Path("s3://bucket/responses.jsonl"), config, Silent())
    with pytest.raises(CotDistillError, match=said):
        generate.run(Path("s3://bucket/prompts.jsonl"), tmp_path / "responses.jsonl", config, Silent())
    assert not Path("s3:").exists(), "paid answers would lie in a folder that nobody looks for"
