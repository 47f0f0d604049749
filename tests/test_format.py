import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cotdistill.config import FormatConfig
from cotdistill.errors import UsageError
from cotdistill.progress import Silent
from cotdistill.prompt_files import PromptFile
from cotdistill.records import Judged
from cotdistill.stages import format as stage
from tests.conftest import make_judged, make_prompt


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(tmp_path: Path, *judged: Judged, **options: Any) -> list[dict[str, Any]]:
    source = tmp_path / "kept.jsonl"
    source.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in judged))
    stage.run(source, tmp_path / "train.jsonl", FormatConfig(**options), Silent())
    return rows(tmp_path / "train.jsonl")


def test_a_row_holds_problem_trace_and_answer(tmp_path: Path) -> None:
    assert write(tmp_path, make_judged("4", reasoning="2+2=4", sample=3)) == [
        {
            "id": "p1/3",
            "prompt": [{"role": "user", "content": "What is 2+2?"}],
            "completion": [{"role": "assistant", "reasoning_content": "2+2=4", "content": "4"}],
        }
    ]


@pytest.mark.parametrize(
    ("judged", "content"),
    [
        (make_judged("The answer is 4.", reasoning="2+2=4"), "The answer is 4."),
        (make_judged("2+2\nmakes 4.\nAnswer: 4", reasoning_kind="worked"), "4"),
        (make_judged("4"), "4"),
    ],
)
def test_answer_only_leaves_the_way_out(tmp_path: Path, judged: Judged, content: str) -> None:
    (row,) = write(tmp_path, judged, format="answer_only")
    assert row["completion"] == [{"role": "assistant", "content": content}]


def test_a_worked_solution_stays_whole_when_there_is_no_separate_trace(tmp_path: Path) -> None:
    (row,) = write(tmp_path, make_judged("2+2\nmakes 4.\nAnswer: 4", reasoning_kind="worked"))
    assert row["completion"] == [{"role": "assistant", "content": "2+2\nmakes 4.\nAnswer: 4"}]


def many() -> list[Judged]:
    return [
        make_judged(f"{n}", prompt=make_prompt(f"p{n}", f"question {n}"), sample=k)
        for n in range(400)
        for k in range(3)
    ]


def test_a_prompt_is_wholly_held_out_or_wholly_trained_on(tmp_path: Path) -> None:
    trained = {row["id"].split("/")[0] for row in write(tmp_path, *many(), holdout=0.25)}
    held = {row["id"].split("/")[0] for row in rows(tmp_path / "train.holdout.jsonl")}
    assert trained | held == {f"p{n}" for n in range(400)}
    assert trained & held == set()
    assert 70 < len(held) < 130, "about a quarter of 400"


def test_held_out_prompts_are_ready_for_evaluate(tmp_path: Path) -> None:
    write(tmp_path, *many(), holdout=0.25)
    held = {row["id"].split("/")[0] for row in rows(tmp_path / "train.holdout.jsonl")}
    prompts = list(PromptFile(tmp_path / "train.holdout.prompts.jsonl"))
    assert {prompt.id for prompt in prompts} == held
    assert {prompt.reference for prompt in prompts} == {"4"}


def test_the_side_of_a_problem_depends_on_its_text_alone(tmp_path: Path) -> None:
    first = {row["prompt"][0]["content"] for row in write(tmp_path, *many(), holdout=0.25)}
    renamed = [
        msgspec.structs.replace(
            one,
            response=msgspec.structs.replace(
                one.response, prompt=make_prompt(f"x{n}", one.response.prompt.messages[0].content)
            ),
        )
        for n, one in enumerate(reversed(many()[::3]))
    ]
    assert {row["prompt"][0]["content"] for row in write(tmp_path, *renamed, holdout=0.25)} == first


def test_a_run_without_holdout_removes_the_last_ones_files(tmp_path: Path) -> None:
    write(tmp_path, *many(), holdout=0.25)
    assert len(write(tmp_path, *many())) == 1200
    assert not (tmp_path / "train.holdout.jsonl").exists()
    assert not (tmp_path / "train.holdout.prompts.jsonl").exists()


@pytest.mark.parametrize("share", [-0.1, 1.0, 7.0])
def test_a_share_outside_zero_to_one_is_refused(tmp_path: Path, share: float) -> None:
    with pytest.raises(UsageError, match=r"--holdout .* expected a share from 0 up to, not including, 1"):
        write(tmp_path, make_judged(), holdout=share)
