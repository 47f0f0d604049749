"""Filters that look at what one response says: loops, leaks, scripts, refusals, several answers, length, pass rate."""

import json
from collections import Counter
from typing import Any

import msgspec
import pytest

from cotdistill.errors import UsageError
from cotdistill.filters import Filter
from cotdistill.plugins import build
from cotdistill.records import Judged
from tests.conftest import SHARED, make_judged, make_prompt

GSM8K = SHARED / "data" / "gsm8k"
STEPS = "She has 16 - 3 = 13 eggs left. She sells them for 2 dollars each. That makes 13 * 2 = 26 dollars.\n"


ASIDE = "so as we said before there are some eggs that she does not eat or sell and we count them again here as"


def reason(spec: str, text: str = "Answer: 4", **more: Any) -> str | None:
    one: Filter = build("filters", spec)
    return one.reason_to_drop(make_judged(text, **more))


def numbered(template: str, count: int) -> str:
    return "".join(template.format(n, 2 * n + 1) for n in range(count))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (STEPS + "Wait, let me check that again. " * 40, "ends in a loop"),
        (STEPS + "so 33 = 2x, 33/2 = x; " * 20 + "so 33 = ", "ends in a loop"),
        (STEPS + "0 = 0." + "3" * 300, "ends in a loop"),
        (STEPS + "la" * 200 + "\n\n", "ends in a loop"),
        (STEPS * 3 + "the the the " * 600 + STEPS + numbered("Now {} is {}. ", 10), "hardly any new text"),
        (
            numbered("{}: But that cannot be right, I must look at it again. x is {}\n", 3) + "I must start over. " * 3,
            None,
        ),
        (
            "".join(f"I will look at the eggs again. Here {n * n * 37} is odd. " for n in range(20)),
            "repeats its sentences",
        ),
        (numbered(f"{ASIDE} {{}} {{}}\n", 9), "repeats its word sequences"),
        ("1/7 = 0." + "142857" * 8, None),
        (STEPS + "-" * 150, None),
        (numbered("f({}) = {}\n", 60), None),
        ("".join(f"{n} * {n} = {n * n}, which ends in {n * n % 10}. " for n in range(40)), None),
        ("Wait. " * 5 + "".join(f"So we add {n} to {n * 7} and get {n * 8}. " for n in range(5)), None),
        ("\x00" * 150, None),
    ],
)
def test_a_loop_is_dropped_and_honest_repetition_is_not(text: str, fault: str | None) -> None:
    assert reason("repetition", "Answer: 4", reasoning=text) == fault
    assert reason("repetition", text) == fault


def test_a_megabyte_of_any_kind_is_looked_at_in_linear_time() -> None:
    for text in ("a" * 1_000_000, "ab" * 500_000, "(" * 999_999 + ")", "word " * 200_000, "\ud800" * 300_000):
        assert reason("repetition", text) is not None
    for spec in ("answer_leak", "language", "refusal", "several_answers", "length:max_answer=2000000"):
        for text in (
            "\\boxed{" * 100_000,
            "`$" * 300_000,
            "答" * 300_000,
            "Answer: " * 100_000,
            "I'm sorry, " * 90_000,
        ):
            reason(spec, text, reasoning=text)


@pytest.mark.parametrize(
    ("trace", "fault"),
    [
        ("The answer is 4.", "the trace merely states the answer"),
        ("4", "the trace merely states the answer"),
        ("So, the final answer is \\boxed{4}", "the trace merely states the answer"),
        ("Okay, the answer is clearly 4.", "the trace merely states the answer"),
        ("2+2=4", None),
        ("Two apples and two apples make four apples.", None),
        ("Half of 8 is 4.", None),
        (None, None),
        (STEPS + "According to the given solution, it is 26.", "refers to the reference answer"),
        (STEPS + "The reference answer says 26, so I must have erred.", "refers to the reference answer"),
        (STEPS + "Since the expected answer is 26, this must be right.", "refers to the reference answer"),
        (STEPS + "This agrees with the answer key.", "refers to the reference answer"),
        (STEPS + "We are told that the answer is 26.", "refers to the reference answer"),
        (STEPS + "This matches the expected answer.", "refers to the reference answer"),
        (STEPS + "So the correct answer is (B).", None),
        (STEPS + "Of the given answer choices, (B) fits.", None),
        (STEPS + "Check the given solution x = 3 by substitution: 3 + 1 = 4.", None),
        (STEPS + "The expected value of the answer is 26.", None),
    ],
)
def test_a_trace_that_knew_the_answer_is_dropped(trace: str | None, fault: str | None) -> None:
    assert reason("answer_leak", "Answer: 4", reasoning=trace) == fault


def test_a_worked_solution_is_its_own_trace_and_may_speak_of_an_answer_key_that_the_problem_has() -> None:
    assert reason("answer_leak", "Sure.\nAnswer: 4", reasoning_kind="worked") == "the trace merely states the answer"
    assert reason("answer_leak", STEPS + "Answer: 26", reasoning_kind="worked") is None
    asked = make_prompt(question="A teacher's answer key has 20 lines. Ann copies 12. How many are left?")
    assert reason("answer_leak", "The answer key has 20 lines, 20 - 12 = 8.\nAnswer: 8", prompt=asked) is None


@pytest.mark.parametrize(
    ("question", "trace", "fault"),
    [
        ("How many eggs?", "She has three. 让我们重新计算一下这个问题。 So three.", "another script in the reasoning"),
        ("How many eggs?", "Она съедает три яйца на завтрак. So three.", "another script in the reasoning"),
        ("How many eggs?", "因此 three left and 所以 two " * 20, "another script in the reasoning"),
        ("How many eggs?", "Li Ming (李明) eats three, so \\text{left} = 13.", None),
        ("How many eggs?", "Let α + β = γ, then ∑ 𝑥ᵢ = π, ½ of Ωmega, ℝ, Å, Ⅳ.", None),
        ("How many eggs?", "Café, naïve, Müller, Łódź, Đặng and señor are Latin.", None),
        ("How many eggs?", "```\n# 让我们重新计算一下这个问题让我们重新计算\n```\nSo three.", None),
        ("一共有多少个鸡蛋？", "她有 16 个，ABCD 是正方形，$x = 3$，\\frac{1}{2}，sin x，所以 5 cm。", None),
        ("一共有多少个鸡蛋？", "She eats three for breakfast and sells the others.", "another script in the reasoning"),
        ("鸡蛋はいくつ？", "卵は三個です。朝食に三つ食べる。", None),
        ("2+2=?", "Она съедает три яйца на завтрак.", None),
        ("What is 'hello' in Russian, like 'привет'?", "Здравствуйте и добрый день, господа.", None),
    ],
)
def test_a_trace_keeps_to_the_script_of_its_problem(question: str, trace: str, fault: str | None) -> None:
    assert reason("language", "4", reasoning=trace, prompt=make_prompt(question=question)) == fault
    expected = fault and "another script in the answer"
    assert reason("language", trace, prompt=make_prompt(question=question)) == expected


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("I can't help with that.", "the answer refuses"),
        ("I’m sorry, but I can’t do this.", "the answer refuses"),
        ("I am unable to answer this question.", "the answer refuses"),
        ("As an AI language model, I have no eggs. 4", "the answer speaks as an AI"),
        ("I'm not sure, but my guess is 4.", "the answer is a guess"),
        (STEPS * 20 + "I don't know. Answer: 4", "the answer is a guess"),
        ("It cannot be determined from this.", None),
        ("He cannot help with the eggs, so Tom will. Answer: 4", None),
        (STEPS * 10 + "I'm not sure about this step. " + STEPS * 10 + "Answer: 4", None),
        ("The guess of 3 is too low, so x is 4. Not sure-footed goats: 4.", None),
        ("Sorry Tom has 4 eggs.", None),
    ],
)
def test_refusals_and_guesses_are_dropped(text: str, fault: str | None) -> None:
    assert reason("refusal", text) == fault


def test_doubt_may_be_asked_for() -> None:
    assert reason("refusal:hedging=false", "I'm not sure, but my guess is 4.") is None
    asked = make_prompt(question="Ann says: I'm not sure there are four. Is she right?")
    assert reason("refusal", "Ann says: I'm not sure there are four. She is right.", prompt=asked) is None


@pytest.mark.parametrize(
    ("text", "several"),
    [
        ("\\boxed{5} wait, so \\boxed{7}", True),
        ("Answer: 5\nHm.\nAnswer: 7", True),
        ("So the answer is 5. No: the answer is 7.", True),
        ("The answer is B. \nAnswer: C", True),
        ("\\boxed{x+1} then \\boxed{x+2}", True),
        ("\\boxed{\\text{Paris}}, no, \\boxed{\\text{London}}", True),
        ("#### 5\n#### 7", True),
        ("".join(f"Answer: {n}\n" for n in range(30)), True),
        ("\\boxed{\\frac12}, that is \\boxed{0.5}", False),
        ("**Answer:** 1,000\n\\boxed{1000}", False),
        ("The answer is 18 dollars.\n#### 18", False),
        ("\\boxed{x+1}, or \\boxed{1+x}", False),
        ("\\boxed{10\\text{ cm}} ... \\boxed{10}", False),
        ("$x=\\boxed{3}$ or $x=\\boxed{5}$", False),
        ("x is \\boxed{3} and \\boxed{5}.", False),
        ("(a) \\boxed{3}\n(b) \\boxed{4}", False),
        ("Part 1: the answer is 3.\nPart 2: the answer is 4.", False),
        ("The answer is not 5. The answer is 7.", False),
        ("The answer is the number of eggs. Answer: 4", False),
        ("#### Step 1\n#### 2. Add\n#### 72", False),
        ("<think>\\boxed{3}</think>\\boxed{4}", False),
    ],
)
def test_two_different_final_answers_are_dropped_and_two_spellings_of_one_are_not(text: str, several: bool) -> None:
    assert reason("several_answers", text) == ("several different final answers" if several else None)


@pytest.mark.parametrize(
    ("rate", "spec", "fault"),
    [
        (0.0, "pass_rate:high=0.9", None),
        (1.0, "pass_rate:high=0.9", "pass rate over 0.9"),
        (0.25, "pass_rate:low=0.3", "pass rate under 0.3"),
        (0.3, "pass_rate:low=0.3,high=0.3", None),
        (None, "pass_rate:low=0.3", None),
    ],
)
def test_prompts_outside_the_window_of_pass_rates_are_dropped(rate: float | None, spec: str, fault: str | None) -> None:
    judged = msgspec.structs.replace(make_judged(), pass_rate=rate)
    assert build("filters", spec).reason_to_drop(judged) == fault


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("pass_rate:low=0.9,high=0.1", "low=0.9 is above high=0.1"),
        ("length:min_answer=9,max_answer=5", "min_answer=9 is above max_answer=5"),
        ("repetition:max_compression=0.5", "expected more than 1"),
    ],
)
def test_limits_that_exclude_everything_are_refused(spec: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        build("filters", spec)


def test_length_counts_characters_of_trace_and_answer_apart() -> None:
    limits = "length:min_reasoning=2,max_reasoning=5,max_answer=3"
    assert reason(limits, "abc", reasoning="1234") is None
    assert reason(limits, "abcd", reasoning="1234") == "answer over 3 characters"
    assert reason(limits, "abc", reasoning="123456") == "reasoning over 5 characters"
    assert reason(limits, "abc") == "reasoning under 2 characters"
    assert reason(limits, " ", reasoning="1234") == "answer under 1 characters"


def test_length_counts_the_tokens_of_a_student_that_is_named() -> None:
    pytest.importorskip("transformers")
    from cotdistill.students.load import tokenizer as load_tokenizer

    trace = STEPS.replace("eggs", "œufs")
    count = len(load_tokenizer("tiny")(trace, add_special_tokens=False)["input_ids"])
    assert count > len(trace), "its tokens are bytes"
    assert reason(f"length:tokenizer=tiny,max_reasoning={count}", reasoning=trace) is None
    assert reason(f"length:tokenizer=tiny,max_reasoning={count - 1}", reasoning=trace) == (
        f"reasoning over {count - 1} tokens"
    )


def solutions() -> list[Judged]:
    train, models = (
        [json.loads(line) for line in (GSM8K / name).read_bytes().splitlines()]
        for name in ("train.jsonl", "example_model_solutions.jsonl")
    )
    given = [(row["question"], row["answer"]) for row in train]
    for row in models:
        given += [(row["question"], one["solution"]) for one in row.values() if isinstance(one, dict)]
    return [
        make_judged(text, prompt=make_prompt(str(number), question), reasoning_kind="worked")
        for number, (question, text) in enumerate(given)
    ]


@pytest.mark.skipif(not GSM8K.is_dir(), reason="needs GSM8K in ../shared/data")
def test_real_solutions_are_left_alone() -> None:
    """12,749 by people and models. What is flagged was read: five loops, and an answer that is nothing but 25."""
    given = solutions()
    flagged: Counter[str] = Counter()
    for spec in ("repetition", "answer_leak", "language", "refusal", "several_answers"):
        one: Filter = build("filters", spec)
        flagged[spec] = sum(one.reason_to_drop(judged) is not None for judged in given)
    assert flagged == {"repetition": 5, "answer_leak": 1, "language": 0, "refusal": 0, "several_answers": 0}
