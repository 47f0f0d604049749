"""The near-duplicate filter: the same problem in other words, and what only looks like it."""

import json
import random
import re
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from cotdistill.artifacts.json_lines import read_records
from cotdistill.config import FilterConfig
from cotdistill.errors import UsageError
from cotdistill.filters._shingles import MOST, digits_and_signs, jaccard, sketch
from cotdistill.filters.near_duplicate import Filter
from cotdistill.plugins import build
from cotdistill.progress import Silent
from cotdistill.records import Dropped, Judged
from cotdistill.stages import filter as stage
from tests.benchmarks.near_duplicates import EDITS, GSM8K, other_numbers
from tests.conftest import make_judged, make_prompt, make_response

EGGS = (
    "Janet's ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes muffins for her friends "
    "every day with 4. She sells the remainder at the farmers' market daily for $2 per fresh duck egg. How much in "
    "dollars does she make every day at the farmers' market?"
)
PASSAGE = (
    "The bridge over the Aar was built by masons from the valley, who took nine summers over it and slept in tents on "
    "the northern bank. When at last a procession crossed it, two oxen refused to follow, and the mayor had to promise "
    "the drovers a barrel of wine. Since that day, as people there will tell anyone who listens, nobody crosses on a "
    "Friday without touching the railing; travellers laugh about this, but they do it too."
)
ANOTHER = "near duplicate of another problem"


def verdicts(*questions: str, spec: str = "near_duplicate") -> list[str | None]:
    near: Filter = build("filters", spec)
    return [
        without_twin(near.reason_to_drop(make_judged(prompt=make_prompt(str(number), question))))
        for number, question in enumerate(questions)
    ]


def without_twin(reason: str | None) -> str | None:
    return reason and reason.partition(" | ")[0]


@pytest.mark.parametrize(
    "again",
    [
        EGGS.upper(),
        EGGS.replace(".", " ;").replace("'", "’"),
        "Solve this problem. " + EGGS + " Think step by step.",
        EGGS.replace("Janet", "Amara").replace("muffins", "cakes").replace("fresh ", ""),
        EGGS.replace("three ", ""),
        "12. " + EGGS,
        "**Question 7:** " + EGGS,
        EGGS.replace("16", "16.").replace("$2", "2"),
    ],
)
def test_the_same_problem_in_other_words_is_dropped_and_the_first_stays(again: str) -> None:
    assert verdicts(EGGS, again) == [None, ANOTHER]
    assert verdicts(again, EGGS) == [None, ANOTHER]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (EGGS, EGGS.replace("16", "17")),
        (EGGS, EGGS.replace("$2", "$2.50")),
        (EGGS, EGGS.replace("16 eggs", "4 eggs").replace("with 4", "with 16")),
        (EGGS, EGGS.replace("three", "five")),
        (EGGS + " Two of three geese help.", EGGS + " Three of three geese help."),
        ("Solve for all x: x^2 + 5x + 6 = 0", "Solve for all x: x^2 - 5x + 6 = 0"),
        ("Compute the value of 12*3 + 4", "Compute the value of 12/3 + 4"),
        ("What is the capital of France?", "What is the capital of Spain?"),
        (f"{PASSAGE} Who slept in tents?", f"{PASSAGE} Which animals were afraid of what had been finished that year?"),
        (f"Who slept in tents? {PASSAGE}", f"Which animals were afraid of what had been finished that year? {PASSAGE}"),
        ("Find the largest number of 2 digits in here", "Find the smallest number of 2 digits in here"),
    ],
)
def test_another_problem_in_the_same_words_stays(one: str, other: str) -> None:
    assert verdicts(one, other) == [None, None]


def test_a_copy_without_its_punctuation_is_a_copy() -> None:
    text = EGGS.replace("$2", "$1,002.50").replace("three", "3/4 of a dozen")
    assert verdicts(text, re.sub(r"[^\w\s]", " ", text)) == [None, ANOTHER]
    assert verdicts(text, re.sub(r"[^\w\s]", "", text.replace("/", " "))) == [None, ANOTHER]


def test_digits_and_operators_are_read_in_order() -> None:
    text = "Tom-the-baker sold 1,000 **good** rolls at $2.50 - 3 each, (x - 1)*4 ≤ -7 in the 120-page book; 1/2."
    assert digits_and_signs(text) == "1000250-3-1*4≤-712012"


def test_a_text_is_compared_with_the_kept_ones_not_with_the_dropped() -> None:
    first, second = (
        [letter * 3 + other for other in "abcdefghijklmnopqrst" for letter in pair] for pair in ("xy", "vw")
    )
    drifting = [" ".join(second[:place] + first[place:]) for place in (0, 8, 16)]
    assert verdicts(*drifting) == [None, ANOTHER, None]
    assert verdicts(*drifting[1:]) == [None, ANOTHER]


def test_the_samples_of_one_prompt_share_its_fate() -> None:
    near = Filter()
    eggs, again = make_prompt("a", EGGS), make_prompt("b", EGGS.lower())
    given = [eggs, eggs, again, again, make_prompt("c", "Something else entirely, about 7 goats?"), eggs, again]
    found = [near.reason_to_drop(make_judged(prompt=prompt, sample=n)) for n, prompt in enumerate(given)]
    assert found == [None, None, f"{ANOTHER} | a", f"{ANOTHER} | a", None, None, f"{ANOTHER} | a"]


def test_the_answers_to_one_prompt_are_compared_with_each_other_only() -> None:
    near = Filter(on="response")
    trace = "First we take the 16 eggs and remove 3 and 4 of them, which leaves 9 eggs. Each brings 2 dollars, so 18."
    other = (
        "Selling brings two dollars for each of nine. Nine remain of sixteen when seven go. The product is eighteen."
    )
    slip = trace.replace("9", "8")
    found = [
        near.reason_to_drop(make_judged(reasoning=reasoning, prompt=make_prompt(id), sample=sample))
        for sample, (id, reasoning) in enumerate(
            (("a", trace), ("a", other), ("a", trace.lower()), ("a", slip), ("b", trace))
        )
    ]
    again = "near duplicate of another answer | sample 0"
    assert found == [None, None, again, again, None]


def test_the_threshold_decides() -> None:
    again = EGGS.replace("Janet", "Amara").replace("muffins", "cakes").replace("fresh ", "")
    assert verdicts(EGGS, again, spec="near_duplicate:threshold=1.0") == [None, None]
    with pytest.raises(UsageError, match=r"threshold: expected 0.5 to 1, got '0.2'"):
        build("filters", "near_duplicate:threshold=0.2")


def test_of_a_long_text_a_bounded_sample_is_remembered() -> None:
    lots = random.Random(0)
    vocabulary = ["".join(lots.choices("abcdefgh", k=6)) for _ in range(9000)]
    text = lots.choices(vocabulary, k=20_000)
    half = text[:10_000] + lots.choices(vocabulary, k=10_000)
    (_, one), (_, other) = sketch(" ".join(text), False), sketch(" ".join(half), False)
    assert len(one.whole) == len(other.whole) == MOST
    exact = [{*words, *pairwise(words)} for words in (text, half)]
    similarity = len(exact[0] & exact[1]) / len(exact[0] | exact[1])
    assert jaccard(one.whole, other.whole) == pytest.approx(similarity, abs=0.05)


def test_a_long_table_of_numbers_costs_no_more_than_its_length() -> None:
    table = " ".join(f"row{n} has {n * 7919} of {n * 104729}" for n in range(10_000))
    tokens, remembered = sketch(table, True)
    assert max(map(len, tokens)) < 100, "not each with all the digits of the text before it"
    assert len(remembered.whole) == MOST
    assert verdicts(table, table.upper(), table.replace("7919", "7920")) == [None, ANOTHER, None]


def test_hostile_and_empty_texts_are_no_error() -> None:
    hostile = ("", "?!", "\x00\ud800", "a" * 1_000_000, "1+" * 100_000, "鸡" * 50_000)
    assert verdicts(*hostile) == [None] * 6, "texts without words are not compared"


HEXAGON = "How many diagonals does a regular convex hexagon have if we draw all of those that lie inside of it?"


@pytest.mark.parametrize(
    ("one", "other", "copies"),
    [
        ("9", "5", False),
        ("9", "9.0", True),
        ("$1,800", "1800", True),
        (r"\frac{1}{2}", "0.5", True),
        ("9 kg", "9 g", False),
        ("9 kg", "9", True),
        ("Paris", "paris", True),
        ("Paris", "Rome", False),
        (None, "9", True),
        ("9", None, True),
    ],
)
@pytest.mark.parametrize("name", ["near_duplicate", "exact_duplicate"])
def test_problems_whose_references_differ_are_no_copies(
    name: str, one: str | None, other: str | None, copies: bool
) -> None:
    duplicate = build("filters", name)
    again = HEXAGON.replace("hexagon", "pentagon") if name == "near_duplicate" else HEXAGON.upper()
    assert duplicate.reason_to_drop(make_judged(prompt=make_prompt("a", HEXAGON, one))) is None
    reason = duplicate.reason_to_drop(make_judged(prompt=make_prompt("b", again, other)))
    assert (reason is not None) == copies
    if copies:
        assert reason and reason.endswith(" | a"), "the reason names the one that is kept"


@pytest.mark.parametrize("name", ["near_duplicate", "exact_duplicate"])
def test_a_copy_without_a_reference_does_not_join_two_problems_with_different_ones(name: str) -> None:
    duplicate = build("filters", name)
    reasons = [
        without_twin(duplicate.reason_to_drop(make_judged(prompt=make_prompt(str(number), HEXAGON, reference))))
        for number, reference in enumerate((None, "9", "5", "9", "5", None))
    ]
    assert [reason is None for reason in reasons] == [True, False, True, False, False, False]


def kept_of(tmp_path: Path, name: str, *samples: tuple[str, str, str | None, str]) -> tuple[list[str], list[str]]:
    """What is kept of (id, question, reference, text), and the reasons of what is not."""
    responses = [make_response(text, make_prompt(id, question, reference)) for id, question, reference, text in samples]
    lines = [msgspec.json.encode(msgspec.structs.replace(one, sample=n)) for n, one in enumerate(responses)]
    (tmp_path / "r.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    filters = ("none", name)
    stage.run(tmp_path / "r.jsonl", tmp_path / "k.jsonl", FilterConfig(filter=filters), Silent())
    kept = [one.response.prompt.id for one in read_records(tmp_path / "k.jsonl", Judged)]
    return kept, [one.reason for one in read_records(tmp_path / "k.dropped.jsonl", Dropped)]


@pytest.mark.parametrize("name", ["near_duplicate", "exact_duplicate"])
def test_of_copies_the_best_is_kept_wherever_it_stands(name: str, tmp_path: Path) -> None:
    again = EGGS.lower()
    samples = [
        ("bare", EGGS, None, "Answer: 18"),
        ("half", again, "18", "Answer: 18."),
        ("half", again, "18", "Answer: 17"),
        ("other", "Where do seven goats go?", None, "Home"),
        ("full", EGGS, "18", "So 18. Answer: 18"),
        ("full", EGGS, "18", "Answer: 18"),
        ("late", again, "18", "Answer: 18"),
    ]
    kept, reasons = kept_of(tmp_path, name, *samples)
    assert kept == ["other", "full", "full"]
    assert [reason.partition(" | ")[2] for reason in reasons] == ["full", "full", "", "full"]


def test_a_problem_like_the_better_copy_is_a_copy_too() -> None:
    near: Filter = build("filters", "near_duplicate")
    first, second = (
        [letter * 3 + other for other in "abcdefghijklmnopqrst" for letter in pair] for pair in ("xy", "vw")
    )
    drifting = [" ".join(second[:place] + first[place:]) for place in (0, 8, 16)]
    given = [
        make_judged(status=status, prompt=make_prompt(str(number), text))
        for number, (text, status) in enumerate(zip(drifting, ("incorrect", "correct", "correct"), strict=True))
    ]
    for one in given:
        near.consider([one])
    assert [near.reason_to_drop(one) for one in given] == [f"{ANOTHER} | 1", None, f"{ANOTHER} | 1"]


@pytest.mark.parametrize(
    "again",
    [
        EGGS.replace("e", "\u0435"),
        EGGS.replace(" ", "\u00a0"),
        EGGS.replace("a", "a\u200b"),
        EGGS.replace("'", "&#39;"),
    ],
)
@pytest.mark.parametrize("name", ["near_duplicate", "exact_duplicate"])
def test_a_copy_in_other_letters_that_look_the_same_is_a_copy(name: str, again: str) -> None:
    assert verdicts(EGGS, again, spec=name)[1] is not None


@pytest.mark.skipif(not GSM8K.is_dir(), reason="needs GSM8K in ../shared/data")
def test_variants_of_real_problems_are_told_from_other_problems() -> None:
    lines = (GSM8K / "train.jsonl").read_bytes().splitlines()[:1500]
    questions = [json.loads(line)["question"] for line in lines]
    lots = random.Random(1)
    near = Filter()

    def dropped(kind: str, texts: list[str]) -> int:
        judged = (make_judged(prompt=make_prompt(f"{kind}{number}", text)) for number, text in enumerate(texts))
        return sum(near.reason_to_drop(one) is not None for one in judged)

    assert dropped("original", questions) <= 1
    shares = {kind: dropped(kind, [edit(one, lots) for one in questions]) / 1500 for kind, edit in EDITS.items()}
    assert shares["light"] >= 0.98, shares
    assert shares["medium"] >= 0.99, shares
    assert shares["heavy"] >= 0.90, shares
    changed = [other_numbers(one, lots) for one in questions]
    assert dropped("numbers", [new for new, old in zip(changed, questions, strict=True) if new != old]) == 0
