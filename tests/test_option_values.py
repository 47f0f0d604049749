"""Values of options are read without pydantic where they are plain, and just as typer reads them with it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer import Context
from typer.main import get_command

from cotdistill.cli.main import app
from cotdistill.cli.values import with_plain_values
from tests.conftest import ROOT

TYPED = ["", " ", "7", "007", "-7", "+7", "7.0", "0.25", ".5", "1e3", "1_000", "٣", "nan", "true", "a b", "a=b,c", "~"]


def _ours_and_typers(command: str, option: str) -> tuple[Any, Any, Any]:
    commands: Any = get_command(app)
    found = commands.commands[command]
    parameter = next(one for one in found.params if one.name == option)
    typers = parameter.get_runtime_param()
    [ours] = with_plain_values([parameter])
    return ours.get_runtime_param(), typers, (parameter, Context(found))


def _read(reader: Any, value: Any, about: Any) -> Any:
    parameter, context = about
    try:
        read = reader.coerce(value, param=parameter, ctx=context)
    except Exception as error:
        return type(error), str(error)
    return type(read), str(read)


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("generate", "samples"),
        ("generate", "temperature"),
        ("generate", "rpm"),
        ("generate", "system"),
        ("generate", "prompts"),
        ("filter", "responses"),
    ],
)
def test_a_value_is_read_as_typer_reads_it_and_refused_in_its_words(command: str, option: str) -> None:
    ours, typers, about = _ours_and_typers(command, option)
    differing = [value for value in (*TYPED, None) if _read(ours, value, about) != _read(typers, value, about)]
    assert differing == []


@pytest.mark.parametrize(
    ("command", "option", "values"),
    [("run", "keep", ("0", "1")), ("demo", "steps", ("0", "1")), ("mock-teacher", "port", ("65536", "65535"))],
)
def test_a_plain_number_beyond_its_limits_is_refused_as_typer_refuses_it(
    command: str, option: str, values: tuple[str, ...]
) -> None:
    ours, typers, about = _ours_and_typers(command, option)
    wrong, right = ([_read(reader, value, about) for reader in (ours, typers)] for value in values)
    assert (wrong[0], right[0]) == (wrong[1], right[1])
    assert "Input should be" in wrong[0][1] and right[0][1] == values[1]


def test_several_values_are_read_as_typer_reads_them() -> None:
    ours, typers, about = _ours_and_typers("filter", "filter")
    for value in (("length:max=3", "pii"), (), None):
        assert _read(ours, value, about) == _read(typers, value, about)


def test_a_path_that_may_not_be_read_is_left_to_typer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret.jsonl"
    secret.touch()
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may read all
    ours, _, about = _ours_and_typers("generate", "prompts")
    assert "is not readable" in _read(ours, str(secret), about)[1]


def test_a_stage_with_plain_options_loads_no_pydantic(tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_text('{"question": "1 + 1"}\n')
    words = "generate prompts.jsonl -o out.jsonl --teacher mock:digit-chains --samples 2 --temperature 0.5 --dry-run"
    code = (
        f"import sys; sys.argv = ['cotdistill', *{words.split()!r}]\n"
        "from cotdistill.cli.main import main\n"
        "try: main()\n"
        "finally: print(sorted(name for name in sys.modules if name.split('.')[0] == 'pydantic'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
