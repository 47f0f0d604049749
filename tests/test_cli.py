import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from cotdistill import __version__
from tests.conftest import ROOT, cotdistill, mock_teacher

COMMANDS = [
    "generate",
    "filter",
    "format",
    "finetune",
    "evaluate",
    "run",
    "status",
    "init",
    "report",
    "compare",
    "demo",
    "mock-teacher",
    "list",
]
HEAVY = [
    "torch",
    "transformers",
    "trl",
    "openai",
    "anthropic",
    "httpx2",
    "aiohttp",
    "sympy",
    "rich",
    "genai_prices",
    "asyncio",
    "logging",
    "html",
    "sqlite3",
    "cotdistill.reasoning",
    "cotdistill.students",
]


def test_help_names_every_command() -> None:
    words = cotdistill("--help").stdout
    assert [command for command in COMMANDS if f"\n  {command} " not in words] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_ends_with_an_example_of_its_own_command(command: str) -> None:
    done = cotdistill(command, "--help")
    assert done.returncode == 0
    assert f"Example: cotdistill {command}" in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_an_example_can_be_pasted_from_a_terminal_of_80_columns(command: str) -> None:
    shown = cotdistill(command, "--help", COLUMNS="80").stdout
    first, *rest = shown.partition("Example: ")[2].partition("\n\n")[0].splitlines()
    assert len("  Example: " + first) < 80
    for before, line in zip([first, *rest], rest, strict=False):
        assert before.endswith(" \\"), f"the shell would run {before!r} alone"
        assert len(line) < 80


@pytest.mark.parametrize("command", ["finetune", "generate"])
def test_defaults_read_as_people_write_them(command: str) -> None:
    shown = cotdistill(command, "--help-all").stdout
    assert not re.search(r"default: \d+\.0\b", shown), shown


def test_a_wrong_choice_is_refused_with_the_choices_that_help_shows() -> None:
    assert "--method lora|qlora|full" in cotdistill("finetune", "--help").stdout
    done = cotdistill("finetune", "x", "-o", "y", "--student", "tiny", "--method", "loraa", "--epochs", "-1")
    assert done.returncode == 2
    assert "--method: expected lora, qlora or full, got 'loraa'" in done.stderr
    assert "--epochs: expected more than 0, got -1" in done.stderr, "all at once"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_is_short_or_in_groups_and_help_all_has_the_rest(command: str) -> None:
    shown = cotdistill(command, "--help", COLUMNS="100").stdout
    groups = shown.split("\n\n")
    assert max(len(group.splitlines()) for group in groups) <= 24, shown
    assert len(shown.splitlines()) <= 72, shown
    if "--help-all" in shown:
        everything = cotdistill(command, "--help-all", COLUMNS="100").stdout
        assert set(shown.split()) < set(everything.split())
        assert "--allow-modified" in everything and "--allow-modified" not in shown


@pytest.mark.parametrize("words", [["--help"], *([command, "--help"] for command in COMMANDS)])
def test_help_imports_no_sdk_and_no_torch(words: list[str]) -> None:
    code = (
        "import sys\nfrom cotdistill.cli.main import app\n"
        f"try: app({words!r})\nexcept SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "[]"


def test_version_is_the_packages() -> None:
    assert cotdistill("--version").stdout == f"cotdistill {__version__}\n"


def test_a_wrong_command_or_option_is_a_usage_error() -> None:
    assert cotdistill("genrate").returncode == 2
    assert cotdistill("filter", "--verfy", "math").returncode == 2


def test_list_shows_plug_ins_with_their_options() -> None:
    assert "first                Keeps the first k of each prompt.  [k=1]" in cotdistill("list", "selectors").stdout


def test_json_logs_are_json_and_the_summary_is_on_stdout_only_on_request(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("a=1 b=a+1 b?\n")
    words = ("generate", tmp_path / "p.txt", "-o", tmp_path / "r.jsonl", "--teacher", "mock:digit-chains")
    done = cotdistill(*words, "--log-format", "json")
    assert done.stdout == ""
    assert [json.loads(line)["message"] for line in done.stderr.splitlines()][-1].startswith("generate: prompts 1")
    assert json.loads(cotdistill(*words, "--json", "--quiet").stdout)["stage"] == "generate"
    assert cotdistill(*words, "--quiet").stderr == ""


def test_verbose_tells_of_each_retry(tmp_path: Path) -> None:
    with mock_teacher("--faults", "500@1-2") as url:
        (tmp_path / "p.txt").write_text("a=1 b=a+1 b?\n")
        words = ("generate", tmp_path / "p.txt", "-o", tmp_path / "r.jsonl", "--no-cache", "--verbose")
        done = cotdistill(*words, "--teacher", "openai:simulated", "--base-url", f"{url}/v1")
    assert done.returncode == 0
    assert re.findall(r"attempt (\d) failed and is repeated: 500", done.stderr) == ["1", "2"]


def test_every_dependency_says_why_it_is_there() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    project = tomllib.loads(text)["project"]
    wanted = project["dependencies"] + [one for extra in project["optional-dependencies"].values() for one in extra]
    silent = [one for one in wanted if "#" not in next(line for line in text.splitlines() if f'"{one}"' in line)]
    assert silent == []
