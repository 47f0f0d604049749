import json
import multiprocessing
import re
import shlex
from pathlib import Path

import pytest

from cotdistill.mock.problems import EXAMPLE
from cotdistill.progress import Silent
from cotdistill.recipes import demo
from tests.conftest import Notes, cotdistill


def test_each_step_is_run_from_the_options_its_command_shows() -> None:
    step = demo.Demo(Path("d")).scoring()
    words = shlex.split(step.command())
    assert words[:5] == ["cotdistill", "evaluate", "d/heldout.jsonl", "-o", "d/scores.json"]
    assert words.count("--baseline") == 3
    assert "--keep-incorrect" in demo.Demo(Path("d")).filtering()[1].command()


def test_all_students_have_the_same_model_seed_and_steps_but_the_one_that_says_so() -> None:
    arms = demo.Demo(Path("d"), steps=900, seed=7).arms()
    options = [(arm.finetune.config.student, arm.finetune.config.seed, arm.finetune.config.max_steps) for arm in arms]
    assert options == [("tiny", 7, 900)] * 3 + [("tiny", 7, 1800)]
    assert "2x" in arms[3].name


@pytest.mark.slow
def test_the_demo_runs_offline_and_its_commands_do_the_same_by_hand(tmp_path: Path) -> None:
    pytest.importorskip("trl", reason="the train extra is not installed")
    said = Notes()
    closing = demo.run(demo.Demo(tmp_path / "demo", problems=32, held_out=8, steps=2), said)
    assert "The teacher is simulated" in said.notes[0]
    assert [note.split()[0] for note in said.notes[1:]] == ["generate", "filter", "format", "finetune", "evaluate"]
    for name in ("verified traces", "all traces", "answers only", "answers only, 2x", "chance"):
        assert re.search(rf"^  {name} +\d+\.\d%", closing, re.MULTILINE), closing
    assert closing.splitlines()[-1] == f'  cotdistill ask {tmp_path}/demo/student-verified "{EXAMPLE}"'
    shown = [*"\n".join(said.notes).splitlines(), *closing.splitlines()]
    assert len(shown) < 24, "with the next prompt it fits on the smallest terminal"
    assert max(map(len, shown[:-1])) < 80 + len(str(tmp_path))

    def problems(file: str) -> set[str]:
        lines = (tmp_path / "demo" / file).read_text().splitlines()
        return {json.loads(line)["messages"][0]["content"] for line in lines}

    assert len(problems("prompts.jsonl")) == 32
    assert len(problems("heldout.jsonl")) == 8
    assert problems("prompts.jsonl") & problems("heldout.jsonl") == set(), "no problem is in both"

    readme = (tmp_path / "demo" / "README.md").read_text()
    commands = [line for line in readme.splitlines() if line.startswith("cotdistill ")]
    assert len(commands) == 15, "eleven steps, then ask, the report and two ways to a first recipe"
    for command in (commands[0], commands[2], commands[5]):
        words = shlex.split(command)[1:]
        output = Path(words[words.index("-o") + 1])
        before = output.read_bytes()
        output.unlink()
        by_hand = cotdistill(*words)
        assert by_hand.returncode == 0, by_hand.stderr
        assert output.read_bytes() == before, command


def test_a_student_that_fails_fails_the_demo_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its process is a fork here, which has torch at hand; the run above starts them as the demo does."""
    pytest.importorskip("trl", reason="the train extra is not installed")
    from cotdistill.config import FinetuneConfig
    from cotdistill.errors import CotDistillError
    from cotdistill.recipes.demo.steps import Step
    from cotdistill.recipes.demo.training import train

    forking = multiprocessing.get_context("fork")
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: forking)
    step = Step("finetune", tmp_path / "none.jsonl", tmp_path / "s", FinetuneConfig(student="tiny", max_steps=1))
    with pytest.raises(CotDistillError, match=r"none\.jsonl: cannot read it: No such file"):
        train([step], Silent())
