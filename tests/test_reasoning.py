"""Trace and answer apart and together, the final answer of a text, and all of it in linear time."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotdistill.answers.boxes import MAX_ANSWER
from cotdistill.answers.extract import Extracted, cut_reference, final_answer
from cotdistill.reasoning import Split, join, split


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("<think>a</think>b", Split("a", "b", "</think>", True)),
        ("a\n</think>\n\nb", Split("a", "b", "</think>", True)),
        (
            "<think>one</think> two <think>three</think> four",
            Split("one</think> two <think>three", "four", "</think>", True),
        ),
        ("<think>\nthe tag </think> is odd</think>b", Split("the tag </think> is odd", "b", "</think>", True)),
        ("<thinking>a</thinking>b", Split("a", "b", "</thinking>", True)),
        ("◁think▷a◁/think▷b", Split("a", "b", "◁/think▷", True)),
        (
            "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b<|return|>",
            Split("a", "b", "<|channel|>final<|message|>", True),
        ),
        ("<|channel|>analysis<|message|>a", Split("a", "", "unclosed", False)),
        ("<think>\na and so on", Split("a and so on", "", "unclosed", False)),
        ("a</think>b<think>c", Split("a</think>b<think>c", "", "unclosed", False)),
        ("b", Split(None, "b", "no tag", True)),
        ("", Split(None, "", "no tag", True)),
        ("<think></think>b", Split("", "b", "</think>", True)),
    ],
)
def test_a_text_is_cut_at_the_last_closing_tag(text: str, parts: Split) -> None:
    assert split(text) == parts


@given(st.text(alphabet="ab <>/think\n"), st.text(alphabet="ab \n12"))
def test_split_undoes_join(reasoning: str, answer: str) -> None:
    parts = split(join(reasoning, answer))
    assert (parts.answer, parts.closed) == (answer.strip(), True)
    kept = reasoning.strip().removeprefix("<think>").strip()
    assert parts.reasoning in (kept, reasoning.strip())


ANSWERS = [
    ("\\boxed{13}, wait no \\boxed{12}", "12", "boxed"),
    ("\\boxed{\\frac{1}{\\sqrt{2}}} holds", "\\frac{1}{\\sqrt{2}}", "boxed"),
    ("\\boxed{\\{1, 2\\}}", "\\{1, 2\\}", "boxed"),
    ("\\fbox{7}", "7", "boxed"),
    ("\\boxed{\\boxed{5}}", "5", "boxed"),
    ("\\boxed 5.", "5", "boxed"),
    ("\\boxed{8} is what goes into \\boxed{}", "8", "boxed"),
    ("Result: \\boxed{12", "12", "boxed"),
    ("$\\boxed{12$.\nIndeed.", "12", "boxed"),
    ("#### 72\n\nNote: step 3 used 12 items.", "72", "hashes"),
    ("so 5\n#### 1,234", "1,234", "hashes"),
    ("#### Yes", "Yes", "hashes"),
    ("#### Step 2\n\nwe get 5\n\n#### Final Answer\n18", "18", "answer_line"),
    ("#### 2. Add up\nThe sum is 40", "40", "last_number"),
    ("A: 18", "18", "answer_line"),
    ("3 + 4 = 7\nA: 7\n", "7", "answer_line"),
    ("Answer: 18", "18", "answer_line"),
    ("**Answer:** 1,234 dollars.", "1,234 dollars", "answer_line"),
    ("**Final Answer**\n\n$\\frac{1}{2}$", "$\\frac{1}{2}$", "answer_line"),
    ("The final answer is 18", "18", "answer_line"),
    ("The answer is **18**.", "18", "answer_line"),
    ("the answer is therefore 5.5 apples", "5.5 apples", "answer_line"),
    ("The answer to the second question is 4. It took 9 steps.", "4", "answer_line"),
    ("the answer is (B).", "(B)", "answer_line"),
    ("The answer is 3. No: the answer is 4, I checked it 2 times.", "4, I checked it 2 times", "answer_line"),
    ("The answer is:\n$$\n\\frac{1}{2}\n$$", "\\frac{1}{2}", "answer_line"),
    ("the answer is 5!", "5!", "answer_line"),
    ("A:\nJanet has 3 eggs. She sells 4.", "4", "last_number"),
    ("\\frac{3}{4}", "\\frac{3}{4}", "whole"),
    ("Paris", "Paris", "whole"),
    ("**18**", "18", "whole"),
    ("so 3*6 = 18", "18", "equation"),
    ("In the end x = \\frac{3}{4}.", "\\frac{3}{4}", "equation"),
    ("Thus we get $\\frac{3}{4}$.", "\\frac{3}{4}", "last_formula"),
    ("and so \\[ \\sqrt{2} \\]", "\\sqrt{2}", "last_formula"),
    ("She makes $1,080 every day.", "$1,080", "last_number"),
    ("It costs 1\\,234 in all", "1\\,234", "last_number"),
    ("It costs 1 234 in all", "1 234", "last_number"),
    ("There is 50.5\\% of it left", "50.5\\%", "last_number"),
    ("We get 6.02e23 of them, right?", "6.02e23", "last_number"),
    ("This is -3 degrees, roughly", "-3 degrees", "last_number"),
    ("This is 16-3 degrees, roughly", "16-3 degrees", "last_number"),
    ("200 x $5 = $1000 for this.\nThe total is $1000", "$1000", "last_number"),
]


@pytest.mark.parametrize(("text", "answer", "rule"), ANSWERS)
def test_the_final_answer_is_found_by_the_first_rule_that_applies(text: str, answer: str, rule: str) -> None:
    assert final_answer(text) == Extracted(answer, rule)


@pytest.mark.parametrize("text", ["", "  \n", "I do not know that.", "\\boxed{}"])
def test_a_text_without_an_answer_has_none(text: str) -> None:
    found = final_answer(text)
    assert found is None or found == Extracted("\\boxed{}", "whole")


@pytest.mark.parametrize(
    ("reference", "cut"),
    [
        ("She has 3*6 = <<3*6=18>>18.\n#### 18", "18"),
        ("She has 3*6 = <<3*6=18>>18.\nA: 1,018", "1,018"),
        ("So it is \\boxed{\\frac{1}{2}}.", "\\frac{1}{2}"),
        (" Paris\n", "Paris"),
        ("A: 18", "A: 18"),
        ("two\nlines", "two\nlines"),
        ("", ""),
    ],
)
def test_the_reference_is_cut_out_of_a_worked_solution(reference: str, cut: str) -> None:
    assert cut_reference(reference) == cut
    assert cut_reference(cut) == cut, "a second cut changes nothing"


SEEDS = (
    "\\boxed{", "\\boxed{}", "{", "}", "####", "#### \n", "#### x\n", "answer to ", "answer is ", "the answer is: \n",
    "A:", "A: \n", "1", "1,234", "123 ", "1/", "1.", "-", "$", "$1 ", "$$", "\\(", "\\[", "(", "=", " = ", "*", "_",
    " ", "\n", "<think>", "</think>", "<think></think>", "a ", "aa, ", "\\", "\\\\", "\x00", "💥", "\ud800", "1e", "%",
)  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_a_megabyte_of_anything_takes_linear_time(seed: str) -> None:
    text = seed * (2**20 // len(seed)) + "x"
    began = time.process_time()
    split(text)
    found = final_answer(text)
    cut_reference(text)
    assert time.process_time() - began < 2
    assert found is None or len(found.answer) <= MAX_ANSWER


@given(st.text(alphabet="\\boxed{}$#A:=answer is 1,2.3/%\n*()-"))
def test_no_text_is_an_error(text: str) -> None:
    found = final_answer(text)
    assert found is None or found.answer.strip() == found.answer != ""
    cut_reference(text)
