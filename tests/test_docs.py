"""The README and the pages in docs/: what they show runs, in the order of each page; their links lead somewhere.

A simulated teacher stands in for servers, the tiny student for the real one; trainings and recipes are cut short, and a
command that a page shows twice runs once.
"""

import ast
import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from cotdistill.mock import problems
from tests.background import in_background
from tests.conftest import ROOT, command_server
from tests.faulty_teacher import rehearsing

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHORT = " --set generate.limit=10 --set format.holdout=0.4 --set finetune.max_steps=3"
SHORT += " --set evaluate.limit=4 --set evaluate.max_output_tokens=24"


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


@dataclass
class Workplace:
    """A directory as a reader has it, with `cotdistill` on the path; `ran` are the commands that need not run again."""

    path: Path
    teacher: str
    ran: set[str] = field(default_factory=set)

    def run(self, block: str) -> subprocess.CompletedProcess[str]:
        lines = [one for one in re.sub(r"\\\n\s*", "", block).splitlines() if one not in self.ran]
        self.ran |= {one for one in lines if one.startswith("cotdistill ")}
        environment = {"PATH": f"{self.path}/bin:/usr/bin:/bin", "HOME": str(self.path), "LANG": "C.UTF-8"}
        environment |= {"COTDISTILL_CACHE": str(self.path / "store.sqlite"), "OMP_NUM_THREADS": "1"}
        script = with_stand_ins("\n".join(lines), self.teacher)
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=self.path, env=environment, capture_output=True, text=True
        )


def with_stand_ins(block: str, teacher: str) -> str:
    block = block.replace("http://localhost:8000/v1", f"{teacher}/v1")
    block = re.sub(r"(cotdistill finetune .*)--student smollm2-135m", r"\1--student tiny --max-steps 6", block)
    block = block.replace("smollm2-135m", "tiny")
    block = re.sub(r"(cotdistill run \S+recipe\.toml)", rf"\1{SHORT}", block)
    block = re.sub(r"(cotdistill evaluate \S+)", r"\1 --max-output-tokens 24", block)
    block = re.sub(r"(cotdistill ask \S+)", r"\1 --max-output-tokens 24", block)
    block = re.sub(r"(--teacher anthropic:\S+)", rf"\1 --base-url {teacher}", block)
    return re.sub(r"(--teacher openai(?:_responses)?:\S+)", rf"\1 --base-url {teacher}/v1", block)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with in_background(rehearsing(tmp_path_factory.mktemp("teacher"))) as teacher:
        yield teacher.url


@pytest.fixture
def workplace(tmp_path: Path, teacher: str) -> Workplace:
    chosen = enumerate(problems.generate(20, seed=5))
    lines = [msgspec.json.encode(problem.as_prompt(f"p{number}")) for number, problem in chosen]
    (tmp_path / "prompts.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    others = problems.generate(5, seed=6)
    (tmp_path / "gsm8k_test.jsonl").write_bytes(b"\n".join(msgspec.json.encode(one.as_prompt("")) for one in others))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    command_server().put_command(tmp_path / "bin")
    return Workplace(tmp_path, teacher)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_shell_block_of_a_page_runs(page: Path, workplace: Workplace) -> None:
    for code in blocks(page, "python"):
        if name := re.match(r"# (\w+\.py)\n", code):
            (workplace.path / name[1]).write_text(code)
    for block in blocks(page, "sh"):
        done = workplace.run(block)
        assert done.returncode == 0, f"{name_of(page)}:\n{block}\n{done.stderr}"


@pytest.mark.slow
def test_the_python_of_the_api_page_runs(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(workplace.path)

    async def cell(code: str) -> None:
        exec(compile(code, "docs/api.md", "exec"), {})

    for code in blocks(ROOT / "docs" / "api.md", "python"):
        asyncio.run(cell(code.replace("max_steps=20", "max_steps=2").replace("samples=4", "samples=2")))
    assert "filter: prompts 20" in capsys.readouterr().out


def test_every_link_of_the_readme_leads_somewhere() -> None:
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        targets = re.findall(r"\]\(([^)#\s]+)", page.read_text())
        missing = [one for one in targets if "://" not in one and not (page.parent / one).exists()]
        assert missing == [], page.name


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_loads_nothing_from_other_hosts(tmp_path: Path) -> None:
    """Pages that no table of contents names, and links that lead nowhere, are warnings too."""
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", "docs", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    page = (tmp_path / "index.html").read_text()
    assert re.findall(r"<(?:link|script|img)[^>]*(?:href|src)=\"(?:https?:)?//[^\"]*", page) == []


def fragments() -> Iterator[str]:
    """The texts in the source that a message could be made of."""
    for file in (ROOT / "cotdistill").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_every_message_on_the_page_of_troubles_is_one_of_the_source() -> None:
    """A message that was reworded would be looked for in vain. `No space left on device` is the system's."""
    source = "\0".join(fragments())
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    shown = re.findall(r"^`(.+)`$", page, re.MULTILINE)
    assert len(shown) >= 30
    parts = [(message, part.strip(" `")) for message in shown for part in message.split("…")]
    missing = [message for message, part in parts if part and part.replace("`", "") not in source.replace("`", "")]
    assert missing == ["No space left on device"]


@pytest.mark.parametrize("name", ["docs/hardware.md", "docs/choosing.md"])
def test_every_figure_of_these_pages_is_one_that_was_measured(name: str) -> None:
    """They claim to hold what stands in RESULTS.md and nothing else; figures there are measured anew now and then."""
    measured = (ROOT / "tests" / "benchmarks" / "RESULTS.md").read_text()
    text = re.sub(r"```.*?```|`[^`]*`", "", (ROOT / name).read_text(), flags=re.DOTALL)
    figures = [one for one in re.findall(r"(?<![\w.,-])\d[\d,]*(?:\.\d+)?(?![\w.,]*\d)", text) if len(one) > 2]
    assert len(figures) >= 8
    missing = [one for one in figures if not re.search(rf"(?<![\d.,]){re.escape(one.rstrip(','))}(?!\d)", measured)]
    assert set(missing) <= {"0.1"}, "0.1 M is the size of a student, not a measurement"


def test_every_word_of_the_glossary_stands_alone_and_is_explained() -> None:
    page = (ROOT / "docs" / "glossary.md").read_text()
    entries = re.findall(r"^(\w[^\n]*)\n: (\S.*)$", page, re.MULTILINE)
    names = [name for entry, _ in entries for name in entry.split(", ")]
    assert len(names) == len(set(names)) >= 25
