"""The mathematics verifier on real gold answers, spelt in other ways and spoilt in others.

    python -m tests.benchmarks.spelling [--golds 500]

The golds are the final answers of MATH's test set (Hendrycks et al. 2021), from $COTDISTILL_SHARED. A way changes the
spelling or the sentence and keeps the value, or changes the value; a way that does not apply to a gold leaves it out.
Printed: of how many golds the verdict is as it should be.
"""

import argparse
import json
import random
import re
import time
from collections.abc import Callable
from fractions import Fraction

from cotdistill.verifiers.math import Verifier
from tests.conftest import SHARED, make_prompt, make_response

GOLDS = SHARED / "math" / "golds.jsonl"
if not GOLDS.exists():
    GOLDS = SHARED / "data" / "math" / "golds.jsonl"

Way = Callable[[str], str | None]

_INTEGER = re.compile(r"-?\d+")
_FRACTION = re.compile(r"(-?)\\d?frac\{(\d+)\}\{(\d+)\}")


def _boxed(gold: str) -> str:
    return f"Hence we get $\\boxed{{{gold}}}$."


def _number(gold: str) -> str | None:
    """A gold that is an integer or a simple fraction, for ways that only make sense there."""
    return gold if _INTEGER.fullmatch(gold) or _FRACTION.fullmatch(gold) else None


def _value(gold: str) -> Fraction | None:
    if _INTEGER.fullmatch(gold):
        return Fraction(gold)
    found = _FRACTION.fullmatch(gold)
    return Fraction(int(found[1] + found[2]), int(found[3])) if found and int(found[3]) else None


def _float(gold: str) -> str | None:
    value = _value(gold)
    return _boxed(repr(value.numerator / value.denominator)) if value and value.denominator > 1 else None


def _slash(gold: str) -> str | None:
    found = _FRACTION.fullmatch(gold)
    return _boxed(f"{found[1]}{found[2]}/{found[3]}") if found else None


def _thousands(gold: str) -> str | None:
    return _boxed(f"{int(gold):,}") if _INTEGER.fullmatch(gold) and abs(int(gold)) >= 1000 else None


def _integer(gold: str, spelt: str) -> str | None:
    return spelt.format(gold) if _INTEGER.fullmatch(gold) else None


def _dfrac(gold: str) -> str | None:
    return _boxed(gold.replace("\\frac", "\\dfrac")) if "\\frac" in gold else None


RIGHT: dict[str, Way] = {
    "in a box": _boxed,
    "the box twice": lambda gold: f"$\\boxed{{{gold}}}$\n\nSo the final answer is:\n\n$\\boxed{{{gold}}}$",
    "The final answer (simplified) is …": lambda gold: f"The final answer (simplified) is ${gold}$. We used 3 steps.",
    "The answer, after 4 steps, is …": lambda gold: f"The answer, after 4 steps, is ${gold}$.",
    "Answer (2 lines above): …": lambda gold: f"**Answer** (see above): ${gold}$\n\nCheck: 1 + 1 = 2.",
    "… is the final answer": lambda gold: f"${gold}$ is the final answer." if _number(gold) else None,
    "<answer>": lambda gold: f"<answer>{gold}</answer>\nI used 2 steps.",
    '{"answer": …}': lambda gold: json.dumps({"steps": 3, "answer": gold}),
    "last display": lambda gold: f"So it follows that\n$$ {gold} $$",
    "with a unit": lambda gold: _boxed(f"{gold}\\text{{ cm}}^2") if _number(gold) else None,
    "with \\mathrm": lambda gold: _boxed(f"{gold}\\ \\mathrm{{m/s}}^2") if _number(gold) else None,
    "bold, underlined": lambda gold: _boxed(f"\\underline{{\\mathbf{{{gold}}}}}") if _INTEGER.fullmatch(gold) else None,
    "as a float": _float,
    "with a slash": _slash,
    "with thousands": _thousands,
    "\\dfrac and spaces": _dfrac,
    "x = …": lambda gold: _boxed(f"x = {gold}") if _number(gold) else None,
    "full-width digits": lambda gold: (
        _integer(gold.translate({48 + n: 0xFF10 + n for n in range(10)}), "答案是{}。")
        if _INTEGER.fullmatch(gold)
        else None
    ),
    "German": lambda gold: f"Die Antwort lautet ${gold}$.\n\nProbe: 3 + 4 = 7",
    "Spanish": lambda gold: f"La respuesta final es ${gold}$.\n\nComprobación: 3 + 4 = 7",
    "Russian": lambda gold: f"Ответ: ${gold}$\n\nПроверка: 3 + 4 = 7",
}


def _plus_one(gold: str) -> str | None:
    """One digit one greater."""
    places = [found.start() for found in re.finditer(r"\d", gold)]
    if not places:
        return None
    place = places[-1]
    return f"{gold[:place]}{(int(gold[place]) + 1) % 10}{gold[place + 1 :]}"


def _spoilt(gold: str, text: str) -> str | None:
    other = _plus_one(gold)
    return text.replace("OTHER", other).replace("GOLD", gold) if other else None


WRONG: dict[str, Way] = {
    "one digit": lambda gold: _spoilt(gold, "\\boxed{OTHER}"),
    "the sign": lambda gold: (
        _boxed(gold.removeprefix("-") if gold.startswith("-") else f"-{gold}")
        if _number(gold) and _value(gold)
        else None
    ),
    "ten times": lambda gold: _boxed(f"{gold}0") if _INTEGER.fullmatch(gold) and int(gold) else None,
    "or": lambda gold: f"The answer is ${gold}$ or ${_plus_one(gold)}$." if _number(gold) else None,
    "taken back": lambda gold: _spoilt(gold, "\\boxed{GOLD} was a mistake. The answer is \\boxed{OTHER}."),
    "announced, then revised": lambda gold: (
        _spoilt(gold, "The answer is GOLD. No, wait, the answer is OTHER.") if _number(gold) else None
    ),
    "not this": lambda gold: _spoilt(gold, "The answer is OTHER, not GOLD.") if _number(gold) else None,
    "at least": lambda gold: f"At least {gold} of them came." if _INTEGER.fullmatch(gold) else None,
    "more than": lambda gold: f"There are more than {gold}." if _INTEGER.fullmatch(gold) else None,
    "in the trace only": lambda gold: f"<think>It is \\boxed{{{gold}}}.</think>I could not finish.",
    "announced another, ends with it": lambda gold: (
        _spoilt(gold, "The answer (in clips) is OTHER. It took GOLD days.") if _INTEGER.fullmatch(gold) else None
    ),
    "a power": lambda gold: f"So we have x^{gold}." if _INTEGER.fullmatch(gold) and int(gold) > 1 else None,
    "a ratio": lambda gold: f"The ratio is 7:{gold}." if _INTEGER.fullmatch(gold) and int(gold) > 0 else None,
    "another unit": lambda gold: _boxed(f"{gold}\\%") if _INTEGER.fullmatch(gold) and int(gold) > 0 else None,
}


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--golds", type=int, default=500)
    options.add_argument("--show", type=int, default=0, help="so many verdicts that are not as they should be")
    chosen = options.parse_args()
    golds = [json.loads(line)["answer"] for line in GOLDS.read_text().splitlines()]
    random.Random(0).shuffle(golds)
    golds = golds[: chosen.golds]
    verifier, began = Verifier(), time.process_time()
    for title, ways in (("accepted, right", RIGHT), ("accepted, wrong", WRONG)):
        print(f"{title:44}{'golds':>6}{'accepted':>10}{'share':>8}")
        for name, way in ways.items():
            _row(name, way, golds, verifier, ways is RIGHT, chosen.show)
    print(f"{time.process_time() - began:.1f} s of processor time in this process")


def _row(name: str, way: Way, golds: list[str], verifier: Verifier, want: bool, show: int) -> None:
    texts = [(gold, text) for gold in golds if (text := way(gold)) is not None]
    reference = (lambda gold: f"{gold} km") if name == "another unit" else (lambda gold: gold)
    verdicts = [verifier.judge(make_response(text, make_prompt(reference=reference(gold)))) for gold, text in texts]
    accepted = sum(verdict.status == "correct" for verdict in verdicts)
    print(f"{name:44}{len(texts):>6}{accepted:>10}{accepted / max(len(texts), 1):>8.3f}", flush=True)
    odd = [
        (gold, text, one)
        for (gold, text), one in zip(texts, verdicts, strict=True)
        if (one.status == "correct") != want
    ]
    for gold, text, verdict in odd[:show]:
        print(f"    {gold!r} {text!r} -> {verdict.answer!r} {verdict.method} {verdict.detail or ''}")


if __name__ == "__main__":
    main()
