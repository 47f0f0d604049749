"""The regex verifier: what it searches, whose pattern counts, and that no pattern can hold it up."""

import os
import signal
import subprocess
import sys
import time

import pytest

from cotdistill.errors import UsageError
from cotdistill.plugins import build
from cotdistill.verifiers._patterns import MAX_PATTERN, compiled
from cotdistill.verifiers.regex import Verifier
from tests.conftest import make_prompt, make_response
from tests.cpu import at_most_cpu_s

CATASTROPHE = r"^(\w|\w\w|\d)+$"


@pytest.mark.parametrize(
    ("pattern", "on", "text", "status"),
    [
        (r"^\d+$", "answer", "It is a lot.\nAnswer: 42", "correct"),
        (r"^\d+$", "answer", "\\boxed{forty-two}", "incorrect"),
        (r"lot", "text", "It is a lot.\nAnswer: 42", "correct"),
        (r"lot", "answer", "It is a lot.\nAnswer: 42", "incorrect"),
        (r"yes|no", "answer", "I would say yes, all things considered", "correct"),
        (r"secret", "text", "<think>secret</think>public", "incorrect"),
        (r"secret", "reasoning", "<think>secret</think>public", "correct"),
        (r"public", "reasoning", "<think>secret</think>public", "incorrect"),
        (r"x", "text", "<think>x", "no_answer"),
        (r"x", "reasoning", "no trace", "no_answer"),
    ],
)
def test_a_pattern_is_searched_in_its_part(pattern: str, on: str, text: str, status: str) -> None:
    verdict = build("verifiers", f"regex:pattern={pattern},on={on}").judge(make_response(text))
    assert verdict.status == status, verdict


def test_a_separate_trace_is_reasoning_too() -> None:
    response = make_response("done", reasoning="step 1")
    assert Verifier(pattern="step", on="reasoning").judge(response).status == "correct"
    assert Verifier(pattern="step", on="text").judge(response).status == "incorrect"


def test_case_counts_unless_told_otherwise() -> None:
    assert Verifier(pattern="PARIS").judge(make_response("Paris")).status == "incorrect"
    assert Verifier(pattern="PARIS", ignore_case=True).judge(make_response("Paris")).status == "correct"


def test_without_a_pattern_the_reference_is_it() -> None:
    prompt = make_prompt(reference=r"^(?:4|four)$")
    assert Verifier().judge(make_response("Answer: four", prompt)).status == "correct"
    assert Verifier().judge(make_response("Answer: five", prompt)).status == "incorrect"
    verdict = Verifier(pattern="five").judge(make_response("Answer: five", prompt))
    assert (verdict.status, verdict.reference) == ("correct", "five"), "an option wins over the reference"


BAD = [
    ("(", "no regular expression"),
    ("a{1000000000}", "repeats a part of it more than"),
    ("((a{90}){90}){90}", "repeats a part of it more than"),
    ("a" * (MAX_PATTERN + 1), "longer than"),
    ("(" * 2000 + "a" + ")" * 2000, "no regular expression"),
]


@pytest.mark.parametrize(("pattern", "problem"), BAD)
def test_a_bad_pattern_is_a_usage_error_or_a_bad_reference(pattern: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        build("verifiers", "regex:pattern=" + pattern.replace(",", "\\,"))
    verdict = Verifier().judge(make_response("a", make_prompt(reference=pattern)))
    assert verdict.status == "bad_reference"
    assert problem in (verdict.detail or "")


@pytest.mark.parametrize("pattern", [r"\d{4}-\d{2}-\d{2}", r"[a-f0-9]{64}", r"[{]{2}a{,5}", r"(?:\w{1,40} ){1,99}"])
def test_ordinary_repeats_are_no_matter(pattern: str) -> None:
    Verifier(pattern=pattern)


def test_no_reference_is_bad() -> None:
    verdict = Verifier().judge(make_response("a", make_prompt(reference=None)))
    assert (verdict.status, verdict.detail) == ("bad_reference", "the prompt has no reference, and no pattern is given")


def test_a_catastrophic_pattern_is_a_timeout() -> None:
    text = "a1" * 40 + "!"
    with at_most_cpu_s(2):
        verdict = Verifier(pattern=CATASTROPHE, on="text", deadline_s=0.2).judge(make_response(text))
    assert (verdict.status, verdict.detail) == ("timeout", "the match did not end in time")


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="Windows stops no process")
def test_the_deadline_counts_processor_time_alone() -> None:
    """Stopped for a second, as a busy machine stops a process: that second does not count."""
    stopping = f"import os, time; time.sleep(0.1); os.kill({os.getpid()}, {signal.SIGSTOP:d}); time.sleep(1); "
    with subprocess.Popen([sys.executable, "-c", f"{stopping}os.kill({os.getpid()}, {signal.SIGCONT:d})"]):
        began = time.process_time()
        with pytest.raises(TimeoutError):
            compiled(CATASTROPHE).search("a1" * 40 + "!", timeout=1.0)
        used_s = time.process_time() - began
    assert used_s > 0.9


@pytest.mark.parametrize("seconds", ["0", "-1", "inf", "nan"])
def test_a_deadline_without_end_is_refused(seconds: str) -> None:
    with pytest.raises(UsageError, match="deadline_s"):
        build("verifiers", f"regex:pattern=a,deadline_s={seconds}")
