import json
import re
from pathlib import Path

import msgspec
import pytest

from cotdistill.records import Judged, Usage, Verdict
from cotdistill.stages.evaluate.scores import compare, in_words, score
from cotdistill.statistics import mcnemar, pass_at_k
from tests.conftest import cotdistill, make_judged, make_prompt, make_response


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


def test_prompts_without_references_are_scored_by_a_verifier_that_needs_none(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text('{"id": "a", "question": "q", "answer": "1"}\n{"id": "b", "question": "r"}\n')
    words = ("evaluate", tmp_path / "p.jsonl", "-o", tmp_path / "s.json", "--student", "mock:digit-chains")
    done = cotdistill(*words, "--verify", "regex:pattern=simulated,on=text")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "s.json").read_text())["students"][0]["n"] == 2
    refused = cotdistill(*words, "--verify", "regex")
    assert refused.returncode == 1 and "1 of 2 prompts have no reference" in refused.stderr, (
        "its reference is the pattern"
    )


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


@pytest.mark.parametrize("end", ["length", "content_filter", "refusal", "other"])
def test_an_answer_that_was_cut_off_is_never_right_whatever_number_it_had_reached(end: str) -> None:
    cut = make_judged(r"First 7 + 5 = 12. Maybe \boxed{12}. But wait, let me", stop_reason=end)
    sampled = [make_judged(stop_reason=end, sample=1), make_judged(stop_reason=end, sample=2)]
    entry = score("s", [cut, *sampled])
    assert (entry["correct"], entry["accuracy"], entry["stopped"]) == (0, 0.0, 0.0)
    assert (entry["pass_at"], entry["majority"]["accuracy"]) == ({"1": 0.0, "2": 0.0}, 0.0)


def test_the_length_of_an_answer_is_the_mean_of_those_that_were_counted() -> None:
    one = make_judged(usage=Usage(output_tokens=7))
    assert score("s", [one, make_judged(usage=Usage())])["mean_output_tokens"] == 7
    assert "mean_output_tokens" not in score("s", [make_judged(usage=Usage())])


def test_accuracy_by_tag_names_the_weakest() -> None:
    judged = [
        make_judged(status=status, prompt=make_prompt(f"{task}{n}", tags={"task": task}))
        for task, right in (("sums", 8), ("words", 2))
        for n in range(10)
        for status in ["correct" if n < right else "incorrect"]
    ]
    entry = score("s", judged)
    assert [(tag, found["accuracy"], found["n"]) for tag, found in entry["by_tag"].items()] == [
        ("task=words", 0.2, 10),
        ("task=sums", 0.8, 10),
    ]
    assert entry["weakest"][0] == "task=words"


def test_the_majority_counts_equal_answers_however_they_are_spelt() -> None:
    def sample(id: str, number: int, answer: str, status: str) -> Judged:
        judged = make_judged(answer, status, prompt=make_prompt(id), sample=number)
        return msgspec.structs.replace(judged, verdict=Verdict(status=status, method="test", answer=answer))  # type: ignore[arg-type]

    a = [sample("a", n, answer, "correct") for n, answer in enumerate(["1/2", "0.5", "\\frac{1}{2}"])]
    a += [sample("a", 3, "7", "incorrect"), sample("a", 4, "7", "incorrect")]
    b = [sample("b", n, "9", "incorrect") for n in range(4)] + [sample("b", 4, "3", "correct")]
    entry = score("s", [*a, *b])
    assert (entry["majority"]["k"], entry["majority"]["accuracy"]) == (4, 0.5), "two halves win, four nines lose"
    assert entry["calibration"]["bins"] == [
        {"n": 1, "vote_share": 0.5, "accuracy": 1.0},
        {"n": 1, "vote_share": 0.75, "accuracy": 0.0},
    ]
    assert entry["calibration"]["error"] == pytest.approx((0.5 + 0.75) / 2)


@pytest.mark.parametrize(
    ("one", "other", "p"), [(0, 0, 1.0), (5, 5, 1.0), (6, 0, 2 / 64), (9, 1, 22 / 1024), (1, 9, 22 / 1024)]
)
def test_mcnemar_is_exact(one: int, other: int, p: float) -> None:
    assert mcnemar(one, other) == pytest.approx(p)


def test_a_difference_is_paired_by_prompt() -> None:
    def side(right: set[int]) -> list[Judged]:
        return [
            make_judged(status="correct" if n in right else "incorrect", prompt=make_prompt(f"p{n}")) for n in range(10)
        ]

    found = compare(side({0, 1, 2, 3, 4, 5, 6}), side({0}))
    assert (found["only_student"], found["only_baseline"], found["difference"]) == (6, 0, 0.6)
    assert found["p_value"] == pytest.approx(2 / 64)
    assert found["retention"] == 7.0


def test_no_chance_is_said_to_be_nothing() -> None:
    sides = [
        [make_judged(status=status, prompt=make_prompt(f"p{n}")) for n in range(70)]
        for status in ("correct", "incorrect")
    ]
    found = compare(*sides)
    assert found["p_value"] == pytest.approx(2 / 2**70)
    assert in_words("ours", "base", found).endswith(
        "of 70 prompts, ours alone is right on 70, base alone on 0; p < 0.0001"
    )


def test_a_file_of_responses_is_a_baseline_and_the_weak_prompts_are_written(tmp_path: Path) -> None:
    prompts = chains(tmp_path, 30)
    recorded = tmp_path / "teacher.jsonl"
    assert cotdistill("generate", prompts, "-o", recorded, "--teacher", "mock:digit-chains").returncode == 0
    weak = tmp_path / "weak.jsonl"
    words = ("evaluate", prompts, "-o", tmp_path / "s.json", "--student", "mock:digit-chains", "--samples", "2")
    done = cotdistill(*words, "--baseline", recorded, "--write-weak", weak, "--export", "lm-eval")
    assert done.returncode == 0, done.stderr
    scores = json.loads((tmp_path / "s.json").read_text())
    student, teacher = scores["students"]
    assert (student["correct"], teacher["n"]) == (teacher["correct"], 30), "the same simulated teacher"
    assert scores["against"][str(recorded)] == {
        "n": 30,
        "only_student": 0,
        "only_baseline": 0,
        "difference": 0.0,
        "p_value": 1.0,
        "retention": 1.0,
    }
    assert "which may be chance" in done.stderr
    assert len(weak.read_text().splitlines()) == 30 - student["correct"]
    again = cotdistill(
        "generate", weak, "-o", tmp_path / "more.jsonl", "--teacher", "mock:digit-chains", "--samples", "4"
    )
    assert again.returncode == 0, "the file is one of prompts"
    shown = cotdistill("filter", recorded, "-o", tmp_path / "s.answers.jsonl", "--explain", "h0").stdout
    assert "prompt 'h0'" in shown and "sample 2" in shown and "verdict" in shown
    folder = tmp_path / "s.lm_eval"
    assert "think_end_token=</think>" in (folder / "README.md").read_text()
    assert len((folder / "data.jsonl").read_text().splitlines()) == 30


def test_a_baseline_that_lacks_an_answer_is_one_clear_line(tmp_path: Path) -> None:
    prompts = chains(tmp_path, 3)
    (tmp_path / "teacher.jsonl").write_bytes(msgspec.json.encode(make_response()) + b"\n")
    words = ("evaluate", prompts, "-o", tmp_path / "s.json", "--student", "mock:digit-chains")
    done = cotdistill(*words, "--baseline", tmp_path / "teacher.jsonl")
    assert (done.returncode, "no answer to 3 of 3 prompts, the first is 'h0'" in done.stderr) == (1, True)


@pytest.mark.slow
def test_prompts_that_the_student_was_trained_on_are_told(tmp_path: Path) -> None:
    pytest.importorskip("trl", reason="the train extra is not installed")
    prompts = chains(tmp_path, 8)
    chain = [
        ("generate", prompts, "-o", tmp_path / "r.jsonl", "--teacher", "mock:digit-chains"),
        ("filter", tmp_path / "r.jsonl", "-o", tmp_path / "k.jsonl", "--keep-incorrect"),
        ("format", tmp_path / "k.jsonl", "-o", tmp_path / "t.jsonl", "--holdout", "0.5"),
        ("finetune", tmp_path / "t.jsonl", "-o", tmp_path / "s", "--student", "tiny", "--max-steps", "1"),
    ]
    for words in chain:
        done = cotdistill(*words)
        assert done.returncode == 0, done.stderr
    trained = len((tmp_path / "t.jsonl").read_text().splitlines())
    assert 0 < trained < 8, "some on both sides"
    score = ("-o", tmp_path / "s.json", "--student", tmp_path / "s", "--max-output-tokens", "4")
    assert f"trained on {trained} of these 8 prompts" in cotdistill("evaluate", prompts, *score).stderr
    held = cotdistill("evaluate", tmp_path / "t.holdout.prompts.jsonl", *score)
    assert (held.returncode, "trained on" in held.stderr) == (0, False), held.stderr


def test_progress_counts_tokens_while_the_first_answers_are_still_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch of long answers ends none for minutes, and a bar that stands still says nothing."""
    pytest.importorskip("transformers", reason="the train extra is not installed")
    from cotdistill.config import EvaluateConfig
    from cotdistill.dispatch import speed
    from cotdistill.progress import Silent
    from cotdistill.stages import evaluate

    class Reports(Silent):
        def __init__(self) -> None:
            self.seen: list[tuple[int, str]] = []

        def update(self, done: int, detail: str = "") -> None:
            self.seen.append((done, detail))

    monkeypatch.setattr(speed, "BETWEEN_REPORTS_S", 0.01)
    reports = Reports()
    config = EvaluateConfig(student="tiny", max_output_tokens=64, samples=2)
    evaluate.run(chains(tmp_path, 2), tmp_path / "s.json", config, reports)
    found = [(done, re.match(r"([\d,]+) tokens, [\d,]+/s, ", detail)) for done, detail in reports.seen]
    tokens = [(done, int(match[1].replace(",", ""))) for done, match in found if match]
    assert len(tokens) == len(reports.seen), reports.seen[-1]
    assert any(done == 0 and count > 0 for done, count in tokens), "counted before the first answer was there"
    assert tokens == sorted(tokens)
    lines = (tmp_path / "s.answers.jsonl").read_text().splitlines()
    assert tokens[-1] == (6, sum(json.loads(line)["response"]["usage"]["output_tokens"] for line in lines))
