import json
from pathlib import Path

import msgspec
import pytest

from cotdistill.stages.evaluate import pass_at_k, score
from tests.conftest import cotdistill, make_judged, make_prompt


def chains(tmp_path: Path, count: int) -> Path:
    from cotdistill.mock import problems

    path = tmp_path / "heldout.jsonl"
    lines = [
        msgspec.json.encode(problem.as_prompt(f"h{number}"))
        for number, problem in enumerate(problems.generate(count, seed=5))
    ]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def test_any_teacher_can_be_scored_like_a_student(tmp_path: Path) -> None:
    prompts = chains(tmp_path, 30)
    words = ("evaluate", prompts, "-o", tmp_path / "s.json", "--student", "mock:digit-chains", "--samples", "4")
    done = cotdistill(*words)
    assert done.returncode == 0, done.stderr
    scores = json.loads((tmp_path / "s.json").read_text())
    (entry,) = scores["students"]
    assert (scores["prompts"], entry["student"], entry["n"]) == (30, "mock:digit-chains", 30)
    assert entry["interval"][0] < entry["accuracy"] < entry["interval"][1]
    assert sorted(entry["pass_at"]) == ["1", "2", "4"]
    assert entry["pass_at"]["1"] <= entry["pass_at"]["2"] <= entry["pass_at"]["4"]
    assert len((tmp_path / "s.answers.jsonl").read_text().splitlines()) == 30 * 5
    assert f"mock:digit-chains  {entry['accuracy']:6.1%}" in done.stderr


def test_prompts_without_references_cannot_be_scored(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text('{"id": "a", "question": "q", "answer": "1"}\n{"id": "b", "question": "r"}\n')
    done = cotdistill("evaluate", tmp_path / "p.jsonl", "-o", tmp_path / "s.json", "--student", "mock:digit-chains")
    assert done.returncode == 1
    assert "1 of 2 prompts have no reference to score against, the first is 'b'" in done.stderr


def test_a_student_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    prompts = chains(tmp_path, 2)
    done = cotdistill("evaluate", prompts, "-o", tmp_path / "s.json", "--student", tmp_path / "nowhere")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert "nowhere" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "s.json").exists()


@pytest.mark.parametrize(
    ("n", "correct", "k", "expected"),
    [(4, 0, 2, 0.0), (4, 4, 1, 1.0), (4, 1, 1, 0.25), (4, 1, 4, 1.0), (4, 2, 2, 5 / 6)],
)
def test_pass_at_k_is_the_unbiased_estimate(n: int, correct: int, k: int, expected: float) -> None:
    assert pass_at_k(n, correct, k) == pytest.approx(expected)


def test_accuracy_comes_from_the_greedy_answer_alone() -> None:
    def one(id: str, sample: int, status: str) -> object:
        return make_judged(status=status, prompt=make_prompt(id), sample=sample)

    judged = [one("a", 0, "correct"), one("a", 1, "incorrect"), one("b", 0, "no_answer"), one("b", 1, "correct")]
    entry = score("s", judged)  # type: ignore[arg-type]
    assert (entry["n"], entry["correct"], entry["accuracy"], entry["pass_at"]) == (2, 1, 0.5, {"1": 0.5})
