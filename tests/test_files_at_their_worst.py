"""Full disks, pipes, files that change while they are read, names that are no UTF-8, records that no stage can use."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cotdistill import artifacts
from cotdistill.artifacts import ArtifactWriter, summary
from cotdistill.artifacts.json_lines import read_records
from cotdistill.cli import log
from cotdistill.config import FilterConfig
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.inputs.prompt_files import PromptFile
from cotdistill.progress import Silent
from cotdistill.records import Response
from cotdistill.stages import filter as filtering
from tests.conftest import ROOT, cotdistill, make_prompt, make_response, write_records


def responses(path: Path, count: int = 40) -> Path:
    given = [make_response(f"Answer: {n}", make_prompt(f"p{n}", f"{n}?", str(n))) for n in range(count)]
    write_records(path, given)
    return path


def test_a_disk_that_is_full_is_named_with_the_file_and_nothing_of_it_stays(tmp_path: Path) -> None:
    responses(tmp_path / "r.jsonl", 400)
    words = [sys.executable, "-m", "cotdistill", "filter", "r.jsonl", "-o", "out/kept.jsonl", "--filter", "none"]
    done = subprocess.run(
        ["bash", "-c", 'ulimit -f 20; exec "$@"', "bash", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "out/kept.jsonl: cannot write it: File too large; nothing of it is left behind" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_pipe_is_refused_for_it_cannot_be_read_twice(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CotDistillError, match="pipe: expected a file, found a pipe; it is read more than once"):
        filtering.run(tmp_path / "pipe", tmp_path / "kept.jsonl", FilterConfig(), Silent())


def test_an_input_that_grows_while_it_is_read_is_not_recorded_with_its_old_hash(tmp_path: Path) -> None:
    source = responses(tmp_path / "r.jsonl")

    class Grow(Silent):
        def update(self, done: int, detail: str = "") -> None:
            responses(tmp_path / "more.jsonl", 50)
            with source.open("ab") as file:
                file.write((tmp_path / "more.jsonl").read_bytes())

    with pytest.raises(CotDistillError, match=r"r\.jsonl: changed while it was read \([0-9,]+ bytes at first"):
        filtering.run(source, tmp_path / "kept.jsonl", FilterConfig(), Grow())
    assert not (tmp_path / "kept.jsonl").exists()


@pytest.mark.parametrize("words", [["-o", "k\udcff.jsonl"], ["-o", "k.jsonl", "--license", "\udcff"]])
def test_what_is_no_utf_8_is_refused_before_anything_is_paid(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "p.jsonl").write_text('{"question": "a=1 b=a+1 b?"}\n')
    before = sorted(tmp_path.iterdir())
    store = str(tmp_path / "s.sqlite")
    done = cotdistill(
        "generate", tmp_path / "p.jsonl", *words, "--teacher", "mock:digit-chains", COTDISTILL_CACHE=store
    )
    assert (done.returncode, "expected UTF-8" in done.stderr) == (2, True), done.stderr
    assert sorted(tmp_path.iterdir()) == before


def test_a_stage_called_from_python_refuses_such_names_too(tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match="expected a name in UTF-8"),
        artifacts.run("t", tmp_path / "k\udcff.jsonl", {}),
    ):
        pass
    with pytest.raises(UsageError, match="--license"), artifacts.run("t", tmp_path / "k.jsonl", {"license": "\udcff"}):
        pass


@pytest.mark.parametrize("amount", ["abc", "1e999999999", "NaN", "-1", "Infinity", "", "1 000", "0x1", "1e100"])
def test_a_cost_that_is_no_amount_is_a_bad_line(tmp_path: Path, amount: str) -> None:
    line = msgspec.json.encode(make_response(cost_usd="0.1")).decode().replace('"0.1"', json.dumps(amount))
    (tmp_path / "r.jsonl").write_text(line + "\n")
    with pytest.raises(CotDistillError, match=r"r\.jsonl:1: cost_usd: expected an amount such as 0\.0012"):
        list(read_records(tmp_path / "r.jsonl", Response))


@pytest.mark.parametrize("amount", ["0", "0.000123", "12.5", "1.5e-05"])
def test_an_amount_as_others_write_it_is_read(tmp_path: Path, amount: str) -> None:
    (tmp_path / "r.jsonl").write_bytes(msgspec.json.encode(make_response(cost_usd=amount)))
    assert [one.cost_usd for one in read_records(tmp_path / "r.jsonl", Response)] == [amount]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"prompt":' * 50_000, "unknown field prompt"),
        ('{"prompt":{"id":"x"},"more":' + "[" * 50_000, "."),
        ("[" * 200_000, "expected object, got array"),
        ('{"prompt":{"id":"x","messages":[]}}', "messages: expected a user's turn"),
    ],
)
def test_a_line_that_no_stage_can_use_is_named_or_set_aside(tmp_path: Path, line: str, problem: str) -> None:
    source = responses(tmp_path / "r.jsonl")
    source.write_bytes(source.read_bytes() + line.encode() + b"\n")
    with pytest.raises(CotDistillError, match=rf"r\.jsonl:41: .*{problem}"):
        filtering.run(source, tmp_path / "kept.jsonl", FilterConfig(), Silent())
    made = filtering.run(source, tmp_path / "kept.jsonl", FilterConfig(skip_bad=True), Silent())
    assert made.counts["responses"] == 40
    assert json.loads((tmp_path / "kept.bad.jsonl").read_text())["line"] == 41


def test_a_prompt_that_is_nested_without_end_is_a_bad_line(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text('{"question": "q", "more": ' + "[" * 100_000 + "\n")
    with pytest.raises(CotDistillError, match=r"p\.jsonl:1: not valid JSON: nested too deeply"):
        list(PromptFile(tmp_path / "p.jsonl"))


def test_bad_lines_of_an_earlier_run_go_with_the_next_one_that_has_none(tmp_path: Path) -> None:
    source = responses(tmp_path / "r.jsonl")
    good = source.read_bytes()
    source.write_bytes(good + b"oops\n")
    made = filtering.run(source, tmp_path / "kept.jsonl", FilterConfig(skip_bad=True), Silent())
    assert [Path(one.path).name for one in made.outputs][-1] == "kept.bad.jsonl"
    source.write_bytes(good)
    filtering.run(source, tmp_path / "kept.jsonl", FilterConfig(), Silent())
    assert not (tmp_path / "kept.bad.jsonl").exists()


def test_a_command_that_fails_at_once_leaves_neither_lock_nor_directory(tmp_path: Path) -> None:
    with pytest.raises(CotDistillError, match="No such file"):
        filtering.run(tmp_path / "nowhere.jsonl", tmp_path / "a" / "b" / "kept.jsonl", FilterConfig(), Silent())
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_was_killed_while_it_published_still_knows_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, kept = responses(tmp_path / "r.jsonl"), tmp_path / "kept.jsonl"
    placed: list[Path] = []

    def place(writer: ArtifactWriter) -> None:
        if placed:
            raise SystemExit("killed")
        placed.append(writer.path)
        original(writer)

    original = ArtifactWriter.place
    monkeypatch.setattr(ArtifactWriter, "place", place)
    with pytest.raises(SystemExit):
        filtering.run(source, kept, FilterConfig(), Silent())
    assert kept.exists() and not (tmp_path / "kept.manifest.json").exists()
    monkeypatch.undo()
    filtering.run(source, kept, FilterConfig(), Silent())
    assert artifacts.manifest_of(kept) is not None
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"id": "a", "messages": [{"role": "user", "content": "2+2?"}]}, "holds prompts"),
        ({"question": "2+2?", "answer": "4"}, "holds prompts"),
        ({"response": {}, "verdict": {}}, "holds judged responses; `filter` writes such"),
        ({"id": "a/0", "prompt": [], "completion": []}, "holds training rows; `format` writes such"),
    ],
)
def test_a_file_of_another_kind_is_called_what_it_is(tmp_path: Path, line: dict[str, Any], words: str) -> None:
    (tmp_path / "x.jsonl").write_text(json.dumps(line) + "\n")
    with pytest.raises(UsageError, match=rf"x\.jsonl: {words}.*filter reads what `generate` writes"):
        filtering.run(tmp_path / "x.jsonl", tmp_path / "kept.jsonl", FilterConfig(), Silent())


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (gzip.compress(b'{"prompt": 1}\n'), r"is compressed \(\.gz\).*unpack it first: gunzip -k "),
        (b"\x28\xb5\x2f\xfd\x24\x00", r"is compressed \(\.zst\).*unpack it first: unzstd "),
        (b"PAR1\x15\x04\x15", "is a Parquet file; filter reads JSON lines, as `generate` writes them"),
    ],
)
def test_a_file_without_lines_is_called_what_it_is(tmp_path: Path, head: bytes, words: str) -> None:
    """Not `not valid UTF-8`, of a first line that nobody can fix."""
    (tmp_path / "x").write_bytes(head)
    with pytest.raises(UsageError, match=words):
        filtering.run(tmp_path / "x", tmp_path / "kept.jsonl", FilterConfig(), Silent())


def test_many_runs_on_one_output_at_once_are_one_run_at_a_time(tmp_path: Path) -> None:
    code = (
        "import sys, time, pathlib\nfrom cotdistill import artifacts, errors\nat = pathlib.Path(sys.argv[1])\n"
        "for _ in range(200):\n"
        "    try:\n"
        "        with artifacts.lock(at / 'x.jsonl'):\n"
        "            mark = at / 'held'\n"
        "            mark.touch(exist_ok=False)\n"
        "            mark.unlink()\n"
        "    except errors.OutputLockedError:\n        pass\n"
    )
    runs = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stderr=subprocess.PIPE) for _ in range(3)]
    said = [run.communicate()[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], said
    assert list(tmp_path.iterdir()) == []


def test_control_characters_of_a_data_set_are_spelled_out_in_all_that_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = "x\x1b]0;OWNED\x07\x9b2J\u202e"
    prompt = make_prompt("p\x1b[2J", tags={hostile: "t"})
    (tmp_path / "r.jsonl").write_bytes(msgspec.json.encode(make_response(prompt=prompt)) + b"\n")
    made = filtering.run(tmp_path / "r.jsonl", tmp_path / "kept.jsonl", FilterConfig(), Silent())
    for text in (summary.as_text(made), summary.as_json(made), summary.one_line(made)):
        log.say(text)
        log.say(text, err=True)
    printed = "".join(capsys.readouterr())
    assert "\\u001b]0;OWNED\\u0007\\u009b2J\\u202e" in printed
    assert not set(printed) & {"\x1b", "\x07", "\x9b", "\u202e"}
    json.loads(printed.splitlines()[next(n for n, line in enumerate(printed.splitlines()) if line.startswith("{"))])


def test_every_file_that_generate_reads_stands_in_its_manifest_with_the_option_that_named_it(tmp_path: Path) -> None:
    files = {
        "p.jsonl": '{"question": "2+2?", "answer": "4"}',
        "few.jsonl": '{"question": "1+1?", "answer": "2"}',
        "t.md": "Solve: $question",
        "schema.json": '{"type": "number"}',
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text + "\n")
    words = ["--teacher", f"mock:{tmp_path}/p.jsonl", "--few-shot", f"{tmp_path}/few.jsonl"]
    words += ["--template", f"{tmp_path}/t.md", "--until-accepted", "1"]
    words += ["--verify", f"json_schema:schema={tmp_path}/schema.json"]
    done = cotdistill("generate", tmp_path / "p.jsonl", "-o", tmp_path / "r.jsonl", *words)
    assert done.returncode == 0, done.stderr
    found = artifacts.read_manifest(tmp_path / "r.manifest.json").inputs
    assert {(Path(one.path).name, one.option, one.sha256) for one in found} == {
        (name, option, artifacts.sha256(tmp_path / name))
        for name, option in [
            ("p.jsonl", None),
            ("p.jsonl", "teacher"),
            ("few.jsonl", "few_shot"),
            ("t.md", "template"),
            ("schema.json", "verify"),
        ]
    }
