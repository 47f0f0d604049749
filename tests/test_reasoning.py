import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotdistill.reasoning import cut_reference, final_answer, join, split


@pytest.mark.parametrize(
    ("text", "reasoning", "answer", "closed"),
    [
        ("<think>2+2</think>4", "2+2", "4", True),
        ("<think>\n2+2\n</think>\n\n4", "2+2", "4", True),
        ("2+2</think>4", "2+2", "4", True),
        ("<think>a</think>b</think>c", "a</think>b", "c", True),
        ("<think>never ends", "never ends", "", False),
        ("◁think▷2+2◁/think▷4", "2+2", "4", True),
        ("<|channel|>analysis<|message|>2+2<|channel|>final<|message|>4", "2+2", "4", True),
        ("just 4", None, "just 4", True),
        ("", None, "", True),
    ],
)
def test_the_trace_ends_at_the_last_closing_tag(text: str, reasoning: str | None, answer: str, closed: bool) -> None:
    found = split(text)
    assert (found.reasoning, found.answer, found.closed) == (reasoning, answer, closed)


@given(st.text(max_size=100).map(str.strip), st.text(max_size=100).map(str.strip))
def test_what_is_joined_comes_apart_again(reasoning: str, answer: str) -> None:
    if "think" not in reasoning + answer:
        assert split(join(reasoning, answer))[:2] == (reasoning, answer)


@pytest.mark.parametrize(
    ("text", "answer", "rule"),
    [
        (r"So \boxed{13}, wait no \boxed{12}.", "12", "boxed"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}", "boxed"),
        (r"\fbox{7}", "7", "boxed"),
        (r"It is \boxed{12", "12", "boxed"),
        ("#### 72\n\nNote: step 3 used 12 items.", "72", "hashes"),
        ("She sells 9.\nA: 18", "18", "announced"),
        ("**Final Answer:** 1,080", "1,080", "announced"),
        ("The answer is 42. I used 7 steps.", "42", "announced"),
        ("So the final answer is: $18.50.", "$18.50", "announced"),
        ("The answer is (B).", "(B)", "announced"),
        ("First 3 then 4, which makes\n3 + 4 = 7", "7", "equation"),
        ("There are 3 cats and then 12 dogs", "12", "last_number"),
        ("It costs 1,234,567 in all and no more", "1,234,567", "last_number"),
        (r"\frac{3}{4}", r"\frac{3}{4}", "whole"),
        ("Paris", "Paris", "whole"),
    ],
)
def test_the_final_answer_by_the_first_rule_that_finds_one(text: str, answer: str, rule: str) -> None:
    assert final_answer(text) == (answer, rule)


@pytest.mark.parametrize("text", ["", "   ", "I do not know.", "No idea at all, sorry"])
def test_no_answer_is_none(text: str) -> None:
    assert final_answer(text) is None


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("He has <<5-2=3>>3 left.\n#### 3", "3"),
        ("He has 3 left.\nA: 3", "3"),
        (r"Hence \boxed{x^2}", "x^2"),
        ("A", "A"),
        ("A: it is", "A: it is"),
        (" Paris ", "Paris"),
        ("1,000", "1,000"),
    ],
)
def test_the_reference_is_cut_out_of_a_worked_one(text: str, reference: str) -> None:
    assert cut_reference(text) == reference


@pytest.mark.parametrize(
    "text",
    [
        "9" * 1_000_000,
        "\\boxed{" * 100_000,
        "(" * 3000 + "4" + ")" * 3000,
        "answer is " * 100_000,
        "= " * 500_000,
        " " * 1_000_000 + "x",
        "a" * 1_000_000 + ":",
        "1," * 500_000,
        "1 111 " * 200_000,
        "A:" * 400_000,
        "\n" * 1_000_000,
        "**" * 500_000,
        "<think>" * 150_000,
        "</think>" * 150_000,
        "\\text{" * 200_000,
    ],
)
def test_hostile_text_costs_no_more_than_its_length(text: str) -> None:
    began = time.process_time()
    split(text)
    final_answer(text)
    cut_reference(text)
    assert time.process_time() - began < 2.0, "quadratic in a megabyte would take minutes"
