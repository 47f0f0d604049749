"""The mathematics verifier: what other tools accept or reject wrongly, hostile text, and the worker's deadline."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cotdistill.verifiers.math import Verifier, reads_as_math
from tests.conftest import ROOT, make_prompt, make_response

VERIFIER = Verifier()


def status(reference: str | None, text: str) -> str:
    return VERIFIER.judge(make_response(text, make_prompt(reference=reference))).status


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("50", r"\boxed{50.0\%}"),
        ("12", r"\boxed{13}, wait no \boxed{12}"),
        ("1000", "200 x $5 = $1000 for the hats. The total is $1000"),
        ("72", "#### 72\n\nNote: step 3 used 12 items."),
        ("A", "The answer is (A)."),
        ("1234", r"\boxed{1\,234}"),
        ("1234", "The answer is 1 234"),
        ("1234", r"\boxed{1{,}234}"),
        ("1,234", "Answer: 1234.0"),
        ("6.02e23", r"\boxed{6.02 \times 10^{23}}"),
        ("1/3", "Answer: 0.333"),
        ("0.333", r"\boxed{\frac{1}{3}}"),
        ("0.5", "Answer: 50%"),
        ("12", r"It is \boxed{12"),
        ("18", "She makes 18 dollars.\nA: $18.00"),
        ("-3/4", r"\boxed{-\frac{3}{4}}"),
        ("0.75", r"\boxed{\dfrac34}"),
        ("3", r"\boxed{x = 3}"),
        (r"\frac{1}{2}", "0.5"),
        (r"\frac{\sqrt{3}}{2}", r"\boxed{\sqrt{3}/2}"),
        (r"2\sqrt{2}", r"\boxed{\sqrt{8}}"),
        ("x^2+2x+1", r"\boxed{(x+1)^2}"),
        (r"\{1,2\}", r"\boxed{\{2,1\}}"),
        ("(1,2)", r"\boxed{(1, 2)}"),
        ("[0,1)", r"\boxed{[0, 1)}"),
        (r"\frac{\pi}{4}", r"\boxed{\pi/4}"),
        (r"\begin{pmatrix}1&0\\0&1\end{pmatrix}", r"\boxed{\begin{pmatrix} 1 & 0 \\ 0 & 1 \end{pmatrix}}"),
        ("10 cm", r"\boxed{10\text{ cm}}"),
        (r"90^\circ", r"\boxed{90^\circ}"),
        ("even", "The answer is even."),
        ("(B)", "The answer is (B)"),
        ("10", "10 cm"),
        ("2^{10}", r"\boxed{1024}"),
        ("-1", "Answer: −1"),
        ("0", r"\boxed{-0}"),
    ],
)
def test_right_answers_in_odd_dress_are_right(reference: str, text: str) -> None:
    assert status(reference, text) == "correct"


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("even", "The answer is neve"),
        ("listen", "The answer is silent"),
        ("abc", r"\boxed{cab}"),
        (r"\frac{1}{2^{99}}", r"\boxed{\frac{1}{2^{98}}}"),
        (r"\frac{1}{2004!}", r"\boxed{\frac{1}{2006!}}"),
        ("0.0000001", "Answer: 0.0000002"),
        ("5", r"\boxed{500\%}"),
        ("10 cm", r"\boxed{10 \text{ km}}"),
        ("3.5", "Answer: 3.4999999"),
        ("3.4999999", "Answer: 3.5"),
        ("A", "The answer is a."),
        ("7", r"<think>\boxed{7}</think> The answer is 8."),
        ("1/3", "Answer: 0.3"),
        ("1/3", "Answer: 0.33"),
        ("0.3333", "Answer: 0.333"),
        ("1011_2", r"\boxed{1011}"),
        ("1011", r"\boxed{1011_2}"),
        ("(1,2)", r"\boxed{(2,1)}"),
        ("[0,1)", r"\boxed{[0,1]}"),
        ("(0,1)", r"\boxed{[0,1]}"),
        (r"\{1,2\}", r"\boxed{\{1,2,3\}}"),
        (r"1-\frac{1}{e}", r"\boxed{1+\frac{1}{\mathrm{e}}}"),
        ("25.31", "It was $25.31. The answer is fifty-two point six two"),
        ("2", r"\boxed{2\sqrt{2}}"),
        ("18", "Answer: 180"),
        ("18", "Answer: -18"),
        ("1/2", "Answer: 1/3"),
        ("x+1", r"\boxed{x-1}"),
        (r"\pi", r"\boxed{3.14}"),
        ("100", r"\boxed{10^{3}}"),
        ("12:30", r"\boxed{12:45}"),
    ],
)
def test_near_misses_are_wrong(reference: str, text: str) -> None:
    assert status(reference, text) == "incorrect"


@pytest.mark.parametrize(
    ("reference", "text", "expected"),
    [
        (None, "Answer: 4", "bad_reference"),
        ("  ", "Answer: 4", "bad_reference"),
        ("(" * 100, "Answer: 4", "bad_reference"),
        ("9^9^9^9", "Answer: 4", "bad_reference"),
        ("4", "I cannot tell.", "no_answer"),
        ("4", "", "no_answer"),
        ("4", "<think>2+2=4, so the answer is 4", "no_answer"),
    ],
)
def test_what_cannot_be_judged_is_not_called_wrong(reference: str | None, text: str, expected: str) -> None:
    assert status(reference, text) == expected


def test_the_method_names_the_tier_and_the_rule() -> None:
    verdict = VERIFIER.judge(make_response(r"\boxed{4.0}", make_prompt(reference="4")))
    assert (verdict.method, verdict.answer, verdict.reference) == ("numeric/boxed", "4.0", "4")


HOSTILE = [
    "9^9^9^9^9",
    "2^{2^{2^{2^{2^{2}}}}}",
    r"(10^7)!",
    r"\binom{10^8}{5\cdot 10^7}",
    "(" * 3000 + "1" + ")" * 3000,
    r"\frac{" * 800 + "1" + "}{2}" * 800,
    "1" * 20_000,
    "7" * 1_000_000,
    r"\sqrt{" * 500 + "2" + "}" * 500,
    r"\sum_{n=1}^{10^{9}} \frac{1}{n}",
    r"\int_0^{\infty} e^{-x^2} \sin(x^{99}) dx",
    r"\prod_{k=1}^{99999} k",
    "\x00" * 100,
    "\u202e4\u202c",
    "x" + "+x" * 400,
    r"\begin{matrix}" * 50,
    "((((((((((a|b)*)*)*)*)*)*)*)*)*)",
    "1e999999999",
    r"99999999^{99999999}",
    "{" * 10_000,
]


@pytest.mark.slow
def test_hostile_answers_cost_their_deadline_at_most_and_lose_only_themselves() -> None:
    verifier = Verifier(deadline_s=2.0)
    began = time.monotonic()
    for text in HOSTILE:
        verdict = verifier.judge(make_response(f"\\boxed{{{text}}}", make_prompt(reference=r"\sqrt{2}")))
        assert verdict.status in ("incorrect", "timeout", "error", "no_answer"), text[:40]
        again = verifier.judge(make_response(r"\boxed{\frac{2}{\sqrt{2}}}", make_prompt(reference=r"\sqrt{2}")))
        assert again.status == "correct", f"after {text[:40]}"
    assert time.monotonic() - began < 60


def test_a_worker_that_hangs_is_killed_at_the_deadline_and_the_next_one_works() -> None:
    verifier = Verifier(deadline_s=1.0)
    compare = verifier._comparer.compare
    assert compare("x", "x") == "equal"
    process = verifier._comparer._process
    assert process is not None
    process.send_signal(signal.SIGSTOP)  # as stuck as a process can be
    assert compare("x", "y") == "timeout"
    assert process.poll() is not None
    assert compare("x", "x") == "equal"
    verifier._comparer.close()


def test_no_worker_outlives_a_parent_that_was_killed() -> None:
    code = (
        "import os, sys\nfrom cotdistill.verifiers._symbolic import Comparer\ncomparer = Comparer(5.0)\n"
        "comparer.compare('x', 'x')\nprint(comparer._process.pid, flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as parent:
        assert parent.stdout
        worker = int(parent.stdout.readline())
        parent.kill()
    for _ in range(100):
        if not Path(f"/proc/{worker}").exists() or "Z" in Path(f"/proc/{worker}/stat").read_text().split()[2]:
            return
        time.sleep(0.05)
    pytest.fail("the worker still runs")


@pytest.mark.parametrize(
    ("reference", "mathematical"),
    [
        ("18", True),
        ("1,234.5", True),
        (r"\frac{1}{2}", True),
        ("x^2", True),
        ("(1,2)", True),
        ("x", True),
        ("Paris", False),
        ("New York", False),
        ("yes", False),
    ],
)
def test_references_that_read_as_mathematics(reference: str, mathematical: bool) -> None:
    assert reads_as_math(reference) is mathematical
