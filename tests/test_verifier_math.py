"""The mathematics verifier: near misses and odd spellings, hostile answers, and the worker process."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotdistill.answers import symbolic
from cotdistill.answers.references import reads_as_math
from cotdistill.answers.symbolic import Comparer
from cotdistill.errors import CotDistillError
from cotdistill.records import Response, Verdict
from cotdistill.verifiers.math import Verifier
from tests.conftest import ROOT, is_alive, make_prompt, make_response


def response(text: str, reference: str | None) -> Response:
    return make_response(text, prompt=make_prompt(reference=reference))


@pytest.fixture(scope="module")
def verifier() -> Verifier:
    return Verifier()


def boxed(verifier: Verifier, answer: str, reference: str) -> Verdict:
    return verifier.judge(response(f"So we get \\boxed{{{answer}}}.", reference))


RIGHT = [
    ("18", "18"),
    ("18.0", "18"),
    ("$18", "18"),
    ("\\$18.00", "18"),
    ("18 dollars per day", "18"),
    ("$18 per day", "18 dollars"),
    ("1,234", "1234"),
    ("1\\,234", "1234"),
    ("1{,}234", "1234"),
    ("1 234", "1234"),
    ("1,234,567.50", "1234567.5"),
    ("-5", "−5"),
    ("50.0\\%", "50"),
    ("50\\%", "50"),
    ("50%", "0.5"),
    ("0.5", "50%"),
    ("5 percent", "0.05"),
    ("6.02e23", "6.02\\times10^{23}"),
    ("602000", "6.02 \\cdot 10^5"),
    ("3/4", "\\frac{3}{4}"),
    ("\\dfrac34", "0.75"),
    ("1\\frac{1}{2}", "1.5"),
    ("3 1/2", "\\frac72"),
    ("0.333", "1/3"),
    ("66.67", "\\frac{200}{3}"),
    ("\\frac{1}{3}", "0.3333"),
    ("twenty-one", "21"),
    ("five apples", "5"),
    ("12 cm", "12\\text{ cm}"),
    ("12", "12\\text{ centimeters}"),
    ("12 centimeters", "12 cm"),
    ("30^\\circ", "30"),
    ("x = 3", "3"),
    ("3", "x=3"),
    ("9 \\times 2 = 18", "18"),
    ("(B)", "B"),
    ("B) 18 apples", "B"),
    ("(B) 18", "18"),
    ("\\text{Even}", "even"),
    ("18, which is 2 more than 16", "18"),
    ("1, 2", "1,2"),
    ("1 \\text{ and } 2", "1, 2"),
    ("(1, 2)", "(1,2)"),
    ("\\left( \\frac{2}{4}, 2 \\right)", "(1/2, 2)"),
    ("\\langle 1, 2 \\rangle", "(1,2)"),
    ("\\{2, 1\\}", "\\{1,2\\}"),
    ("\\{\\frac12, \\sqrt{8}\\}", "\\{2\\sqrt2, 0.5\\}"),
    ("[1, \\infty)", "[1,\\infty)"),
    ("(3,4)\\cup(1,2]", "(1,2]\\cup(3,4)"),
    ("x \\in (1,2)", "(1,2)"),
    ("\\begin{bmatrix}1&2\\\\3&4\\end{bmatrix}", "\\begin{pmatrix} 1 & 2 \\\\ 3 & \\frac{8}{2} \\end{pmatrix}"),
    ("\\frac{1}{\\sqrt{2}}", "\\frac{\\sqrt2}{2}"),
    ("(x+1)^2", "x^2+2x+1"),
    ("2^{10}", "1024"),
    ("10!", "3628800"),
    ("2\\sqrt{3} units", "2\\sqrt{3}"),
    ("5\\sqrt{2}\\text{ cm}", "\\sqrt{50}"),
    ("\\pm 3", "\\pm 3"),
    ("\\pm 3", "-3, 3"),
    ("x=\\frac{-1\\pm\\sqrt5}{2}", "\\frac{-1\\pm\\sqrt{5}}{2}"),
    ("\\left(\\begin{array}{c}1\\\\2\\end{array}\\right)", "\\begin{pmatrix}1\\\\2\\end{pmatrix}"),
    ("1,\\! 234", "1234"),
    ("18 \\text{ sq. ft}", "18"),
    ("1 - \\frac{1}{e}", "\\frac{e-1}{e}"),
    ("f(x)=x^2+1", "x^2+1"),
    ("\\arctan 1", "\\frac{\\pi}{4}"),
    ("\\{(1,2),(3,4)\\}", "\\{(3,4),(1,2)\\}"),
    ("a^2-b^2", "(a-b)(a+b)"),
    ("0.75x", "\\frac{3}{4}x"),
    ("2^{100}", "1267650600228229401496703205376"),
    ("3 < x", "x > 3"),
    ("y = 3 + 2x", "y=2x+3"),
    ("\\frac{x}{2^{99}}", "x \\cdot 2^{-99}"),
    ("2π", "2\\pi"),
    ("√2", "\\sqrt{2}"),
    ("\\sin^2 x", "\\sin^{2}{x}"),
    ("1011_{2}", "1011_2"),
    ("3+4i", "4i+3"),
    ("x^2+y^2+z^2", "z^2+y^2+x^2"),
    ("12:30", "12:30"),
    ("(2, 1), (1, 2)", "(1,2),(2,1)"),
    ("(1,2),(2,1),(1,2)", "(2,1),(1,2)"),
    ("(0; 0), (4; 6)", "(4, 6), (0, 0)"),
    ("(1,2) or (2,1)", "(2,1)or(1,2)"),
    ("x = 3 or x = -3", "-3, 3"),
    ("x_1 = 2, x_2 = 5", "5, 2"),
    ("a = 4, -8, -10", "-10, -8, 4"),
    ("k = 45 and n = 2", "n = 2, k = 45"),
    ("45, 2", "k = 45, n = 2"),
    ("(x, y) = (3, 2)", "(3, 2)"),
    ("1, 2, 3", "\\{3, 2, 1\\}"),
    ("{1, 2, 3}", "1, 2, 3"),
    ("\\{x : y\\} = 2", "\\{x : y\\} = 2"),
    ("f(x) = 7", "7"),
    ("7", "|AB| = 7"),
    ("7", "\\angle ABC = 7"),
    ("11:21", "V_1:V_2 = 11:21"),
    ("\\frac{1}{\\sqrt{6}}", "\\frac{NO}{BO} = \\frac{1}{\\sqrt6}"),
    ("x \\ge 5", "x >= 5"),
    ("x \\geqslant 5", "x ≥ 5"),
    ("x \\ne 3", "x != 3"),
    ("-2 \\le x \\le 7", "[-2, 7]"),
    ("x \\in (3, \\infty)", "x > 3"),
    ("x < 3", "(-\\infty, 3)"),
    ("y = -\\frac{1}{2}x + \\frac{3}{4}", "2x + 4y - 3 = 0"),
    ("1000,99", "1000.99"),
    ("2,74", "2.74"),
    ("2,7", "2.7"),
    ("0,111", "0.111"),
    ("14 {, }916", "14916"),
    ("$$0.06 \\text{ yuan}$$", "0.06 \\text{ yuan}"),
    ("\\\\frac{3}{4}", "\\frac{3}{4}"),
    ("1 - \\frac{1}{\\mathrm{e}}", "\\frac{e-1}{e}"),
    ("\\begin{pmatrix}1&2\\end{pmatrix} + \\begin{pmatrix}3&4\\end{pmatrix}", "\\begin{pmatrix}4&6\\end{pmatrix}"),
    ("[1,2] \\cup [5,6]", "[5, 6] \\cup [1, 2]"),
    ("\\frac{\\pi}{6}", "\\pi/6"),
    ("\\sqrt[3]{8}", "2"),
    ("\\log_2 8", "3"),
    ("\\binom{5}{2}", "10"),
    ("\\lfloor 3.7 \\rfloor", "3"),
    ("|-5|", "5"),
    ("2x(x+3)", "2x^2 + 6x"),
    ("\\frac{x^2-1}{x-1}", "x + 1"),
    ("0.1\\overline{6}", "\\frac16"),
    ("33.\\overline{3}", "\\frac{100}{3}"),
    ("7.5\\%", "7.5%"),
    ("1.5 hours", "1.5 h"),
    ("12 \\text{ sq cm}", "12"),
    ("0", "1 = y = x = 0"),
    ("(5,2), (7,2)", "p=5,q=2;p=7,q=2"),
    ("p=7,q=2;p=5,q=2", "(5,2), (7,2)"),
    ("1, 2", "\\boxed{1} loaf and \\boxed{2} eggs"),
    ('"12 and 13"', "12 and 13"),
]


@pytest.mark.parametrize(("answer", "reference"), RIGHT)
def test_another_spelling_of_the_reference_is_correct(verifier: Verifier, answer: str, reference: str) -> None:
    verdict = boxed(verifier, answer, reference)
    assert (verdict.status, verdict.detail) == ("correct", None), verdict


WRONG = [
    ("neve", "even", "letters of a word do not commute"),
    ("silent", "listen", "letters of a word do not commute"),
    ("cab", "abc", "letters of a word do not commute"),
    ("2\\text{ silent}+x", "2\\text{ listen}+x", "nor within a formula"),
    ("1/2^98", "1/2^99", "tiny numbers differ in proportion"),
    ("\\frac{x}{2^{98}}", "\\frac{x}{2^{99}}", "and so do tiny coefficients"),
    ("1/2006!", "1/2004!", "below the range of floats"),
    ("0.0000002", "0.0000001", "exact decimals"),
    ("500\\%", "5", "a percentage of 500 is no 5"),
    ("0.5%", "0.5", "a number up to 1 is a share"),
    ("5\\%", "500", "nor a percentage of 5 a 500"),
    ("10 km", "10 cm", "another unit"),
    ("10\\text{ km}", "10\\text{ cm}", "another unit"),
    ("5\\sqrt2\\text{ km}", "5\\sqrt2\\text{ cm}", "another unit behind a formula"),
    ("$5", "€5", "another currency"),
    ("3 pm", "3 am", "another half of the day"),
    ("3.4999999", "3.5", "decimals are exact"),
    ("0.33", "1/3", "two digits are too few"),
    ("0.334", "1/3", "not the rounding"),
    ("333", "1000/3", "an integer is no rounding"),
    ("0.13", "1/8", "1/8 can be written exactly"),
    ("1.414", "\\sqrt{2}", "no rounding of roots"),
    ("a", "A", "options and variables keep their case"),
    ("Ra", "rA", "letters of a formula too"),
    ("2r+1", "2R+1", "letters of a formula too"),
    ("2, 1", "1, 2", "a list has an order"),
    ("(2, 1)", "(1, 2)", "a pair has an order"),
    ("\\{1, 2\\}", "(1, 2)", "a set is no pair"),
    ("[1, 2]", "(1, 2)", "closed is not open"),
    ("(1, 2]", "(1, 2)", "half open is not open"),
    ("3, 4", "(3, 4)", "two numbers are no interval"),
    ("[1,2]\\cup(3,4)", "(1,2)\\cup(3,4)", "nor within a union"),
    ("\\{1, 2, 2\\}", "\\{1, 2\\}", "one part too many"),
    ("1, 2, 3", "1, 2", "one part too many"),
    ("5, 6", "5", "a list is no number"),
    ("\\begin{pmatrix}1&3\\\\2&4\\end{pmatrix}", "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "the transpose"),
    ("\\begin{pmatrix}1&2&3&4\\end{pmatrix}", "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "another shape"),
    ("1+1/\\mathrm{e}", "1-1/\\mathrm{e}", "nothing of it is cut"),
    ("1011", "1011_2", "another base"),
    ("1011_3", "1011_2", "another base"),
    ("5x", "5", "a product is no unit"),
    ("5m", "5", "a product is no unit"),
    ("3i", "3", "imaginary"),
    ("5 million", "5", "a word of scale is no unit"),
    ("2 dozen", "2", "a word of scale is no unit"),
    ("5 more or less", "5", "a hedge"),
    ("not 5", "5", "a hedge"),
    ("between 5 and 6", "5", "two numbers"),
    ("3 apples and 4 pears", "3", "two numbers"),
    ("12", "1 2", "space between digits counts"),
    ("11/2", "1 1/2", "space between digits counts"),
    ("1/23", "\\frac{1}{2}3", "no digit is glued to a fraction"),
    ("1.2.3", "0.36", "a version is no product"),
    ("12:30", "12", "a time is no number"),
    ("x + y = 3", "3", "an equation of two unknowns is no value"),
    ("y = 3", "x = 3", "another unknown"),
    ("x \\ge 3", "x > 3", "another relation"),
    ("x < 3", "x > 3", "another relation"),
    ("-\\infty", "\\infty", "another sign"),
    ("(x+1)^2", "x^2+2x+2", "another polynomial"),
    ("\\frac{1}{0}", "1", "no number"),
    ("C", "B", "another option"),
    ("x'", "x", "a derivative"),
    ("\\pm 3", "3", "two values are not one"),
    ("\\pm 3", "3, 4", "other values"),
    ("2^{100}+1", "2^{100}", "great numbers are exact"),
    ("x+0.0000001", "x", "small terms count"),
    ("3.1416", "\\pi", "no rounding of irrational numbers"),
    ("22/7", "\\pi", "no approximation"),
    ("60 km", "60 mph", "another unit"),
    ("18 girls", "18 boys", "other things"),
    ("\\begin{vmatrix}1&2\\\\3&4\\end{vmatrix}", "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "a determinant"),
    ("3 or 4", "3", "two values are not one"),
    ("\\sqrt{x^2}", "x", "the sign is open"),
    ("It is complicated", "5", "no number in it"),
    ("a_3 = 19, a_{37} = 2", "a_3 = 2, a_{37} = 19", "values of other names"),
    ("k = 2, n = 45", "k = 45, n = 2", "values of other names"),
    ("(1,2),(2,3)", "(1,2),(2,1)", "another point"),
    ("(1,2),(2,1),(3,3)", "(1,2),(2,1)", "one point too many"),
    ("x = 3 or x = -4", "-3, 3", "another root"),
    ("1, 2, 4", "\\{3, 2, 1\\}", "another member"),
    ("7 = 11a + c", "7", "no sum of numbers"),
    ("A:B = 1:3", "1:2", "another ratio"),
    ("x \\ge 5", "x > 5", "closed is not open"),
    ("(3, \\infty)", "x \\ge 3", "open is not closed"),
    ("x \\le 3", "[3, \\infty)", "the other side"),
    ("2,740", "2.74", "a thousand separator"),
    ("1000,99", "1000.98", "another number"),
    ("1 + \\frac{1}{\\mathrm{e}}", "1 - \\frac{1}{\\mathrm{e}}", "another sign"),
    ("y = -\\frac{1}{2}x + \\frac{1}{4}", "2x + 4y - 3 = 0", "another line"),
    (
        "\\begin{pmatrix}1&2\\end{pmatrix} + \\begin{pmatrix}3&5\\end{pmatrix}",
        "\\begin{pmatrix}4&6\\end{pmatrix}",
        "another sum",
    ),
    ("[1,2] \\cup [5,6)", "[5, 6] \\cup [1, 2]", "an end is open"),
    ("\\frac{\\pi}{3}", "\\pi/6", "another angle"),
    ("\\log_2 8", "8", "a logarithm"),
    ("(3, 2)", "(p, q) = (2, 3)", "a point has an order"),
    ("1", "1 = y = x = 2 - 2", "the end of a chain is the result"),
    ("(2,5), (2,7)", "p=5,q=2;p=7,q=2", "a point has an order"),
    ("(5,2), (7,3)", "p=5,q=2;p=7,q=2", "another point"),
    ("1, 2", "\\boxed{1} was a slip of my pen, it is \\boxed{2}", "the last box is the answer"),
    ('"12 and 14"', "12 and 13", "another number"),
]


@pytest.mark.parametrize(("answer", "reference", "reason"), WRONG)
def test_a_near_miss_is_incorrect(verifier: Verifier, answer: str, reference: str, reason: str) -> None:
    verdict = boxed(verifier, answer, reference)
    assert verdict.status == "incorrect", (reason, verdict)


WHOLE = [
    ("\\boxed{13}, wait no \\boxed{12}", "12", "correct", "numeric/boxed"),
    ("\\boxed{13}, wait no \\boxed{12}", "13", "incorrect", "numeric/boxed"),
    ("#### 72\n\nNote: step 3 used 12 items.", "72", "correct", "text/hashes"),
    ("200 x $5 = $1000 for this. 3 x $8 = $24 more.\nThe total is $1000", "1000", "correct", "numeric/last_number"),
    ("<think>\\boxed{7}</think> The answer is 8.", "7", "incorrect", "numeric/answer_line"),
    ("<think>\\boxed{7}</think> The answer is 8.", "8", "correct", "text/answer_line"),
    ("it costs $25.31. the answer is fifty-two point six two", "25.31", "incorrect", "numeric/answer_line"),
    ("Hence $x = 3.0$.", "3", "correct", "numeric/equation"),
    ("The answer is (A).", "A", "correct", "text/answer_line"),
    ("Result: \\boxed{12", "12", "correct", "text/boxed"),
    ("So $\\boxed{-2}$ and $\\boxed{1}$.", "1, -2", "correct", "structure/boxed"),
    ("$$\\boxed{2}, \\boxed{3}$$", "2, 3", "correct", "text/boxed"),
    ("\\boxed{1} papers and \\boxed{2} bins", "1, 2", "correct", "text/boxed"),
    ("\\boxed{1} papers and \\boxed{2} bins", "2", "correct", "text/boxed"),
    ("\\boxed{1} papers and \\boxed{3} bins", "1, 2", "incorrect", "structure/boxed"),
    ("\\boxed{(3, 3)} \\text{ for (a) and } \\boxed{(1, 1)}", "(3,3), (1,1)", "correct", "text/boxed"),
    ("Hence $x \\geq 5$ solves it.", "x >= 5", "correct", "text/last_formula"),
    (
        "It is $\\begin{pmatrix}1&0\\\\0&1\\end{pmatrix}$.",
        "\\begin{bmatrix}1&0\\\\0&1\\end{bmatrix}",
        "correct",
        "structure/last_formula",
    ),
    ("Final Answer: The largest $n$ is 34.", "34", "correct", "numeric/answer_line"),
    ("\\boxed{255}, so the final answer is $10,455$. I hope it is correct.", "10455", "correct", "numeric/conclusion"),
    ("The midpoints form a regular hexagon", "The midpoints form a regular hexagon", "correct", "text/whole"),
    ("She makes $1,080 every week.", "1080", "correct", "numeric/last_number"),
    ("**Answer:** 1 234 dollars", "1234", "correct", "numeric/answer_line"),
    ("Together they cost 2,74 euros.", "2.74", "correct", "numeric/last_number"),
    ("Together they cost 3,74 euros.", "2.74", "incorrect", "numeric/last_number"),
    (
        "The answer is 28%.",
        "We lose 28 %. Final Answer: The final answer is $28 \\%$. I hope it is correct. Note: that was wrong.",
        "correct",
        "numeric/answer_line",
    ),
    ("Thus we obtain $\\frac{3}{4}$.", "0.75", "correct", "numeric/last_formula"),
    ("The answer is:\n$$\n\\frac{\\sqrt{2}}{2}\n$$", "\\frac{1}{\\sqrt2}", "correct", "symbolic/answer_line"),
]


@pytest.mark.parametrize(("text", "reference", "status", "method"), WHOLE)
def test_the_answer_is_taken_from_its_place_in_the_text(
    verifier: Verifier, text: str, reference: str, status: str, method: str
) -> None:
    verdict = verifier.judge(response(text, reference))
    assert (verdict.status, verdict.method.split("/")[1]) == (status, method.split("/")[1]), verdict
    assert method.split("/")[0] in (verdict.method.split("/")[0], "numeric"), verdict


@pytest.mark.parametrize(
    ("text", "reference", "status", "detail"),
    [
        ("18", None, "bad_reference", "the prompt has no reference"),
        ("18", "  ", "bad_reference", "the prompt has no reference"),
        ("18", "It depends on x, see the figure below.", "bad_reference", "the reference is a sentence"),
        ("x+1", "\\frac{1}{", "bad_reference", "the reference cannot be read as mathematics"),
        ("x+1", "x" * 5000, "bad_reference", "the reference is longer than 4096 characters"),
        ("<think>so \\boxed{18}", "18", "no_answer", "the reasoning does not end"),
        ("", "18", "no_answer", "no final answer in the text"),
        ("I do not know.", "18", "no_answer", "no final answer in the text"),
        ("\\boxed{\\frac{1}{}", "x+1", "incorrect", "the answer cannot be read as mathematics"),
    ],
)
def test_what_cannot_be_judged_says_why(
    verifier: Verifier, text: str, reference: str | None, status: str, detail: str
) -> None:
    verdict = verifier.judge(response(text, reference))
    assert (verdict.status, verdict.detail) == (status, detail)


def test_no_answer_makes_a_number_a_bad_reference(verifier: Verifier) -> None:
    for junk in ("\x7fS\ufffd\x7f 45_\ufffd\x7fS", "a_{b", "4^{5_", "}{x_2"):
        assert verifier.judge(response(junk, "60km")).status in ("incorrect", "no_answer"), junk


def test_a_truncated_response_is_judged_by_what_is_there(verifier: Verifier) -> None:
    prompt = make_prompt(reference="18")
    cut = make_response("So the answer is 18. To check, let us", prompt=prompt, stop_reason="length")
    assert verifier.judge(cut).status == "correct"


@pytest.mark.parametrize(
    ("reference", "reads"),
    [
        *[(number, True) for number in ("18", "-1,234.5", "$5", "50%", "3/4", "12 apples", "1e9")],
        *[(formula, True) for formula in ("\\frac{1}{2}", "x+1", "(1,2]", "\\{1,2\\}", "2\\sin x", "x = 3", "B")],
        *[(words, False) for words in ("Paris", "Apollo 11", "yes", "2020-01-05", "12:30", "def f(x): return x", "")],
    ],
)
def test_reads_as_math_tells_formulas_from_words(reference: str, reads: bool) -> None:
    assert reads_as_math(reference) is reads


HOSTILE = {
    "power tower": "5^(5^(5^(5^5)))",
    "power tower without brackets": "9^9^9^9^9",
    "power tower in braces": "9^{9^{9^{9}}}",
    "great power": "10^{1000000000}",
    "power of a power": "(10^{9999})^{9999}",
    "factorial": "10000000!",
    "factorial of a factorial": "(9!)!",
    "binomial": "\\binom{100000000}{50000000}",
    "3,000 brackets": "(" * 3000 + "1" + ")" * 3000,
    "3,000 open brackets": "(" * 3000,
    "a megabyte of letters": "x" * 2**20,
    "a megabyte of sums": "1+" * 2**19 + "1",
    "20,000 digits": "7" * 20_000,
    "3,000 digits divided": "7" * 1500 + "/" + "3" * 1500,
    "800 fractions": "\\frac{1}{" * 800 + "1" + "}" * 800,
    "30 fractions": "\\frac{1}{1+" * 30 + "x" + "}" * 30,
    "roots of roots": "\\sqrt{" * 60 + "2" + "}" * 60,
    "a long sum": "+".join(f"x_{{{n}}}" for n in range(300)),
    "an endless sum": "\\sum_{n=1}^{10000} \\sin(n^{n})",
    "an integral": "\\int_0^1 \\sin(\\exp(x^{x^x})) dx",
    "deep sets": "\\{" * 500 + "1" + "\\}" * 500,
    "sets of sets": "\\{" + ",".join("\\{" + ",".join(map(str, range(n, n + 38))) + "\\}" for n in range(30)) + "\\}",
    "a chain of names": "x=" * 2000 + "1",
    "a chain of options": "A) " * 1300 + "1",
    "nulls and surrogates": "\x00\ud800\u202e{{{",
    "regex bait": "1,111" * 800 + "!",
    "spaces": "1" + " " * 4000 + "x",
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("side", ["answer", "reference"])
def test_a_hostile_text_is_a_verdict_in_bounded_time(name: str, side: str) -> None:
    hostile = HOSTILE[name]
    text, reference = (f"\\boxed{{{hostile}}}", "x+1") if side == "answer" else ("\\boxed{x+1}", hostile)
    began = time.process_time()
    verdict = HASTY.judge(response(text, reference))
    assert verdict.status in ("incorrect", "timeout", "error", "bad_reference", "no_answer"), verdict.status
    assert time.process_time() - began < HASTY.deadline_s + 1, "this process's own share of the deadline"
    assert boxed(HASTY, "x+1", "1+x").status == "correct", "the next response is judged"


@pytest.mark.timeout(30)
def test_a_long_run_of_digits_before_a_decimal_comma_does_not_delay_the_verdict() -> None:
    """A pattern that is anchored at the end only would need minutes for it."""
    text = "7" * 200_000 + " or so, hence it costs {} euros."
    assert HASTY.judge(response(text.format("3,74"), "2.74")).status == "incorrect"
    assert HASTY.judge(response(text.format("2,74"), "2.74")).status == "correct"


def test_the_deadline_covers_all_parts_of_an_answer() -> None:
    sets = [",".join(str(m) for m in range(n, n + 38)) for n in range(30)]
    reference = "\\{" + ",".join(f"\\{{{one},x\\}}" for one in sets) + "\\}"
    answer = "\\{" + ",".join(f"\\{{y,{one}\\}}" for one in reversed(sets)) + "\\}"
    began = time.process_time()
    verdict = boxed(Verifier(deadline_s=0.2), answer, reference)
    assert verdict.status in ("timeout", "incorrect")
    assert time.process_time() - began < 2


def test_reads_as_math_is_quick_on_anything() -> None:
    began = time.process_time()
    assert not any(reads_as_math(hostile) for hostile in HOSTILE.values() if len(hostile) > 4096)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(("answer", "reference"), [("1.cfry", "(/3,1)"), ("2ono,]", "x+1")])
def test_an_answer_whose_number_cannot_be_cut_out_is_prose_and_ruled_once(answer: str, reference: str) -> None:
    assert boxed(HASTY, answer, reference).status == "incorrect"


@settings(deadline=None, max_examples=200)
@given(
    st.text(alphabet="\\boxed{}$#A:=answer is 1,2.3/%\n*()-xy^_[]|<>", max_size=40),
    st.text(alphabet="\\frac{}1,2.3/%()-xy^_[]|<>& ", max_size=20),
)
def test_no_text_is_an_exception(text: str, reference: str) -> None:
    assert HASTY.judge(response(text, reference)).method
    reads_as_math(reference)


@given(st.fractions(max_denominator=10**6))
def test_every_fraction_is_correct_in_three_spellings_and_its_neighbour_is_not(value: Fraction) -> None:
    sign, over, under = "-" if value < 0 else "", abs(value.numerator), value.denominator
    for spelling in (f"{value}", f"{sign}\\frac{{{over}}}{{{under}}}", f"{sign}{over:,}/{under}"):
        assert boxed(HASTY, spelling, str(value)).status == "correct", spelling
    assert boxed(HASTY, str(value + Fraction(1, 10**7)), str(value)).status == "incorrect"


HASTY = Verifier(deadline_s=1.0)


# The worker -----------------------------------------------------------------------------------------------------------

on_linux = pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc")


def ends(pid: int, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not is_alive(pid)


def worker_of(verifier: Verifier) -> int:
    pid = verifier.equality.comparer.pid
    assert pid is not None, "a worker runs"
    return pid


def test_no_process_is_started_for_numbers() -> None:
    verifier = Verifier()
    assert boxed(verifier, "1,234.0", "1234").status == "correct"
    assert verifier.equality.comparer.pid is None


@on_linux
def test_a_worker_that_hangs_without_computing_is_replaced_and_asked_once_more() -> None:
    comparer = Comparer(backstop_s=1.0)  # and twenty times the deadline
    assert comparer.compare("x+1", "1+x", 0.1).outcome == "equal"
    hanging = comparer.pid
    assert hanging
    os.kill(hanging, signal.SIGSTOP)
    assert comparer.compare("x+2", "2+x", 0.1).outcome == "equal"
    assert not is_alive(hanging)
    assert comparer.pid != hanging


@on_linux
def test_the_deadline_counts_the_workers_processor_time_and_not_the_clock_on_the_wall() -> None:
    comparer = Comparer()
    assert comparer.compare("x+1", "1+x", 1.0).outcome == "equal"
    worker = comparer.pid
    assert worker
    os.kill(worker, signal.SIGSTOP)
    threading.Timer(1.5, os.kill, (worker, signal.SIGCONT)).start()
    assert comparer.compare("x+2", "2+x", 1.0).outcome == "equal", "it stood still for longer than its deadline"
    assert comparer.pid == worker
    assert comparer.compare(BUSY, "5", 0.5).outcome == "timeout"


@on_linux
def test_a_worker_that_dies_costs_one_verdict_at_most() -> None:
    verifier = Verifier()
    assert boxed(verifier, "x+1", "1+x").status == "correct"
    os.kill(worker_of(verifier), signal.SIGSTOP)
    threading.Timer(0.3, os.kill, (worker_of(verifier), signal.SIGKILL)).start()
    assert boxed(verifier, "x+2", "2+x").status == "error", "it died over this question"
    assert boxed(verifier, "x+2", "2+x").status == "correct"


@on_linux
def test_a_verifier_takes_its_worker_with_it() -> None:
    verifier = Verifier()
    assert boxed(verifier, "x+1", "1+x").status == "correct"
    pid = worker_of(verifier)
    del verifier
    assert ends(pid, within_s=2)


@on_linux
def test_an_interrupted_question_does_not_answer_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = Verifier()
    assert boxed(verifier, "x+1", "1+x").status == "correct"

    def interrupt(*_: object) -> bytes:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(symbolic, "_receive", interrupt)
        with pytest.raises(KeyboardInterrupt):
            boxed(verifier, "x+2", "2+x")
    assert boxed(verifier, "x+3", "2+x").status == "incorrect", "not the reply to the question before"


def test_threads_share_one_worker() -> None:
    verifier = Verifier(deadline_s=20)
    with ThreadPoolExecutor(4) as pool:
        verdicts = list(pool.map(lambda n: boxed(verifier, f"x+{n}", f"{n % 7}+x"), range(1, 29)))
    assert [verdict.status == "correct" for verdict in verdicts] == [n == n % 7 for n in range(1, 29)]


def test_a_missing_math_verify_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "math_verify.py").write_text("raise ImportError('no antlr4')")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(CotDistillError, match=r"math-verify, which compares formulas, cannot be used: no antlr4"):
        boxed(Verifier(), "x+1", "1+x")


BUSY = "(10^{9999})^{9999}"

PARENT = f"""
import sys, threading
sys.path[:] = {sys.path!r}
from cotdistill.answers.symbolic import Comparer
comparer = Comparer()
comparer.compare("x+1", "1+x", 60)
print(comparer.pid, flush=True)
if sys.argv[1] == "busy":
    comparer.compare({BUSY!r}, "5", 1)
threading.Event().wait()
"""


@on_linux
@pytest.mark.parametrize("state", ["idle", "busy"])
def test_a_killed_parent_leaves_no_worker_behind(state: str) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, state], stdout=subprocess.PIPE, cwd=ROOT) as parent:
        assert parent.stdout
        worker = int(parent.stdout.readline())
        time.sleep(0.5)
        assert is_alive(worker)
        parent.kill()
    assert ends(worker, within_s=300.0), "a guard against hanging: it ends its second of processor time first"


def test_a_matrix_that_stands_alone_is_no_number_of_something_else(verifier: Verifier) -> None:
    prompt = make_prompt(question="Which matrix?", reference=r"\begin{pmatrix}1&2\\3&4\end{pmatrix}")
    said = make_response(r"\begin{bmatrix}1 & 2\\ 3 & 4\end{bmatrix}", prompt=prompt)
    assert verifier.judge(said).status == "correct"
