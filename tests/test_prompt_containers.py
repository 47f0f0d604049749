"""What prompts come in: JSON in every arrangement, Arrow, downloads, and the records of other programs around them."""

import bz2
import gzip
import io
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import feather, ipc, parquet

from cotdistill.artifacts.json_lines import BadLines
from cotdistill.errors import CotDistillError
from cotdistill.inputs.prompt_files import PromptFile
from tests.conftest import prompt_file

ONE, TWO = {"question": "One?", "answer": "1"}, {"question": "Two?", "answer": "2"}
BOTH = [("One?", "1"), ("Two?", "2")]
LINES = f"{json.dumps(ONE)}\n{json.dumps(TWO)}\n".encode()
TURNS = [{"role": "user", "content": "One?"}]


def found(path: Path, content: bytes, **options: Any) -> list[tuple[str, str | None]]:
    path.write_bytes(content)
    return [(prompt.messages[-1].content, prompt.reference) for prompt in prompt_file(path, **options)]


def pretty(*records: Any) -> bytes:
    return "\n".join(json.dumps(record, indent=2) for record in records).encode()


@pytest.mark.parametrize("name", ["p.json", "p.jsonl"])
@pytest.mark.parametrize(
    "content",
    [
        LINES,
        json.dumps([ONE, TWO]).encode(),
        pretty([ONE, TWO]),
        pretty(ONE, TWO),
        LINES.replace(b"\n", b""),
        LINES.replace(b"\n", b"\r"),
        LINES.replace(b"\n", b",\n"),
        LINES.replace(b'{"q', b'\x1e{"q'),
        LINES.replace(b'{"q', b'\xef\xbb\xbf\xef\xbb\xbf{"q'),
    ],
    ids=["lines", "a list", "a list on many lines", "on many lines", "on one", "CR", "commas", "RFC 7464", "joined"],
)
def test_json_is_read_however_it_stands_in_the_file(tmp_path: Path, name: str, content: bytes) -> None:
    assert found(tmp_path / name, content) == BOTH
    assert found(tmp_path / f"{name}.gz", gzip.compress(content)) == BOTH


@pytest.mark.parametrize(
    "content",
    [
        {"version": 1, "data": [ONE, TWO]},
        {"rows": [{"row_idx": 0, "row": ONE, "truncated_cells": []}, {"row_idx": 1, "row": TWO}]},
        {"question": ["One?", "Two?"], "answer": ["1", "2"]},
        {"question": {"0": "One?", "1": "Two?"}, "answer": {"0": "1", "1": "2"}},
        {"columns": ["question", "answer"], "index": [0, 1], "data": [["One?", "1"], ["Two?", "2"]]},
        {"a": ONE, "b": TWO},
    ],
    ids=["wrapped", "the hub's viewer", "columns", "columns by number", "split", "by id"],
)
def test_json_of_other_programs_holds_the_same_records(tmp_path: Path, content: Any) -> None:
    assert found(tmp_path / "p.json", json.dumps(content).encode()) == BOTH


def test_one_object_is_one_prompt_and_a_list_of_texts_is_a_prompt_each(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    assert found(path, json.dumps(ONE).encode()) == BOTH[:1]
    assert found(path, json.dumps({"messages": TURNS, "tags": "a"}).encode()) == [("One?", None)]
    assert found(path, b'["One?", "Two?"]') == [("One?", None), ("Two?", None)]


def test_a_question_inside_a_passage_keeps_its_id_and_its_answer(tmp_path: Path) -> None:
    asked = {"id": "s1", "question": "Who?", "answers": [{"text": "Ann", "answer_start": 0}]}
    other = {"id": "s2", "question": "Where?", "answers": [{"text": "here"}, {"text": "Rome"}]}
    content = {"version": "2", "data": [{"title": "T", "paragraphs": [{"context": "Ann.", "qas": [asked, other]}]}]}
    (tmp_path / "p.json").write_text(json.dumps(content))
    file = PromptFile(tmp_path / "p.json")
    assert [(one.id, one.messages[-1].content, one.reference) for one in file] == [
        ("s1", "Ann.\n\nWho?", "Ann"),
        ("s2", "Ann.\n\nWhere?", '["here", "Rome"]'),
    ]
    assert "each answer that 'answers' lists is right, the verifier is any_of (1 prompt)" in file.describe()


@pytest.mark.parametrize(
    ("record", "identity"),
    [
        ({"custom_id": "r", "method": "POST", "url": "/v1/x", "body": {"model": "m", "messages": TURNS}}, "r"),
        ({"custom_id": "r", "method": "POST", "url": "/v1/x", "body": {"model": "m", "input": "One?"}}, "r"),
        ({"custom_id": "r", "params": {"model": "m", "max_tokens": 9, "messages": TURNS}}, "r"),
        ({"recordId": "r", "modelInput": {"messages": [{"role": "user", "content": [{"text": "One?"}]}]}}, "r"),
        ({"key": "r", "request": {"contents": [{"role": "user", "parts": [{"text": "One?"}]}]}}, "r"),
        ({"id": 7, "fields": {"prompt": "One?"}, "metadata": {}}, "7"),
    ],
)
def test_a_line_of_a_batch_holds_its_prompt(tmp_path: Path, record: dict[str, Any], identity: str) -> None:
    (tmp_path / "p.jsonl").write_text(json.dumps(record))
    (prompt,) = PromptFile(tmp_path / "p.jsonl")
    assert (prompt.id, prompt.messages[-1].content) == (identity, "One?")


def test_a_task_of_label_studio_has_the_choice_that_its_annotators_agree_on(tmp_path: Path) -> None:
    task = {"id": 7, "data": {"text": "Well made."}, "annotations": [{"result": [{"value": {"choices": ["good"]}}]}]}
    assert found(tmp_path / "p.json", json.dumps([task]).encode()) == [("Well made.", "good")]


def test_a_column_named_as_it_stands_is_looked_for_outside(tmp_path: Path) -> None:
    record = json.dumps({"custom_id": "r", "body": {"messages": TURNS, "note": "Two?"}}).encode()
    assert found(tmp_path / "p.jsonl", record, prompt_field="body.note") == [("Two?", None)]


def test_parquet_and_arrow_are_read_by_any_of_their_names(tmp_path: Path) -> None:
    table = pyarrow.table({"question": ["One?", "Two?"], "answer": ["1", "2"]})
    kept, packed, streamed = io.BytesIO(), io.BytesIO(), io.BytesIO()
    parquet.write_table(table, kept)
    feather.write_feather(table, packed)
    with ipc.new_stream(streamed, table.schema) as writer:
        writer.write_table(table)
    for name, file in {"p.pq": kept, "p.feather": packed, "p.arrow": streamed, "q.arrow": packed}.items():
        assert found(tmp_path / name, file.getvalue()) == BOTH
    with pytest.raises(CotDistillError, match=r"cut\.arrow: not an Arrow file"):
        found(tmp_path / "cut.arrow", packed.getvalue()[:100])


@pytest.mark.parametrize(("ending", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
@pytest.mark.parametrize("cut", [1, 10, 200])
def test_a_file_that_was_cut_off_is_never_taken_for_a_shorter_one(
    tmp_path: Path, ending: str, pack: Callable[[bytes], bytes], cut: int
) -> None:
    many = b"".join(json.dumps({"question": f"{number}?"}).encode() + b"\n" for number in range(2_000))
    for name in ("p.jsonl", "p.csv"):
        with pytest.raises(CotDistillError, match=rf"{name}\.{ending}: cannot be uncompressed"):
            found(tmp_path / f"{name}.{ending}", pack(many.replace(b": ", b":"))[:-cut])


def test_a_download_is_known_by_what_it_holds(tmp_path: Path) -> None:
    assert found(tmp_path / "p.jsonl", gzip.compress(LINES)) == BOTH
    for name, content, problem in [
        ("p.parquet", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        ("p.jsonl", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        ("p.json", b"\n<!DOCTYPE html>\n<html>", "a web page"),
        ("p.jsonl", b"PAR1\x15\x04", "it is a Parquet file; name it"),
        ("p.csv", b"PK\x03\x04\x14\x00", "export the sheet as CSV"),
        ("p.xlsx", b"PK\x03\x04\x14\x00", "export the sheet as CSV"),
        ("p.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00", "export the sheet as CSV"),
        ("p.json", b"SQLite format 3\x00", "an SQLite database"),
        ("p.txt", LINES, r"p\.txt:1: expected a prompt as it is, found a JSON object: name the file \.jsonl"),
    ]:
        with pytest.raises(CotDistillError, match=problem):
            found(tmp_path / name, content)


@pytest.mark.parametrize("column", ["Frage", "pregunta", "问题", "Question Text", "prob\u200blem", "proble\u0300me"])
def test_columns_are_known_in_other_languages_and_spellings(tmp_path: Path, column: str) -> None:
    for answer in ("Antwort", "re\u0301ponse", "答案", "expected-output"):
        content = f"\ufeff{column};{answer}\nOne?;1\n".encode()
        assert found(tmp_path / "p.csv", content) == BOTH[:1]


def test_excels_text_keeps_its_zeros_and_short_rows_are_said(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    assert found(path, b'question,answer\nOne?,"=""007"""\nTwo?,="05"\n') == [("One?", "007"), ("Two?", "05")]
    path.write_text("question,answer,note\nOne?\nTwo?,2,x\n")
    file = PromptFile(path)
    assert [prompt.reference for prompt in file] == [None, "2"]
    assert file.describe().startswith("1 row has fewer cells than the header has columns; ")


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("p.jsonl", b'{"question": "One\n' + LINES, r"p\.jsonl:1: not valid JSON"),
        ("p.jsonl", LINES + b'{"question": "On', r"p\.jsonl:3: not valid JSON"),
        ("p.jsonl", b'{"question": "a\\ud800?"}\n', r"p\.jsonl:1: not valid JSON"),
        ("p.json", b'[{"question": "a\\ud800?", "score": NaN}]', r"p\.json: not valid JSON"),
        ("p.jsonl", b"# mine\n" + LINES, r"p\.jsonl:1: not valid JSON"),
        ("p.json", b'[{"question": "One?"},', r"p\.json: not valid JSON"),
        ("p.json", b'{"a": 1}', r"p\.json: expected a list of objects, got dict"),
        ("p.json", b"[[1]]", r"p\.json:1: expected an object, got list"),
    ],
)
def test_what_is_broken_is_said_with_its_line(tmp_path: Path, name: str, content: bytes, problem: str) -> None:
    with pytest.raises(CotDistillError, match=problem):
        found(tmp_path / name, content)


def test_broken_lines_are_set_aside_one_by_one_also_where_the_first_one_is_broken(tmp_path: Path) -> None:
    with BadLines(tmp_path / "bad.jsonl") as bad:
        assert found(tmp_path / "p.jsonl", b"{broken\n" + LINES, bad=bad) == BOTH
    assert bad.count == 1


def test_a_slip_of_the_file_ends_the_run_and_one_of_a_line_is_set_aside(tmp_path: Path) -> None:
    """Also where the words of a line's slip are those of the file's."""
    said = {"question": {"no column ": "no question --reference-field"}}
    path = tmp_path / "p.jsonl"
    content = f"{json.dumps(said)}\n{json.dumps(ONE)}\n".encode()
    with BadLines(tmp_path / "bad.jsonl") as bad:
        assert found(path, content, bad=bad) == BOTH[:1]
        with pytest.raises(CotDistillError, match=r"p\.jsonl:1: no question.*--prompt-field"):
            found(path, b'{"no": "column"}\n' + LINES, bad=bad)
        with pytest.raises(CotDistillError, match="answer: expected one reference, got list of 2"):
            found(path, b'{"question": "One?", "answer": ["1", "2"]}\n' + LINES, bad=bad)
