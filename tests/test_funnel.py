"""What filter reports: accuracy by tag with honest intervals, funnel, pass rates, cost, suspect references."""

import json
from pathlib import Path

import pytest

from cotdistill.answers.confusion import class_scores, confusion_of
from cotdistill.artifacts import read_manifest
from cotdistill.artifacts.scores import ByClass, Score, read
from cotdistill.artifacts.summary import _table, as_text
from cotdistill.artifacts.summary_tables import distinguishing, scores_table
from cotdistill.config import FilterConfig
from cotdistill.errors import UsageError
from cotdistill.progress import Silent
from cotdistill.records import Judged, Response, Verdict
from cotdistill.report.explain import explain
from cotdistill.stages import filter as stage
from cotdistill.stages.filter.funnel import _bin
from cotdistill.statistics import Clustered, wilson
from tests.conftest import cotdistill, make_prompt, make_response, write_records


def sift(tmp_path: Path, given: list[Response], **options: object) -> Path:
    source = tmp_path / "r.jsonl"
    write_records(source, given)
    stage.run(source, tmp_path / "kept.jsonl", FilterConfig(**options), Silent())  # type: ignore[arg-type]
    return tmp_path / "kept.jsonl"


def prompt_with(id: str, answers: list[str], reference: str = "4", **more: object) -> list[Response]:
    prompt = make_prompt(id, f"question {id}", reference, **more)
    return [make_response(f"{n}: Answer: {a}", prompt, sample=n, cost_usd="0.25") for n, a in enumerate(answers)]


def test_samples_of_one_prompt_do_not_count_as_independent_trials() -> None:
    alike, apart = Clustered(), Clustered()
    for n in range(50):
        alike.add(8 * (n % 2), 8)  # all right or all wrong
        apart.add(4, 8)
    low, high = alike.interval()
    expected = wilson(25, 50)
    assert (low, high) == pytest.approx(expected, abs=0.005), "400 samples, but 50 independent things"
    assert apart.interval() == pytest.approx(wilson(200, 400)), "within-prompt spread alone: every sample counts"
    for extreme in (0, 8):
        sure = Clustered()
        for _ in range(10):
            sure.add(extreme, 8)
        assert sure.interval() == wilson(10 * (extreme > 0), 10), "no spread seen: one trial a prompt"
    assert Clustered().interval() == (0.0, 1.0)


def test_accuracy_is_told_by_tag_and_cost_by_kept_trace(tmp_path: Path) -> None:
    given = prompt_with("a", ["4", "4"], tags={"level": "easy"}) + prompt_with("b", ["4", "5"], tags={"level": "hard"})
    kept = sift(tmp_path, given)
    manifest = read_manifest(kept.with_suffix(".manifest.json"))
    tags = manifest.results["accuracy_by_tag"]
    assert {tag: (one["accuracy"], one["responses"]) for tag, one in tags.items()} == {
        "level=easy": (1.0, 2),
        "level=hard": (0.5, 2),
    }
    assert manifest.results["cost_usd_per_kept"] == "0.333333", "four answers bought for three kept"
    assert manifest.results["prompts_by_pass_rate"] == {
        "0": 0, "to 1/4": 0, "to 1/2": 1, "to 3/4": 0, "below 1": 0, "1": 1,
    }  # fmt: skip
    shown = as_text(manifest)
    assert "level=easy  100.0%" in shown
    assert "verify: incorrect 1" in shown


def test_a_tag_with_line_breaks_or_without_end_is_one_short_line_of_the_table(tmp_path: Path) -> None:
    tags = [{"of": "x\nWARNING: all is lost"}, {"of": "y" * 100_000}]
    given = [one for n, tag in enumerate(tags) for one in prompt_with(str(n), ["4"], tags=tag)]
    shown = as_text(read_manifest(sift(tmp_path, given).with_suffix(".manifest.json"))).splitlines()
    assert sum(line.startswith("    of=x WARNING: all is lost ") for line in shown) == 1
    assert max(map(len, shown[1:])) < 150


@pytest.mark.parametrize(
    ("rate", "name"),
    [(0, "0"), (0.01, "to 1/4"), (0.25, "to 1/4"), (0.26, "to 1/2"), (0.75, "to 3/4"), (0.99, "below 1"), (1, "1")],
)
def test_pass_rates_fall_into_six_bins(rate: float, name: str) -> None:
    assert _bin(rate) == name


def test_a_missing_reference_is_told_apart_from_one_that_cannot_be_read(tmp_path: Path) -> None:
    given = [
        make_response("Answer: 4", make_prompt(name, f"q {name}", gold)) for name, gold in (("a", None), ("b", "("))
    ]
    notes = read_manifest(sift(tmp_path, given, verify="math").with_suffix(".manifest.json")).notes
    assert "1 response could not be judged: no reference stands with the prompt" in notes
    assert any("the first is '(' of prompt 'b'" in note for note in notes)


def test_a_truncated_answer_is_right_in_no_rate_and_votes_for_nothing(tmp_path: Path) -> None:
    prompt = make_prompt()
    given = [make_response("Answer: 4", prompt, sample=n, stop_reason="length") for n in range(2)]
    given += [make_response("Answer: 5", prompt, sample=2), make_response("Answer: 4", prompt, sample=3)]
    kept = sift(tmp_path, given)
    results = read_manifest(kept.with_suffix(".manifest.json")).results
    assert results["accuracy"] == 0.25, "one of four, as evaluate counts too"
    assert results["prompts_by_pass_rate"]["to 1/4"] == 1
    (one,) = map(json.loads, kept.read_text().splitlines())
    assert (one["correct"], one["pass_rate"], one["vote_share"]) == (1, 0.25, 0.25)

    agreeing = [make_response("Answer: 7", prompt, sample=n, stop_reason="length") for n in range(4)]
    sift(tmp_path, agreeing)
    assert not (tmp_path / "kept.suspects.jsonl").exists(), "cut-off answers agree on nothing"


def test_a_prompt_whose_samples_agree_against_the_reference_is_suspect(tmp_path: Path) -> None:
    given = prompt_with("typo", ["7.0", "7", "14/2", "4"], reference="70")
    given += prompt_with("torn", ["1", "2", "1", "2"]) + prompt_with("few", ["5", "5"])
    kept = sift(tmp_path, given)
    (suspect,) = map(json.loads, (tmp_path / "kept.suspects.jsonl").read_text().splitlines())
    assert (suspect["id"], suspect["reference"], suspect["votes"], suspect["samples"]) == ("typo", "70", 3, 4)
    assert suspect["answer"] == "7.0"
    manifest = read_manifest(kept.with_suffix(".manifest.json"))
    assert manifest.results["suspect_references"] == 1
    assert any("1 reference is suspect" in note for note in manifest.notes)
    sift(tmp_path, prompt_with("fine", ["4"]))
    assert not (tmp_path / "kept.suspects.jsonl").exists(), "an old report does not stay"


def test_explain_shows_each_sample_and_its_decision(tmp_path: Path) -> None:
    given = prompt_with("a", ["4", "5", "4"]) + prompt_with("b", ["4"])
    kept = sift(tmp_path, given, select="first:k=1")
    done = cotdistill("filter", tmp_path / "r.jsonl", "-o", kept, "--explain", "a")
    assert done.returncode == 0, done.stderr
    assert "sample 0: kept" in done.stdout
    assert "sample 1: dropped by verify: incorrect" in done.stdout
    assert "sample 2: dropped by select: not chosen by first:k=1" in done.stdout
    assert "pass rate 67%" in done.stdout
    assert "question b" not in done.stdout


def test_explain_needs_a_finished_run_and_a_known_prompt(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no finished run to explain"):
        explain(tmp_path / "kept.jsonl", "a")
    kept = sift(tmp_path, prompt_with("a", ["4"]))
    with pytest.raises(UsageError, match="--explain 'z': no such prompt"):
        explain(kept, "z")


def test_what_a_model_wrote_does_not_move_the_cursor(tmp_path: Path) -> None:
    kept = sift(tmp_path, [make_response("\x1b[2J Answer: 4")])
    assert "\x1b" not in explain(kept, "p1")


def test_the_summary_says_of_each_class_how_well_it_fits() -> None:
    pairs = [("bug", "bug")] * 3 + [("bug", "billing"), ("billing", "billing")]
    verdicts = [Verdict(status="correct", method="label", reference=gold, answer=said) for gold, said in pairs]
    found = class_scores(confusion_of(Judged(response=make_response(), verdict=one) for one in verdicts))
    title, billing, bug = _table({"by_class": found})
    assert title == "  by class (macro F1 0.762):"
    assert "precision  50.0%  recall 100.0%" in billing and "taken for" not in billing
    assert bug.endswith("F1 0.857  n=4  taken for billing 1 times")
    of_class = read(found, ByClass)
    entry = Score(student="s", accuracy=0.8, interval=(0.4, 0.9), n=5, correct=4, stopped=1.0, by_class=of_class)
    assert [line.strip() for line in scores_table([entry])[1:]] == [line.strip() for line in (title, billing, bug)]


def test_a_tag_that_all_prompts_share_or_that_hardly_two_share_is_no_group() -> None:
    pages = [f"place=page {number}" for number in range(30)]
    assert distinguishing(["method=extract", "facet=name", "facet=time", *pages]) == ["facet=name", "facet=time"]
