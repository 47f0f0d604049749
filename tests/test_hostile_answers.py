"""Twenty hostile answers among 500 ordinary ones: they alone are lost, and nothing hangs.

`tests/benchmarks/hostile.py` prints the same with time and memory.
"""

import json
import random
import resource
import time
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from cotdistill.artifacts.json_lines import read_records
from cotdistill.config import FilterConfig
from cotdistill.plugins import build, names
from cotdistill.progress import Silent
from cotdistill.records import Dropped, Judged, Prompt, Response
from cotdistill.stages import filter as stage
from tests.conftest import make_prompt, make_response

DEADLINE_S = 0.4
START_S = 6.0
"""For a new worker after a deadline: it imports sympy."""

HOSTILE = {
    "power tower": "\\boxed{5^(5^(5^(5^5)))}",
    "power tower in braces": "\\boxed{9^{9^{9^{9^{9}}}}}",
    "great power": "\\boxed{(10^{9999})^{9999}}",
    "slow power": "\\boxed{(2^{9999}+x)^{9999}}",
    "factorial": "\\boxed{10000000!}",
    "factorial of a sum": "\\boxed{(9999+9999+9999)!!!}",
    "binomial": "\\boxed{\\binom{10^8}{5 \\cdot 10^7}}",
    "3,000 parentheses": "\\boxed{" + "(" * 3000 + "x+1" + ")" * 3000 + "}",
    "3,000 open braces": "\\boxed{" + "{" * 3000,
    "a megabyte of digits": "The answer is " + "7" * 2**20,
    "a megabyte of boxes": "\\boxed{" * (2**20 // 7),
    "a megabyte of equations": "x = " * 2**18,
    "800 fractions": "\\boxed{" + "\\frac{1}{" * 800 + "x" + "}" * 800 + "}",
    "nested roots": "\\boxed{" + "\\sqrt{x+" * 60 + "2" + "}" * 60 + "}",
    "bait for numbers": "The answer is " + "1,111" * 20_000 + "!",
    "bait for sentences": "the answer is " * 30_000,
    "bait for spaces": "Answer:" + " " * 100_000 + "x",
    "bait for fences": "```json\n" * 30_000 + "```",
    "an endless integral": "\\boxed{\\int_0^1 \\sin(\\exp(x^{x^x})) dx + \\sum_{n=1}^{9999} n^{n}}",
    "nulls and marks of direction": "\\boxed{\x00\u202e\u2066x\u200f+\u00001\u202c}\x00" * 1000,
}
SURROGATE = "a lone surrogate"
"""In JSON it is `"\\ud800"`, which is no text: such a line is set aside as unreadable."""

ORDINARY = 500
KINDS = (
    ("{a}", "The sum is {a}.\n\nAnswer: {a}"),
    ("{a}", "First $2 + 3 = 5$, and so on.\n#### {a}"),
    ("{a}", "Perhaps {b}? No, that is too much.\n\nIt is \\boxed{{{a}.0}}."),
    ("\\frac{{{a}}}{{7}}", "Hence \\boxed{{{a}/7}}."),
    ("x+{a}", "We get $\\boxed{{{a} + x}}$."),
)


class Mixture(NamedTuple):
    responses: list[Response]
    hostile: set[str]


def mixture(ordinary: int = ORDINARY) -> Mixture:
    """Every prompt once, the hostile ones spread over the file."""
    lots = random.Random(0)
    made = []
    for n in range(ordinary):
        reference, text = KINDS[n % 10] if n % 10 < len(KINDS) else KINDS[n % 3]
        a, b = lots.randrange(1000), lots.randrange(1000)
        prompt = make_prompt(f"p{n}", f"ordinary question {n}", reference.format(a=a, b=b))
        made.append(make_response(text.format(a=a, b=b), prompt))
    for n, (name, text) in enumerate(HOSTILE.items()):
        prompt = make_prompt(name, f"hostile question {n}", "x+1" if n % 2 else "18")
        made.insert(lots.randrange(len(made)), make_response(text, prompt))
    return Mixture(made, set(HOSTILE))


def write(path: Path, responses: list[Response]) -> Path:
    """And one line with a lone surrogate, as a careless client writes it."""
    lines = [msgspec.json.encode(one) for one in responses]
    odd = msgspec.to_builtins(make_response("\ud800", make_prompt(SURROGATE, "odd question")))
    lines.insert(len(lines) // 2, json.dumps(odd).encode())
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


@pytest.mark.slow
def test_twenty_hostile_answers_cost_only_themselves(tmp_path: Path) -> None:
    given = mixture()
    source = write(tmp_path / "r.jsonl", given.responses)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    config = FilterConfig(verify=f"math:deadline_s={DEADLINE_S}", skip_bad=True, workers=1)
    stage.run(source, tmp_path / "kept.jsonl", config, Silent())
    took_s = time.process_time() - began
    kept = {one.response.prompt.id for one in read_records(tmp_path / "kept.jsonl", Judged)}
    dropped = {one.judged.response.prompt.id: one for one in read_records(tmp_path / "kept.dropped.jsonl", Dropped)}
    assert len(kept) == ORDINARY
    assert dropped.keys() == given.hostile
    assert {one.judged.verdict.status for one in dropped.values()} <= {"incorrect", "no_answer", "timeout", "error"}
    (bad,) = (tmp_path / "kept.bad.jsonl").read_text().splitlines()
    assert SURROGATE in bad
    assert took_s < len(HOSTILE) * DEADLINE_S + 30, "processor time of this process"
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb
    assert grown_kb < 500_000, f"{grown_kb} kB for {source.stat().st_size} bytes"


CHEAP = sorted(set(names("verifiers")) - {"code", "judge", "math"})


@pytest.mark.parametrize("name", CHEAP)
def test_every_verifier_has_a_quick_verdict_on_every_hostile_answer(name: str) -> None:
    question = "Which?\nA) one\nB) two\nC) three"
    references = {
        "any_of": '["B", "a lamp", "no"]',
        "choice": "B",
        "regex": r"^(\w+\s?)+$",
        "json_schema": "[1]",
        "numeric": "18",
    }
    verifier = build("verifiers", f"{name}:pattern=^(\\w+\\s?)+$" if name == "regex" else name)
    prompt = make_prompt("p", question, references.get(name, "18"))
    for hostile, text in {**HOSTILE, SURROGATE: "\\boxed{\ud800}"}.items():
        began = time.process_time()
        verdict = verifier.judge(make_response(text, prompt))
        assert verdict.status != "correct" or name == "regex", hostile
        assert time.process_time() - began < 10, hostile


def test_a_majority_of_hostile_answers_is_counted_in_bounded_time() -> None:
    prompt = Prompt(id="p", messages=make_prompt().messages)
    responses = [make_response(text, prompt, sample=n) for n, text in enumerate([*HOSTILE.values(), "Answer: 18"])]
    began = time.process_time()
    verdicts = build("verifiers", "majority:deadline_s=1").judge_prompt(responses)
    assert not any(verdict.status == "correct" for verdict in verdicts)
    assert time.process_time() - began < 30
