"""Recipes as cron runs them: real processes, a simulated teacher over HTTP whose ledger says what was bought."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import msgspec
import pytest

from cotdistill.artifacts.json_lines import read_records
from cotdistill.errors import BUDGET, DONE, LOCKED, SOME_FAILED, UsageError
from cotdistill.mock import problems
from cotdistill.progress import Silent
from cotdistill.recipes.recipe import read
from cotdistill.recipes.tasks import OTHER, TASKS
from cotdistill.records import Response
from tests.conftest import ROOT, cotdistill, mock_teacher, start

QUESTIONS = 40
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@dataclass
class Server:
    url: str

    def billed(self) -> int:
        with urlopen(f"{self.url}/ledger") as reply:
            return int(json.load(reply)["answers"])


@pytest.fixture
def server() -> Iterator[Server]:
    with mock_teacher("--latency-ms", "20") as url:
        yield Server(url)


def write_prompts(folder: Path, count: int) -> None:
    chosen = enumerate(problems.generate(count, seed=11))
    lines = [msgspec.json.encode(problem.as_prompt(f"p{number:03}")) for number, problem in chosen]
    (folder / "prompts.jsonl").write_bytes(b"\n".join(lines) + b"\n")


def write_recipe(folder: Path, url: str, more: str = "", generate: str = "", chain: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    write_prompts(folder, QUESTIONS)
    recipe = folder / "recipe.toml"
    recipe.write_text(
        f'prompts = "prompts.jsonl"\n{more}\n[generate]\nteacher = "openai:simulated"\nbase_url = "{url}/v1"\n'
        f'cache = "store.sqlite"\nsamples = 2\n{generate}\n' + (chain or '[filter]\nselect = "first:k=1"\n[format]\n')
    )
    return recipe


def files(folder: Path, *names: str) -> dict[str, bytes]:
    return {name: (folder / "runs" / "latest" / name).read_bytes() for name in names}


def record(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "runs" / "latest" / "run.json").read_text())
    return found


def test_a_second_run_sends_nothing_and_says_so_and_ten_new_prompts_are_all_that_is_bought(
    tmp_path: Path, server: Server
) -> None:
    recipe = write_recipe(tmp_path, server.url)
    assert cotdistill("run", recipe).returncode == DONE
    assert server.billed() == 2 * QUESTIONS
    again = cotdistill("run", recipe)
    assert (again.returncode, server.billed()) == (DONE, 2 * QUESTIONS)
    assert f"nothing new since {tmp_path}/runs/" in again.stderr and "nothing was sent" in again.stderr
    assert len([*(tmp_path / "runs").glob("2*")]) == 1, "no directory for a run with nothing to do"
    write_prompts(tmp_path, QUESTIONS + 10)
    grown = cotdistill("run", recipe, "--json")
    assert (grown.returncode, server.billed()) == (DONE, 2 * (QUESTIONS + 10))
    changes = json.loads(grown.stdout)["changes"]
    assert (changes["prompts_added"], changes["prompts_removed"]) == (10, 0)
    assert changes["responses"] == {"now": 100, "before": 80}


def test_only_the_stages_whose_options_or_inputs_changed_run_again(tmp_path: Path, server: Server) -> None:
    recipe = write_recipe(tmp_path, server.url)
    assert cotdistill("run", recipe).returncode == DONE
    assert cotdistill("run", recipe, "--set", "format.holdout=0.5").returncode == DONE
    stages = record(tmp_path)["stages"]
    assert {name: stage["did"] for name, stage in stages.items()} == {
        "generate": "reused",
        "filter": "reused",
        "format": "ran",
    }
    assert stages["format"]["why"] == "holdout is 0.5, was 0.0"
    assert cotdistill("run", recipe, "--set", "generate.concurrency=3", "--set", "format.holdout=0.5").returncode == 0
    assert len([*(tmp_path / "runs").glob("2*")]) == 2, "how fast a stage asks is no reason to run it again"


def test_a_plan_sends_and_writes_nothing(tmp_path: Path, server: Server) -> None:
    recipe = write_recipe(tmp_path, server.url)
    done = cotdistill("run", recipe, "--plan")
    assert "generate  runs: first run" in done.stdout and "to ask 80" in done.stdout
    for words in ([], ["--grid", "generate.samples=1,2"]):
        said = json.loads(cotdistill("run", recipe, "--plan", "--json", *words).stdout)["plan"]
        assert said["grid" if words else "generate"][0].startswith("grid: 2 runs" if words else "runs: first run")
    assert (server.billed(), (tmp_path / "runs").exists()) == (0, False)


CHAIN = '[filter]\nselect = "first:k=1"\n[format]\nholdout = 0.2\n[finetune]\nstudent = "tiny"\nmax_steps = 8\n'
CHAIN += "[evaluate]\nlimit = 4\nmax_output_tokens = 64\n"


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with an undisturbed run."""
    folder = tmp_path_factory.mktemp("calm")
    with mock_teacher() as url:
        assert cotdistill("run", write_recipe(folder, url, chain=CHAIN)).returncode == DONE
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["generate", "filter", "format", "finetune", "evaluate"])
def test_a_run_killed_in_any_stage_continues_to_the_same_bytes(
    stage: str, calm: Path, tmp_path: Path, server: Server
) -> None:
    recipe = write_recipe(tmp_path / "killed", server.url, chain=CHAIN)
    with start("run", recipe) as process:
        while f"{stage}: runs" not in process.stderr.readline():
            pass
        time.sleep(0.2 if stage == "generate" else 0.0)
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "killed" / "runs" / "latest").exists()
    done = cotdistill("run", recipe)
    assert done.returncode == DONE, done.stderr
    names = ("kept.jsonl", "kept.dropped.jsonl", "train.jsonl", "train.holdout.prompts.jsonl")
    assert _without_server(files(tmp_path / "killed", *names)) == _without_server(files(calm, *names))
    assert (tmp_path / "killed/runs/latest/scores.json").exists()
    assert len([*(tmp_path / "killed" / "runs").glob("2*")]) == 1, "continued where it was, not begun anew"


def _without_server(found: dict[str, bytes]) -> dict[str, bytes]:
    """The two runs asked servers on different ports, which is in the records and their keys."""
    return {name: re.sub(rb'"base_url":"[^"]*"|"request_key":"[^"]*"', b"", content) for name, content in found.items()}


def test_failed_prompts_do_not_stop_the_chain_and_are_asked_again_next_time(tmp_path: Path) -> None:
    with mock_teacher("--faults", "400@1-3") as url:
        recipe = write_recipe(tmp_path, url)
        assert cotdistill("run", recipe).returncode == SOME_FAILED
        assert (tmp_path / "runs" / "latest" / "train.jsonl").exists()
        assert "generate: 3 requests failed; the next run asks again" in cotdistill("status", recipe).stdout
        again = cotdistill("run", recipe)
        assert (again.returncode, "last time 3 requests failed" in again.stderr) == (DONE, True)
        assert len(list(read_records(tmp_path / "runs" / "latest" / "responses.jsonl", Response))) == 2 * QUESTIONS


def test_a_month_s_budget_ends_the_run_with_code_4_and_counts_what_the_store_holds(
    tmp_path: Path, server: Server
) -> None:
    prices = "price_in = 1.0\nprice_out = 1000.0\nmax_output_tokens = 60"
    recipe = write_recipe(tmp_path, server.url, more="max_cost_per_month = 1.0", generate=prices)
    first = cotdistill("run", recipe)
    assert first.returncode == BUDGET, first.stderr
    bought = server.billed()
    assert 0 < bought < 2 * QUESTIONS
    assert not (tmp_path / "runs" / "latest").exists(), "nothing is trained on half a data set"
    for _ in range(3):
        again = cotdistill("run", recipe)
        assert again.returncode == BUDGET, again.stderr
    assert server.billed() - bought <= 20, "what was left of it, and no more"
    spent = json.loads(cotdistill("status", recipe, "--json").stdout)
    assert 0.9 < float(spent["spent_this_month_usd"]) <= spent["max_cost_per_month"] == 1.0
    assert cotdistill("run", recipe, "--set", "max_cost_per_month=1000").returncode == DONE


def test_old_runs_go_and_the_newest_stay(tmp_path: Path, server: Server) -> None:
    recipe = write_recipe(tmp_path, server.url)
    for holdout in (0.1, 0.2, 0.3):
        assert cotdistill("run", recipe, "--set", f"format.holdout={holdout}", "--keep", "2").returncode == DONE
    left = sorted(path.name for path in (tmp_path / "runs").glob("2*"))
    assert len(left) == 2
    assert (tmp_path / "runs" / "latest").readlink() == Path(left[-1])


def test_a_run_that_is_under_way_is_left_alone(tmp_path: Path) -> None:
    with mock_teacher("--latency-ms", "2000") as url:
        recipe = write_recipe(tmp_path, url)
        with start("run", recipe) as process:
            process.stderr.readline()
            second = cotdistill("run", recipe)
            process.kill()
    assert second.returncode == LOCKED
    assert re.search(r"process \d+ since .* is running this recipe; wait for it", second.stderr)


def test_cron_s_line_works_twice_in_an_empty_environment(tmp_path: Path, server: Server) -> None:
    recipe = write_recipe(tmp_path, server.url)
    line = f"{sys.executable} -m cotdistill run {recipe} --log-format json"
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    for _ in range(2):
        done = subprocess.run(
            ["/bin/sh", "-c", line], env=environment, cwd="/", capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        assert done.returncode == DONE, done.stderr
        messages = [json.loads(line)["message"] for line in done.stderr.splitlines()]
    assert "nothing new since" in messages[-1]
    assert server.billed() == 2 * QUESTIONS


def test_slips_of_every_kind_are_listed_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("recipe.toml").write_text(
        'prompts = "none.jsonl"\nkept = 3\n[generate]\nteacher = "anthropic:claude-x"\nsamples = "four"\nsample = 2\n'
        '[filter]\nverify = "meth"\nexplain = "p1"\n[finetune]\nstudent = "./nowhere"\nepochs = 0\n[trian]\n'
    )
    with pytest.raises(UsageError) as caught:
        read(Path("recipe.toml"), ["generate.temperature=hot", "nonsense"])
    told = str(caught.value)
    for words in (
        "--set nonsense: expected STAGE.OPTION=VALUE",
        "kept: no such key; did you mean keep?",
        "trian: no such stage",
        "generate.samples: expected a whole number, 1 to 10000, got 'four'",
        "generate.sample: no such key; did you mean samples?",
        "generate.temperature: expected a number, at least 0, got 'hot'",
        "filter.explain: not in a recipe",
        "[format]: missing; a recipe has the first stages of the chain",
        "prompts: none.jsonl: ",
        "generate.teacher: ANTHROPIC_API_KEY is not set",
        "filter.verify: no verifier named 'meth'",
        "finetune.student: no model './nowhere'",
    ):
        assert words in told, told


WITH_SAMPLES = [task for task in TASKS if task != OTHER]


@pytest.mark.parametrize("task", WITH_SAMPLES)
def test_the_recipe_that_init_writes_is_sound_and_nothing_is_overwritten(task: str, tmp_path: Path) -> None:
    folder = tmp_path / task
    first = cotdistill("init", folder, "--task", task, "--yes")
    assert first.returncode == DONE, first.stderr
    assert (folder / ".env").stat().st_mode & 0o777 == 0o600
    assert "ANTHROPIC_API_KEY=" in (folder / ".env").read_text()
    planned = cotdistill("run", folder / "recipe.toml", "--plan")
    assert (planned.returncode, "generate  runs: first run" in planned.stdout) == (DONE, True), planned.stderr
    again = cotdistill("init", folder, "--task", task, "--yes")
    assert (again.returncode, "exists; give another directory" in again.stderr) == (2, True)


ENOUGH = {"code": 300, "maths": 300}
"""Steps, else 150, of the 500 to 900 that the recipes take: by then the students are far above the untrained ones."""
FEWER = {"code": ["generate.limit=60", "format.holdout=0.4"]}
"""Each of its answers is a program, run in processes of its own."""


@pytest.mark.slow
@pytest.mark.parametrize("task", WITH_SAMPLES)
def test_each_first_recipe_ends_offline_in_a_student_that_has_learnt(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("trl", reason="the train extra is not installed")
    from cotdistill.recipes import run, starter, starter_checks

    starter.write(tmp_path / "first", task, starter_checks.SIMULATED, "tiny")
    monkeypatch.chdir(tmp_path / "first")
    changes = [f"finetune.max_steps={ENOUGH.get(task, 150)}", "evaluate.limit=48", *FEWER.get(task, [])]
    outcome = run.run(read(Path("recipe.toml"), changes), Silent())
    stages = outcome.record.stages if outcome.record else {}
    assert [stages[name].did for name in stages] == ["ran"] * 5
    counts = stages["filter"].counts
    assert 0 < counts["kept"] < counts["responses"], "wrong answers are dropped, right ones kept"
    assert stages["format"].counts.get("without_reasoning") == 0
    student, untrained = json.loads(Path("runs/latest/scores.json").read_text())["students"]
    assert student["interval"][0] > untrained["interval"][1], (student, untrained)
    assert student["n"] >= 20
