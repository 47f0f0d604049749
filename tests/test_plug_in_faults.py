"""A plug-in of a person's own that fails is told in one line, with file and line, and what it returns is checked."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from cotdistill import plugins
from cotdistill.config import FilterConfig, FormatConfig
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.progress import Silent
from cotdistill.stages import filter as filtering
from cotdistill.stages import format as formatting
from tests.conftest import make_judged, make_response, write_records

KINDS = {
    "Verifier": "judge(self, response)",
    "Filter": "reason_to_drop(self, judged)",
    "Selector": "choose(self, judged)",
    "Format": "row(self, judged)",
}


def plug_in(folder: Path, kind: str, *lines: str, fields: str = "") -> str:
    body = "\n".join(f"        {line}" for line in lines)
    path = folder / "mine.py"
    path.write_text(
        "import dataclasses, sys, msgspec\nfrom cotdistill.records import Verdict\n"
        f"@dataclasses.dataclass\nclass {kind}:\n    {fields or 'x: int = 0'}\n    def {KINDS[kind]}:\n{body}\n"
    )
    return str(path)


def run(folder: Path, kind: str, mine: str) -> None:
    responses = [make_response(f"Answer: {4 + n}", sample=n) for n in range(3)]
    write_records(folder / "r.jsonl", responses)
    (folder / "k.jsonl").write_bytes(msgspec.json.encode(make_judged()) + b"\n")
    if kind == "Format":
        formatting.run(folder / "k.jsonl", folder / "train.jsonl", FormatConfig(format=mine), Silent())
        return
    chosen: dict[str, tuple[str, Any]] = {
        "Verifier": ("verify", mine),
        "Filter": ("filter", (mine,)),
        "Selector": ("select", mine),
    }
    name, value = chosen[kind]
    options: dict[str, Any] = {"keep_incorrect": True, name: value}
    config = FilterConfig(**options)
    filtering.run(folder / "r.jsonl", folder / "kept.jsonl", config, Silent())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("sys.exit(3)", r"it calls sys.exit\(3\)"),
        ("sys.exit()", r"it calls sys.exit\(\)"),
        ("return [][0]", "IndexError"),
        ("raise RecursionError", "RecursionError"),
    ],
)
def test_one_that_raises_or_exits_names_itself_its_line_and_the_sample(
    tmp_path: Path, kind: str, line: str, problem: str
) -> None:
    mine = plug_in(tmp_path, kind, "x = 1", line)
    with pytest.raises(CotDistillError, match=rf"mine\.py:8: {kind.lower()} .* failed on prompt 'p1'.*{problem}"):
        run(tmp_path, kind, mine)
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize(
    ("kind", "line", "problem"),
    [
        ("Verifier", "return None", "expected a Verdict whose status is one of correct, .* got None"),
        ("Verifier", "return True", "expected a Verdict .* got True"),
        ("Verifier", "return Verdict(status='right', method='m')", "got Verdict.*'right'"),
        ("Verifier", "return Verdict(status='correct', method=None)", "expected a Verdict"),
        ("Verifier", "return Verdict(status='correct', method='m', answer=4)", "expected a Verdict"),
        ("Filter", "return True", "expected a reason or None .* got True"),
        ("Filter", "return 5", "expected a reason or None .* got 5"),
        ("Selector", "return None", "failed on prompt 'p1': TypeError"),
        ("Selector", "return [msgspec.structs.replace(one, weight=9.0) for one in judged]", "got 3 of 3, with copies"),
        ("Selector", "return [*judged, *judged]", "got 6 of 3, with copies"),
        ("Selector", "return ['first']", "got 1 of 3, with copies or other things"),
        ("Format", "return None", "expected a row, as a dict .* got None"),
        ("Format", "return [1]", "expected a row, as a dict"),
        ("Format", "return {'a': object()}", "expected a row of texts, numbers, lists and dicts"),
        ("Format", "return {'a': {1, 2}, 'b': sys}", "expected a row of texts"),
    ],
)
def test_what_one_returns_is_checked_before_anything_is_written(
    tmp_path: Path, kind: str, line: str, problem: str
) -> None:
    mine = plug_in(tmp_path, kind, line)
    with pytest.raises(CotDistillError, match=problem):
        run(tmp_path, kind, mine)
    assert not (tmp_path / "kept.jsonl").exists()
    assert not (tmp_path / "train.jsonl").exists()


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ("x: 'Nowhere' = 0", r"mine\.py: class Filter: the types of its options cannot be resolved: NameError"),
        ("def __post_init__(self): self.y + 1", r"mine\.py:5: .*AttributeError"),
        ("def __post_init__(self): sys.exit(0)", r"mine\.py:5: .*it calls sys\.exit\(0\)"),
        ("def __post_init__(self): raise ValueError('x is odd')", "x is odd"),
    ],
)
def test_options_that_cannot_be_read_end_the_run_before_it_begins(tmp_path: Path, fields: str, problem: str) -> None:
    mine = plug_in(tmp_path, "Filter", "return None", fields=fields)
    with pytest.raises(UsageError, match=problem):
        plugins.build("filters", mine)


def test_a_selector_may_sort_and_empty_the_list_it_is_given(tmp_path: Path) -> None:
    run(tmp_path, "Selector", plug_in(tmp_path, "Selector", "judged.reverse()", "return [judged.pop(), judged.pop()]"))
    assert len((tmp_path / "kept.jsonl").read_text().splitlines()) == 2


def test_an_option_of_a_strange_type_is_refused_by_its_name(tmp_path: Path) -> None:
    mine = plug_in(tmp_path, "Filter", "return None", fields="x: 'dict[str, int] | None' = None")
    with pytest.raises(UsageError, match=r"mine\.py:x: expected dict.*got 'a'"):
        plugins.build("filters", f"{mine}:x=a")


def test_one_that_exits_when_it_is_imported_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import sys\nsys.exit(0)\n")
    with pytest.raises(UsageError, match=r"mine\.py:2: the plug-in cannot be loaded: it calls sys\.exit\(0\)"):
        plugins.build("filters", str(tmp_path / "mine.py"))


def test_files_that_options_name_are_known_and_recorded(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_text('{"question": "far away?"}\n')
    spec = f"contamination:against={tmp_path}/a.jsonl|{tmp_path}/b.jsonl"
    assert plugins.files("filters", spec) == [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    (tmp_path / "r.jsonl").write_bytes(msgspec.json.encode(make_response()) + b"\n")
    made = filtering.run(tmp_path / "r.jsonl", tmp_path / "k.jsonl", FilterConfig(filter=(spec,)), Silent())
    assert [(Path(one.path).name, one.option) for one in made.inputs] == [
        ("r.jsonl", None),
        ("a.jsonl", "filter"),
        ("b.jsonl", "filter"),
    ]


def test_an_unreadable_line_of_an_evaluation_set_is_said_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "ev.jsonl").write_text('{"question": "far away?"}\nno json\n')
    (tmp_path / "r.jsonl").write_bytes(msgspec.json.encode(make_response()) + b"\n")
    config = FilterConfig(against=(str(tmp_path / "ev.jsonl"),), skip_bad=True)
    with pytest.raises(CotDistillError, match=r"ev\.jsonl:2: not valid JSON: .*\. Fix the line$"):
        filtering.run(tmp_path / "r.jsonl", tmp_path / "k.jsonl", config, Silent())


def test_list_prints_defaults_as_they_are_typed() -> None:
    (rubric,) = (option for option in plugins.describe("verifiers", "judge")[1] if option.startswith("rubric="))
    assert Path(rubric.removeprefix("rubric=")).is_file()
    assert "on=prompt" in plugins.describe("filters", "near_duplicate")[1]
    assert "schema=none" in plugins.describe("verifiers", "json_schema")[1]
