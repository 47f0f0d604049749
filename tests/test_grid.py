"""`run --grid`: what combinations share runs once, one that fails leaves the others alone, and it goes on."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from cotdistill.cli.grid import in_words
from cotdistill.cli.recipes import run as command
from cotdistill.errors import BUDGET, DONE, ERROR, SOME_FAILED, UsageError
from cotdistill.progress import Silent
from cotdistill.recipes import axes, grid, grid_plan, run
from cotdistill.recipes.grid import CellRecord, GridRecord
from cotdistill.recipes.recipe import read
from tests.conftest import cotdistill

RECIPE = """
prompts = "prompts.jsonl"
[generate]
teacher = "mock:digit-chains"
cache = "store.sqlite"
[filter]
[format]
"""
PLACE = Path("runs/grid-generate.samples-filter.select")
AXES = ["generate.samples=1,2", "filter.select=first,shortest"]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    prompts = [{"id": f"p{n}", "question": f"a={n} b=a+{n % 5} b?", "answer": str(n + n % 5)} for n in range(5)]
    Path("prompts.jsonl").write_text("\n".join(map(json.dumps, prompts)))
    Path("recipe.toml").write_text(RECIPE)


def made(*specs: str) -> GridRecord:
    return grid.run(grid.read(read(Path("recipe.toml")), [], specs), Silent())


def did(name: str) -> dict[str, str]:
    found: dict[str, Any] = json.loads((PLACE / name / "run.json").read_text())["stages"]
    return {stage: entry["did"] for stage, entry in found.items()}


def test_a_plan_of_a_grid_names_the_judge_that_will_be_paid_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    judged = read(Path("recipe.toml"), ['filter.verify="judge:teacher=openai:gpt-5"'])
    plan = grid_plan.lines(grid.read(judged, ['filter.verify="judge:teacher=openai:gpt-5"'], AXES), Silent())
    assert [line.strip() for line in plan if "judges" in line] == [
        "openai:gpt-5 judges each new answer, which is paid for and in no estimate here"
    ]


def test_what_combinations_have_in_common_runs_once_and_latest_stays() -> None:
    before = run.run(read(Path("recipe.toml")), Silent()).directory
    plan = grid_plan.lines(grid.read(read(Path("recipe.toml")), [], AXES), Silent())
    assert plan[0].startswith(f"grid: 4 runs in {PLACE}: generate.samples = 1, 2; filter.select = first, shortest")
    assert plan[1].split() == ["generate", "runs", "once,", "1", "there", "already"], "one sample is the run before"
    assert plan[2].split() == ["filter", "runs", "4", "times"]
    assert "to ask: 5 requests at most" in plan[4]
    assert not PLACE.exists(), "a plan writes nothing"
    found = made(*AXES)
    assert found.exit_code == DONE
    assert did("samples-1_select-first") == {"generate": "reused", "filter": "ran", "format": "reused"}, (
        "it kept the very same"
    )
    assert did("samples-2_select-first")["generate"] == "ran"
    assert did("samples-2_select-shortest")["generate"] == "reused"
    assert Path("runs/latest").resolve() == before.resolve()
    assert [cell.settings for cell in found.cells][1] == {"generate.samples": 1, "filter.select": "shortest"}
    written = json.loads((PLACE / "grid.json").read_text())
    assert written["axes"] == {"generate.samples": [1, 2], "filter.select": ["first", "shortest"]}
    assert [PLACE / cell["directory"] for cell in written["cells"]] == sorted(PLACE.glob("*_*"))


def test_the_same_grid_again_does_nothing_and_a_lost_or_added_run_is_all_that_runs() -> None:
    made(*AXES)
    assert [cell.new for cell in made(*AXES).cells] == [False] * 4
    shutil.rmtree(PLACE / "samples-2_select-first")
    again = made("generate.samples=1,2,3", AXES[1])
    assert [cell.new for cell in again.cells] == [False, False, True, False, True, True]
    assert did("samples-2_select-first")["generate"] == "reused", "from the other one with two samples"


def test_a_run_that_fails_leaves_the_others_alone_and_the_exit_code_is_the_worst() -> None:
    found = made('filter.filter=["length:min_answer=500","none"]')
    assert [cell.exit_code for cell in found.cells] == [ERROR, DONE]
    assert found.exit_code == ERROR
    assert (found.cells[0].error or "").startswith("filter: nothing was kept of 5 responses")
    done = cotdistill("run", "recipe.toml", "--grid", 'filter.filter=["length:min_answer=500","none"]', "--json")
    assert done.returncode == ERROR
    assert [cell["exit_code"] for cell in json.loads(done.stdout)["cells"]] == [ERROR, DONE]


def test_a_run_that_was_changed_since_is_brought_up_to_date_in_its_place() -> None:
    made(*AXES)
    with Path("prompts.jsonl").open("a") as file:
        file.write('\n{"id": "new", "question": "a=9 b=a+0 b?", "answer": "9"}\n')
    assert [cell.new for cell in made(*AXES).cells] == [True] * 4
    lines = [len((path / "train.jsonl").read_text().splitlines()) for path in sorted(PLACE.glob("*_*"))]
    assert lines == [6] * 4
    assert made(*AXES).exit_code == DONE


@pytest.mark.parametrize(
    ("specs", "words"),
    [
        (["filter.select"], "expected STAGE.OPTION=VALUE,VALUE"),
        (["select=first"], "expected STAGE.OPTION=VALUE,VALUE"),
        (["filter.select=first,first"], "'first' is given twice"),
        (["filter.select=first,"], "a value is empty"),
        (["filter.select=first", "filter.select=longest"], "filter.select: is given twice"),
        (['filter.filter=["a'], "not a list as TOML writes it"),
        (["generate.samples=1,0", "filter.select=frist,first"], "the grid has 2 problems, nothing was sent"),
        (["nope.x=1,2"], "the grid has 1 problem, nothing was sent"),
        (["generate.samples=" + ",".join(map(str, range(1, 1002)))], "1,001 combinations; expected at most 1,000"),
    ],
)
def test_a_wrong_axis_is_refused_before_anything_is_sent(specs: list[str], words: str) -> None:
    with pytest.raises(UsageError) as error:
        made(*specs)
    assert words in str(error.value)
    assert not Path("store.sqlite").exists()


KEYS = (
    "batch_size",
    "max_length",
    "max_steps",
    "threads",
    "rows_at_once",
    "warmup",
    "weight_decay",
    "seed",
    "learning_rate",
)


def test_names_of_directories_tell_every_combination_apart() -> None:
    chosen = axes.combinations(axes.parse(['filter.filter=[["a:b=1,c=2", "d"], ["a:b=1/c=2", "d"]]', "x.y=true"]))
    assert [one.name for one in chosen] == ["001_filter-a-b-1-c-2+d_y-True", "002_filter-a-b-1-c-2+d_y-True"]
    assert chosen[0].changes() == ['filter.filter=["a:b=1,c=2", "d"]', "x.y=true"]
    alike = axes.combinations(axes.parse(["format.student=a", "finetune.student=b"]))
    assert alike[0].name == "format.student-a_finetune.student-b"
    long = axes.combinations(axes.parse([f"filter.select={'日' * 300},b{'é' * 300}"]))
    assert [len(one.name.encode()) < 255 for one in long] == [True, True]
    many = grid.read(
        read(Path("recipe.toml")), [], ["finetune.student=tiny", *(f"finetune.{name}=1" for name in KEYS)]
    ).directory
    assert len(many.name) == 150, "so many axes still have a directory that a file system takes"


def test_a_word_that_belongs_to_no_grid_and_keep_beside_one_are_refused() -> None:
    with pytest.raises(UsageError, match="a=1: one recipe at a time"):
        command(Path("recipe.toml"), axes=["a=1"])
    with pytest.raises(UsageError, match="--keep counts runs of a recipe"):
        command(Path("recipe.toml"), axes=["filter.select=first"], grid=["generate.samples=1"], keep=2)


def test_a_combination_that_did_not_end_well_is_not_said_to_be_done() -> None:
    def cell(code: int, **figures: float) -> CellRecord:
        return CellRecord(directory="one", settings={}, exit_code=code, figures=figures)

    cells = [cell(DONE), cell(SOME_FAILED, student_accuracy=0.5), cell(BUDGET)]
    found = GridRecord(recipe="r.toml", axes={}, cells=cells)
    first, *lines, _ = in_words(found, "runs/grid")
    assert first == "grid: 3 runs -> runs/grid"
    assert [line.split(maxsplit=1)[1] for line in lines] == [
        "done",
        "exit 3: not all of it succeeded, see its run, student accuracy 50.0%",
        "exit 4: stopped at the budget",
    ]
