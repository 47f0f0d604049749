"""The directories of runs: whose they are, which is the last, what goes, and what makes a stage run again."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cotdistill.config import EvaluateConfig, FilterConfig, FinetuneConfig, FormatConfig, GenerateConfig
from cotdistill.mock import problems
from cotdistill.progress import Silent
from cotdistill.recipes import named, run
from cotdistill.recipes.place import Outcome
from cotdistill.recipes.recipe import read
from tests.conftest import Notes, start

GENERATE = 'prompts = "prompts.jsonl"\n[generate]\nteacher = "mock:digit-chains"\ncache = "store.sqlite"\nsamples = 2\n'
CHAIN = "[filter]\n[format]\n"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    chosen = enumerate(problems.generate(8, seed=11))
    lines = [msgspec.json.encode(problem.as_prompt(f"p{number}")) for number, problem in chosen]
    Path("prompts.jsonl").write_bytes(b"\n".join(lines) + b"\n")


def recipe(name: str = "a.toml", chain: str = CHAIN, generate: str = "") -> Path:
    Path(name).write_text(GENERATE + generate + chain)
    return Path(name)


def go(path: Path, *changes: str) -> Outcome:
    return run.run(read(path, changes), Silent())


def plan(path: Path, *changes: str) -> dict[str, str]:
    return {stage: words for stage, words in run.plan(read(path, changes), Silent()) if stage}


def dated(folder: str = "runs") -> list[str]:
    return sorted(path.name for path in Path(folder).glob("2*"))


def test_two_recipes_in_one_folder_each_find_their_own_last_run_and_have_their_own_latest() -> None:
    first, second = recipe("a.toml"), recipe("b.toml", generate="limit = 4\n")
    one, other = go(first), go(second)
    assert one.directory != other.directory
    assert [go(first).record, go(second).record] == [None, None], "nothing is new, by turns"
    assert Path("runs/latest").readlink() == Path(one.directory.name), "latest stays with the recipe that made it"
    assert Path("runs/latest-b").readlink() == Path(other.directory.name)
    for holdout in (0.1, 0.2, 0.3):
        kept = go(second, f"format.holdout={holdout}", "keep=1").directory
    assert dated() == sorted([one.directory.name, kept.name]), "keep counts and deletes a recipe's own runs"
    assert go(first).record is None


def test_a_plan_names_the_judge_that_will_be_paid_and_no_simulated_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    path = recipe()

    def said(judge: str) -> str:
        return "\n".join(
            words for _, words in run.plan(read(path, [f'filter.verify="judge:teacher={judge}"']), Silent())
        )

    assert "openai:gpt-5 judges each new answer, which is paid for and in no estimate here" in said("openai:gpt-5")
    assert "judges" not in said("mock:digit-chains")


def test_a_recipe_that_is_gone_leaves_latest_to_the_next() -> None:
    go(recipe("a.toml"))
    Path("a.toml").rename("b.toml")
    renamed = go(Path("b.toml"))
    assert renamed.record is not None
    assert Path("runs/latest").readlink() == Path(renamed.directory.name)


def test_a_folder_with_its_runs_may_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one").mkdir()
    for name in ("prompts.jsonl",):
        shutil.copy(name, tmp_path / "one" / name)
    monkeypatch.chdir(tmp_path / "one")
    go(recipe())
    (tmp_path / "one").rename(tmp_path / "two")
    monkeypatch.chdir(tmp_path / "two")
    assert go(Path("a.toml")).record is None


def test_keep_deletes_no_copy_and_no_directory_with_a_file_of_a_person() -> None:
    path = recipe()
    first = go(path).directory
    shutil.copytree(first, "runs/best-model-do-not-delete")
    shutil.copytree(first, "runs/2020-01-01T000000Z")
    second = go(path, "format.holdout=0.1").directory
    (second / "notes.txt").write_text("mine")
    notes = Notes()
    last = run.run(read(path, ["format.holdout=0.2", "keep=1"]), notes).directory
    assert {one.name for one in Path("runs").iterdir() if one.is_dir() and not one.is_symlink()} == {
        "best-model-do-not-delete",
        "2020-01-01T000000Z",
        second.name,
        last.name,
    }
    assert any("notes.txt" in note and "stays" in note for note in notes.notes)
    assert Path("runs/latest").resolve() == last.resolve()


def test_a_clock_that_was_ahead_once_does_no_harm() -> None:
    path = recipe()
    ahead = go(path).directory
    known = json.loads((ahead / "run.json").read_text())
    known |= {"directory": "2099-01-01T000000Z", "started_at": "2099-01-01T00:00:00+00:00"}
    (ahead / "run.json").write_text(json.dumps(known))
    ahead.rename("runs/2099-01-01T000000Z")
    Path("runs/latest").unlink()
    assert go(path).record is None, "it is the last run"
    assert Path("runs/latest").readlink() == Path("2099-01-01T000000Z"), "and a link that was lost is made again"
    new = go(path, "format.holdout=0.2", "keep=1").directory
    assert dated() == [new.name]
    assert Path("runs/latest").readlink() == Path(new.name)
    assert go(path, "format.holdout=0.2").record is None


def test_a_directory_of_an_earlier_version_is_continued_from_by_its_date_and_latest() -> None:
    path = recipe()
    made = go(path).directory
    known = json.loads((made / "run.json").read_text())
    for key in ("directory", "number", "made"):
        del known[key]
    (made / "run.json").write_text(json.dumps(known))
    assert go(path).record is None


@pytest.mark.parametrize(
    ("file", "stage"),
    [
        ("responses.jsonl", "generate"),
        ("kept.jsonl", "filter"),
        ("kept.dropped.jsonl", "filter"),
        ("kept.manifest.json", "filter"),
        ("train.jsonl", "format"),
    ],
)
@pytest.mark.parametrize("how", ["deleted", "edited"])
def test_a_stage_whose_file_was_deleted_or_edited_runs_again(file: str, stage: str, how: str) -> None:
    path = recipe()
    damaged = go(path).directory / file
    content = damaged.read_bytes()
    if how == "deleted":
        damaged.unlink()
    elif file.endswith(".manifest.json"):
        damaged.write_bytes(content.replace(b'"sha256": "', b'"sha256": "0'))
    else:
        damaged.write_bytes(content + content.splitlines(keepends=True)[0])
    again = go(path)
    assert again.record is not None
    assert again.record.stages[stage].did == "ran"
    assert file.split(".")[0] in again.record.stages[stage].why
    if not file.endswith(".manifest.json"):
        assert (again.directory / file).read_bytes() == content
    assert go(path).record is None


def test_a_file_with_a_new_time_and_the_same_content_is_no_reason_to_run() -> None:
    path = recipe()
    for file in go(path).directory.glob("*.jsonl"):
        os.utime(file, (1, 1))
    assert go(path).record is None


PLUG_IN = """from dataclasses import dataclass
@dataclass
class Filter:
    words: str = ""
    def reason_to_drop(self, judged):
        return None
"""
JUDGE = "judge:teacher=mock:digit-chains"


@pytest.mark.parametrize(
    ("file", "options"),
    [
        ("tests.py", FilterConfig(verify="code:tests=tests.py")),
        ("schema.json", FilterConfig(verify="json_schema:schema=schema.json")),
        ("ev.jsonl", FilterConfig(filter=("contamination:against=ev.jsonl",))),
        ("ev.jsonl", FilterConfig(filter=("length", "contamination:against=prompts.jsonl|ev.jsonl,rule=any8"))),
        ("ev.jsonl", FilterConfig(against=("prompts.jsonl", "ev.jsonl"))),
        ("rubric", FilterConfig(verify=f"{JUDGE},rubric=rubric")),
        ("answers.jsonl", FilterConfig(verify="judge:teacher=mock:answers.jsonl")),
        ("mine.py", FilterConfig(filter=("./mine.py",))),
        ("words.txt", FilterConfig(filter=("./mine.py:words=words.txt",))),
        ("choose.py", FilterConfig(select="./choose.py:k=2")),
        ("student/config.json", FilterConfig(filter=("length:tokenizer=student",))),
        ("t/mine", GenerateConfig(teacher="mock:x", template="t/mine")),
        ("mine.md", GenerateConfig(teacher="mock:x", template="mine.md")),
        ("shots.jsonl", GenerateConfig(teacher="mock:x", few_shot="shots.jsonl")),
        ("answers.jsonl", GenerateConfig(teacher="mock:answers.jsonl")),
        ("student/config.json", GenerateConfig(teacher="local:student")),
        ("tests.py", GenerateConfig(teacher="mock:x", verify="code:tests=tests.py")),
        ("layout.py", FormatConfig(format="./layout.py")),
        ("student/config.json", FormatConfig(student="student")),
        ("student/config.json", FinetuneConfig(student="student")),
        ("model.gguf", FinetuneConfig(student="model.gguf")),
        ("rows.jsonl", FinetuneConfig(student="tiny", eval_data="rows.jsonl")),
        ("student/manifest.json", EvaluateConfig(student="tiny", baseline=("student",))),
        ("recorded.jsonl", EvaluateConfig(student="tiny", baseline=("recorded.jsonl",))),
        ("tests.py", EvaluateConfig(student="tiny", verify="code:tests=tests.py")),
    ],
)
def test_a_file_that_options_name_is_known_and_so_is_its_change(file: str, options: Any) -> None:
    Path(file).parent.mkdir(exist_ok=True)
    if file.startswith("student/"):
        Path("student/config.json").write_text("{}")
    Path(file).write_text("one")
    before = named.states(options)
    assert before == named.states(options)
    Path(file).write_text("another")
    after = named.states(options)
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] != after[name]], before


@pytest.mark.parametrize("text", ["long. " * 100, "one\n", "a\x00b", "prompts.jsonl", "mine.md"])
def test_a_system_prompt_is_a_text_and_never_a_file(text: str) -> None:
    Path("mine.md").write_text("x")
    assert named.states(GenerateConfig(teacher="mock:digit-chains", system=text)) == {}
    path = recipe(chain="")
    go(path, f"generate.system={msgspec.json.encode(text).decode()}")


@pytest.mark.parametrize(
    ("file", "content", "stage", "change"),
    [
        ("schema.json", "{}", "filter", 'filter.verify="json_schema:schema=schema.json"'),
        ("ev.jsonl", '{"question": "far away?"}', "filter", 'filter.filter=["contamination:against=ev.jsonl"]'),
        ("t/mine", "Q: $question", "generate", 'generate.template="t/mine"'),
        ("mine.py", PLUG_IN, "filter", 'filter.filter=["./mine.py"]'),
    ],
)
def test_a_stage_runs_again_when_a_file_that_its_options_name_changes(
    file: str, content: str, stage: str, change: str
) -> None:
    Path(file).parent.mkdir(exist_ok=True)
    Path(file).write_text(content)
    path = recipe(chain="[filter]\n")
    go(path, change)
    assert plan(path, change) == {"generate": "nothing new", "filter": "nothing new"}
    Path(file).write_text(content + "\n ")
    assert plan(path, change)[stage] in (f"runs: {file} changed", f"runs: ./{file} changed")


def test_two_recipes_at_the_same_time_in_one_folder_keep_apart() -> None:
    recipes = [recipe("a.toml"), recipe("b.toml", generate="limit = 4\n")]
    begun = [start("run", "--quiet", path) for path in recipes]
    said = [process.communicate()[1] for process in begun]
    assert [process.returncode for process in begun] == [0, 0], said
    known = [json.loads(path.read_text()) for path in Path("runs").glob("2*/run.json")]
    counts = {one["recipe"]: one["stages"]["generate"]["counts"]["prompts"] for one in known}
    assert counts == {"a.toml": 8, "b.toml": 4}
    assert [go(path).record for path in recipes] == [None, None]


def test_a_full_disk_leaves_no_directory_that_no_run_would_know(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cotdistill.recipes.directories.record.save", full)
    with pytest.raises(OSError, match="No space left"):
        go(recipe())
    assert [path for path in Path("runs").iterdir() if path.is_dir()] == []
