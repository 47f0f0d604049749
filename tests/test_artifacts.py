import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from cotdistill import artifacts
from cotdistill.artifacts import ArtifactWriter
from cotdistill.artifacts.json_lines import BadLines, read_records
from cotdistill.errors import CotDistillError, OutputLockedError, UsageError
from cotdistill.records import Prompt, Response
from tests.conftest import make_prompt, make_response


def write(path: Path, *records: object) -> Path:
    with artifacts.run("test", path, {}) as current, ArtifactWriter(path) as writer:
        for record in records:
            writer.write(record)
        current.publish([writer], counts={"records": writer.records})
    return path


def test_a_bad_line_names_file_line_and_field(tmp_path: Path) -> None:
    path = tmp_path / "responses.jsonl"
    good = msgspec.json.encode(make_response()).decode()
    path.write_text(good + "\n\n" + good.replace('"model":"m"', '"model":null') + "\n")
    with pytest.raises(CotDistillError, match=r"responses.jsonl:3: teacher.model: expected str, got null\. Fix"):
        list(read_records(path, Response))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"id": "1"', "not valid JSON: input data was truncated"),
        (b'{"id": "1"}', "missing required field messages"),
        (b"[1]", "expected object, got array"),
        (b"\xff\xfe", "not valid UTF-8"),
        (b'{"id":"1","messages":[{"role":"robot","content":""}]}', r"messages\[0\].role: invalid enum value 'robot'"),
        (b"null", "null"),
    ],
)
def test_every_kind_of_bad_line_says_what_is_wrong(tmp_path: Path, line: bytes, problem: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(line + b"\n")
    with pytest.raises(CotDistillError, match=rf"p\.jsonl:1: .*{problem}"):
        list(read_records(path, Prompt))


@pytest.mark.parametrize("mark", ["\ufeff", "\x1e"], ids=["byte order mark", "record separator"])
def test_a_mark_before_a_record_is_passed_over_also_where_files_were_joined(tmp_path: Path, mark: str) -> None:
    line = mark.encode() + msgspec.json.encode(make_prompt("1")) + b"\n"
    (tmp_path / "p.jsonl").write_bytes(2 * line)
    assert [prompt.id for prompt in read_records(tmp_path / "p.jsonl", Prompt)] == ["1", "1"]


def test_bad_lines_set_aside_are_counted_and_keep_their_text(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(b"oops\n" + msgspec.json.encode(make_prompt("1")) + b"\n\xff\n")
    with BadLines(tmp_path / "out.bad.jsonl") as bad:
        assert [prompt.id for prompt in read_records(path, Prompt, bad)] == ["1"]
        for writer in bad.writers():
            writer.commit()
    aside = [json.loads(line) for line in (tmp_path / "out.bad.jsonl").read_text().splitlines()]
    assert bad.count == 2
    assert [(entry["line"], entry["text"]) for entry in aside] == [(1, "oops"), (3, "\\xff")]


def test_a_file_that_is_read_twice_sets_each_bad_line_aside_once(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_bytes(b"oops\n")
    with BadLines(tmp_path / "out.bad.jsonl") as bad:
        assert not [*read_records(tmp_path / "p.jsonl", Prompt, bad), *read_records(tmp_path / "p.jsonl", Prompt, bad)]
        (writer,) = bad.writers()
        assert (bad.count, writer.records) == (1, 1)


def publish(path: Path, *siblings: Path) -> None:
    """A run that writes `path` and, beside it, `siblings`."""
    with artifacts.run("test", path, {}, siblings=siblings) as current, ExitStack() as stack:
        writers = [stack.enter_context(ArtifactWriter(one)) for one in (path, *siblings)]
        current.publish(writers, counts={})


def test_what_only_an_earlier_run_wrote_is_deleted_and_no_other_file(tmp_path: Path) -> None:
    output, extra = tmp_path / "x.jsonl", tmp_path / "x.extra.jsonl"
    publish(output, extra)
    (tmp_path / "x.notes.txt").write_text("a person's own")
    publish(output)
    assert {one.name for one in tmp_path.iterdir()} == {"x.jsonl", "x.manifest.json", "x.notes.txt"}


def test_a_run_that_was_killed_while_it_published_is_known_by_its_partial_manifest(tmp_path: Path) -> None:
    output = tmp_path / "x.jsonl"
    publish(output)
    (tmp_path / "x.manifest.json").rename(tmp_path / "x.manifest.json.partial")
    publish(output)
    assert {one.name for one in tmp_path.iterdir()} == {"x.jsonl", "x.manifest.json"}


@pytest.mark.parametrize("option", [None, "against"])
def test_an_edited_input_is_refused_whatever_it_is_read_for(tmp_path: Path, option: str | None) -> None:
    path = write(tmp_path / "p.jsonl", make_prompt())
    path.write_bytes(path.read_bytes() + b"\n")
    edited = pytest.raises(CotDistillError, match=r"changed since p\.manifest\.json was written")
    with artifacts.run("test", tmp_path / "x.jsonl", {}) as current, edited:
        current.read(path, option=option)
    with artifacts.run("test", tmp_path / "x.jsonl", {"allow_modified": True}) as current:
        current.read(path, option=option)
        assert [one.modified for one in current.inputs] == [True]


def test_an_output_that_is_not_committed_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="stop"), ArtifactWriter(tmp_path / "x.jsonl") as writer:
        writer.write(make_prompt())
        raise RuntimeError("stop")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_run_keeps_the_previous_output(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", make_prompt())
    before = path.read_bytes()
    with pytest.raises(RuntimeError), ArtifactWriter(path):
        raise RuntimeError
    assert path.read_bytes() == before
    assert artifacts.input_info(path).manifest_sha256 is not None


def test_an_input_edited_after_its_manifest_is_refused_unless_allowed(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", make_prompt())
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(CotDistillError, match=r"changed since x\.manifest\.json was written.*--allow-modified"):
        artifacts.input_info(path)
    assert artifacts.input_info(path, allow_modified=True).modified


def test_somebodys_own_file_is_accepted_and_recorded_so(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text("{}")
    assert artifacts.input_info(path).manifest_sha256 is None


def test_the_manifest_names_outputs_inputs_and_counts(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", make_prompt(), make_prompt("p2"))
    manifest = artifacts.read_manifest(tmp_path / "x.manifest.json")
    assert manifest.outputs[0].sha256 == artifacts.sha256(path)
    assert (manifest.stage, manifest.counts, manifest.complete) == ("test", {"records": 2}, True)


def test_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    one, two = (write(tmp_path / name, make_prompt(), make_response()) for name in ("a.jsonl", "b.jsonl"))
    assert one.read_bytes() == two.read_bytes()


def test_reading_and_writing_one_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl")
    with artifacts.run("test", path, {}) as current, pytest.raises(UsageError, match="is both input and output"):
        current.read(path)


def test_a_second_process_on_one_output_is_told_who_holds_it(tmp_path: Path) -> None:
    code = "import sys; from cotdistill import artifacts; from pathlib import Path\n"
    code += "with artifacts.lock(Path(sys.argv[1])):\n"
    code += "    print('held', flush=True); sys.stdin.read()"
    output = tmp_path / "x.jsonl"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(output)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout and holder.stdout.readline() == "held\n"
        with (
            pytest.raises(OutputLockedError, match=rf"process {holder.pid} since .* is writing it"),
            artifacts.lock(output),
        ):
            pass
        holder.kill()  # as SIGKILL would: the system gives the lock back
    with artifacts.lock(output):
        pass
