"""A first recipe from prompts of one's own, and the samples that come with each kind of task."""

import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from cotdistill.errors import USAGE, UsageError
from cotdistill.mock.sources import Replay, question_of
from cotdistill.recipes import starter, tasks
from cotdistill.recipes.own_prompts import OwnPrompts
from cotdistill.recipes.recipe import read
from tests.conftest import cotdistill

MINE = "Nr;Frage;Antwort\n1;Is the sky blue?;yes\n2;Is snow black?;no\n3;Is ice cold?;yes\n4;Is fire cold?;no\n"


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("mine.csv").write_text(MINE)
    return Path("mine.csv")


def test_init_shows_three_rows_asks_for_unknown_columns_and_asks_again_after_a_slip(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "classification\n\n\nquestion\nFrage\nnix\nantwort\n"
    done = subprocess.run(
        [sys.executable, "-m", "cotdistill", "init", "first", "--prompts", "mine.csv"],
        input=words,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("no column named") + done.stderr.count("no column named") == 2
    assert "Column that holds the question (Nr, Frage, Antwort)" in done.stdout
    rows = [line.split(maxsplit=1) for line in done.stdout.splitlines() if line.startswith("  question ")]
    assert [row[1] for row in rows] == ["Is the sky blue?", "Is snow black?", "Is ice cold?"]
    monkeypatch.chdir("first")
    recipe = read(Path("recipe.toml"))
    asked = recipe.stages["generate"]
    assert (asked.prompt_field, asked.reference_field) == ("Frage", "antwort")
    assert recipe.stages["filter"].verify == recipe.stages["evaluate"].verify == "label:labels=no|yes"
    text = Path("recipe.toml").read_text()
    assert 'prompts = "../mine.csv"' in text and 'teacher = "mock:../mine.csv"' in text
    assert not Path("prompts.jsonl").exists()


def test_without_questions_an_unknown_column_is_an_error_that_names_the_option(mine: Path) -> None:
    done = cotdistill("init", "first", "--yes", "--prompts", "mine.csv")
    assert (done.returncode, Path("first").exists()) == (USAGE, False)
    assert "found Nr, Frage, Antwort" in done.stderr and "--prompt-field" in done.stderr


def test_a_simulated_teacher_that_could_teach_nothing_is_refused(mine: Path) -> None:
    own = OwnPrompts(mine, "Frage", "Antwort")
    with pytest.raises(UsageError, match="cannot judge answers to prompts of yours"):
        starter.check_together("judge", "simulated", own)
    with pytest.raises(UsageError, match=r"would answer with the references of mine\.csv, and that has none"):
        starter.check_together("maths", "simulated", OwnPrompts(mine, "Frage"))
    with pytest.raises(UsageError, match="solves chains of last-digit operations alone"):
        starter.check_together("choice", "mock:digit-chains", None)
    starter.check_together("judge", "vllm:a/b", own)


@pytest.mark.parametrize("task", [name for name, task in tasks.TASKS.items() if task.sample])
def test_samples_are_different_prompts_with_right_and_wrong_answers_and_a_trace_each(task: str) -> None:
    files, again = tasks.files(task), tasks.files(task)
    assert files == again, "the same in any process"
    prompts = [json.loads(line) for line in files.prompts]
    assert len({json.dumps({**one, "id": ""}) for one in prompts}) == len(prompts) == tasks.find(task).count
    recorded = [json.loads(line) for line in files.teacher]
    assert all(one["reasoning"] for one in recorded)
    of_each = Counter(
        json.dumps(one.get("messages", [one.get("passage"), one.get("question")])[:-1]) for one in recorded
    )
    assert min(of_each.values()) >= tasks.find(task).answers
    sample = tasks.find(task).sample
    assert sample is not None
    one = sample(random.Random(1))
    assert not set(one.right) & set(one.wrong)


def test_a_replay_tells_conversations_with_the_same_last_question_apart(tmp_path: Path) -> None:
    def chat(name: str) -> list[dict[str, str]]:
        return [
            {"role": "user", "content": f"I am {name}."},
            {"role": "assistant", "content": "Hello!"},
            {"role": "user", "content": "Who am I?"},
        ]

    lines = [{"messages": [*chat(name), {"role": "assistant", "content": name}]} for name in ("Ana", "Ben")]
    (tmp_path / "chats.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    source = Replay.load(tmp_path / "chats.jsonl")
    system = {"role": "system", "content": "Be brief."}
    answers = [source.answer(question_of([system, *chat(name)]), 0).text for name in ("Ben", "Ana", "Cem")]
    assert answers[:2] == ["Ben", "Ana"]
    assert answers[2].startswith("I am a simulated teacher")


def test_a_replay_takes_the_question_that_comes_after_the_examples(tmp_path: Path) -> None:
    lines = [{"question": "What is 2+2, in words?", "answer": "four"}, {"question": "1+1?", "answer": "two"}]
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    shots = [
        {"role": "user", "content": "What is 2+2, in words?"},
        {"role": "assistant", "content": "four"},
        {"role": "user", "content": "1+1?\n\nReply with the final answer alone."},
    ]
    assert Replay.load(tmp_path / "r.jsonl").answer(question_of(shots), 0).text == "two"
