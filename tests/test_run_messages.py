"""What `run` says: paths that can be pasted, the recipe by its path, the stage that is to blame, JSON lines."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cotdistill.artifacts import Manifest, summary
from cotdistill.artifacts.scores import Score
from cotdistill.errors import ACCOUNT, DONE, ERROR, USAGE
from cotdistill.progress import Passed, Silent
from cotdistill.recipes.recipe import read
from cotdistill.recipes.seen import Seen, words_from, words_of
from tests.conftest import cotdistill

RECIPE = 'prompts = "prompts.jsonl"\n[generate]\nteacher = "mock:digit-chains"\ncache = "store.sqlite"\n'
CHAIN = f"{RECIPE}[filter]\n[format]\n"
GOOD = '{"id": "p1", "question": "a=6 b=a*3 c=b-9 c?", "answer": "9"}\n'


@pytest.fixture
def sums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recipe, seen from its parent."""
    folder = tmp_path / "sums"
    folder.mkdir()
    (folder / "prompts.jsonl").write_text(GOOD)
    (folder / "recipe.toml").write_text(CHAIN)
    monkeypatch.chdir(tmp_path)
    return Path("sums")


def test_paths_can_be_pasted_from_where_the_command_was_started(sums: Path) -> None:
    done = cotdistill("run", sums / "recipe.toml", "--set", "filter.keep_incorrect=true")
    assert done.returncode == DONE, done.stderr
    written = [word for word in done.stderr.split() if word.startswith("sums/runs/")]
    assert len(written) == 4 and all(Path(path).exists() for path in written), done.stderr
    assert "sums/prompts.jsonl: question from" in done.stderr
    again = cotdistill("run", sums / "recipe.toml", "--set", "filter.keep_incorrect=true", "--json")
    assert Path(json.loads(again.stdout)["directory"]).is_dir()


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("generate: done -> runs/2026/responses.jsonl", "generate: done -> sums/runs/2026/responses.jsonl"),
        ("prompts.jsonl:3: bad", "sums/prompts.jsonl:3: bad"),
        ("see runs/2026/train.holdout.prompts.jsonl", "see sums/runs/2026/train.holdout.prompts.jsonl"),
        ("format: runs, kept.jsonl changed", "format: runs, kept.jsonl changed"),
        ("other/prompts.jsonl and my-prompts.jsonl", "other/prompts.jsonl and my-prompts.jsonl"),
        ("(t/mine.md)", "(sums/t/mine.md)"),
    ],
)
def test_only_paths_of_the_recipe_are_turned(text: str, seen: str, sums: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started_in = Path.cwd()
    (sums / "t").mkdir()
    (sums / "t" / "mine.md").write_text("Q: $question")
    monkeypatch.chdir(sums)
    recipe = read(Path("recipe.toml"), ['generate.template="t/mine.md"'])
    assert words_from(recipe, started_in)(text) == seen
    assert words_from(recipe, Path.cwd())(text) == text
    assert words_from(recipe, Path("/"))("prompts.jsonl") == str(Path("prompts.jsonl").absolute())


def test_a_table_is_as_wide_as_the_paths_that_it_shows(sums: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started_in = Path.cwd()
    monkeypatch.chdir(sums)
    shown = Seen(Silent(), words_from(read(Path("recipe.toml")), started_in))
    scores = [
        Score(student=name, accuracy=0.5, interval=(0.4, 0.6), n=9, correct=5, stopped=1.0)
        for name in ("runs/1/student", "ti\n|\x1b[2Jny")
    ]
    nothing: dict[str, Any] = {"options": {}, "inputs": (), "outputs": (), "counts": {}, "packages": {}}
    made = Manifest(stage="evaluate", version="0", complete=True, started_at="", ended_at="", **nothing)
    made = msgspec.structs.replace(made, results={"students": msgspec.to_builtins(scores)})
    mine, base = summary.as_text(made, words_of(Passed(shown))).splitlines()[1:]
    assert mine.startswith("  sums/runs/1/student  ") and base.startswith("  ti |\\u001b[2Jny  "), "one line each"
    assert mine.index("50.0%") == base.index("50.0%"), "one column"


def test_an_error_names_the_recipe_by_the_path_given(sums: Path) -> None:
    (sums / "prompts.jsonl").write_text(GOOD + "{broken\n")
    done = cotdistill("run", sums / "recipe.toml")
    assert done.returncode == ERROR
    assert done.stderr.splitlines()[-1].startswith("cotdistill: sums/recipe.toml: sums/prompts.jsonl:2: ")


def test_a_run_ends_after_filter_with_the_reason_when_nothing_is_kept_and_asks_nothing_again(sums: Path) -> None:
    (sums / "prompts.jsonl").write_text('{"question": "Which is a metal?", "answer": "iron"}\n')
    for begun in ("generate: runs, first run", ""):
        done = cotdistill("run", sums / "recipe.toml")
        assert done.returncode == ERROR
        last = done.stderr.splitlines()[-1]
        assert re.search(r"sums/recipe\.toml: filter: nothing was kept of 1 responses \(.+ 1\); see sums/runs/", last)
        assert begun in done.stderr and ("generate: runs" in done.stderr) == bool(begun)


def test_a_run_ends_before_training_when_nothing_was_held_out_for_evaluate(sums: Path) -> None:
    (sums / "recipe.toml").write_text(
        f"{RECIPE}[filter]\nkeep_incorrect = true\n[format]\nholdout = 0.0001\n"
        '[finetune]\nstudent = "tiny"\n[evaluate]\n'
    )
    done = cotdistill("run", sums / "recipe.toml")
    assert (done.returncode, "finetune: runs" in done.stderr) == (ERROR, False)
    assert "format: no prompt was held out for evaluate" in done.stderr.splitlines()[-1]


def test_a_missing_key_is_exit_code_6_in_run_as_in_generate(sums: Path) -> None:
    ask = ("--teacher", "openai:gpt-5-mini")
    alone = cotdistill("generate", sums / "prompts.jsonl", "-o", "r.jsonl", *ask)
    run = cotdistill("run", sums / "recipe.toml", "--set", "generate.teacher=openai:gpt-5-mini")
    assert (alone.returncode, run.returncode) == (ACCOUNT, ACCOUNT)
    assert "OPENAI_API_KEY is not set" in run.stderr


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--set", "generate.samples=0"], USAGE, "1 problem, nothing was sent"),
        (["--set", "generate.teacher=openai:gpt-5-mini"], ACCOUNT, "OPENAI_API_KEY is not set"),
        (["--set", "filter.select=first", "--nonsense"], USAGE, "No such option"),
        ([], ERROR, "prompts.jsonl:2: "),
    ],
)
def test_an_error_is_a_json_line_too(sums: Path, words: list[str], code: int, message: str) -> None:
    (sums / "prompts.jsonl").write_text(GOOD + "{broken\n")
    done = cotdistill("run", sums / "recipe.toml", "--log-format", "json", *words)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert (done.returncode, lines[-1]["level"], lines[-1]["exit_code"]) == (code, "error", code)
    assert message in lines[-1]["message"]
    assert "nonsense" in " ".join(words) or lines[-1]["recipe"] == "sums/recipe.toml"


def test_json_lines_have_time_level_stage_and_message(sums: Path) -> None:
    run = cotdistill("run", sums / "recipe.toml", "--log-format", "json", "--set", "filter.keep_incorrect=true")
    alone = cotdistill("filter", next(sums.glob("runs/2*/responses.jsonl")), "-o", "k.jsonl", "--log-format=json")
    assert (run.returncode, alone.returncode) == (DONE, DONE), run.stderr + alone.stderr
    stages = [json.loads(line).get("stage") for line in run.stderr.splitlines()]
    assert list(dict.fromkeys(stages)) == ["generate", "filter", "format", None], "the last lines are the run's"
    for line in map(json.loads, [*run.stderr.splitlines(), *alone.stderr.splitlines()]):
        assert {"time", "level", "message"} <= line.keys()
        assert line["message"] == line["message"].strip() != ""
    assert {json.loads(line)["stage"] for line in alone.stderr.splitlines()} == {"filter"}


def test_prompts_that_failed_last_time_are_not_new_ones(sums: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cotdistill.recipes import run

    monkeypatch.chdir(sums)
    chosen = read(Path("recipe.toml"), ["filter.keep_incorrect=true"])
    first = run.run(chosen, Silent()).directory
    (first / "responses.failed.jsonl").write_text('{"id": "p2", "sample": 0, "reason": "400"}\n')
    Path("prompts.jsonl").write_text(GOOD + GOOD.replace("p1", "p2").replace("a=6", "a=7"))
    changed = run.run(chosen, Silent()).record
    assert changed is not None
    assert (changed.changes["prompts_added"], changed.changes["prompts_removed"]) == (0, 0)


def test_init_asks_again_after_a_slip_and_takes_prompts_of_ones_own(sums: Path) -> None:
    words = "foo\nmaths\ngpt-4o\nmock:digit-chains\nclear; echo\ntiny\nnone.jsonl\nsums/prompts.jsonl\n"
    done = cotdistill("init", "mine", given=words)
    assert done.returncode == DONE, done.stderr
    for slip in (
        "no task named 'foo'",
        "teacher 'gpt-4o': expected PROVIDER:MODEL",
        "no model 'clear; echo'",
        "none.j",
    ):
        assert slip in done.stderr
    assert read(Path("mine/recipe.toml"), ['prompts="sums/prompts.jsonl"']).stages["finetune"].student == "tiny"
    assert 'prompts = "../sums/prompts.jsonl"' in Path("mine/recipe.toml").read_text()
    assert not Path("mine/prompts.jsonl").exists()
    assert "question from 'question'" in done.stdout


def test_init_without_questions_refuses_a_slip_and_writes_nothing() -> None:
    done = cotdistill("init", "mine", "--yes", "--teacher", "gpt-4o")
    assert (done.returncode, Path("mine").exists()) == (USAGE, False)
    assert "expected PROVIDER:MODEL" in done.stderr


def test_init_quotes_what_it_writes(tmp_path: Path) -> None:
    from cotdistill.recipes import starter

    (tmp_path / 'my "best" student').mkdir()
    starter.write(tmp_path / "mine", "judge", "simulated", 'my "best" student')
    text = (tmp_path / "mine" / "recipe.toml").read_text()
    assert tomllib.loads(text)["finetune"]["student"] == 'my "best" student'


def test_status_says_where_a_recipe_stands_and_sends_and_writes_nothing(sums: Path) -> None:
    before = cotdistill("status", sums / "recipe.toml")
    assert (before.returncode, (sums / "runs").exists()) == (DONE, False), before.stderr
    assert "no complete run yet" in before.stdout and "generate  runs: first run" in before.stdout
    change = (sums / "recipe.toml").read_text().replace("[filter]", "[filter]\nkeep_incorrect = true")
    (sums / "recipe.toml").write_text(change)
    assert cotdistill("run", sums / "recipe.toml").returncode == DONE
    after = json.loads(cotdistill("status", sums / "recipe.toml", "--json").stdout)
    assert after["last"]["directory"].startswith("sums/runs/") and after["unfinished"] is None
    assert after["last"]["figures"]["responses"] == 1
    assert after["next"] == dict.fromkeys(("generate", "filter", "format"), "nothing new")
    files = [path for path in (sums / "runs" / "latest").resolve().rglob("*") if path.is_file()]
    disk = after["disk"]
    assert (disk["run_directories"], disk["weights"]) == (1, 0)
    assert disk["data"] == sum(path.stat().st_size for path in files) and disk["store"] > 0 and disk["free"] > 0
    (sums / "prompts.jsonl").write_text(GOOD.replace("a=6", "a=5"))
    (sums / "runs" / "latest" / "kept.jsonl").unlink()
    changed = cotdistill("status", sums / "recipe.toml").stdout
    assert "generate  runs: sums/prompts.jsonl changed" in changed, changed
