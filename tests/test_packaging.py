"""The wheel a user installs holds all it needs, and the layout keeps its floors."""

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT

FLOORS = [
    {"errors", "intervals", "progress", "config", "records", "reasoning"},
    {"json_lines", "artifacts", "extensions", "pricing", "workers", "on_ray"},
    {"lineage", "prompting", "prompt_files", "students", "mock"},
    {"teachers"},
    {
        "verifiers",
        "filters",
        "selectors",
        "formats",
        "dispatch",
        "judging",
        "screening",
        "funnel",
        "explaining",
        "hub_prompts",
        "rows",
        "scoring",
        "publishing",
        "overlap",
    },
    {"stages"},
    {"summary", "recipes", "run_records", "starters", "report"},
    {"demo", "running"},
    {"cli", "cli_options", "cli_cache", "cli_recipes"},
]


def test_no_import_runs_upward() -> None:
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    upward = []
    for file in (ROOT / "cotdistill").rglob("*.py"):
        own = file.relative_to(ROOT / "cotdistill").parts[0].removesuffix(".py")
        if own.startswith("__"):
            continue
        assert own in floor, f"say above on which floor {own} lives"
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cotdistill"):
                parts = (node.module or "").split(".")
                names = [parts[1]] if len(parts) > 1 else [alias.name for alias in node.names if alias.name in floor]
                upward += [f"{file.name} imports {name}" for name in names if floor[name] > floor[own]]
    assert upward == []


@pytest.mark.slow
def test_the_wheel_works_away_from_the_checkout(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    (tmp_path / "p.txt").write_text("a=1 b=a+1 b?\n")
    command = [sys.executable, "-m", "cotdistill", "generate", "p.txt", "-o", "r.jsonl"]
    command += ["--teacher", "mock:digit-chains", "--template", "worked"]
    code = f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); sys.argv = {command[2:]!r}\n"
    code += "import cotdistill; assert 'site' in cotdistill.__file__; from cotdistill.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "r.jsonl").read_text().count("\n") == 1
