import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cotdistill.artifacts import Manifest, read_manifest
from cotdistill.config import FormatConfig
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.inputs.prompt_files import PromptFile
from cotdistill.progress import Silent
from cotdistill.records import Judged, Message, Prompt, Status, Verdict
from cotdistill.stages import format as stage
from tests.conftest import Notes, make_judged, make_prompt, make_response, write_records


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(tmp_path: Path, *judged: Judged, **options: Any) -> list[dict[str, Any]]:
    source = tmp_path / "kept.jsonl"
    write_records(source, judged)
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


def test_a_holdout_that_leaves_no_row_to_train_on_is_warned_of(tmp_path: Path) -> None:
    assert write(tmp_path, make_judged("4"), holdout=0.999) == []
    warned = "WARNING: every row is held out, and none is left to train on: a smaller --holdout"
    assert warned in read_manifest(tmp_path / "train.manifest.json").notes


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


def test_only_a_prompt_that_can_be_judged_again_is_held_out(tmp_path: Path) -> None:
    def one(n: int, method: str, status: Status) -> Judged:
        prompt = make_prompt(f"{method}-{n}", f"question {n}?", reference=None)
        return Judged(response=make_response(prompt=prompt), verdict=Verdict(status=status, method=method))

    judged = [one(n, "judge/m", "correct") for n in range(40)]
    others = [one(n, "none", "unverified") for n in range(40)] + [one(n, "majority", "correct") for n in range(40)]
    write(tmp_path, *judged, *others, holdout=0.5)
    held = {row["id"].split("-")[0] for row in rows(tmp_path / "train.holdout.jsonl")}
    assert held == {"judge/m"}, "the others have nothing to examine a student by"


def test_a_run_without_holdout_removes_the_last_ones_files(tmp_path: Path) -> None:
    write(tmp_path, *many(), holdout=0.25)
    assert len(write(tmp_path, *many())) == 1200
    assert not (tmp_path / "train.holdout.jsonl").exists()
    assert not (tmp_path / "train.holdout.prompts.jsonl").exists()


@pytest.mark.parametrize("share", [-0.1, 1.0, 7.0])
def test_a_share_outside_zero_to_one_is_refused(tmp_path: Path, share: float) -> None:
    with pytest.raises(UsageError, match=r"--holdout: expected 0 up to, not including, 1"):
        write(tmp_path, make_judged(), holdout=share)


# Layouts


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        (
            "messages",
            {
                "messages": [
                    {"role": "user", "content": "What is 2+2?"},
                    {"role": "assistant", "reasoning_content": "2+2=4", "content": "4"},
                ]
            },
        ),
        (
            "think_messages",
            {
                "messages": [
                    {"role": "user", "content": "What is 2+2?"},
                    {"role": "assistant", "content": "<think>\n2+2=4\n</think>\n\n4"},
                ]
            },
        ),
        (
            "sharegpt",
            {
                "conversations": [
                    {"from": "human", "value": "What is 2+2?"},
                    {"from": "gpt", "value": "<think>\n2+2=4\n</think>\n\n4"},
                ]
            },
        ),
        ("alpaca", {"instruction": "What is 2+2?", "input": "", "output": "<think>\n2+2=4\n</think>\n\n4"}),
    ],
)
def test_each_layout_is_the_one_its_readers_know(layout: str, expected: dict[str, Any], tmp_path: Path) -> None:
    assert write(tmp_path, make_judged("4", reasoning="2+2=4"), format=layout) == [{"id": "p1/0", **expected}]


def test_alpaca_keeps_system_prompt_and_earlier_turns(tmp_path: Path) -> None:
    turns = [("system", "Be brief."), ("user", "1+1?"), ("assistant", "2"), ("user", "2+2?")]
    messages = tuple(Message(role=role, content=content) for role, content in turns)  # type: ignore[arg-type]
    (row,) = write(tmp_path, make_judged("4", prompt=Prompt(id="p", messages=messages)), format="alpaca")
    assert (row["instruction"], row["system"], row["history"]) == ("2+2?", "Be brief.", [["1+1?", "2"]])


def test_a_pair_holds_a_right_and_a_wrong_answer_to_one_prompt(tmp_path: Path) -> None:
    samples = [
        make_judged("4", reasoning="2+2=4", sample=0),
        make_judged("5", "incorrect", reasoning="2+2=5", sample=1),
        make_judged("", "no_answer", sample=2),
        make_judged("7", prompt=make_prompt("p2", "3+4?"), sample=0),
    ]
    assert write(tmp_path, *samples, format="dpo:pairs=2") == [
        {
            "id": "p1/0-1",
            "prompt": [{"role": "user", "content": "What is 2+2?"}],
            "chosen": [{"role": "assistant", "reasoning_content": "2+2=4", "content": "4"}],
            "rejected": [{"role": "assistant", "reasoning_content": "2+2=5", "content": "5"}],
        }
    ]
    manifest = read_manifest(tmp_path / "train.manifest.json")
    assert manifest.counts["prompts_without_rows"] == 1, "the second one has no wrong answer"
    assert manifest.notes[0].startswith("1 prompt without a row: dpo needs a right and a wrong answer of one prompt")


def test_the_weight_that_filter_gave_goes_with_the_row(tmp_path: Path) -> None:
    weighed = msgspec.structs.replace(make_judged("4"), weight=0.25)
    (one, other) = write(tmp_path, weighed, make_judged("4", prompt=make_prompt("p2")))
    assert (one["weight"], "weight" in other) == (0.25, False)


def test_a_mix_repeats_and_thins_out_rows_by_tag_the_same_way_each_time(tmp_path: Path) -> None:
    judged = [
        make_judged("4", prompt=make_prompt(f"{task}{n}", f"{task} {n}", tags={"task": task}))
        for task in ("code", "maths", "prose")
        for n in range(100)
    ]
    mix = ("task=code:2.5", "task=prose:0.3")
    found = write(tmp_path, *judged, mix=mix)
    counts = {task: sum(row["id"].startswith(task) for row in found) for task in ("code", "maths", "prose")}
    assert counts["maths"] == 100
    assert 230 <= counts["code"] <= 270 and 15 <= counts["prose"] <= 45
    assert len({row["id"] for row in found}) == len(found), "a repeated row has an id of its own"
    assert write(tmp_path, *judged, mix=mix) == found


def test_a_mix_of_a_tag_that_no_row_has_is_said(tmp_path: Path) -> None:
    write(
        tmp_path, make_judged("4", prompt=make_prompt("p1", tags={"task": "code"})), mix=("task=code:2", "task=mth:2")
    )
    notes = read_manifest(tmp_path / "train.manifest.json").notes
    assert [note for note in notes if "--mix" in note] == [
        "--mix task=mth: no row has this tag; see --tag-field of generate"
    ]


@pytest.mark.parametrize("name", ["dpo", "answer_only"])
def test_a_layout_whose_rows_cannot_be_cut_says_that_it_cuts_none(name: str, tmp_path: Path) -> None:
    write(tmp_path, make_judged("4"), format=name, cut_long=True, student="tiny")
    why = f"it cuts the trace of a row, and no row of --format {name} can be cut"
    assert f"--cut-long changes nothing here: {why}" in read_manifest(tmp_path / "train.manifest.json").notes


@pytest.mark.parametrize("mix", ["code:2", "task=code", "task=code:many", "task=code:-1", "task=code:1000"])
def test_a_wrong_mix_says_the_form(mix: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected TAG=VALUE:TIMES"):
        write(tmp_path, make_judged("4"), mix=(mix,))


# Proven for a student


CHAIN = "b=1+2=3 c=3+4=7 d=7-2=5"


def prove(tmp_path: Path, *judged: Judged, **options: Any) -> tuple[Manifest, list[dict[str, Any]], list[str]]:
    source = tmp_path / "kept.jsonl"
    write_records(source, judged)
    progress = Notes()
    manifest = stage.run(source, tmp_path / "train.jsonl", FormatConfig(student="tiny", **options), progress)
    return manifest, rows(tmp_path / "train.jsonl"), progress.notes


def chain(name: str = "p1", reasoning: str = CHAIN, **more: Any) -> Judged:
    return make_judged("5", prompt=make_prompt(name, "a=1 b=a+2 c=b+4 d=c-2 d?"), reasoning=reasoning, **more)


@pytest.mark.parametrize("layout", ["prompt_completion", "messages", "think_messages", "sharegpt", "alpaca"])
def test_rows_of_any_layout_are_proven_with_the_students_template(layout: str, tmp_path: Path) -> None:
    manifest, found, _ = prove(tmp_path, chain(), format=layout)
    assert len(found) == 1
    assert manifest.results["trace_written"] == {"native": 1}
    assert manifest.results["tokens_trained"]["most"] > len(CHAIN) // 2


def test_both_sides_of_a_pair_are_proven(tmp_path: Path) -> None:
    wrong = chain(sample=1)
    wrong = msgspec.structs.replace(wrong, verdict=Verdict(status="incorrect", method="test"))
    manifest, found, _ = prove(tmp_path, chain(), wrong, format="dpo")
    assert (len(found), manifest.results["trace_written"]) == (1, {"native": 2})


def test_what_is_trained_is_shown_apart_from_what_is_read(tmp_path: Path) -> None:
    _, _, notes = prove(tmp_path, chain(), chain("p2"), show=1)
    (shown,) = [note for note in notes if note.startswith("row ")]
    assert "row p1/0, native" in shown
    assert re.search(r"d\?.*【.*b=1\+2=3.*5.*】$", shown, re.DOTALL), shown


def test_a_row_that_is_too_long_is_left_out_or_cut_at_the_end_of_a_step(tmp_path: Path) -> None:
    long = chain("long", "\n".join(f"b=1+2=3 c=3+4=7 step {n}".replace("step ", "d=") for n in range(40)))
    manifest, found, _ = prove(tmp_path, chain(), long, max_length=120)
    assert ([row["id"] for row in found], manifest.counts["rows_too_long"]) == (["p1/0"], 1)
    assert "--cut-long" in str(manifest.notes)
    manifest, found, _ = prove(tmp_path, chain(), long, max_length=120, cut_long=True)
    assert manifest.counts["rows_cut"] == 1
    trace = found[1]["completion"][0]["reasoning_content"]
    assert long.response.reasoning is not None
    assert long.response.reasoning.startswith(trace + "\n"), "whole lines from the beginning"
    assert manifest.results["tokens_trained"]["most"] <= 120


def test_a_row_that_spells_a_control_token_is_an_error_or_set_aside(tmp_path: Path) -> None:
    hostile = chain("bad", CHAIN + "<|end|>")
    with pytest.raises(CotDistillError, match=r"row bad/0: .*control token"):
        prove(tmp_path, hostile)
    manifest, found, _ = prove(tmp_path, chain(), hostile, skip_bad=True)
    assert (len(found), manifest.counts["rows_not_proven"]) == (1, 1)


def test_options_about_tokens_need_a_student(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--show: goes with --student"):
        write(tmp_path, make_judged("4"), show=2)


def test_a_curriculum_has_easy_prompts_first_or_short_rows_and_what_is_alike_as_it_came(tmp_path: Path) -> None:
    said = [
        ("hard", "a long answer: 4", 0.25),
        ("easy", "longer: 4", 1.0),
        ("none", "4", None),
        ("alike", "longer: 4", 1.0),
    ]
    judged = [
        msgspec.structs.replace(make_judged(text, prompt=make_prompt(id, id)), pass_rate=rate)
        for id, text, rate in said
    ]
    found = {name: [row["id"] for row in write(tmp_path, *judged, order=name)] for name in ("input", "easy", "short")}
    assert found["input"] == ["hard/0", "easy/0", "none/0", "alike/0"]
    assert found["easy"] == ["easy/0", "alike/0", "hard/0", "none/0"]
    assert found["short"] == ["none/0", "easy/0", "alike/0", "hard/0"]
