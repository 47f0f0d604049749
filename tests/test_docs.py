"""The pages in docs/: every shell block runs, in the order of the page, in a directory with twenty prompts."""

import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from cotdistill.mock import problems
from tests.conftest import ROOT

PAGES = sorted((ROOT / "docs").glob("*.md"))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """A directory as a reader of the page has it, and `cotdistill` on the path."""
    chosen = enumerate(problems.generate(20, seed=5))
    lines = [msgspec.json.encode(problem.as_prompt(f"p{number}")) for number, problem in chosen]
    (tmp_path / "prompts.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "cotdistill"
    command.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m cotdistill "$@"\n')
    command.chmod(0o755)
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    return tmp_path


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_every_shell_block_of_a_page_runs(page: Path, workplace: Path) -> None:
    for code in blocks(page, "python"):
        if name := re.match(r"# (\w+\.py)\n", code):
            (workplace / name[1]).write_text(code)
    environment = {**os.environ, "PATH": f"{workplace / 'bin'}:{os.environ['PATH']}"}
    for block in blocks(page, "sh"):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=workplace,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{page.name}:\n{block}\n{done.stderr}"


def test_every_page_is_named_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [page.name for page in PAGES if f"docs/{page.name}" not in readme] == []
