"""The script that measures on a GPU is run where time on one is short: it must come to its table."""

import sys
import time
from pathlib import Path

import pytest

from tests.benchmarks.gpu import asked_for, check, line, measured, no_room, so_far
from tests.benchmarks.gpu_plan import FULL, FULL_TRL, PLAN, WAITS, Part, Taught, groups, taught


def test_a_part_that_fails_or_hangs_says_so_and_the_table_still_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\n[ "$3" = same ] && exec sleep 600\nexec {sys.executable} "$@"\n')
    python.chmod(0o700)
    monkeypatch.setattr("sys.executable", str(python))
    plan = [
        Part("broken", "no such part", {}, 60, together="x"),
        Part("hangs", "same", {"shape": "large"}, 0.1, together="x"),
    ]
    found = {part.label: one for part, one in measured(plan, tmp_path, time.monotonic() + 90)}
    assert found["broken"]["failed"].endswith("KeyError: 'no such part'")
    assert found["hangs"]["failed"].startswith("not done after")
    assert line(plan[0], found["broken"], None).split()[:2] == ["broken", "FAILED"]
    speed = {"tokens_per_s": 80.0, "weights": 1, "lora": False, "peak_gb": 1.0}
    table = list(asked_for({**found, FULL: speed, FULL_TRL: {**speed, "tokens_per_s": 10.0}}, peak=1_000.0))
    assert table[0] == "full: at least 45% MFU: 48.0%"
    assert table[2] == "full: at least 4 times the tokens/s of TRL's defaults: 8.00"
    assert table[4] == (
        "packed at most 0.5 of the padded run's memory, neither computes activations twice: not measured"
    )


def test_a_student_that_is_not_done_in_time_says_how_far_it_came(tmp_path: Path) -> None:
    part = Part("lora, seed 0", "taught", {"out": str(tmp_path), "name": "student-0-0"}, 60)
    assert so_far(part) == ""
    (tmp_path / "student-0-0.partial").mkdir()
    (tmp_path / "student-0-0.partial/metrics.jsonl").write_text('{"step":7,"loss":2.5}\n{"step":14,"loss":2.0}\n')
    assert so_far(part) == '; last logged {"step":14,"loss":2.0}'
    (tmp_path / "student-0-0").mkdir()
    assert so_far(part) == "; trained, and its answers not all there"


def test_waits_are_counted_early_and_shown_by_the_lines_that_waited() -> None:
    assert [part.label for part in PLAN].index(WAITS) < 5
    found = {"tokens_per_s": 9.0, "waits": {"x.py:7": 40, "y.py:9": 1}, "steps": 40, "took_s": 3.0}
    assert "41 waits steps 40 [3 s]" in line(PLAN[4], found, None)
    said = f"{WAITS}: lines that waited for the GPU in 40 steps: x.py:7 40 x, y.py:9 1 x"
    assert said in list(asked_for({WAITS: found}, None))


def test_parts_run_at_the_same_time_only_where_their_speeds_are_not_compared() -> None:
    named = [
        Part(name, "ours", {}, 1, together=together)
        for name, together in zip("abcde", ("", "x", "x", "", ""), strict=True)
    ]
    assert [[part.label for part in group] for group in groups(named)] == [["a"], ["b", "c"], ["d"], ["e"]]


def test_what_time_or_disk_would_not_hold_is_left_out_with_the_reason(tmp_path: Path) -> None:
    part = Part("large", "ours", {}, 40, disk_gb=1e6)
    assert "it is thought to take 40 s" in str(no_room([part], tmp_path, time.monotonic() + 30))
    assert f"it writes 1000000.0 GB and {tmp_path} has" in str(no_room([part], tmp_path, time.monotonic() + 60))
    assert no_room([Part("small", "ours", {}, 40, disk_gb=0.0)], tmp_path, time.monotonic() + 60) is None


def test_a_folder_without_gsm8k_is_refused_before_any_time_is_spent(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").touch()
    assert check("tiny", tmp_path) == f"--gsm8k {tmp_path}: has no test.jsonl"
    assert check(None, None) is None
    assert "which --student is to be taught?" in str(check(None, tmp_path))


def test_a_librarys_last_word_does_not_hide_what_a_part_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = tmp_path / "part"
    part.write_text("#!/bin/sh\necho '{\"same\": 8}'\necho goodbye\n")
    part.chmod(0o700)
    monkeypatch.setattr("sys.executable", str(part))
    ((_, found),) = measured([Part("x", "same", {}, 60)], tmp_path, time.monotonic() + 90)
    assert found["same"] == 8


def test_every_way_is_taught_the_same_rows_and_other_problems_with_another_seed(tmp_path: Path) -> None:
    ways = ["--method lora", "--method lora --lora-rank 64"]
    plan = taught(Taught("tiny", ways, 2, rows=5, questions=3, tokens=8, loss=True), None, tmp_path)
    assert [part.label for part in plan] == [f"{way}, seed {seed}" for seed in (0, 1) for way in ways]
    assert {part.together for part in plan} == {"taught"}
    rows, questions = tmp_path / "words-0/rows.jsonl", tmp_path / "words-0/heldout.jsonl"
    assert len(rows.read_text().splitlines()) == 5
    assert len(questions.read_text().splitlines()) == 3
    assert rows.read_text() != (tmp_path / "words-1/rows.jsonl").read_text()
    assert plan[1].options["way"] == ["--method", "lora", "--lora-rank", "64"]


def test_the_seeds_of_a_way_are_one_line_of_the_table() -> None:
    found = {
        f"--method {way}, seed {seed}": {"right": right, "asked": 200, "accuracy": right / 200}
        for way, seed, right in (("lora", 0, 20), ("lora", 1, 30), ("full", 0, 10))
    }
    assert list(asked_for(found, None))[-2:] == [
        "--method lora: 12.5% [9.6%, 16.1%] (10.0%, 15.0%)",
        "--method full: 5.0% [2.7%, 9.0%] (5.0%)",
    ]
