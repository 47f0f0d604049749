"""evaluate --guard: prompts on which a student must not be worse than another."""

import json
from pathlib import Path
from typing import Any

import pytest

from cotdistill.artifacts import read_manifest
from cotdistill.artifacts.json_lines import read_records
from cotdistill.cli import outcome
from cotdistill.config import EvaluateConfig
from cotdistill.config.conditions import broken_conditions
from cotdistill.errors import DONE, SOME_FAILED, UsageError
from cotdistill.progress import Silent
from cotdistill.recipes import record, run
from cotdistill.recipes.recipe import read
from cotdistill.records import Judged
from cotdistill.stages import evaluate as stage
from tests.conftest import cotdistill, make_prompt, make_response, write_records

PROMPTS = 20


def prompts(path: Path, name: str) -> Path:
    write_records(path, (make_prompt(f"{name}{n}") for n in range(PROMPTS)))
    return path


def student(path: Path, right: dict[str, int]) -> Path:
    """Recorded answers: of each set of prompts so many are right."""
    answers = [
        make_response(f"Answer: {4 if n < count else 5}", make_prompt(f"{name}{n}"))
        for name, count in right.items()
        for n in range(PROMPTS)
    ]
    write_records(path, answers)
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    prompts(Path("sums.jsonl"), "s")
    prompts(Path("old.jsonl"), "g")
    student(Path("forgot.jsonl"), {"s": 20, "g": 8})
    student(Path("base.jsonl"), {"s": 2, "g": 18})
    student(Path("near.jsonl"), {"s": 20, "g": 15})
    return tmp_path


def test_a_student_that_forgot_what_its_base_could_do_ends_with_exit_code_3_and_one_sentence(here: Path) -> None:
    words = ("--student", "forgot.jsonl", "--guard", "old.jsonl", "--guard-against", "base.jsonl")
    done = cotdistill("evaluate", "sums.jsonl", "-o", "scores.json", *words)
    assert done.returncode == SOME_FAILED, done.stderr
    assert done.stderr.splitlines()[-1].endswith(
        "guard: forgot.jsonl is worse than base.jsonl: 40.0% against 90.0% right on 20 prompts, 0 that only it has "
        "right, 10 that only base.jsonl has right; p = 0.002"
    )
    manifest = read_manifest(Path("scores.manifest.json"))
    assert manifest.complete, "every prompt was asked: a recipe need not ask again"
    scores = json.loads(Path("scores.json").read_text())
    assert scores["guard"]["worse"] and scores["guard"] == manifest.results["guard"]
    assert [entry["n"] for entry in scores["students"]] == [20], "the guard's prompts do not count in the accuracy"
    assert len(list(read_records(Path("scores.guard.answers.jsonl"), Judged))) == 2 * PROMPTS


def test_a_difference_that_may_be_chance_passes_and_so_does_a_better_student(here: Path) -> None:
    for name in ("near.jsonl", "base.jsonl"):
        against = "base.jsonl" if name == "near.jsonl" else "forgot.jsonl"
        config = EvaluateConfig(student=name, guard="old.jsonl", guard_against=against)
        manifest = stage.run(Path("sums.jsonl"), Path("scores.json"), config, Silent())
        assert manifest.guard_failed is None
        outcome = "is not shown to be worse than" if name == "near.jsonl" else "is better than"
        assert f"{name} {outcome} {against}" in manifest.notes[-1]
        assert "so few prompts" not in manifest.notes[-1]
    Path("few.jsonl").write_text("".join(Path("old.jsonl").read_text().splitlines(keepends=True)[:5]))
    few = EvaluateConfig(student="near.jsonl", guard="few.jsonl", guard_against="base.jsonl")
    notes = stage.run(Path("sums.jsonl"), Path("scores.json"), few, Silent()).notes
    assert "with so few prompts no student can be shown to be worse" in notes[-1]
    stage.run(Path("sums.jsonl"), Path("scores.json"), EvaluateConfig(student="near.jsonl"), Silent())
    assert not Path("scores.guard.answers.jsonl").exists(), "answers of an earlier run do not stay beside new scores"


def test_the_model_that_a_student_was_trained_from_is_who_it_is_held_against(here: Path) -> None:
    Path("student").mkdir()
    made = {
        "stage": "finetune", "version": "0", "complete": True, "options": {"student": "smollm2-135m"}, "inputs": [],
        "outputs": [], "counts": {}, "packages": {}, "started_at": "", "ended_at": "",
    }  # fmt: skip
    Path("student/manifest.json").write_text(json.dumps(made))
    assert stage.guard.opponent(EvaluateConfig(student="student", guard="old.jsonl")) == "smollm2-135m"
    with pytest.raises(
        UsageError, match=r"near\.jsonl has no manifest that says what it was trained from; name another"
    ):
        stage.guard.opponent(EvaluateConfig(student="near.jsonl", guard="old.jsonl"))


def test_a_student_is_loaded_once_for_both_sets(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cotdistill.students.generator import Generator

    loaded: list[str] = []
    begin = Generator.__init__

    def counted(self: Generator, student: str, *rest: Any, **more: Any) -> None:
        loaded.append(student)
        begin(self, student, *rest, **more)

    monkeypatch.setattr(Generator, "__init__", counted)
    config = EvaluateConfig(student="tiny", guard="old.jsonl", guard_against="near.jsonl", max_output_tokens=4)
    stage.run(Path("sums.jsonl"), Path("scores.json"), config, Silent())
    assert loaded == ["tiny"]
    scores = json.loads(Path("scores.json").read_text())
    assert (scores["students"][0]["n"], scores["guard"]["students"][0]["n"]) == (PROMPTS, PROMPTS)


def test_guard_against_needs_a_guard_and_another_student() -> None:
    lone = EvaluateConfig(student="a", guard_against="b")
    same = EvaluateConfig(student="a", guard="p.jsonl", guard_against="a")
    assert [name for name, _ in broken_conditions(lone)] == ["guard_against"]
    assert [why for _, why in broken_conditions(same)] == [
        "is the student itself; name another, such as the one in use now"
    ]


def test_a_run_whose_student_is_worse_does_not_become_the_latest(here: Path) -> None:
    Path("a.toml").write_text(
        'prompts = "sums.jsonl"\n[generate]\nteacher = "mock:sums.jsonl"\ncache = "s.sqlite"\n[filter]\n[format]\n'
    )
    good = run.run(read(Path("a.toml")), Silent())
    worse = run.run(read(Path("a.toml"), ["format.holdout=0.2"]), Silent())
    assert worse.record is not None and good.record is not None
    assert (good.exit_code, worse.exit_code) == (DONE, DONE)
    worse.record.stages["format"].guard_failed = "guard: s is worse than b"
    record.save(worse.directory, worse.record)
    again = run.run(read(Path("a.toml"), ["format.holdout=0.2"]), Silent())
    assert again.record is None, "what is judged worse is complete: nothing runs again"
    assert Path("runs/latest").resolve() == good.directory.resolve()
    assert worse.exit_code == SOME_FAILED
    assert outcome.in_words(worse, "d")[-1] == "WARNING: guard: s is worse than b; `latest` does not move to this run"


def test_a_recipe_that_names_no_guard_file_hears_so_before_anything_is_sent(here: Path) -> None:
    Path("a.toml").write_text(
        'prompts = "sums.jsonl"\n[generate]\nteacher = "mock:sums.jsonl"\n[filter]\n[format]\nholdout = 0.2\n'
        '[finetune]\nstudent = "tiny"\n[evaluate]\nguard = "none.jsonl"\n'
    )
    with pytest.raises(UsageError, match=r"evaluate\.guard: none\.jsonl"):
        read(Path("a.toml"))


def test_the_first_run_has_no_last_student_to_be_held_against_and_says_so(here: Path) -> None:
    rest = 'guard_against = "runs/latest/student"\n'
    Path("a.toml").write_text(
        'prompts = "sums.jsonl"\n[generate]\nteacher = "mock:sums.jsonl"\n[filter]\n[format]\nholdout = 0.2\n'
        f'[finetune]\nstudent = "tiny"\n[evaluate]\nguard = "old.jsonl"\n{rest}'
    )
    first = read(Path("a.toml"))
    assert first.notes == (
        "evaluate.guard_against: runs/latest/student is there after the first complete run; this one runs without its "
        "guard",
    )
    assert (first.stages["evaluate"].guard, first.stages["evaluate"].guard_against) == (None, None)
    with pytest.raises(UsageError, match=r"evaluate\.guard: none\.jsonl"):
        read(Path("a.toml"), ["evaluate.guard=none.jsonl"])
    Path("runs/2026-01-01T000000Z").mkdir(parents=True)
    Path("runs/latest").symlink_to("2026-01-01T000000Z")
    with pytest.raises(UsageError, match=r"evaluate\.guard_against: no model 'runs/latest/student'"):
        read(Path("a.toml"))
