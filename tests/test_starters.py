"""A first recipe from prompts of one's own, and the samples that come with each kind of task."""

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cotdistill.errors import USAGE, UsageError
from cotdistill.mock.sources import Replay, question_of
from cotdistill.recipes import starter, starter_checks, tasks
from cotdistill.recipes.kinds import kind_of
from cotdistill.recipes.own_labels import labels_of
from cotdistill.recipes.own_prompts import OwnPrompts
from cotdistill.recipes.recipe import read
from cotdistill.students import SMOLLM2
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
    mine.write_text(MINE.replace("Nr;Frage;Antwort", "Nr;Satz;Urteil"))
    words = "classification\n\n\nquestion\nSatz\nnix\nurteil\n"
    done = cotdistill("init", "first", "--prompts", "mine.csv", given=words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("no column named") + done.stderr.count("no column named") == 2
    assert "Column that holds the question (Nr, Satz, Urteil)" in done.stdout
    rows = [line.split(maxsplit=1) for line in done.stdout.splitlines() if line.startswith("  question ")]
    assert [row[1] for row in rows] == ["Is the sky blue?", "Is snow black?", "Is ice cold?"]
    monkeypatch.chdir("first")
    recipe = read(Path("recipe.toml"))
    asked = recipe.stages["generate"]
    assert (asked.prompt_field, asked.reference_field) == ("Satz", "urteil")
    assert recipe.stages["filter"].verify == recipe.stages["evaluate"].verify == "label:labels=no|yes"
    text = Path("recipe.toml").read_text()
    assert 'prompts = "../mine.csv"' in text and 'teacher = "mock:../mine.csv"' in text
    assert not Path("prompts.jsonl").exists()


def test_without_questions_an_unknown_column_is_an_error_that_names_the_option(mine: Path) -> None:
    mine.write_text(MINE.replace("Nr;Frage;Antwort", "Nr;Satz;Urteil"))
    done = cotdistill("init", "first", "--yes", "--prompts", "mine.csv")
    assert (done.returncode, Path("first").exists()) == (USAGE, False)
    assert "found Nr, Satz, Urteil" in done.stderr and "--prompt-field" in done.stderr


DIRTY = "question,answer\nIs ice cold?,yes\n,no\nIs fire cold?,n/a\n"


def test_init_says_of_records_that_are_no_prompts_and_has_runs_set_them_aside(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(DIRTY)
    words = ("init", tmp_path / "first", "--yes", "--prompts", tmp_path / "mine.csv")
    refused = cotdistill(*words)
    assert refused.returncode == USAGE and "1 of 3 records is no prompt; the first: " in refused.stderr
    assert "mine.csv:3: question: expected a question, got nothing" in refused.stderr
    assert "--skip-bad" in refused.stderr.splitlines()[-1] and not (tmp_path / "first").exists()
    done = cotdistill(*words, "--skip-bad")
    assert done.returncode == 0, done.stderr
    assert "'n/a' in 'answer' is read as no reference (1 prompt)" in done.stdout
    assert "\nskip_bad = true " in (tmp_path / "first/recipe.toml").read_text()


def test_init_that_nobody_answers_says_which_option_to_give(tmp_path: Path) -> None:
    done = cotdistill("init", tmp_path / "x")
    assert done.returncode == USAGE and "its input has no answer; --yes takes the defaults" in done.stderr


def test_a_server_given_to_init_is_the_teachers_and_the_judges(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = OwnPrompts(mine, "Frage", "Antwort")
    starter.write(Path("x"), "judge", "openai:m", "tiny", own, "http://localhost:1/v1")
    monkeypatch.chdir("x")
    recipe = read(Path("recipe.toml"))
    assert recipe.stages["generate"].base_url == "http://localhost:1/v1"
    given = "judge:teacher=openai:m,base_url=http://localhost:1/v1,price_in=0,price_out=0"
    assert recipe.stages["filter"].verify == given, "a judge on a server of one's own has a price too: none"
    assert (recipe.stages["generate"].price_in, recipe.stages["generate"].price_out) == (0.0, 0.0)
    with pytest.raises(UsageError, match="--base-url goes with a teacher on a server, and simulated needs none"):
        starter_checks.check_together("maths", "simulated", own, "http://localhost:1/v1")


def test_a_simulated_teacher_that_could_teach_nothing_is_refused(mine: Path) -> None:
    mine.write_text(MINE.replace("Antwort", "Urteil"))
    own = OwnPrompts(mine, "Frage", "Urteil")
    with pytest.raises(UsageError, match="cannot judge answers to prompts of yours"):
        starter_checks.check_together("judge", "simulated", own)
    none = r"mine\.csv, and that has none; name their column with --reference-field \(not used: Nr, Urteil\)"
    with pytest.raises(UsageError, match=none):
        starter_checks.check_together("maths", "simulated", OwnPrompts(mine, "Frage"))
    with pytest.raises(UsageError, match="solves chains of last-digit operations alone"):
        starter_checks.check_together("choice", "mock:digit-chains", None)
    starter_checks.check_together("judge", "vllm:a/b", own)


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


TICKETS = [("Charged twice", "billing, fees")] * 30 + [("Blank", "Bug report")] * 25 + [("No", "bug report ")] * 2
SLIPPED = [*TICKETS, ("Why", "bug reprot"), ("Two", "class 2"), ("One", "class 1")]


def test_labels_are_those_of_the_whole_file_without_slips_and_other_spellings() -> None:
    labels = labels_of([label for _, label in SLIPPED])
    assert labels.names == ("Bug report", "billing, fees", "class 1", "class 2")
    assert [(slip.label, slip.count, slip.meant, slip.of) for slip in labels.slips] == [
        ("bug reprot", 1, "Bug report", 27)
    ]
    assert not labels.in_a_line, "a comma ends an option"
    assert labels_of(f"a sentence with its own end {n}" for n in range(500)).names == ()
    assert labels_of(["positive", "negative"]).slips == ()
    assert labels_of(100 * ["class 1"] + 2 * ["class 2"]).names == ("class 1", "class 2"), "numbers are names"


def test_the_teacher_is_told_the_labels_that_its_answers_are_held_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [json.dumps({"Text": f"{text} {n}", "Category": label}) for n, (text, label) in enumerate(SLIPPED)]
    Path("tickets.jsonl").write_text("\n".join(lines))
    done = cotdistill("init", "mine", "--task", "classification", "--prompts", "tickets.jsonl", "--yes")
    assert done.returncode == 0, done.stderr
    assert "It replays the references, without reasoning: no column is named reasoning" in done.stdout
    assert "Left out as misspelt: 'bug reprot' (1, beside 27 of 'Bug report')" in done.stdout
    monkeypatch.chdir("mine")
    recipe = read(Path("recipe.toml"))
    assert recipe.stages["filter"].verify == recipe.stages["evaluate"].verify == "label:labels=./labels.txt"
    assert Path("labels.txt").read_text().splitlines() == ["Bug report", "billing, fees", "class 1", "class 2"]
    assert "$question\n\nThe classes are:\n- Bug report\n- billing, fees\n" in Path("template.md").read_text()
    assert recipe.stages["generate"].template == "template.md"


KINDS: list[tuple[str, dict[str, Any]]] = [
    ("maths", {"question": "2+2?", "answer": "4"}),
    ("choice", {"question": "Which is red?", "choices": ["fire", "snow"], "answer": 0}),
    ("classification", {"text": "My lamp is broken", "label": "damage"}),
    ("code", {"question": "Write one(): 1.", "tests": ["assert one() == 1"], "code": "def one(): return 1"}),
    ("chat", {"messages": [{"role": role, "content": role} for role in ("user", "assistant", "user", "assistant")]}),
    ("extraction", {"passage": "Ann fell.", "question": "Who?", "answer": "Ann"}),
    ("other", {"question": "How many lamps?", "answer": "SELECT COUNT(*) FROM lamps"}),
]


@pytest.mark.parametrize(("task", "record"), KINDS, ids=[task for task, _ in KINDS])
def test_prompts_say_by_themselves_which_kind_of_task_they_are(
    task: str, record: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "mine.jsonl").write_text(json.dumps(record) + "\n")
    assert kind_of(OwnPrompts(tmp_path / "mine.jsonl")) == task


def test_no_kind_of_task_is_taken_for_another_where_init_is_told_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("question,answer\nHow many lamps?,SELECT COUNT(*) FROM lamps\n")
    done = cotdistill("init", tmp_path / "shop", "--prompts", tmp_path / "mine.csv", "--yes")
    assert done.returncode == 0, done.stderr
    assert "look like --task other" in done.stdout and "a verifier of yours" in done.stdout
    assert "# verify = " in (tmp_path / "shop/recipe.toml").read_text()
    without = cotdistill("init", tmp_path / "empty", "--task", "other", "--yes")
    assert without.returncode == 2 and "has no sample prompts; give your own with --prompts" in without.stderr


def test_a_real_teacher_has_a_student_that_knows_the_language_and_a_rehearsal_the_tiny_one() -> None:
    teachers = ("simulated", "mock:prompts.jsonl", "vllm:Qwen/Qwen3-8B", "anthropic:claude-sonnet-5-5")
    assert [starter.student_of(name) for name in teachers] == ["tiny", "tiny", SMOLLM2, SMOLLM2]
