"""Trace and answer apart and together, the final answer of a text, and all of it in linear time."""

import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cotdistill.answers.boxes import MAX_ANSWER
from cotdistill.answers.choices import chosen_by_text
from cotdistill.answers.extract import ANSWER_WINDOW, Extracted, final_answer
from cotdistill.answers.labels import label_of
from cotdistill.answers.words import found_in
from cotdistill.answers.worked import cut_reference
from cotdistill.reasoning import Split, holds_tags, join, split


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("<think>a</think>b", Split("a", "b", "</think>", True)),
        ("a\n</think>\n\nb", Split("a", "b", "</think>", True)),
        (
            "<think>one</think> two <think>three</think> four",
            Split("one", "two <think>three</think> four", "</think>", True),
        ),
        ("<think>\nthe tag </think> is odd</think>b", Split("the tag </think> is odd", "b", "</think>", True)),
        ("<think>a <think>b</think> c</think>d", Split("a <think>b</think> c", "d", "</think>", True)),
        ("<think>I use <think> here.</think>d", Split("I use <think> here.", "d", "</think>", True)),
        ("<thinking>a</thinking>b", Split("a", "b", "</thinking>", True)),
        ("◁think▷a◁/think▷b", Split("a", "b", "◁/think▷", True)),
        (
            "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b<|return|>",
            Split("a", "b", "<|channel|>final<|message|>", True),
        ),
        ("<|channel|>analysis<|message|>a", Split("a", "", "unclosed", False)),
        ("<think>\na and so on", Split("a and so on", "", "unclosed", False)),
        ("a</think>b\n<think>c", Split("a\n\nc", "", "unclosed", False)),
        ("a</think>b<think>c", Split("a", "b<think>c", "</think>", True)),
        ("b", Split(None, "b", "no tag", True)),
        ("", Split(None, "", "no tag", True)),
        ("<think></think>b", Split("", "b", "</think>", True)),
    ],
)
def test_a_text_is_cut_at_the_end_of_its_trace(text: str, parts: Split) -> None:
    assert split(text) == parts


MARKS = [
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<reason>", "</reason>"),
    ("<thoughts>", "</thoughts>"),
    ("[THINK]", "[/THINK]"),
    ("<|think|>", "<|/think|>"),
    ("<|reasoning_start|>", "<|reasoning_end|>"),
    ("<antThinking>", "</antThinking>"),
    ("<cot>", "</cot>"),
    ("<scratchpad>", "</scratchpad>"),
    ("<internal_monologue>", "</internal_monologue>"),
    ("<reasoning_steps>", "</reasoning_steps>"),
    ("<seed:think>", "</seed:think>"),
    ("<mm:think>", "</mm:think>"),
    ("<longcat_think>", "</longcat_think>"),
    ("<|channel>thought\n", "<channel|>"),
    ("<unused94>thought\n", "<unused95>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("<THINK>", "</THINK>"),
    ("<Thinking>", "</Thinking>"),
    ("<think duration=\"3\" lang='en'>", "</think>"),
    ("<think >", "</think >"),
    ("<thinking>", "</think>"),
    ("<|start|>assistant<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("analysis", "assistantfinal"),
    ("Here is my thought process:", "\nHere is my response:"),
    ("<|im_start|>assistant\n<think>\n", "</think>"),
    ("<think>\n\n</think>\n\n<think>", "</think>"),
    ("<think>\n<think>\n", "</think>"),
]
ALONE = [one for one in MARKS if one[1] not in ("assistantfinal", "\nHere is my response:")]


@pytest.mark.parametrize(("opens", "closes"), MARKS)
def test_a_trace_is_found_between_whatever_marks_a_model_or_server_writes(opens: str, closes: str) -> None:
    for gap in ("", "\n", "\n\n"):
        parts = split(f"{opens}7 and 5 make 12.\nSo 12.{gap}{closes}{gap}\\boxed{{12}}\n")
        assert (parts.reasoning, parts.answer, parts.closed) == ("7 and 5 make 12.\nSo 12.", "\\boxed{12}", True)
        assert not holds_tags(parts.reasoning or "")
        assert not holds_tags(parts.answer)


@pytest.mark.parametrize(("opens", "closes"), ALONE)
def test_a_prefilled_opener_need_not_stand_there_and_an_unclosed_trace_has_no_answer(opens: str, closes: str) -> None:
    parts = split(f"7 and 5 make 12.{closes}\\boxed{{12}}")
    assert (parts.reasoning, parts.answer) == ("7 and 5 make 12.", "\\boxed{12}")
    if "</think>" not in opens:
        assert split(f"{opens}7 and 5") == Split("7 and 5", "", "unclosed", False)


def test_open_webuis_details_are_a_trace_and_other_details_are_not() -> None:
    head = '<details type="reasoning" done="true" duration="3">\n<summary>Thought for 3 seconds</summary>\n'
    quoted = "&gt; 7 &lt; 12.\n&gt;\n&gt; So 12.\n</details>\n"
    rest = "\\boxed{12}\n<details><summary>More</summary>x</details>"
    assert split(head + quoted + rest)[:2] == ("7 < 12.\n\nSo 12.", rest)
    assert split(head + "plain\n</details>\n12")[:2] == ("plain", "12")
    assert split(head + "cut off")[:2] == ("cut off", "")
    assert split(rest) == Split(None, rest, "no tag", True)


def test_what_stands_around_the_answer_goes_with_the_trace() -> None:
    solution = "<|begin_of_thought|>\na\n<|end_of_thought|>\n\n<|begin_of_solution|>\n12\n<|end_of_solution|>"
    cohere = "<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>12<|END_RESPONSE|>"
    for text in (solution, cohere, "<think>a</think>\n<response>\n12\n</response>", "a</think>\n12\n</think>"):
        assert split(text)[:2] == ("a", "12")


@pytest.mark.parametrize("name", ["analysis", "reflection", "rationale"])
def test_words_of_other_documents_mark_a_trace_at_the_head_and_behind_another_one(name: str) -> None:
    block = f"<{name}>\na\n</{name}>"
    assert split(f"{block}\n12")[:2] == ("a", "12")
    assert split(f"<think>b</think>\n{block}\n12")[:2] == ("b\n\na", "12")
    assert split(f"<{name}>a") == Split("a", "", "unclosed", False)
    for text in (f"In XML:\n{block}\n12", f"```xml\n{block}\n```\n12", f"a</{name}>12", f"The <{name}> element"):
        assert split(text) == Split(None, text, "no tag", True)


def test_marks_that_are_written_twice_or_one_in_another_leave_none_behind() -> None:
    assert split("<think><think>a</think></think>12")[:2] == ("a", "12")
    assert split("<think>a</think></think>12")[:2] == ("a", "12")
    assert split("<think>a<think>b</think>c</think>12")[:2] == ("a<think>b</think>c", "12")
    assert split("<think>a</ think>12")[:2] == ("a", "12")
    reflection = "<thinking>a<reflection>b</reflection></thinking>\n\n<output>\n12\n</output>"
    assert split(reflection)[:2] == ("a<reflection>b</reflection>", "12")
    nested = "<thinking>\n<reflection>b</reflection>\na\n</thinking>\n\n<Output>\n12\n</Output>"
    assert split(nested)[:2] == ("<reflection>b</reflection>\na", "12"), "a part at the head is part of the trace"
    assert split("<think>a</think>12 <think>b</think>")[:2] == ("a", "12 <think>b</think>"), "shown, or a stray mark"


def test_traces_between_parts_of_the_answer_are_all_found() -> None:
    assert split("<think>one</think> two\n<think>three</think> four")[:2] == ("one\n\nthree", "two\n\nfour")
    assert split("Sure.\n<thinking>\na\n</thinking>\n12")[:2] == ("a", "Sure.\n\n12")
    harmony = "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>commentary<|message|>c<|end|>"
    assert split(f"{harmony}<|start|>assistant<|channel|>final<|message|>b<|return|>")[:2] == ("a\n\nc", "b")


@pytest.mark.parametrize(
    "text",
    [
        r"Use the `<think>` tag. \boxed{12}",
        r"Use `<think>` and `</think>`. \boxed{12}",
        "Use <think> to open and </think> to close. It is 12.",
        "Write your reasoning between <think> and </think>.",
        "<think> and </think> are tags.",
        "Write <think>...</think> around it.",
        "Write <think>your reasoning</think> before the answer.",
        'The tag "</think>" ends a trace.',
        "It ends with </think>, always. 12",
        "```xml\n<think>\nx\n</think>\n```\nIt is 12.",
        "Use this format:\n<think>\nyour reasoning\n</think>\n<answer>12</answer>",
        "These are the tags:\n\n  <think>\n  x\n  </think>\n\nIt is 12.",
        "<response>\n<reasoning>It is right.</reasoning>\n<score>5</score>\n</response>",
        "My thought process: 7 < 12. analysis final: 12",
        "analysis-based approach: 12",
        "Here is my thought process: I add. It is 12.",
        "A <details> element: <details>x</details>",
        "In Python, `re.sub(r'<think>.*?</think>', '', s)` removes it.",
        "x </think> y is no tag of HTML.",
        "An example\n\n    <think>\n    x\n    </think>\n\nIt is 12.",
        "The model wraps its reasoning in <think> tags, and then answers.",
        "Here is the code:\n\n```python\ns = re.sub(r'<think>.*?</think>', '', s)\n```\nIt strips the trace.",
        "| tag | use |\n|---|---|\n| <think> | opens |\n| </think> | closes |\n\nIt is 12.",
        "1. <think> opens the trace.\n2. </think> closes it.\n\nIt is 12.",
        "- `<think>`: opens\n- `</think>`: closes",
        "The <thinking>…</thinking> block is XML.",
        'print("<think>" + trace + "</think>" + answer)',
        '{"prefix": "<think>", "suffix": "</think>"}',
        "&lt;think&gt; is escaped. 12",
        "If a < think > b then [think] [/think-tank]",
        "(see </think>) 12",
    ],
)
def test_an_answer_that_speaks_of_tags_is_not_cut(text: str) -> None:
    assert split(text) == Split(None, text, "no tag", True)
    before = split(f"<think>a</think>\n\n{text}")
    assert (before.reasoning, before.answer) == ("a", text)


def test_marks_of_ones_own_are_known_when_they_are_given() -> None:
    own = (("<scratch>", "</scratch>"), ("### Reasoning", "### Answer"))
    assert split("<scratch>a</scratch>12").rule == "no tag"
    assert split("<scratch>a</scratch>12", own)[:2] == ("a", "12")
    assert split("### Reasoning\na\n### Answer\n12", own)[:2] == ("a", "12")
    assert split("a</scratch>12", own)[:2] == ("a", "12"), "the template wrote the opening one"
    assert split("<scratch>a", own) == Split("a", "", "unclosed", False)
    assert split("<think>a</think>12", own)[:2] == ("a", "12"), "and the known ones stay known"


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("a <think> b", True),
        ("`</think>`", True),
        ("a <thought> b", True),
        ("`<thought>`", False),
        ("<details>x</details>", False),
        ("[THINK]", True),
        ("I think: 12", False),
    ],
)
def test_stray_marks_are_seen_but_for_words_in_code_that_are_no_token_of_a_student(text: str, held: bool) -> None:
    assert holds_tags(text) is held


@given(st.text(alphabet="ab <>/think\n"), st.text(alphabet="ab \n12"))
def test_split_undoes_join(reasoning: str, answer: str) -> None:
    assume("</think>" not in reasoning)  # where the trace ends cannot be told then
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
        ("Ann sold 48/2 = 24 clips in May.\nIn all she sold 48 + 24 = 72 clips.", "72 clips"),
        ("In May it cost 2 * $4 = $8. In all it cost 8 + 3 = $11.", "$11"),
        *(
            (kept, kept)
            for kept in (
                "5 + 7 = 12 is what Kant calls a synthetic judgment a priori.",
                "At first there are 3 * 4 = 12 apples. Then take 2 away to get 10 apples.",
                "It has two divisors. It is prime because 7 * 1 = 7 and nothing else divides it.",
                "We have 3 + 4 = 7 for each of them. Hence the function is convex.",
            )
        ),
        ("", ""),
    ],
)
def test_the_reference_is_cut_out_of_a_worked_solution(reference: str, cut: str) -> None:
    assert cut_reference(reference) == cut
    assert cut_reference(cut) == cut, "a second cut changes nothing"


SEEDS = (
    "\\boxed{", "\\boxed{}", "{", "}", "####", "#### \n", "#### x\n", "answer to ", "answer is ", "the answer is: \n",
    "A:", "A: \n", "1", "1,234", "123 ", "1/", "1.", "-", "$", "$1 ", "$$", "\\(", "\\[", "(", "=", " = ", "*", "_",
    " ", "\n", "<think>", "</think>", "<think></think>", "<think>a</think>\n", "b <think>c</think>d\n", "`<think>`",
    "<details type=reasoning>", "<think \n", "<channel|>", "<|channel|>analysis<|message|>", "a:\n<think>\n", "<",
    "\n```\n<think>", " </think> a", "a ", "aa, ", "\\", "\\\\", "\x00", "💥", "\ud800", "1e", "%",
    "\nQ:", "Answer: 1\nQ: a", "<answer>", '{"answer": ', "yes, ", "A) ", "(A) or ", "not ", "1 and ", "twenty-",
    "5 km ", "1:", "x = 1, ", "答案是", "réponse ", "1'234", "\nCheck", "more than ", "(not ", " for 3 a",
    "\\text{a}^2", "|x|", "¼", "e\u0301", "１", "٣", "is the answer ", "The result is 1 ", "\\{x:", "<<1=",
)  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_a_quarter_of_a_megabyte_of_anything_takes_linear_time(seed: str) -> None:
    """What is quadratic takes a minute for it, or more."""
    text = seed * (2**18 // len(seed)) + "x"
    began = time.process_time()
    split(text)
    found = final_answer(text)
    cut_reference(text)
    assert time.process_time() - began < 1
    label_of(text[-ANSWER_WINDOW:])
    chosen_by_text(text[-ANSWER_WINDOW:], {"A": "x", "B": "y"})
    found_in(text[-ANSWER_WINDOW:], "Paris")
    assert time.process_time() - began < 3
    assert found is None or len(found.answer) <= MAX_ANSWER


@given(st.text(alphabet="\\boxed{}$#A:=answer is 1,2.3/%\n*()-"))
def test_no_text_is_an_error(text: str) -> None:
    found = final_answer(text)
    assert found is None or found.answer.strip() == found.answer != ""
    cut_reference(text)
