"""The choice verifier: a letter is what stands for an option, not every A in a sentence."""

import pytest

from cotdistill.answers.options import read_options
from cotdistill.records import Verdict
from cotdistill.verifiers.choice import Verifier
from tests.conftest import make_prompt, make_response

QUESTION = "What is rust?\nA) iron\nB) iron oxide\nC) a kind of paint\nD) 0.5 % carbon"
NUMBERS = "What is half of one? (A) 0.25 (B) 1/2 (C) 2, (D) none of these"


def judged(text: str, reference: str | None = "B", question: str = QUESTION) -> Verdict:
    return Verifier().judge(make_response(text, prompt=make_prompt(question=question, reference=reference)))


@pytest.mark.parametrize(
    "text",
    [
        "the answer is (B)",
        "The answer is B.",
        "**B**",
        "B.",
        "b",
        "(b)",
        "\\boxed{B}",
        "\\boxed{\\text{B}}",
        "$\\boxed{\\textbf{(B) } \\text{iron oxide}}$",
        "(b) iron oxide",
        "B) iron oxide",
        "B: iron oxide",
        "iron oxide",
        "\\boxed{iron oxide}",
        "Iron Oxide.",
        "Rust is not an element.\n\nAnswer: B",
        "Rust forms in water.\nSo it is iron oxide.",
        "A looks right at first. But iron alone is no rust.\nThe correct option is B.",
        "The correct answer is option (B), because A is the metal itself.",
        "The answer is B because A is the metal itself.",
        "B\n\nIron reacts with oxygen and water.",
        "Therefore, the correct choice is **B**.",
        "#### B",
        "<think>Is it A? No.</think>\n\nB",
        "Answer: [B]",
    ],
)
def test_the_right_letter_or_its_text_is_correct(text: str) -> None:
    verdict = judged(text)
    assert (verdict.status, verdict.answer) == ("correct", "B"), verdict


GASES = "Which gas is needed?\nA. oxygen\nB. carbon dioxide\nC. nitrogen\nD. helium"
ORDINARY = (
    "Answer: B",
    "So the answer is (B) carbon dioxide.",
    "Therefore, the correct answer is B.",
    "Thus, B is correct.",
    "Hence, option B is correct.",
    "The correct option is B) carbon dioxide.",
    "I would choose B.",
    "I choose option B.",
    "My answer is B.",
    "Final Answer: B",
    "The best answer is (B).",
    "Option B",
    "Option B: carbon dioxide",
    "B: carbon dioxide",
    "B - carbon dioxide",
    "carbon dioxide",
    "It is carbon dioxide.",
    "The gas needed is carbon dioxide.",
    "Plants need carbon dioxide.",
    "$\\boxed{\\text{B}}$",
    "<answer>B</answer>",
    "### Answer\nB",
    "**Answer:** B. carbon dioxide",
    "The answer is: B",
    'The answer is "B".',
    "Based on this, B is the best choice.",
    "Given the above, the answer must be B.",
    "This makes B the correct answer.",
    "The right choice here is B.",
    "We conclude that B is the answer.",
    "Among the options, B is right.",
    "Only B fits.",
    "That is option B.",
    "This corresponds to option B.",
    "This matches option B.",
    "which corresponds to (B).",
    "The answer is B, because plants need it.",
    "The answer is B (carbon dioxide).",
    "So it's B.",
    "So, B.",
    "B is the answer.",
    "B it is.",
    "Therefore: B",
    "Correct answer: (B)",
    "The correct letter is B",
    "The correct answer is option B, carbon dioxide.",
    "Looking at the options, B is the only one that fits.",
    "Thus the answer is B and not A.",
    "The answer is B, not A.",
    "Eliminating A, C and D, we get B.",
    "So the correct choice would be B.",
    "In conclusion, the answer is B",
    "Thus, the correct answer is:\n\n**B. carbon dioxide**",
    "Therefore, the gas is carbon dioxide (B).",
    "Hence (B).",
    "∴ B",
    "=> B",
    "The most accurate answer is B.",
    "I'd say B.",
    "I think B is the right answer.",
    "Probably B is meant: the answer is B.",
    "The answer choice is B.",
    "Choice B.",
    "Select B.",
    "The solution is B.",
    "Result: B",
    "Ans: B",
    "ANSWER: B",
    "The answer to this question is B.",
    "The answer would therefore be B.",
)


def test_ordinary_answers_are_read_with_and_without_the_reasons_before_them() -> None:
    for lead in ("", "First, A is wrong: oxygen is a product. C and D are inert.\n\n"):
        refused = [text for text in ORDINARY if judged(lead + text, "B", GASES).status != "correct"]
        assert refused == [], lead
        other = [text for text in ORDINARY if judged(lead + text, "C", GASES).status == "correct"]
        assert other == [], lead


@pytest.mark.parametrize(
    ("text", "answer", "reason"),
    [
        ("The answer is (C).", "C", "another letter"),
        ("iron", "A", "the text of another option"),
        ("B) iron", "A, B", "the letter of one and the text of another"),
        ("The answer is A or B.", "A, B", "two letters"),
        ("\\boxed{A, B}", "A, B", "two letters"),
        ("It is B or C.", "B, C", "two letters in a sentence"),
        ("The answer is J.", "J", "a letter that the question does not have"),
        ("<think>B</think> C", "C", "the trace does not count"),
        ("It is iron or iron oxide.", "A, B", "two texts"),
    ],
)
def test_another_choice_is_incorrect(text: str, answer: str, reason: str) -> None:
    verdict = judged(text)
    assert (verdict.status, verdict.answer) == ("incorrect", answer), (reason, verdict)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("A chemist would know.", "A is an article"),
        ("The answer is a kind of metal.", "a is an article"),
        ("I do not know.", "I is a pronoun"),
        ("The answer is not B.", "a denial"),
        ("It isn't iron oxide.", "a denial"),
        ("Big Data, Cats and Dogs", "letters within words"),
        ("Vitamin-B complex's", "a letter within a word"),
        ("", "nothing"),
        ("<think>It is B", "the reasoning does not end"),
    ],
)
def test_a_letter_that_stands_for_no_option_is_no_answer(text: str, reason: str) -> None:
    for reference in "AB":
        verdict = judged(text, reference)
        assert verdict.status == "no_answer", (reason, verdict)


def test_a_says_a_where_it_is_no_article() -> None:
    for text in ("A", "(A)", "The answer is A.", "A) iron", "A is correct.", "Answer: A", "It must be A"):
        assert judged(text, "A").status == "correct", text


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("B", "B"),
        ("(B)", "B"),
        ("b.", "B"),
        ("B) iron oxide", "B"),
        ("iron oxide", "(B)"),
        ("Iron oxide", "iron oxide"),
        ("#### B", "B"),
        ("A, C", "\\boxed{A and C}"),
        ("AC", "A, C"),
    ],
)
def test_a_reference_is_a_letter_a_text_or_both(reference: str, text: str) -> None:
    assert judged(text, reference).status == "correct"


@pytest.mark.parametrize(
    ("reference", "detail"),
    [
        (None, "the prompt has no reference"),
        ("", "the prompt has no reference"),
        ("E", "the question has no such option"),
        ("B) iron", "the reference's letter and its text are two options"),
        ("water", "the reference is neither a letter nor an option of the question"),
    ],
)
def test_a_reference_that_means_no_option_is_bad(reference: str | None, detail: str) -> None:
    verdict = judged("B", reference)
    assert (verdict.status, verdict.detail) == ("bad_reference", detail)


def test_all_of_several_right_letters_must_be_named() -> None:
    assert judged("A", "A, C").status == "incorrect"
    assert judged("A, B and C", "A, C").status == "incorrect"


def test_an_option_is_also_met_by_its_value() -> None:
    assert judged("The answer is 0.5", "B", NUMBERS).status == "correct"
    assert judged("\\boxed{\\frac{1}{2}}", "B", NUMBERS).status == "correct"
    assert judged("0.25", "B", NUMBERS).answer == "A"


@pytest.mark.parametrize(
    ("question", "options"),
    [
        (QUESTION, ["iron", "iron oxide", "a kind of paint", "0.5 % carbon"]),
        (NUMBERS, ["0.25", "1/2", "2", "none of these"]),
        ("Which?\n\n(A) x\n(B) y", ["x", "y"]),
        ("Which?\nA. x\nB. y\nC. z\n", ["x", "y", "z"]),
        ("Which?\n- **A)** x\n- **B)** y", ["x", "y"]),
        ("A. Smith walks.\nHow far?", []),
        ("For example: A) 1\nB) 2\nNow:\nA) 3\nB) 4", ["3", "4"]),
        ("no options here", []),
    ],
)
def test_options_are_read_from_the_question(question: str, options: list[str]) -> None:
    assert list(read_options(question).values()) == options


def test_letters_are_enough_where_the_question_lists_no_options() -> None:
    assert judged("The answer is (D).", "D", "Which one?").status == "correct"
    assert judged("iron", "D", "Which one?").status == "no_answer"
