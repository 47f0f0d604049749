"""Recipes of named steps: what a name means, what is refused beforehand, what runs again."""

import json
from pathlib import Path

import msgspec
import pytest

from cotdistill.artifacts.json_lines import read_records
from cotdistill.errors import UsageError
from cotdistill.progress import Silent
from cotdistill.recipes import joined, run
from cotdistill.recipes.place import Outcome
from cotdistill.recipes.recipe import read
from cotdistill.recipes.references import Reference
from cotdistill.records import Judged
from tests.conftest import make_judged, make_prompt, make_response

STEPS = """
prompts = "prompts.jsonl"
[generate]
cache = "store.sqlite"
[format]
holdout = 0.2
[finetune]
student = "tiny"

[[steps]]
name = "answers"
stage = "generate"
teacher = "mock:digit-chains"
[[steps]]
name = "kept"
stage = "filter"
[[steps]]
name = "rows"
stage = "format"
[[steps]]
name = "student"
stage = "finetune"
[[steps]]
name = "round"
repeat = 2
[[steps.each]]
name = "own-answers"
stage = "generate"
teacher = "student"
[[steps.each]]
name = "own-kept"
stage = "filter"
[[steps.each]]
name = "own-rows"
stage = "format"
input = ["kept", "own-kept"]
[[steps.each]]
name = "student"
stage = "finetune"
[[steps]]
name = "scores"
stage = "evaluate"
prompts = "rows.holdout"
baseline = ["round1-student"]
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = (json.dumps({"id": f"p{n}", "question": f"a={n} b=a+{n % 5} b?", "answer": "1"}) for n in range(10))
    Path("prompts.jsonl").write_text("\n".join(lines))
    Path("recipe.toml").write_text(STEPS)


def test_a_name_means_the_newest_step_above_so_each_round_goes_on_from_the_one_before() -> None:
    steps = {step.name: step for step in read(Path("recipe.toml")).steps}
    assert list(steps)[4:8] == ["round1-own-answers", "round1-own-kept", "round1-own-rows", "round1-student"]
    assert steps["round1-own-answers"].options.teacher == "local:the student of step student"
    assert steps["round2-own-answers"].options.teacher == "local:the student of step round1-student"
    assert steps["round2-own-rows"].inputs == (
        Reference("kept", "kept responses"),
        Reference("round2-own-kept", "kept responses"),
    )
    assert steps["scores"].options.student == "the student of step round2-student", "the newest student"
    assert steps["scores"].options.baseline == ("the student of step round1-student",), "one round by its full name"


def test_a_table_has_what_the_steps_of_its_stage_share_and_a_step_has_the_last_word() -> None:
    changed = read(Path("recipe.toml"), ["format.holdout=0.3", "own-rows.holdout=0.5", "finetune.epochs=2"])
    steps = {step.name: step.options for step in changed.steps}
    assert [steps[name].holdout for name in ("rows", "round1-own-rows", "round2-own-rows")] == [0.3, 0.5, 0.5]
    assert {steps[name].epochs for name in steps if name.endswith("student")} == {2.0}


WRONG = [
    ('own-answers.teacher="scores"', "own-answers.teacher: 'scores' is made further down"),
    ('answers.teacher="student"', "answers.teacher: 'student' is made further down"),
    ('kept.input="kept"', "kept.input: 'kept' is made further down; a step reads what stands above it"),
    ('kept.input="answrs"', "kept.input: 'answrs' is neither a step above nor a file; did you mean answers?"),
    ('kept.input="none.jsonl"', "kept.input: none.jsonl: cannot read it"),
    ('own-answers.teacher="local:student"', "own-answers.teacher: 'local:student': student is a step, which is named"),
    ("kept.input=3", "kept.input: expected the name of a step or a file, got 3"),
    ('rows.input="answers"', "rows.input: expected kept responses; step answers makes answers (responses)"),
    ('own-rows.input=["kept","prompts.jsonl"]', "own-rows.input: a list joins what steps make, all of one kind"),
    ('kept.stage="fliter"', "steps.kept.stage: no stage is called 'fliter'; did you mean filter?"),
    ('rows.name="kept"', "steps.kept: two steps are called this"),
    ('rows.name="a b"', "steps.name: expected at most 64 letters, digits, - and _, a letter first; got 'a b'"),
    (f'rows.name="{"a" * 300}"', "steps.name: expected at most 64 letters, digits, - and _, a letter first; got 'aaa"),
    ('rows.name="run"', "steps.run: is taken; give the step another name"),
    ("round.repeat=0", "steps.repeat: expected at least 1, got 0"),
    ("round.repeat=101", "round.repeat: expected at most 100, got 101"),
    ("answers.repeat=2", "steps.repeat: goes with [[steps.each]]"),
    ("rows.holdout=0", "scores.prompts: step rows holds nothing out; set its holdout"),
    (
        "own-rows.holdout=0.1",
        "own-rows.holdout: expected 0.2 or more, or student learns what rows holds out for",
    ),
    ('student.input="kept"', "student.input: kept has what rows holds out for scores; put a format step between"),
    ('rows.format="alpaca"', "rows.format: student cannot read alpaca rows"),
    ("own-answers.batch=true", "own-answers.batch: asks a provider's Batch API, and this teacher is a student here"),
    ('student.epoch="x"', "student.epoch: no such key; did you mean epochs?"),
    ('scores.student="x/y"', "scores.student: model x/y: not on this machine"),
    ("nope.x=1", "nope: no such stage or step"),
    ("expand.count=3", "[expand]: is for the steps of expand, and there is none"),
    ("steps=3", "steps: expected one or more tables [[steps]]"),
]


@pytest.mark.parametrize(("change", "words"), WRONG)
def test_what_is_wrong_with_a_step_is_named_once_before_anything_is_sent(change: str, words: str) -> None:
    with pytest.raises(UsageError) as error:
        read(Path("recipe.toml"), [change])
    assert words in str(error.value)
    assert str(error.value).count("\n") == 1, "one problem, one line"
    assert not Path("store.sqlite").exists()


TWO_SETS = """
prompts = "prompts.jsonl"
[generate]
teacher = "mock:digit-chains"
cache = "store.sqlite"
[filter]
verify = "none"
[[steps]]
name = "few"
stage = "generate"
[[steps]]
name = "kept-few"
stage = "filter"
[[steps]]
name = "many"
stage = "generate"
samples = 3
limit = 4
[[steps]]
name = "kept-many"
stage = "filter"
filter = ["none"]
[[steps]]
name = "rows"
stage = "format"
input = ["kept-few", "kept-many"]
"""


def ran(outcome: Outcome) -> list[str]:
    return [name for name, step in outcome.record.stages.items() if step.did == "ran"] if outcome.record else []


def test_only_what_depends_on_a_change_runs_again_and_the_rest_is_linked() -> None:
    Path("recipe.toml").write_text(TWO_SETS)
    first = run.run(read(Path("recipe.toml")), Silent())
    assert ran(first) == ["few", "kept-few", "many", "kept-many", "rows"]
    assert run.run(read(Path("recipe.toml")), Silent()).record is None, "nothing new"
    changed = ["kept-few.select=first:k=1"]
    plan = dict(run.plan(read(Path("recipe.toml"), changed), Silent()))
    assert plan["many"] == plan["kept-many"] == "nothing new"
    assert plan["rows"] == "runs if its input changes" and plan["kept-few"].startswith("runs: select is")
    again = run.run(read(Path("recipe.toml"), changed), Silent())
    assert ran(again)[:1] == ["kept-few"] and {"few", "many", "kept-many"} & set(ran(again)) == set()
    assert (again.directory / "many.jsonl").stat().st_nlink == 2, "linked, not copied"
    rows = [row["id"] for row in read_records(again.directory / "rows.jsonl", dict[str, object])]
    assert len(rows) == len(set(rows)) == 10 + 4 * 2, "the first sample of four prompts stands in both"


def test_answers_of_two_teachers_under_one_sample_keep_names_of_their_own(tmp_path: Path) -> None:
    paths = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    shared = make_judged("the same", prompt=make_prompt("p1"))
    from cotdistill.artifacts import ArtifactWriter
    from cotdistill.artifacts import run as artifact_run

    for path, text in zip(paths, ("by A", "by B"), strict=True):
        with artifact_run("filter", path, {}) as current, ArtifactWriter(path) as writer:
            writer.write(shared)
            writer.write(make_judged(text, prompt=make_prompt("p2"), request_key=text))
            current.publish([writer], counts={"kept": 2})
    found = list(read_records(joined.join(paths, tmp_path / "both.jsonl"), Judged))
    assert [(one.response.prompt.id, one.response.sample, one.response.text) for one in found] == [
        ("p1", 0, "the same"),
        ("p2", 0, "by A"),
        ("p2", 1, "by B"),
    ]


def test_a_student_that_is_right_on_all_leaves_nothing_to_ask_and_what_is_joined_goes_on(tmp_path: Path) -> None:
    """An evaluation of recorded answers stands for the student, so that nothing is trained."""
    Path("recipe.toml").write_text(
        TWO_SETS
        + """
[[steps]]
name = "scores"
stage = "evaluate"
prompts = "one.jsonl"
student = "right.jsonl"
[[steps]]
name = "more"
stage = "generate"
prompts = "scores.weak"
[[steps]]
name = "kept-more"
stage = "filter"
[[steps]]
name = "more-rows"
stage = "format"
input = ["kept-few", "kept-more"]
"""
    )
    prompt = make_prompt("p1", "a=1 a?", reference="1")
    Path("one.jsonl").write_bytes(msgspec.json.encode(prompt))
    Path("right.jsonl").write_bytes(msgspec.json.encode(make_response("1", prompt=prompt)) + b"\n")
    outcome = run.run(read(Path("recipe.toml")), Silent())
    assert ran(outcome)[-4:] == ["scores", "more", "kept-more", "more-rows"]
    assert not (outcome.directory / "more.jsonl").read_bytes()
    assert len(list(read_records(outcome.directory / "more-rows.jsonl", dict[str, object]))) == 10
    assert run.run(read(Path("recipe.toml")), Silent()).record is None, "nothing new"
