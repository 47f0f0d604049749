"""Students and runs side by side: what the tests say, who is one row, and what cannot be compared."""

import csv
import itertools
import json
import random
import re
from pathlib import Path

import msgspec
import pytest

from cotdistill import report
from cotdistill.config import EvaluateConfig
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.mock import problems
from cotdistill.progress import Silent
from cotdistill.recipes import grid as grid_of
from cotdistill.recipes import record
from cotdistill.recipes.record import RunRecord, StageRecord
from cotdistill.report import series, table
from cotdistill.stages import evaluate
from cotdistill.statistics import mcnemar, sign_flip
from tests.conftest import cotdistill, make_prompt, make_response, write_records
from tests.scored_runs import scored, trained

GOOD, FAIR, POOR = [True] * 18 + [False] * 2, [True] * 9 + [False] * 11, [False] * 20


@pytest.mark.parametrize(("better", "worse"), [(0, 0), (5, 1), (3, 3), (10, 0), (140, 3)])
def test_the_sign_test_of_single_prompts_is_mcnemar_s(better: int, worse: int) -> None:
    assert sign_flip([1] * better + [-1] * worse + [0] * 7) == mcnemar(better, worse)


def test_the_sign_test_of_several_seeds_counts_every_way_the_signs_can_fall() -> None:
    lots = random.Random(0)
    for _ in range(20):
        differences = [lots.randint(-3, 3) for _ in range(9)]
        total, flips = abs(sum(differences)), list(itertools.product((1, -1), repeat=len(differences)))
        reached = [abs(sum(sign * one for sign, one in zip(signs, differences, strict=True))) for signs in flips]
        assert sign_flip(differences) == pytest.approx(sum(one >= total for one in reached) / len(flips))


def test_the_normal_end_of_the_sign_test_joins_the_exact_one(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = [2] * 260 + [-2] * 200 + [1] * 300 + [-1] * 280
    exact = sign_flip(differences)
    monkeypatch.setattr("cotdistill.statistics.MOST_STEPS", 100)
    assert sign_flip(differences) == pytest.approx(exact, rel=0.03)


@pytest.mark.parametrize(
    ("value", "cell"),
    [("=1+1", "'=1+1"), ("@x", "'@x"), ("-x", "'-x"), ("-0.5", "-0.5"), ("1e-3", "1e-3"), ("a=b", "a=b"), (-3, "-3")],
)
def test_a_spreadsheet_computes_no_name_and_no_setting(value: object, cell: str) -> None:
    assert str(table.no_formula(value)) == cell


def test_a_table_of_80_columns_csv_json_and_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, right in (("good", GOOD), ("fair", FAIR), ("a-name-longer-than-the-column-that-it-has", POOR)):
        scored(Path(name) / "scores.json", {f"{name}/student": right, "tiny": POOR})
    names = sorted(path.name for path in tmp_path.iterdir())
    done = cotdistill("compare", *names, "--csv", "runs.csv", "--html", "runs.html")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines[1:5]] == ["…he-column-that-it-has", "fair", "good", "tiny"]
    fair = next(line for line in lines if line.startswith("fair"))
    assert fair.split() == ["fair", "45.0%", "25.8", "to", "65.8", "-45.0", "0.0039", "0:9"]
    assert sum("tiny" in line for line in lines) == 1, "a baseline that all were held against is there once"
    rows = {row["student"]: row for row in csv.DictReader(Path("runs.csv").read_text().splitlines())}
    assert (rows["good"]["accuracy"], rows["fair"]["worse"], rows["fair"]["p_value"]) == ("0.9", "9", "0.00390625")
    assert "good gets 90.0% of 20 held-out prompts right" in Path("runs.html").read_text()
    as_json = json.loads(cotdistill("compare", *names, "--json").stdout)
    assert (as_json["best"], len(as_json["rows"])) == ("good", 4)
    Path("mine.csv").write_text("a,b\n1,2\n")
    refused = cotdistill("compare", *names, "--csv", "mine.csv")
    assert (refused.returncode, Path("mine.csv").read_text()) == (2, "a,b\n1,2\n"), refused.stderr


def test_students_that_were_mostly_asked_other_prompts_are_compared_only_where_that_is_wanted(tmp_path: Path) -> None:
    one = scored(tmp_path / "a" / "scores.json", {"a": GOOD})
    fewer = scored(tmp_path / "b" / "scores.json", {"b": GOOD[:9]})
    only_few = r"a/scores.json scores 20 prompts, and only 9 are in all; 'h9' is not in .*b/scores.json"
    with pytest.raises(UsageError, match=only_few):
        report.compared([fewer, one])
    alike = scored(tmp_path / "c" / "scores.json", {"c": GOOD})
    with pytest.raises(UsageError, match=only_few):
        report.compared([one, alike, fewer])
    found = report.compared([one, fewer], in_common=True).comparison
    assert (len(found.prompts), found.left_out, [row.accuracy for row in found.rows]) == (9, 11, [1.0, 1.0])
    changed = [make_prompt(f"h{n}", f"held out {n}?", "5" if n == 3 else "4") for n in range(20)]
    other = scored(tmp_path / "c" / "scores.json", {"c": GOOD}, changed)
    with pytest.raises(UsageError, match=r"prompt 'h3' reads otherwise in .*c/scores.json than in .*a/scores.json"):
        report.compared([one, other])


def test_a_recorded_baseline_has_one_answer_a_prompt_where_the_student_has_more(tmp_path: Path) -> None:
    heldout, recorded = tmp_path / "heldout.jsonl", tmp_path / "recorded.jsonl"
    chains = enumerate(problems.generate(6, seed=5))
    asked = [problem.as_prompt(f"h{number}") for number, problem in chains]
    write_records(heldout, asked)
    given = [make_response(f"{one.reference}" if n else "x", one) for n, one in enumerate(asked)]
    write_records(recorded, given)
    config = EvaluateConfig(student="mock:digit-chains", baseline=(str(recorded),), samples=3)
    evaluate.run(heldout, tmp_path / "scores.json", config, Silent())
    teacher, baseline = report.compared([tmp_path / "scores.json"]).comparison.rows
    assert (len(teacher.prompts), baseline.shares) == (6, [5 / 6])
    (tmp_path / "scores.answers.jsonl").write_bytes(b"")
    with pytest.raises(CotDistillError, match="not the answers of the 2 students"):
        report.compared([tmp_path / "scores.json"])


def test_students_in_directories_of_one_name_are_called_by_more_of_their_paths(tmp_path: Path) -> None:
    path = scored(tmp_path / "s.json", {"runs/a/student": GOOD, "runs/b/student": FAIR, "tiny": POOR})
    assert [row.name for row in report.compared([path]).comparison.rows] == ["a/student", "b/student", "tiny"]


def test_what_holds_no_scores_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.json").write_text("{}")
    for path, words in (
        (tmp_path / "empty", "no scores in it; expected a file that `cotdistill evaluate` wrote"),
        (tmp_path / "none", "no such file or directory"),
        (tmp_path / "notes.json", "expected scores that `cotdistill evaluate` wrote"),
    ):
        with pytest.raises(UsageError, match=words):
            report.compared([path])
    path = scored(tmp_path / "a" / "scores.json", {"a": GOOD})
    manifest = tmp_path / "a" / "scores.manifest.json"
    whole = manifest.read_text()
    manifest.write_text(json.dumps({**json.loads(whole), "results": {}}))
    with pytest.raises(UsageError, match="expected scores that `cotdistill evaluate` wrote"):
        report.compared([path])
    manifest.write_text(whole)
    (tmp_path / "a" / "scores.answers.jsonl").unlink()
    done = cotdistill("compare", path)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "scores.answers.jsonl: missing; it holds the answers" in done.stderr


def grid(folder: Path) -> Path:
    cells = []
    for select, base in (("first", 12), ("shortest", 5)):
        for seed in (0, 1, 2):
            name = f"{select}-{seed}"
            scored(folder / name / "scores.json", {f"{name}/student": [n < base + seed for n in range(20)]})
            cells.append({"directory": name, "settings": {"filter.select": select, "finetune.seed": seed}})
    axes = {"filter.select": ["first", "shortest"], "finetune.seed": [0, 1, 2]}
    known = {"recipe": "sums/recipe.toml", "axes": axes, "cells": cells}
    (folder / grid_of.NAME).write_bytes(msgspec.json.encode(known))
    return folder


def test_cells_of_a_grid_that_differ_in_their_seed_are_one_row_with_mean_and_spread(tmp_path: Path) -> None:
    found = report.compared([grid(tmp_path / "grid")]).comparison
    first, shortest = found.rows
    assert [row.name for row in found.rows] == ["select=first", "select=shortest"]
    assert first.shares == [0.6, 0.65, 0.7]
    assert first.accuracy == pytest.approx(0.65)
    assert first.interval == (0.6, 0.7)
    assert first.spread == pytest.approx(0.05)
    test = found.tests()[shortest.name]
    assert (test.n, test.better, test.worse) == (20, 9, 0)
    assert test.difference == pytest.approx(0.35)
    assert test.p_value == pytest.approx(2 / 2**9), "nine prompts differ, all to one side"
    shown = table.text(found)
    assert "select=first    *  65.0%  ± 5.0 (3)" in shown
    report.write(tmp_path / "grid", tmp_path / "grid.html")
    assert (
        "select=first gets 65.0% of 20 held-out prompts right (mean of 3 seeds)" in (tmp_path / "grid.html").read_text()
    )


def test_an_option_that_was_left_out_is_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text("{}\n")
    for name, steps in (("long", 900), ("usual", None)):
        trained(Path(name), Path("rows.jsonl"), max_steps=steps)
        scored(Path(f"{name}-scores") / "scores.json", {name: GOOD})
    page = tmp_path / "page.html"
    report.write_comparison(report.compared([Path("long-scores"), Path("usual-scores")]), page)
    assert ">900<" in page.read_text() and ">not given<" in page.read_text()
    assert ">None<" not in page.read_text()


def test_a_cell_that_failed_is_named_and_the_others_are_compared(tmp_path: Path) -> None:
    folder = grid(tmp_path / "grid")
    known = json.loads((folder / grid_of.NAME).read_text())
    known["cells"][0] |= {"directory": "gone", "exit_code": 1, "error": "disk full"}
    (folder / grid_of.NAME).write_text(json.dumps(known))
    done = cotdistill("compare", folder)
    assert (done.returncode, "± 3.5 (2)" in done.stdout) == (0, True), done.stderr
    assert f"without scores, so not compared: {folder}/gone: disk full" in done.stderr
    report.write(folder, tmp_path / "grid.html")
    assert "Without scores, so not compared" in (tmp_path / "grid.html").read_text()


def nights(folder: Path, accuracies: list[int]) -> Path:
    for number, right in enumerate(accuracies, 1):
        here = folder / f"2026-11-{number:02}T020000Z"
        asked = 20 + (number == 2)  # a prompt was added, and taken away again
        right_of = {f"{here}/student": [n < right for n in range(asked)], "tiny": [False] * asked}
        scored(here / "scores.json", right_of)
        stage = StageRecord(did="ran", why="first run", version="0", options={}, files={}, spent_usd="0.25")
        if right < accuracies[0]:
            stage.guard_failed = "guard: student is worse than base"
        known = RunRecord(recipe="sums/recipe.toml", directory=here.name, number=number, started_at="", complete=True)
        known.stages["evaluate"] = stage
        record.save(here, known)
    (folder / "latest").symlink_to(here.name)
    return folder


def test_a_folder_of_nights_becomes_one_page_over_time(tmp_path: Path) -> None:
    folder = nights(tmp_path / "runs", [10, 12, 18, 4])
    found = series.nights(folder)
    assert [one.name for one in found] == ["2026-11-01", "2026-11-02", "2026-11-03", "2026-11-04"], "latest is no fifth"
    report.write(folder, tmp_path / "runs.html")
    page = (tmp_path / "runs.html").read_text()
    assert "<h1>sums: 4 runs</h1>" in page
    assert "The newest student gets 20.0% of 20 held-out prompts right; the first one got 50.0%." in page
    assert "Against the run before: -70.0 points on 20 prompts, p = 0.00012." in page
    assert "2026-11-04T020000Z: its student is worse than its guard allows" in page
    assert page.count('class="dot c0"') == 8, "a point a night, of accuracy and of cost"


def test_the_combinations_of_a_grid_are_students_side_by_side_and_no_nights(tmp_path: Path) -> None:
    folder = nights(tmp_path / "runs", [10, 12, 18])
    (folder / "latest").unlink()
    (folder / "2026-11-02T020000Z").rename(tmp_path / "of-other-prompts")
    for number, one in enumerate(sorted(folder.iterdir())):
        one.rename(folder / f"select-first_seed-{number}")
    assert series.nights(folder) == []
    report.write(folder, tmp_path / "grid.html")
    page = (tmp_path / "grid.html").read_text()
    assert "The newest student" not in page and "students on 20 prompts, the same for all" in page


def test_nights_with_other_prompts_are_compared_on_those_in_common_and_their_baseline_is_there_once(
    tmp_path: Path,
) -> None:
    folder = nights(tmp_path / "runs", [10, 12])
    found = report.compared([folder]).comparison
    assert "20 prompts, the same for all; 1 other was asked of some alone and left out." in table.text(found)
    assert [row.name for row in found.rows] == ["2026-11-01T020000Z", "2026-11-02T020000Z", "tiny"]
    report.write(folder, tmp_path / "runs.html")
    assert "Against the run before: +10.0 points on 20 prompts" in (tmp_path / "runs.html").read_text()


def test_a_row_of_the_table_is_one_line_whatever_its_student_is_called(tmp_path: Path) -> None:
    path = scored(tmp_path / "s.json", {"a\nb\x1b[2J": GOOD, "c": POOR})
    top, first, second, *_ = table.text(report.compared([path]).comparison).splitlines()
    assert first.startswith("a b\\u001b[2J ") and second.startswith("c ")
    assert len({line.index("%") for line in (first, second)}) == 1, top


def test_no_name_of_a_student_acts_in_the_page(tmp_path: Path) -> None:
    names = ["<img src=x onerror=alert(1)>", "</script><b>", "\x1b[2J\u202egpj.exe"]
    path = scored(tmp_path / "s.json", dict(zip(names, (GOOD, POOR, FAIR), strict=True)))
    found = report.compared([path])
    report.write_comparison(found, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "<img" not in page and page.count("</script>") == 2
    written = re.sub("<script.*?</script>", "", page, flags=re.DOTALL)
    assert "\x1b" not in written and "\u202e" not in written and "\\u202egpj.exe" in written


def test_scores_whose_manifest_was_edited_are_one_clear_error(tmp_path: Path) -> None:
    scores = scored(tmp_path / "scores.json", {"good": GOOD})
    manifest = tmp_path / "scores.manifest.json"
    edited = json.loads(manifest.read_text())
    edited["results"]["students"][0]["accuracy"] = "high"
    manifest.write_text(json.dumps(edited))
    with pytest.raises(CotDistillError, match=r"scores.json: the scores in its manifest cannot be read: .*accuracy"):
        report.compared([scores])
