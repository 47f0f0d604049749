"""The contamination filter: what stands in an evaluation file, in which one, and what only resembles it."""

import json
from pathlib import Path

import pytest

from cotdistill.errors import CotDistillError, UsageError
from cotdistill.filters import Filter
from cotdistill.plugins import build
from tests.conftest import SHARED, make_judged, make_prompt

EGGS = (
    "Janet's ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes muffins for her friends "
    "every day with four. How much does she make every day at the farmers' market?"
)
GOATS = (
    "Seven goats stand on a hill above the village and two of them go home before the evening bell rings. Who stays?"
)


@pytest.fixture
def evaluation(tmp_path: Path) -> Path:
    path = tmp_path / "eval set.jsonl"
    items = [("ducks", EGGS), ("short", "Factor x^2 - 1."), ("tiny", "2+2?"), ("zh", "一共有多少个鸡蛋在篮子里面呢？")]
    path.write_text("".join(json.dumps({"id": id, "question": text}) + "\n" for id, text in items))
    return path


def reason(one: Filter, question: str) -> str | None:
    return one.reason_to_drop(make_judged(prompt=make_prompt(question=question)))


@pytest.mark.parametrize(
    ("question", "item"),
    [
        (EGGS, "ducks"),
        (EGGS.upper(), "ducks"),
        (f"Please solve this. {EGGS.replace(',', '').replace('.', '!')} Think first.", "ducks"),
        (EGGS.replace("16", "20"), "ducks"),
        (EGGS.partition("every morning and")[0] + " And how many are left after breakfast?", None),
        ("Factor x^2 - 1.", "short"),
        ("Please factor  $x^2-1$", "short"),
        ("Factor x^2 + 1.", None),
        ("Let f be a map. Factor x^2 - 1 over the field with five elements, then count roots.", None),
        ("2 + 2", "tiny"),
        ("2 - 2", None),
        ("2 + 2 + 2 + 2 + 2", None),
        ("一共有多少个鸡蛋在篮子里面?", "zh"),
        ("一共有多少个苹果？", None),
        (GOATS, None),
        ("", None),
        ("?", None),
    ],
)
def test_an_item_is_found_as_it_is_and_edited(evaluation: Path, question: str, item: str | None) -> None:
    expected = item and f"in an evaluation set | eval set.jsonl {item}"
    assert reason(build("filters", f"contamination:against={evaluation}"), question) == expected


def test_any_eight_words_in_a_row_are_enough_for_any8(evaluation: Path) -> None:
    eight = "Tom knows that she eats three for breakfast every morning and bakes bread"
    assert reason(build("filters", f"contamination:against={evaluation}"), eight) is None
    any8 = build("filters", f"contamination:against={evaluation},rule=any8")
    assert reason(any8, eight) == "in an evaluation set | eval set.jsonl ducks"
    assert reason(any8, "Tom knows that she eats three for breakfast every day") is None
    assert reason(any8, "Factor x^2 - 1.") == "in an evaluation set | eval set.jsonl short"


def test_the_threshold_is_the_share_of_the_item(evaluation: Path) -> None:
    part = EGGS.partition(" She eats")[0] + " in the summer."
    assert reason(build("filters", f"contamination:against={evaluation}"), part) is None
    assert reason(build("filters", f"contamination:against={evaluation},threshold=0.05"), part) is not None


def test_several_files_of_any_format_are_one_filter(evaluation: Path, tmp_path: Path) -> None:
    (tmp_path / "goats.csv").write_text(f'id,problem\n"g\n1","{GOATS}"\n')
    one = build("filters", f"contamination:against={evaluation}|{tmp_path / 'goats.csv'}")
    assert reason(one, EGGS) == "in an evaluation set | eval set.jsonl ducks"
    assert reason(one, GOATS) == "in an evaluation set | goats.csv g1", "the reason stays one line"


def test_the_system_prompt_does_not_count_and_every_sample_of_a_prompt_is_dropped(evaluation: Path) -> None:
    one = build("filters", f"contamination:against={evaluation}")
    samples = [make_judged(prompt=make_prompt(question=EGGS), sample=n) for n in range(3)]
    assert [one.reason_to_drop(sample) for sample in samples] == ["in an evaluation set | eval set.jsonl ducks"] * 3


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("contamination", "needs against: write contamination:against="),
        ("contamination:against=", "no evaluation file ''"),
        ("contamination:against=missing.jsonl", "no evaluation file 'missing.jsonl'"),
        ("contamination:against=x,rule=any9", "rule: expected one of containment, any8, got 'any9'"),
    ],
)
def test_a_file_that_is_not_there_ends_the_run_before_it_begins(spec: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        build("filters", spec)


def test_a_file_that_holds_no_problems_says_so(tmp_path: Path) -> None:
    (tmp_path / "odd.jsonl").write_text('{"text": "x"}\n')
    one = build("filters", f"contamination:against={tmp_path / 'odd.jsonl'}")
    with pytest.raises(CotDistillError, match="no question: expected one of"):
        reason(one, EGGS)


@pytest.mark.skipif(not (SHARED / "data" / "gsm8k").is_dir(), reason="needs GSM8K in ../shared/data")
def test_the_train_questions_of_gsm8k_are_not_in_its_test_set() -> None:
    """But for three, which were read: the same problems with other names and numbers."""
    data = SHARED / "data" / "gsm8k"
    one = build("filters", f"contamination:against={data / 'test.jsonl'}")
    train, test = ([json.loads(line)["question"] for line in (data / name).read_bytes().splitlines()]
                   for name in ("train.jsonl", "test.jsonl"))  # fmt: skip
    assert sum(reason(one, question) is not None for question in train) == 3
    assert all(reason(one, question) for question in test)
