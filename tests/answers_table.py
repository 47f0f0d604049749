"""What each verifier reads as equal and what not: the rows of tests/data/answers.txt, and the page they make.

python -m tests.answers_table        writes docs/verifiers.md
"""

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from tests.conftest import ROOT

SOURCE = ROOT / "tests" / "data" / "answers.txt"
PAGE = ROOT / "docs" / "verifiers.md"

HEAD = """# What counts as the same answer

How each verifier finds the answer of a text and compares it with the reference, with examples. The rows of the tables
are tested on every change: left the reference, then texts whose answer is right, then texts whose answer is not. Where
a spelling can mean two things, two answers differ: a wrong answer that is accepted is trained on, a right one that is
rejected costs one sample.

Without `--verify`, each prompt's own verifier judges, else the one that fits the reference: `label` for yes, no, true
or false; `choice` for an option of the question; `math` for a number, a formula, a ratio or a range; else `exact`.

* `math`: a unit may be missing on one side; where both have one, 7 km is 7000 m, and percent, currency and unit never
  stand for each other. A decimal answers a fraction without end, or a decimal with three digits more, that it is
  rounded from, with two or more decimals and three or more significant digits. `50%` answers 50 and 0.5 alike. A set
  has no order; a list, a pair and an interval do. Algebra decides what is left, for `deadline_s` of processor time.
  A number that ends a text unannounced, "So she has 12 left.", counts where it is what the question asks for: not a
  step, "He sold 12.", somebody else's, "Ben has 12.", a difference, or a share, "12 each". Where the question asks
  "how many days", a bare reference of 7 is 7 days, and 7 weeks are wrong.
* `exact`: the same words, whatever their case, article and dress, alone, announced, or at the end of the last sentence.
* `label`: one of a closed set, `label:labels=positive|negative|neutral`, or a file with a label on each line,
  `label:labels=./labels.txt`; without labels yes and no. A prompt can bring its own:
  `"verifier": "label:labels=a|b"`. `filter` and `evaluate` then count precision, recall and F1 of each class, and the
  confusions, in their manifest and scores (`by_class`).
* `choice`: a letter, a number or the text of an option; a letter that is denied, doubted or only considered is not
  named, and one beside the text of another option names both.
* `any_of`: one of several accepted answers, which the reference lists: `["Oslo", "Christiania"]`.
* `numeric`: within a tolerance, in the reference's unit; a formula such as `x - 5` states no number.
* `judge`: another model says whether an answer is right, by a rubric; it needs no reference
  ([free answers](tutorials/judge.md)).
* `majority`: right is what most samples of a prompt say. `regex`, `json_schema` and `code` ([programs](code.md)) are
  given a pattern, a schema or tests, and then need no reference either.
"""


class Row(NamedTuple):
    verifier: str
    title: str
    question: str
    reference: str
    text: str
    right: bool


def rows() -> Iterator[Row]:
    verifier = title = question = ""
    for line in SOURCE.read_text().splitlines():
        if line.startswith("## "):
            verifier, title = line.removeprefix("## ").rsplit(": ", 1)
            question = ""
        elif line.startswith("? "):
            question = _unescaped(line.removeprefix("? "))
        elif line and not line.startswith("# "):
            sign = " => " if " => " in line else " =/= "
            reference, text = line.split(sign, 1)
            yield Row(verifier, title, question, _unescaped(reference), _unescaped(text), sign == " => ")


def _unescaped(text: str) -> str:
    """`\\n` before a letter of LaTeX (`\\ne`, `\\neq`, `\\nu`) is none."""
    kept = text.replace("\\neq", "\0eq").replace("\\ne ", "\0e ").replace("\\nu", "\0u")
    return kept.replace("\\n", "\n").replace("\0", "\\n")


def page() -> str:
    parts = [HEAD]
    for (verifier, title), of_section in groupby(rows(), key=lambda row: (row.verifier, row.title)):
        by = "Without `--verify`." if verifier == "default" else f"`{verifier}`".replace("|", "\\|")
        parts += [f"\n## {title}\n\n{by}\n"]
        parts += ["\n| reference | right | not right |\n|---|---|---|\n"]
        for (question, reference), group in groupby(of_section, key=lambda row: (row.question, row.reference)):
            found = list(group)
            asked = f"{_code(question)} " if question else ""
            right = "<br>".join(_code(row.text) for row in found if row.right)
            wrong = "<br>".join(_code(row.text) for row in found if not row.right)
            parts.append(f"| {asked}{_code(reference)} | {right} | {wrong} |\n")
    return "".join(parts)


def _code(text: str) -> str:
    shown = text.replace("\n", " ⏎ ").replace("|", "\\|")
    mark = "``" if "`" in shown else "`"
    return f"{mark}{' ' if mark == '``' else ''}{shown}{' ' if mark == '``' else ''}{mark}"


if __name__ == "__main__":
    PAGE.write_text(page())
