"""The near-duplicate filter: the same problem in other words, and what only looks like it."""

import json
import random
import re
from itertools import pairwise

import pytest

from cotdistill.errors import UsageError
from cotdistill.filters._shingles import MOST, digits_and_signs, jaccard, sketch
from cotdistill.filters.near_duplicate import Filter
from cotdistill.plugins import build
from tests.benchmarks.near_duplicates import EDITS, GSM8K, other_numbers
from tests.conftest import make_judged, make_prompt

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
        near.reason_to_drop(make_judged(prompt=make_prompt(str(number), question)))
        for number, question in enumerate(questions)
    ]


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
    assert found == [None, None, ANOTHER, ANOTHER, None, None, ANOTHER]


def test_the_answers_to_one_prompt_are_compared_with_each_other_only() -> None:
    near = Filter(on="response")
    trace = "First we take the 16 eggs and remove 3 and 4 of them, which leaves 9 eggs. Each brings 2 dollars, so 18."
    other = (
        "Selling brings two dollars for each of nine. Nine remain of sixteen when seven go. The product is eighteen."
    )
    slip = trace.replace("9", "8")
    found = [
        near.reason_to_drop(make_judged(reasoning=reasoning, prompt=make_prompt(id)))
        for id, reasoning in (("a", trace), ("a", other), ("a", trace.lower()), ("a", slip), ("b", trace))
    ]
    assert found == [None, None, "near duplicate of another answer", "near duplicate of another answer", None]


def test_the_threshold_decides() -> None:
    again = EGGS.replace("Janet", "Amara").replace("muffins", "cakes").replace("fresh ", "")
    assert verdicts(EGGS, again, spec="near_duplicate:threshold=1.0") == [None, None]
    with pytest.raises(UsageError, match=r"threshold: expected float >= 0.5, got '0.2'"):
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
