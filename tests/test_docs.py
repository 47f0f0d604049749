"""The README and the pages in docs/: every shell block runs, in the order of the page, where twenty prompts stand.

In the README a simulated teacher stands in for the servers, and the tiny student for the real one.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from cotdistill.mock import problems
from tests.conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def teacher() -> Iterator[str]:
    command = [sys.executable, "-m", "cotdistill", "mock-teacher", "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr
        found = re.search(r"http://[\d.]+:\d+", process.stderr.readline())
        assert found
        yield found.group()
        process.kill()


def with_stand_ins(block: str, teacher: str) -> str:
    block = block.replace("http://localhost:8000/v1", f"{teacher}/v1")
    block = block.replace("--student smollm2-135m", "--student tiny --max-steps 20", block.count("finetune"))
    block = block.replace("smollm2-135m", "tiny")
    block = re.sub(r"(--teacher anthropic:\S+)", rf"\1 --base-url {teacher}", block)
    return re.sub(r"(--teacher openai_responses:\S+)", rf"\1 --base-url {teacher}/v1", block)


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """A directory as a reader of the page has it, and `cotdistill` on the path."""
    chosen = enumerate(problems.generate(20, seed=5))
    lines = [msgspec.json.encode(problem.as_prompt(f"p{number}")) for number, problem in chosen]
    (tmp_path / "prompts.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    others = problems.generate(5, seed=6)
    (tmp_path / "gsm8k_test.jsonl").write_bytes(b"\n".join(msgspec.json.encode(one.as_prompt("")) for one in others))
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "cotdistill"
    command.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m cotdistill "$@"\n')
    command.chmod(0o755)
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    return tmp_path


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_every_shell_block_of_a_page_runs(page: Path, workplace: Path, teacher: str) -> None:
    for code in blocks(page, "python"):
        if name := re.match(r"# (\w+\.py)\n", code):
            (workplace / name[1]).write_text(code)
    environment = {**os.environ, "PATH": f"{workplace / 'bin'}:{os.environ['PATH']}"}
    for block in blocks(page, "sh"):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", with_stand_ins(block, teacher)],
            cwd=workplace,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{page.name}:\n{block}\n{done.stderr}"


def test_every_page_is_named_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [page.name for page in PAGES[1:] if f"docs/{page.name}" not in readme] == []
