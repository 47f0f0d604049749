import json
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from cotdistill.artifacts.json_lines import BadLines
from cotdistill.errors import CotDistillError
from cotdistill.inputs.prompt_files import PromptFile
from cotdistill.records import Dropped, Judged, Prompt, Verdict
from tests.conftest import make_prompt, make_response, prompt_file, write_records


def read(path: Path, **more: Any) -> list[Prompt]:
    return list(prompt_file(path, **more))


def jsonl(path: Path, *items: object) -> Path:
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    return path


@pytest.mark.parametrize("column", ["prompt", "question", "problem", "instruction", "input"])
@pytest.mark.parametrize("reference", ["reference", "answer", "solution", "final_answer"])
def test_usual_column_names_are_recognised(tmp_path: Path, column: str, reference: str) -> None:
    (prompt,) = read(jsonl(tmp_path / "p.jsonl", {column: "2+2?", reference: 4}))
    assert (prompt.messages[0].content, prompt.reference) == ("2+2?", "4")


def test_one_file_in_any_format_gives_the_same_prompts(tmp_path: Path) -> None:
    items = [
        {"id": "a", "question": "2+2?", "answer": "4"},
        {"id": "b", "question": 'say "hi",\nplease', "answer": "hi"},
    ]
    expected = read(jsonl(tmp_path / "p.jsonl", *items))
    (tmp_path / "p.json").write_text(json.dumps(items))
    (tmp_path / "p.csv").write_text('id,question,answer\na,2+2?,4\nb,"say ""hi"",\nplease",hi\n')
    (tmp_path / "p.tsv").write_text('id\tquestion\tanswer\na\t2+2?\t4\nb\t"say ""hi"",\nplease"\thi\n')
    parquet.write_table(pyarrow.Table.from_pylist(items), tmp_path / "p.parquet")
    for name in ("p.json", "p.csv", "p.tsv", "p.parquet"):
        assert read(tmp_path / name) == expected, name


def test_plain_text_is_one_prompt_a_line(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_bytes(b"\xef\xbb\xbfWhy is the sky blue?\n\n  And the sea?  \n")
    assert [prompt.messages[0].content for prompt in read(tmp_path / "p.txt")] == [
        "Why is the sky blue?",
        "And the sea?",
    ]


@pytest.mark.parametrize(
    ("reference", "cut"),
    [
        ("She has 3*6 = <<3*6=18>>18.\n#### 18", "18"),
        (r"So it is \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        ("Paris", "Paris"),
    ],
)
def test_the_final_answer_is_cut_out_of_a_worked_reference(tmp_path: Path, reference: str, cut: str) -> None:
    assert read(jsonl(tmp_path / "p.jsonl", {"question": "q", "answer": reference}))[0].reference == cut


def test_alpaca_instruction_and_input_are_joined(tmp_path: Path) -> None:
    (prompt,) = read(jsonl(tmp_path / "p.jsonl", {"instruction": "Add.", "input": "2 and 3", "output": "5"}))
    assert prompt.messages[0].content == "Add.\n\n2 and 3"


def test_messages_verifier_and_tags_pass_through(tmp_path: Path) -> None:
    item = {
        "id": 7,
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2+2?"}],
        "reference": "4",
        "verifier": "exact",
        "tags": {"level": 3},
    }
    (prompt,) = read(jsonl(tmp_path / "p.jsonl", item))
    assert (prompt.id, len(prompt.messages), prompt.verifier, prompt.tags) == ("7", 2, "exact", {"level": "3"})


def test_the_mapping_is_described_with_the_columns_not_used(tmp_path: Path) -> None:
    file = PromptFile(jsonl(tmp_path / "p.jsonl", {"problem": "q", "answer": "1", "source": "x"}))
    list(file)
    assert file.describe() == "question from 'problem', reference: 1 of 1 prompts, from 'answer'; not used: source"


def test_ids_left_out_come_from_the_content_alone(tmp_path: Path) -> None:
    one = read(jsonl(tmp_path / "a.jsonl", {"question": "q1"}, {"question": "q2"}))
    two = read(jsonl(tmp_path / "b.jsonl", {"question": "q2"}, {"question": "q1"}))
    assert {prompt.id for prompt in one} == {prompt.id for prompt in two}


def test_one_id_with_two_contents_names_both_lines(tmp_path: Path) -> None:
    path = jsonl(
        tmp_path / "p.jsonl", {"id": "a", "question": "q1"}, {"id": "b", "question": "q"}, {"id": "a", "question": "q2"}
    )
    with pytest.raises(CotDistillError, match=r"p\.jsonl:3: id 'a' stands on line 1 already"):
        read(path)


def test_the_same_prompt_twice_is_given_once_and_counted(tmp_path: Path) -> None:
    file = PromptFile(jsonl(tmp_path / "p.jsonl", {"question": "q"}, {"question": "q"}))
    assert len(list(file)) == 1
    assert file.columns and file.columns.repeated == 1
    assert "1 repeated record is asked once" in file.describe()


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("p.jsonl", '{"question": "q"}\n{"question": ""}\n', r"p\.jsonl:2: question: expected a question, got nothing"),
        ("p.jsonl", '{"question": "q"}\n{"answer": "1"}\n', r"p\.jsonl:2: no question: expected one of .*found answer"),
        ("p.jsonl", '{"question": "q"}\nnot json\n', r"p\.jsonl:2: not valid JSON"),
        ("p.jsonl", '{"question": ["q"]}\n', r"p\.jsonl:1: question: expected text, got list"),
        ("p.jsonl", '{"item": "q"}\n', r"p\.jsonl:1: no question: expected one of .*found item.*--prompt-field"),
        ("p.jsonl", '{"messages": [{"role": "assistant", "content": "x"}]}\n', "expected turns that end with a user's"),
        ("p.jsonl", "", "no prompts in it"),
        ("p.json", "{}", "expected a list of objects, got dict"),
        ("p.csv", "question\nq,extra\n", r"p\.csv:2: more cells than the header"),
        ("p.xlsx", "", "expected a name ending in .jsonl"),
    ],
)
def test_bad_files_say_where_what_and_what_to_do(tmp_path: Path, name: str, content: str, problem: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(CotDistillError, match=problem):
        read(tmp_path / name)


def test_a_field_that_is_not_there_lists_the_columns(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "p.jsonl", {"question": "q", "gold": "1"})
    with pytest.raises(CotDistillError, match=r"no column 'Q' \(--prompt-field\); its columns are: question, gold"):
        read(path, prompt_field="Q")
    assert read(path, reference_field="gold")[0].reference == "1"


def test_bad_lines_can_be_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"question": "q"}\n{"question": 1.5}\nnot json\n{"question": []}\n')
    with BadLines(tmp_path / "bad.jsonl") as bad:
        assert len(read(path, bad=bad)) == 2
    assert bad.count == 2


@settings(max_examples=200)
@given(st.binary(max_size=300), st.sampled_from(["jsonl", "json", "csv", "tsv", "txt"]))
def test_no_bytes_whatever_make_anything_but_prompts_or_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, ending: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"fuzz.{ending}"
    path.write_bytes(content)
    try:
        prompts = read(path)
    except CotDistillError as error:
        assert "fuzz." in str(error)
    else:
        assert prompts


def test_a_parquet_file_that_is_none_says_so(tmp_path: Path) -> None:
    (tmp_path / "p.parquet").write_text("question\n2+2?\n")
    with pytest.raises(CotDistillError, match=r"p\.parquet: not a Parquet file"):
        read(tmp_path / "p.parquet")


def test_responses_judged_or_not_are_read_for_their_prompts(tmp_path: Path) -> None:
    prompts = [make_prompt(id=f"p{number}", question=f"{number}+1?", tags={"level": "easy"}) for number in range(3)]
    responses = [make_response(prompt=prompt, sample=sample) for prompt in prompts for sample in range(2)]
    judged = [Judged(response=one, verdict=Verdict(status="correct", method="test")) for one in responses]
    dropped = [Dropped(judged=one, filter="length", reason="too long") for one in judged]
    for records in (responses, judged, dropped):
        path = tmp_path / "records.jsonl"
        write_records(path, records)
        file = PromptFile(path)
        assert list(file) == prompts
        assert (
            "the prompts of its responses" in file.describe() and "3 repeated records are asked once" in file.describe()
        )
