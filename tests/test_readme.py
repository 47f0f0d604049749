"""What the README shows works: its commands parse, its plug-in runs, its tables are the code's."""

import re
import shlex
from pathlib import Path

import pytest

from cotdistill import errors, plugins
from tests.conftest import ROOT, cotdistill, make_judged

README = (ROOT / "README.md").read_text()


def commands() -> list[str]:
    """Every `cotdistill …` line of a shell block, continuation lines joined."""
    joined = re.sub(r"\\\n\s*", "", "".join(re.findall(r"^```sh\n(.*?)^```", README, re.DOTALL | re.MULTILINE)))
    return [line for line in joined.splitlines() if line.startswith("cotdistill ")]


@pytest.mark.parametrize("command", commands())
def test_every_option_of_every_command_shown_exists(command: str) -> None:
    words = shlex.split(command)
    known = cotdistill(words[1], "--help-all").stdout or cotdistill(words[1], "--help").stdout
    assert [word for word in words if word.startswith("--") and f" {word} " not in known] == []


def test_there_are_commands_shown() -> None:
    assert len(commands()) >= 7


def test_the_plug_in_shown_works_as_a_file(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    path = tmp_path / "shouting.py"
    path.write_text(code)
    shouting = plugins.build("filters", f"{path}:share=0.8")
    assert shouting.reason_to_drop(make_judged("THE ANSWER IS FOUR")) == "shouting"
    assert shouting.reason_to_drop(make_judged("The answer is 4")) is None


def test_the_exit_codes_shown_are_the_codes() -> None:
    shown = re.search(r"Exit codes: (.*?)\. After", README, re.DOTALL)
    assert shown
    assert [int(code) for code in re.findall(r"(\d+) [a-z]", shown[1])] == [
        errors.DONE,
        errors.ERROR,
        errors.USAGE,
        errors.SOME_FAILED,
        errors.BUDGET,
        errors.LOCKED,
        errors.ACCOUNT,
        errors.INTERRUPTED,
    ]


def test_the_sample_prompts_are_readable_and_all_have_references() -> None:
    from cotdistill.inputs.prompt_files import PromptFile

    prompts = list(PromptFile(ROOT / "data" / "arithmetic.jsonl"))
    assert len(prompts) == 20
    assert all(prompt.reference for prompt in prompts)


def test_every_key_a_teacher_reads_is_in_the_env_example() -> None:
    wanted = set()
    for file in (ROOT / "cotdistill" / "teachers").glob("*.py"):
        wanted |= set(re.findall(r'"([A-Z_]+_API_KEY)"', file.read_text()))
    assert wanted == set(re.findall(r"^([A-Z_]+_API_KEY)=$", (ROOT / ".env.example").read_text(), re.MULTILINE))
