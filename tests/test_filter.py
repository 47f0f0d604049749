import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cotdistill.artifacts.json_lines import read_records
from cotdistill.config import FilterConfig
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.plugins import build
from cotdistill.progress import Silent
from cotdistill.records import Dropped, Judged, Response
from cotdistill.stages import filter as stage
from tests.conftest import make_judged, make_prompt, make_response, write_records


def sift(tmp_path: Path, *responses: Response, **options: Any) -> tuple[list[Judged], list[Dropped], dict[str, Any]]:
    source = tmp_path / "r.jsonl"
    write_records(source, responses)
    manifest = stage.run(source, tmp_path / "kept.jsonl", FilterConfig(**options), Silent())
    kept = list(read_records(tmp_path / "kept.jsonl", Judged))
    dropped = list(read_records(tmp_path / "kept.dropped.jsonl", Dropped))
    return kept, dropped, msgspec.to_builtins(manifest)


def samples(*texts: str, **more: Any) -> list[Response]:
    return [make_response(text, sample=number, **more) for number, text in enumerate(texts)]


def test_right_answers_are_kept_and_wrong_ones_dropped_with_their_status(tmp_path: Path) -> None:
    kept, dropped, manifest = sift(tmp_path, *samples("Answer: 4", "Answer: 5", "I do not know."))
    assert [one.response.sample for one in kept] == [0]
    assert [(one.filter, one.reason) for one in dropped] == [("verify", "incorrect"), ("verify", "no_answer")]
    assert manifest["counts"] == {"prompts": 1, "responses": 3, "kept": 1, "prompts_kept": 1, "dropped": 2}
    assert manifest["results"]["accuracy"] == 0.3333


def test_the_pass_rate_counts_every_sample_of_the_prompt(tmp_path: Path) -> None:
    kept, dropped, _ = sift(tmp_path, *samples("4 it is: 4", "Answer: 4", "Answer: 5", "Answer: 6"))
    assert {one.pass_rate for one in kept} | {one.judged.pass_rate for one in dropped} == {0.5}


def test_nothing_is_lost_kept_and_dropped_are_all_there_was(tmp_path: Path) -> None:
    given = [
        make_response(f"Answer: {n % 7}", make_prompt(f"p{p}", f"{p}?", "3"), sample=n)
        for p in range(20)
        for n in range(10)
    ]
    kept, dropped, _ = sift(tmp_path, *given, select="first:k=1")
    back = [one.response for one in kept] + [one.judged.response for one in dropped]
    key = lambda one: (one.prompt.id, one.sample)  # noqa: E731
    assert sorted(back, key=key) == sorted(given, key=key)


@pytest.mark.parametrize(
    ("stop_reason", "reason"),
    [
        ("length", "truncated at the output cap"),
        ("refusal", "refused"),
        ("content_filter", "cut by the provider's content filter"),
        ("other", "did not end normally"),
    ],
)
def test_an_answer_that_did_not_end_is_dropped_as_such_even_when_right(
    tmp_path: Path, stop_reason: str, reason: str
) -> None:
    _, dropped, _ = sift(tmp_path, make_response("Answer: 4", stop_reason=stop_reason))
    assert [(one.filter, one.reason) for one in dropped] == [("stop_reason", reason)]


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        ("So, 4!  Answer: 4.", "so 4 answer: 4", "same answer to this prompt already | sample 0"),
        ("2+2 = 4", "2*2 = 4", None),
        ("5-1 = 4", "5+1 = 4", None),
    ],
)
def test_equal_answers_fold_case_space_and_punctuation_but_not_operators(
    one: str, other: str, reason: str | None
) -> None:
    duplicate = build("filters", "exact_duplicate")
    assert duplicate.reason_to_drop(make_judged(one)) is None
    assert duplicate.reason_to_drop(make_judged(other, sample=1)) == reason


def test_one_problem_under_two_ids_is_kept_once_but_a_wrong_first_does_not_shadow_a_right_second(
    tmp_path: Path,
) -> None:
    def answer(id: str, question: str, text: str) -> Response:
        return make_response(text, make_prompt(id, question))

    kept, dropped, _ = sift(
        tmp_path,
        answer("a", "What is 2+2?", "Answer: 4"),
        answer("b", "what is  2+2", "Answer: 4"),
        answer("c", "Two and two?", "Answer: 5"),
        answer("d", "two and two", "Answer: 4"),
    )
    assert [one.response.prompt.id for one in kept] == ["a", "d"]
    assert [(one.judged.response.prompt.id, one.reason) for one in dropped] == [
        ("b", "same problem under another id | a"),
        ("c", "incorrect"),
    ]


def test_stray_think_tags_are_dropped(tmp_path: Path) -> None:
    _, dropped, _ = sift(
        tmp_path, make_response("Answer: 4", reasoning="a </think> b"), make_response("<think>x Answer: 4", sample=1)
    )
    assert [one.reason for one in dropped] == ["think tag inside the reasoning", "think tag inside the answer"]


def test_an_answer_that_speaks_of_other_tags_in_code_is_kept(tmp_path: Path) -> None:
    kept, _, _ = sift(tmp_path, make_response("The element `<reasoning>` holds it. Answer: 4", reasoning="a"))
    assert len(kept) == 1


def test_empty_answers_are_dropped_also_without_a_reference_and_with_a_trace(tmp_path: Path) -> None:
    texts = ["A good answer.", "", "", " \n\t", "\u200b\ufeff", "0"]
    kept, dropped, _ = sift(
        tmp_path,
        *(
            make_response(text, make_prompt(f"p{n}", f"Say {n}.", None), reasoning=None if n == 2 else "I think hard.")
            for n, text in enumerate(texts)
        ),
    )
    assert [one.response.text for one in kept] == ["A good answer.", "0"]
    assert [(one.judged.response.prompt.id, one.filter, one.reason) for one in dropped] == [
        ("p1", "empty_answer", "empty answer after a trace"),
        ("p2", "empty_answer", "empty answer"),
        ("p3", "empty_answer", "empty answer after a trace"),
        ("p4", "empty_answer", "empty answer after a trace"),
    ]


@pytest.mark.parametrize(
    "frame", ["\\boxed{{{}}}", "$$\\boxed{{{}}}$$", "<answer>{}</answer>", "**Answer:** {}", "```\n{}\n```"]
)
def test_an_answer_that_is_nothing_but_its_frame_is_empty(frame: str) -> None:
    empty_answer = build("filters", "empty_answer")
    assert empty_answer.reason_to_drop(make_judged(frame.format(""))) == "empty answer"
    assert empty_answer.reason_to_drop(make_judged(frame.format("x"))) is None, "it holds something"


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("length:max_reasoning=3", "reasoning over 3 characters"),
        ("length:min_reasoning=99", "reasoning under 99 characters"),
        ("length:max_answer=3", "answer over 3 characters"),
        ("length:min_answer=99", "answer under 99 characters"),
        ("length", None),
    ],
)
def test_lengths_of_trace_and_answer_apart(spec: str, reason: str | None) -> None:
    assert build("filters", spec).reason_to_drop(make_judged(reasoning="2+2=4")) == reason


def test_an_empty_answer_is_too_short_by_default() -> None:
    assert build("filters", "length").reason_to_drop(make_judged(" \n")) == "answer under 1 characters"


def test_filter_none_clears_the_defaults(tmp_path: Path) -> None:
    given = [make_response("Answer: 4", stop_reason="length"), make_response("Answer: 4", sample=1)]
    assert len(sift(tmp_path, *given, filter=("none",))[0]) == 2
    kept, _, _ = sift(tmp_path, *given, filter=("none", "stop_reason"))
    assert [one.response.sample for one in kept] == [1]


@pytest.mark.parametrize(("spec", "chosen"), [("first:k=2", [0, 1]), ("shortest:k=2", [1, 2]), ("shortest", [2])])
def test_selectors_choose_among_the_right_ones_and_the_others_are_dropped(
    tmp_path: Path, spec: str, chosen: list[int]
) -> None:
    kept, dropped, _ = sift(tmp_path, *samples("It is, surely, 4", "It is 4", "4"), select=spec)
    assert [one.response.sample for one in kept] == chosen
    assert {(one.filter, one.reason) for one in dropped} == {("select", f"not chosen by {spec}")}


def test_keep_incorrect_keeps_the_verdict_with_each(tmp_path: Path) -> None:
    kept, _, _ = sift(tmp_path, *samples("Answer: 4", "Answer: 5"), keep_incorrect=True)
    assert [one.verdict.status for one in kept] == ["correct", "incorrect"]


def test_each_prompt_is_judged_by_its_own_verifier_or_by_what_its_reference_is(tmp_path: Path) -> None:
    def answer(id: str, text: str, **prompt: Any) -> Response:
        return make_response(text, make_prompt(id, f"question {id}", **prompt))

    kept, _, manifest = sift(
        tmp_path,
        answer("number", "It is 0.50", reference="1/2"),
        answer("words", "the Eiffel Tower", reference="The Eiffel tower"),
        answer("own", "1/2", reference="1/2", verifier="exact"),
        answer("none", "a poem", reference=None),
    )
    assert [(one.response.prompt.id, one.verdict.status) for one in kept] == [
        ("number", "correct"),
        ("words", "correct"),
        ("own", "correct"),
        ("none", "unverified"),
    ]
    assert manifest["notes"][0] == "verified with exact (2), math (1), none (1)"


def test_a_data_file_cannot_choose_code_to_run(tmp_path: Path) -> None:
    (tmp_path / "evil.py").write_text("raise SystemExit('ran')")
    prompt = make_prompt(verifier=str(tmp_path / "evil.py"))
    with pytest.raises(CotDistillError, match=r"its verifier is a file.*pass files with --verify only"):
        sift(tmp_path, make_response(prompt=prompt))


def test_a_wrong_spec_ends_the_run_before_it_begins(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no verifier named 'maths'"):
        sift(tmp_path, make_response(), verify="maths")
    assert not (tmp_path / "kept.jsonl").exists()


def test_hostile_text_goes_through_and_comes_back_unchanged(tmp_path: Path) -> None:
    texts = ["\x00" * 50, "\u202e4", "\\boxed{" * 3000, "(" * 3000 + "4", "9" * 100_000, "{{{{$$$$", "</script>"]
    kept, dropped, _ = sift(tmp_path, *samples(*texts))
    assert sorted(one.response.text for one in kept) + sorted(one.judged.response.text for one in dropped) != []
    assert len(kept) + len(dropped) == len(texts)


def test_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    given = samples("Answer: 4", "Answer: 5", "Answer: 4.0")
    sift(tmp_path, *given)
    before = (tmp_path / "kept.jsonl").read_bytes(), (tmp_path / "kept.dropped.jsonl").read_bytes()
    sift(tmp_path, *given)
    assert ((tmp_path / "kept.jsonl").read_bytes(), (tmp_path / "kept.dropped.jsonl").read_bytes()) == before
    assert json.loads((tmp_path / "kept.manifest.json").read_text())["outputs"][1]["records"] == 1
