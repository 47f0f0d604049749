"""The folder is the registry: everything found in it is held to its contract here, new files included."""

import dataclasses
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from cotdistill import plugins
from cotdistill.config import FilterConfig
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.plugins import FOLDERS, METHODS, build, describe, names
from cotdistill.progress import Silent
from cotdistill.stages import filter as stage
from tests.conftest import ROOT, make_judged, make_response

FOUND = [(folder, name) for folder in FOLDERS for name in names(folder)]


@pytest.mark.parametrize(("folder", "name"), FOUND)
def test_every_plug_in_keeps_its_contract(folder: str, name: str) -> None:
    kind = plugins.load(folder, name)
    assert dataclasses.is_dataclass(kind), "options are dataclass fields"
    for method in METHODS[folder]:
        assert any(callable(getattr(kind, one, None)) for one in method.split("|")), method
    summary, _ = describe(folder, name)
    assert summary.endswith((".", "].")), "a docstring's first line is the help, a whole sentence"


@pytest.mark.parametrize("name", names("filters"))
def test_every_filter_answers_with_a_short_reason_or_none(name: str, tmp_path: Path) -> None:
    (tmp_path / "needed.jsonl").write_text('{"question": "What is 2+2?", "answer": "4"}\n')
    required = [option for option in describe("filters", name)[1] if "=" not in option]
    given = [f"{option}={tmp_path / 'needed.jsonl'}" for option in required] + ["low=0.5"] * (name == "pass_rate")
    one = build("filters", f"{name}{':' * bool(given)}{','.join(given)}")
    for judged in (make_judged(), make_judged("", stop_reason="length"), make_judged("\x00\ud7ff<think>" * 50)):
        reason = one.reason_to_drop(judged)
        assert reason is None or (0 < len(reason) < 80 and reason[0].islower())


@pytest.mark.parametrize("name", names("selectors"))
def test_every_selector_chooses_among_what_it_is_given(name: str) -> None:
    given = [make_judged("x" * (9 - sample), sample=sample) for sample in range(4)]
    chosen = build("selectors", name).choose(given)
    assert all(any(one is other for other in given) for one in chosen)
    assert [one.response.sample for one in chosen] == sorted(one.response.sample for one in chosen)
    assert list(build("selectors", name).choose([])) == []


@pytest.mark.parametrize("name", names("formats"))
def test_every_format_makes_a_row_of_json(name: str) -> None:
    layout = build("formats", name)
    right, wrong = make_judged(reasoning="2+2=4"), make_judged("5", "incorrect", reasoning="2+2=5", sample=1)
    row = layout.row(right) if hasattr(layout, "row") else layout.rows([right, wrong])[0][1]
    assert msgspec.json.decode(msgspec.json.encode(row)) == row
    assert "id" not in row, "the stage adds the id"


def test_a_new_file_is_listed_helped_and_held_to_the_contract_with_no_other_edit(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "cotdistill", tmp_path / "cotdistill")
    shutil.copytree(ROOT / "prompts", tmp_path / "prompts")
    shutil.copytree(ROOT / "tests", tmp_path / "tests")
    (tmp_path / "cotdistill" / "filters" / "shouting.py").write_text(
        "from dataclasses import dataclass\n"
        "from cotdistill.records import Judged\n"
        "@dataclass\n"
        "class Filter:\n"
        '    """Drops answers in capitals."""\n'
        "    tolerance: float = 0.5\n"
        "    def reason_to_drop(self, judged: Judged) -> str | None:\n"
        "        return 'shouting' if judged.response.text.isupper() else None\n"
    )

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words],
            cwd=tmp_path,
            text=True,
            capture_output=True,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "shouting             Drops answers in capitals.  [tolerance=0.5]" in run(
        "-m", "cotdistill", "list", "filters"
    )
    assert "shouting" in run("-m", "cotdistill", "filter", "--help")
    tests = run("-m", "pytest", "-p", "no:cacheprovider", "tests/test_extensions.py", "-k", "shouting", "-v")
    assert "test_every_plug_in_keeps_its_contract[filters-shouting] PASSED" in tests


def test_a_plug_in_can_be_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from dataclasses import dataclass\n@dataclass\nclass Filter:\n    x: int = 0\n"
        "    def reason_to_drop(self, judged): return f'x is {self.x}'\n"
    )
    assert build("filters", f"{path}:x=3").reason_to_drop(make_judged()) == "x is 3"


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("lenght", r"no filter named 'lenght'; there are: .*length.* \(did you mean 'length'\?\)"),
        (
            "length:max_anser=1",
            r"'length' has no option 'max_anser'; its options are: .* \(did you mean 'max_answer'\?\)",
        ),
        ("length:max_answer=many", "length:max_answer: expected a whole number, at least 1, got 'many'"),
        ("confidence:quantile=2", "confidence:quantile: expected 0 up to, not including, 1, got '2'"),
        ("confidence:min=most", "confidence:min: expected a number.*, got 'most'"),
        ("length:max_answer", "expected name:option=value, found 'max_answer'"),
        ("judge:teacher=mock", r"no filter named 'judge', it is a verifier \(--verify judge\); there are: "),
        ("axolotl", r"no filter named 'axolotl', it is an export \(--export axolotl\); there are: "),
        ("./none.py", "no such plug-in file"),
        ("confidence:min=0.5,min=0.9", "min is given twice"),
        ("repetition:max_compression=nan", "repetition:max_compression: expected a number, got 'nan'"),
        ("length:tokenizer=", "length:tokenizer: expected a text, got nothing; leave it out for the default"),
        ("length:min_answer=-4", "length:min_answer: expected at least 0, got '-4'"),
        ("pass_rate", "pass_rate: every pass rate is from 0 to 1, so nothing would be dropped; give low=X"),
    ],
)
def test_a_wrong_spec_says_what_there_is(spec: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        build("filters", spec)


@pytest.mark.parametrize(
    ("folder", "spec", "problem"),
    [
        (
            "verifiers",
            "judge:teacher=mock,base_url=http://host/v1",
            "base_url: goes with a teacher on a server, and mock",
        ),
        ("verifiers", "judge:teacher=mock,after=exact", "after: goes with on=disagreement"),
        ("verifiers", "judge:teacher=mock,price_in=1", "price_in goes with price_out"),
        ("verifiers", "judge:teacher=mock,price_in=-1", "judge:price_in: expected at least 0, got '-1'"),
        ("verifiers", "judge:teacher=mock,concurrency=0", "judge:concurrency: expected at least 1, got '0'"),
        ("verifiers", "json_schema:schema=plug_in.py,reference=value", "reference: says what a prompt's reference is"),
        ("expanders", "topic:topics=plug_in.py,breadth=3", "breadth and surveys are about asking for topics"),
        ("losses", "soft:skew=0.5", "skew: goes with divergence=skew, and it is forward"),
    ],
)
def test_an_option_of_a_plug_in_that_would_change_nothing_is_refused(
    folder: str, spec: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("plug_in.py").write_text("sports")
    with pytest.raises(UsageError, match=problem):
        build(folder, spec)


def test_a_number_out_of_range_is_refused_with_its_limit() -> None:
    with pytest.raises(UsageError, match="first:k: expected at least 1, got '0'"):
        build("selectors", "first:k=0")


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import nothing_of_that_name", r"mine.py:1: the plug-in cannot be loaded: ModuleNotFoundError"),
        ("x = 1\ndef f(:", r"mine.py:2: the plug-in cannot be loaded: SyntaxError"),
        ("class Filter: pass", "class Filter must be a dataclass"),
        ("import dataclasses\n@dataclasses.dataclass\nclass Filter: pass", "class Filter has no method reason_to_drop"),
        ("x = 1", "defines no class Filter"),
    ],
)
def test_a_slip_in_a_plug_in_of_ones_own_is_one_clear_line(tmp_path: Path, code: str, problem: str) -> None:
    (tmp_path / "mine.py").write_text(code)
    with pytest.raises(UsageError, match=problem):
        build("filters", str(tmp_path / "mine.py"))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("1 / 0", r"failed on prompt 'p1', sample 0: ZeroDivisionError"),
        ("True", "expected a reason or None .* got True"),
    ],
)
def test_a_plug_in_that_fails_names_itself_and_the_sample(tmp_path: Path, line: str, problem: str) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(
        "import dataclasses\n@dataclasses.dataclass\nclass Filter:\n"
        f"    def reason_to_drop(self, judged):\n        return {line}\n"
    )
    (tmp_path / "r.jsonl").write_bytes(msgspec.json.encode(make_response()))
    with pytest.raises(CotDistillError, match=problem):
        stage.run(tmp_path / "r.jsonl", tmp_path / "k.jsonl", FilterConfig(filter=(str(mine),)), Silent())


def test_the_manifest_tells_the_content_of_a_plug_in_of_ones_own(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(
        "import dataclasses\n@dataclasses.dataclass\nclass Filter:\n    def reason_to_drop(self, judged): pass\n"
    )
    (tmp_path / "r.jsonl").write_bytes(msgspec.json.encode(make_response()))
    made = stage.run(tmp_path / "r.jsonl", tmp_path / "k.jsonl", FilterConfig(filter=(str(mine),)), Silent())
    assert made.packages[str(mine)] == "sha256:" + hashlib.sha256(mine.read_bytes()).hexdigest()


def test_a_hyphen_is_as_good_as_an_underscore() -> None:
    assert build("filters", "exact-duplicate") is not None


def test_a_comma_in_a_value_is_escaped() -> None:
    assert plugins.parse(r"regex:pattern=a\,b,flags=i") == ("regex", {"pattern": "a,b", "flags": "i"})
