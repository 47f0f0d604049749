"""The contamination filter: what stands in an evaluation file, in which one, and what only resembles it."""

import html
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from cotdistill.errors import CotDistillError, UsageError
from cotdistill.filters import Filter
from cotdistill.filters._texts import signed_words, words
from cotdistill.mock import problems
from cotdistill.plugins import build
from cotdistill.records import Message, Prompt
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


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("a=6 b=a*3 c=b-9 d=c+2 d?", True),
        ("Work out: A = 6; B = A * 3; C = B - 9; D = C + 2. D?", True),
        ("a=6 b=a×3 c=b−9 d=c+2 d?", True),
        ("a  =  6  b  =  a  *  3  c  =  b  -  9  d  =  c  +  2  d?", True),
        ("a=6 b=a*3 c=b-9 d=c*2 d?", False),
        ("a=6 b=a+3 c=b*9 d=c-2 d?", False),
        ("a=7 b=a*3 c=b-9 d=c+2 d?", False),
        ("a 6 b a 3 c b 9 d c 2 d", False),
    ],
)
def test_a_formula_is_its_numbers_and_its_operators(tmp_path: Path, question: str, found: bool) -> None:
    (tmp_path / "e.jsonl").write_text('{"id": "chain", "question": "a=6 b=a*3 c=b-9 d=c+2 d?"}\n')
    one = build("filters", f"contamination:against={tmp_path / 'e.jsonl'}")
    assert (reason(one, question) is not None) == found


def test_of_the_chains_of_one_kind_only_copies_are_found(tmp_path: Path) -> None:
    """Each has 12 words, and without the operators nine in ten shared half of their sequences with some item."""
    items = problems.generate(100, 99, steps=(3,))
    lines = [json.dumps({"id": str(n), "question": one.text}) for n, one in enumerate(items)]
    (tmp_path / "e.jsonl").write_text("\n".join(lines))
    one = build("filters", f"contamination:against={tmp_path / 'e.jsonl'}")
    others = problems.generate(400, 0, frozenset(one.text for one in items), (3,))
    assert sum(reason(one, other.text) is not None for other in others) == 0
    assert all(reason(one, f"Solve {item.text}") for item in items)


def test_words_keep_their_count_whatever_signs_stand_between_them() -> None:
    text = "A well-known **bold** 3-day trip and/or 24/7: x^{2} - 1, 2*(3+4) = 14, b=-3, *one* - <b>two</b> €5 一共+三"
    assert [re.sub(r"[-+*/=^<>]", "", one) for one in signed_words(text)] == words(text)
    assert {"known", "bold", "day", "or", "one"} < set(signed_words(text)), "a hyphen, a bullet, bold are no operators"
    assert {"^2", "-1", "*3", "+4", "=14", "=-3", "/7"} < set(signed_words(text))


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


def test_every_sample_of_a_prompt_is_dropped(evaluation: Path) -> None:
    one = build("filters", f"contamination:against={evaluation}")
    samples = [make_judged(prompt=make_prompt(question=EGGS), sample=n) for n in range(3)]
    assert [one.reason_to_drop(sample) for sample in samples] == ["in an evaluation set | eval set.jsonl ducks"] * 3


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("contamination", "needs against: write contamination:against="),
        ("contamination:against=", "expected the path of a file, got nothing"),
        ("contamination:against=missing.jsonl", "no evaluation file 'missing.jsonl'"),
        ("contamination:against=x,rule=any9", "rule: expected containment or any8, got 'any9'"),
    ],
)
def test_a_file_that_is_not_there_ends_the_run_before_it_begins(spec: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        build("filters", spec)


def test_a_file_that_holds_no_problems_says_so(tmp_path: Path) -> None:
    (tmp_path / "odd.jsonl").write_text('{"score": "x"}\n')
    with pytest.raises(CotDistillError, match=r"odd\.jsonl:1: no question: expected one of .*\. Rename the column"):
        build("filters", f"contamination:against={tmp_path / 'odd.jsonl'}")


def test_a_line_that_cannot_be_read_ends_the_run_before_it_begins_and_gives_no_advice_that_does_not_work(
    tmp_path: Path,
) -> None:
    (tmp_path / "torn.jsonl").write_text('{"question": "Two and two?"}\n{"question": "Tw\n')
    with pytest.raises(CotDistillError, match=r"torn\.jsonl:2: not valid JSON: .*\. Fix the line$"):
        build("filters", f"contamination:against={tmp_path / 'torn.jsonl'}")


SPELLINGS: dict[str, Callable[[str], str]] = {
    "no width": lambda text: "\u200b".join(text),
    "soft hyphens": lambda text: text.replace("e", "e\u00ad"),
    "full width": lambda text: "".join(chr(ord(one) + 0xFEE0) if "!" <= one <= "~" else one for one in text),
    "hard spaces": lambda text: text.replace(" ", "\u00a0"),
    "entities": lambda text: html.escape(text).replace(" ", "&nbsp;"),
    "escaped twice": lambda text: html.escape(text.replace(" ", "&nbsp;")),
    "Cyrillic": lambda text: text.translate(str.maketrans("aeopcxyTHBMK", "аеорсхуТНВМК")),
    "Greek": lambda text: text.replace("o", "\u03bf"),
    "bold": lambda text: "".join(chr(0x1D41A + ord(one) - 97) if "a" <= one <= "z" else one for one in text),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("reverse", [False, True], ids=["in the problem", "in the item"])
def test_an_item_is_found_in_letters_that_only_look_like_its_own(spelling: str, reverse: bool, tmp_path: Path) -> None:
    spelt = SPELLINGS[spelling](EGGS)
    item, problem = (spelt, EGGS) if reverse else (EGGS, spelt)
    (tmp_path / "e.jsonl").write_text(json.dumps({"id": "ducks", "question": item}) + "\n")
    assert reason(build("filters", f"contamination:against={tmp_path / 'e.jsonl'}"), problem) == (
        "in an evaluation set | e.jsonl ducks"
    )


def test_a_raised_digit_is_an_exponent_and_a_letter_of_a_formula_stays_greek(tmp_path: Path) -> None:
    (tmp_path / "e.jsonl").write_text('{"id": "a", "question": "What is 102?"}\n{"id": "b", "question": "2a + 1?"}\n')
    one = build("filters", f"contamination:against={tmp_path / 'e.jsonl'}")
    assert reason(one, "What is 10\u00b2?") is None
    assert reason(one, "2\u03b1 + 1?") is None
    assert reason(one, "2a + 1?") == "in an evaluation set | e.jsonl b"


@pytest.mark.parametrize("rule", ["containment", "any8"])
@pytest.mark.parametrize(
    ("place", "where"),
    [("system", ""), ("first", ""), ("assistant", ""), ("reasoning", ", in the trace"), ("text", ", in the answer")],
)
def test_every_turn_the_trace_and_the_answer_are_read(place: str, where: str, rule: str, evaluation: Path) -> None:
    turns = {"system": "Be brief.", "first": "Hello.", "assistant": "Hello!", "user": "Go on.", "text": "x"}
    turns |= {place: f"Here is one: {EGGS}"}
    roles = {"system": "system", "first": "user", "assistant": "assistant", "user": "user"}
    messages = tuple(Message(role=role, content=turns[name]) for name, role in roles.items())  # type: ignore[arg-type]
    judged = make_judged(
        turns["text"], reasoning=turns.get("reasoning"), prompt=Prompt(id="p", messages=messages, reference="4")
    )
    found = build("filters", f"contamination:against={evaluation},rule={rule}").reason_to_drop(judged)
    assert found == f"in an evaluation set | eval set.jsonl ducks{where}"


def test_a_trace_that_shares_eight_words_with_an_item_is_not_dropped(evaluation: Path) -> None:
    any8 = build("filters", f"contamination:against={evaluation},rule=any8")
    answer = make_judged("She eats three for breakfast every morning and bakes bread.", prompt=make_prompt("p", GOATS))
    assert any8.reason_to_drop(answer) is None


def test_a_very_short_item_within_an_answer_is_no_contamination_but_a_short_one_is(evaluation: Path) -> None:
    one = build("filters", f"contamination:against={evaluation}")
    assert one.reason_to_drop(make_judged("2 + 2 = 4", prompt=make_prompt("p", GOATS))) is None
    found = one.reason_to_drop(make_judged("Factor x^2 - 1.", prompt=make_prompt("p", GOATS)))
    assert found == "in an evaluation set | eval set.jsonl short, in the answer"


def test_a_multiple_choice_item_is_found_without_its_options_and_references_may_be_anything(tmp_path: Path) -> None:
    options = ["the one that was there", "the one that was not there", "both of them", "none of those"]
    item = {"question": GOATS, "choices": options, "answer": "z"}
    (tmp_path / "mc.jsonl").write_text(json.dumps(item) + "\n" + '{"question": "Two?", "answer": [1, 2]}\n')
    one = build("filters", f"contamination:against={tmp_path / 'mc.jsonl'}")
    assert reason(one, GOATS) == "in an evaluation set | mc.jsonl:1", "without ids, the line"


@pytest.mark.skipif(not (SHARED / "data" / "gsm8k").is_dir(), reason="needs GSM8K in ../shared/data")
def test_the_train_questions_of_gsm8k_are_not_in_its_test_set() -> None:
    """But for three, which were read: the same problems with other names and numbers."""
    data = SHARED / "data" / "gsm8k"
    one = build("filters", f"contamination:against={data / 'test.jsonl'}")
    train, test = ([json.loads(line)["question"] for line in (data / name).read_bytes().splitlines()]
                   for name in ("train.jsonl", "test.jsonl"))  # fmt: skip
    assert sum(reason(one, question) is not None for question in train) == 3
    assert all(reason(one, question) for question in test)
