"""`generate --then`: a second teacher is asked where the first has no right answer, and nothing is bought twice."""

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cotdistill import report
from cotdistill.artifacts import Manifest, summary
from cotdistill.artifacts.json_lines import read_records
from cotdistill.config import FilterConfig, FormatConfig, GenerateConfig, problems
from cotdistill.dispatch.budget import Budget
from cotdistill.errors import CotDistillError, StoppedError, UsageError
from cotdistill.progress import Silent
from cotdistill.records import Response
from cotdistill.stages import filter as filtering
from cotdistill.stages import format as formatting
from cotdistill.stages import generate as stage
from tests.conftest import Notes
from tests.scripted_server import Scripted, completion, serving

COUNT = 9
CENT = {
    "price_in": 0.0,
    "price_out": 2_000.0,
    "then_price_in": 0.0,
    "then_price_out": 20_000.0,
    "max_output_tokens": 10,
}
"""The scripted server bills 5 output tokens an answer: a cent for the first teacher, ten for the second."""


def number_in(body: dict[str, Any]) -> int:
    return int(body["messages"][-1]["content"].split()[-1])


def answer(_: int, body: dict[str, Any]) -> Scripted:
    """The first teacher is right on every third question, the second on all but the first; question 1 is refused by the
    first one for good."""
    number, model = number_in(body), body["model"]
    if model == "cheap" and number == 1:
        return Scripted({"error": {"message": "no such question", "code": "invalid_prompt"}}, status=400)
    right = number % 3 == 2 if model == "cheap" else number != 0
    return Scripted(completion(str(number) if right else "-7"))


class Case:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[tuple[str, int]] = []
        self.outputs_when_stopped: list[str] | None = None
        lines = [json.dumps({"id": f"q{n}", "question": f"question {n}", "answer": str(n)}) for n in range(COUNT)]
        (folder / "prompts.jsonl").write_text("\n".join(lines))

    def run(self, *options: dict[str, Any], month: Budget | None = None) -> list[Manifest]:
        """One run for each; `asked` has model and question of the requests of the last one."""

        def answered(number: int, body: dict[str, Any]) -> Scripted:
            self.asked.append((body["model"], number_in(body)))
            return answer(number, body)

        async def all_of_them() -> list[Manifest]:
            async with serving(answered) as server:
                url = {"base_url": f"{server.url}/v1", "then_base_url": f"{server.url}/v1"}
                found = []
                for chosen in options:
                    self.asked.clear()
                    given = {
                        "teacher": "openai:cheap",
                        "then": "openai:good",
                        "verify": "math",
                        **url,
                        **CENT,
                        **chosen,
                    }
                    config = GenerateConfig(**{name: value for name, value in given.items() if value != "leave out"})
                    prompts, output = self.folder / "prompts.jsonl", self.folder / "r.jsonl"
                    try:
                        found.append(await asyncio.to_thread(stage.run, prompts, output, config, Silent(), month=month))
                    except StoppedError:
                        self.outputs_when_stopped = sorted(path.name for path in self.folder.glob("r.*"))
                return found

        return asyncio.run(all_of_them())

    def answers(self) -> list[tuple[str, int, str]]:
        found = read_records(self.folder / "r.jsonl", Response)
        return [(one.prompt.id, one.sample, one.teacher.model) for one in found]


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_the_second_teacher_is_asked_only_where_the_first_has_no_right_answer(case: Case) -> None:
    (manifest,) = case.run({})
    unsolved = [0, 1, 3, 4, 6, 7]
    assert sorted(number for model, number in case.asked if model == "good") == unsolved
    assert case.answers() == [
        (f"q{n}", sample, model)
        for n in range(COUNT)
        for sample, model in ((0, "cheap"), (1, "good"))
        if (n in unsolved or model == "cheap") and (n, model) != (1, "cheap")
    ], "in prompt order; the second one's samples are counted on"
    assert manifest.counts | {"prompts": 9, "responses": 14, "bought": 14, "failed": 0} == manifest.counts
    assert manifest.complete, "what the first refused the second has answered"
    teachers = manifest.results["teachers"]
    assert teachers["openai:cheap"] == {
        "prompts": 9, "responses": 8, "bought": 8, "prompts_right": 3, "cost_usd": "0.08",
        "cost_usd_per_prompt_right": "0.026667",
    }  # fmt: skip
    assert (teachers["openai:good"]["prompts"], teachers["openai:good"]["prompts_right"]) == (6, 5)
    assert Decimal(manifest.cost_usd or "0") == Decimal("0.68") == Decimal(manifest.results["spent_usd"])
    assert "openai:good   asked 6 prompts, right on 5 (83.3%), 0.6" in summary.as_text(manifest)


def test_a_second_run_buys_nothing_and_either_teacher_alone_buys_only_the_rest(case: Case) -> None:
    alone = {"then": None, "verify": None, "then_price_in": None, "then_price_out": None, "then_base_url": None}
    better = {**alone, "teacher": "openai:good", "price_out": 20_000.0}
    first, again, other, last = case.run({}, {}, better, {})
    assert [one.counts["bought"] for one in (first, again, other, last)] == [14, 0, 3, 0]
    assert first.outputs[0].sha256 == again.outputs[0].sha256 == last.outputs[0].sha256
    assert case.asked == [("cheap", 1)], "only what was refused, and costs nothing, is asked again"


def test_a_dry_run_says_a_bound_and_then_what_is_to_be_expected(case: Case) -> None:
    unknown, _, known = case.run({"dry_run": True}, {"limit": 6}, {"dry_run": True})
    assert not case.asked
    at_most = unknown.results["teachers_asked"]
    assert (at_most["openai:cheap"]["requests_at_most"], at_most["openai:good"]["requests_at_most"]) == (9, 9)
    assert unknown.results["cost_usd_at_most"] == "1.98", "9 * 10 tokens at 0.002, and 9 * 10 at 0.02"
    assert "cost_usd" not in unknown.results and "is not known before the store has answers" in unknown.notes[-1]
    later = known.results["teachers_asked"]
    assert later["openai:cheap"]["requests"] == 4, "three new ones, and the one that was refused"
    assert later["openai:good"]["requests_at_most"] == 3, "what it has answered is in the store"
    assert "no right answer to 60% of the 5 that are in the store" in known.notes[-1]
    assert "5 prompts are expected to go on to openai:good, at most 7" in known.notes[-1]
    assert known.notes[-1].endswith("in the store, which has 4 answers of openai:good already")
    assert Decimal(known.results["cost_usd"]) < Decimal(known.results["cost_usd_at_most"])


def test_a_dry_run_does_not_expect_requests_for_what_the_store_has_of_the_second_teacher(case: Case) -> None:
    _, known = case.run({}, {"dry_run": True})
    assert known.results["teachers_asked"]["openai:good"]["requests_at_most"] == 0
    assert known.notes[-1] == (
        "openai:good would not be asked: the store has its answers to all 6 prompts that openai:cheap has no right "
        "answer to yet"
    )


def test_with_until_accepted_each_teacher_stops_at_its_first_right_answer(case: Case) -> None:
    (manifest,) = case.run({"until_accepted": 1, "samples": 3, "then_samples": 2})
    assert case.asked.count(("cheap", 2)) == 1 and case.asked.count(("cheap", 3)) == 3
    assert case.asked.count(("good", 3)) == 1 and case.asked.count(("good", 0)) == 2
    assert [sample for id, sample, _ in case.answers() if id == "q3"] == [0, 1, 2, 3]
    assert manifest.complete


def test_a_prompt_that_nothing_can_judge_is_not_asked_of_the_second(case: Case) -> None:
    with (case.folder / "prompts.jsonl").open("a") as file:
        file.write('\n{"id": "open", "question": "question 9"}\n')
    (manifest,) = case.run({"samples": 2, "until_accepted": 1})
    assert [one for one in case.asked if one[1] == 9] == [("cheap", 9)], "nor of the first again"
    assert any(note.startswith("1 prompt has no reference that --verify can use") for note in manifest.notes)


def test_one_cap_is_over_both_and_the_second_is_not_begun_when_the_first_has_used_it_up(case: Case) -> None:
    month = Budget(Decimal("0.30"))
    stopped, rest = case.run({"max_cost": 0.25, "concurrency": 1}, {})
    assert stopped.stopped_by == "budget" and not stopped.complete
    assert Decimal(stopped.results["spent_usd"]) <= Decimal("0.25")
    assert rest.complete and Decimal(rest.results["spent_usd"]) + Decimal(stopped.results["spent_usd"]) == Decimal(
        "0.68"
    )
    (again,) = case.run({"no_cache": True}, month=month)
    assert again.stopped_by == "budget" and month.left < Decimal("0.21"), "the month's too"


def test_a_run_that_is_stopped_between_the_two_goes_on_with_the_second(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cotdistill.stages.generate import cascade

    judged = cascade._judged

    def once(*arguments: Any) -> Any:
        if case.outputs_when_stopped is None:
            raise StoppedError("stopped")
        return judged(*arguments)

    monkeypatch.setattr(cascade, "_judged", once)
    case.run({}, {})
    assert case.outputs_when_stopped == [], "no half output, and no work left"
    assert [model for model, number in case.asked if number != 1] == ["good"] * 5


def test_filter_keeps_what_either_has_right_and_card_and_report_name_both(case: Case) -> None:
    case.run({"license": "MIT", "then_license": "Apache-2.0"})
    kept = filtering.run(case.folder / "r.jsonl", case.folder / "kept.jsonl", FilterConfig(), Silent())
    assert kept.counts["kept"] == 8
    formatting.run(case.folder / "kept.jsonl", case.folder / "train.jsonl", FormatConfig(), Silent())
    card = (case.folder / "README.md").read_text()
    assert "Answers of `openai:cheap` and `openai:good`" in card
    assert "Licences of the teachers' answers: `openai:cheap` MIT; `openai:good` Apache-2.0." in card
    page = report.write(case.folder, case.folder / "report.html").path
    assert "asked 6 prompts, right on 5, 0.6" in Path(page).read_text()


@pytest.mark.parametrize(
    ("options", "name", "words"),
    [
        ({"then": "openai:b"}, "then", "needs --verify"),
        ({"then": "openai:a", "verify": "math"}, "then", "is --teacher itself"),
        ({"teacher": "mock", "then": "mock:digit-chains", "verify": "math"}, "then", "is --teacher itself"),
        ({"then_samples": 2}, "then_samples", "goes with --then"),
        ({"then": "openai:b", "verify": "math", "then_price_in": 1.0}, "then_price_in", "goes with --then-price-out"),
        (
            {"then": "openai:b", "verify": "math", "samples": 3, "until_accepted": 3, "then_samples": 2},
            "then_samples",
            "3 correct answers need as many",
        ),
    ],
)
def test_options_that_do_not_go_together_are_named(options: dict[str, Any], name: str, words: str) -> None:
    found = problems(GenerateConfig, {"teacher": "openai:a", **options})
    assert [(one, words in why) for one, why in found] == [(name, True)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"then": "openai:none", "then_price_in": None, "then_price_out": None, "max_cost": 1.0},
            "(openai:none) is not known",
        ),
        ({"then": "opnai:x"}, "no teacher named 'opnai'"),
        ({"then": "anthropic:claude", "then_base_url": None}, "ANTHROPIC_API_KEY is not set"),
        ({"max_cost": 0.05}, "one request may cost up to"),
        ({"then": "mock:none.jsonl", "then_base_url": None}, "mock:none.jsonl: no such file"),
    ],
)
def test_what_is_wrong_with_the_second_is_found_before_the_first_is_paid(
    options: dict[str, Any], words: str, case: Case
) -> None:
    with pytest.raises(CotDistillError) as error:
        case.run(options)
    assert words in str(error.value)
    assert not case.asked


def test_a_recipe_knows_the_second_teacher(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    from cotdistill.recipes.recipe import read

    monkeypatch.chdir(case.folder)
    recipe = 'prompts = "prompts.jsonl"\nmax_cost_per_month = 5\n[generate]\nteacher = "mock:digit-chains"\n'
    Path("recipe.toml").write_text(recipe + 'verify = "math"\nprice_in = 1.0\nprice_out = 1.0\nthen = "openai:none"\n')
    with pytest.raises(UsageError) as error:
        read(Path("recipe.toml"))
    assert "generate.then: OPENAI_API_KEY is not set" in str(error.value)
    assert "max_cost_per_month: generate.then: the price of 'none' is not known" in str(error.value)


def test_the_columns_of_the_prompts_are_said_once_for_both_teachers(tmp_path: Path) -> None:
    lines = [{"question": f"a=1 b=a+{n} b?", "answer": str(answer)} for n, answer in ((2, 3), (4, 9))]
    (tmp_path / "p.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    config = GenerateConfig(teacher="mock:digit-chains", then=f"mock:{tmp_path / 'p.jsonl'}", verify="math")
    notes = Notes()
    made = stage.run(tmp_path / "p.jsonl", tmp_path / "r.jsonl", config, notes)
    assert made.counts["responses"] == 3, "both were asked"
    assert len([note for note in notes.notes if "question from 'question'" in note]) == 1
    report.write(tmp_path, tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert "asked 2 prompts, right on 1" in page, "also where neither teacher has a price"
