"""Every recipe of `init --recipe` runs offline as it is written; with few prompts and steps, for the time it takes."""

from pathlib import Path

import pytest

from cotdistill.cli.init import init
from cotdistill.errors import UsageError
from cotdistill.progress import Silent
from cotdistill.recipes import ready, run, starter
from cotdistill.recipes.place import Outcome
from cotdistill.recipes.recipe import read

FEW = ["finetune.max_steps=2", "finetune.batch_size=4", "evaluate.max_output_tokens=4", "scores.max_output_tokens=4"]
OWN = ["answers.limit=2", "answers.samples=1", "answers.max_output_tokens=4", "answers.temperature=0"]
OWN += ["kept.keep_incorrect=true", 'kept.filter=["none"]']
"""Of a student after two steps: greedy, so that its babble is always the same."""

ROUND = [*(f"own-{change}" for change in OWN), "round.repeat=1", 'scores.baseline=["first"]']
BIG = [*(f"big-{change}" for change in OWN), "big-answers.limit=6"]


def ran(name: str, limit: int, *changes: str) -> Outcome:
    """Its prompts cut to some; what a student of two steps writes is kept, right or not."""
    starter.write_ready(Path(), name)
    lines = Path("prompts.jsonl").read_text().splitlines()[:limit]
    Path("prompts.jsonl").write_text("\n".join(lines))
    return run.run(read(Path("recipe.toml"), [*FEW, *changes]), Silent())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "changes", "students"),
    [
        ("born-again", ROUND, ["first", "round1-student"]),
        ("big-to-small", BIG, ["big", "direct", "small"]),
        ("weak-spots", ["probe.limit=3", "more.samples=3"], ["first", "second"]),
        ("curriculum", [], ["in-order", "shuffled"]),
    ],
)
def test_a_ready_recipe_ends_in_scored_students(
    name: str, changes: list[str], students: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = ran(name, 16, *changes)
    assert outcome.record is not None and outcome.record.complete
    assert sorted(path.parent.name for path in outcome.directory.glob("*/manifest.json")) == students
    assert (outcome.directory / "scores.json").is_file()
    assert all(stage.did == "ran" for stage in outcome.record.stages.values())


def test_what_a_list_says_of_a_recipe_is_the_first_line_of_its_file_and_a_slip_is_named() -> None:
    assert ready.summary("weak-spots").startswith("Weak spots: what a first student gets wrong")
    with pytest.raises(UsageError, match="did you mean 'curriculum'"):
        ready.text("curiculum")
    with pytest.raises(UsageError, match="--recipe is complete as it is"):
        init(Path(), recipe="curriculum", task="maths")
