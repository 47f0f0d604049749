"""A comparison as text for a terminal of 80 columns, as CSV and as JSON."""

import csv
import io
from typing import Any

import msgspec

from cotdistill.report.comparison import Comparison, Row
from cotdistill.stages.evaluate.scores import p_in_words
from cotdistill.wording import on_one_line

WIDTH = 79
_FIGURES = 57
"""Columns that the figures of a row take."""


def text(comparison: Comparison) -> str:
    """One line a row, the tests against the best one, and what the columns mean."""
    tests, best = comparison.tests(), comparison.best
    width = min(WIDTH - _FIGURES, max(len(on_one_line(row.name)) for row in comparison.rows))
    seeded = any(row.spread is not None for row in comparison.rows)
    lines = [
        f"{'':<{width}}   {'right':>6}  {'95% interval':<14}" + f"  {'points':>6}  {'p':<8}  better:worse" * bool(tests)
    ]
    for row in comparison.rows:
        line = (
            f"{_cut(row.name, width):<{width}} {'*' if row is best else ' '} {row.accuracy:>6.1%}  {_interval(row):<14}"
        )
        if found := tests.get(row.name):
            p = p_in_words(found.p_value).removeprefix("p = ").removeprefix("p ")
            line += f"  {0.0 - found.difference * 100:>+6.1f}  {p:<8}  {f'{found.worse}:{found.better}':>12}"
        lines.append(line.rstrip())
    notes = [f"{comparison.prompts_in_words}."]
    if tests:
        notes += [
            "Against the best student (*): difference in points, p of the exact paired test,",
            "on how many prompts the row is better and on how many it is worse.",
        ]
    if seeded:
        notes.append("±: standard deviation over seeds, and how many there are.")
    return "\n".join([*lines, "", *notes])


def _interval(row: Row) -> str:
    if row.spread is not None:
        return f"± {row.spread * 100:.1f} ({len(row.students)})"
    low, high = row.interval
    return f"{low * 100:.1f} to {high * 100:.1f}"


def _cut(name: str, width: int) -> str:
    """The end of a path or of settings says more than its beginning."""
    name = on_one_line(name)
    return name if len(name) <= width else "…" + name[len(name) - width + 1 :]


COLUMNS = (
    "student", "accuracy", "low", "high", "seeds", "spread", "prompts", "difference", "better", "worse", "p_value",
    "kept", "rows", "trained_tokens", "cost_usd",
)  # fmt: skip


def records(comparison: Comparison) -> list[dict[str, Any]]:
    """One a row. `difference` and what follows are against the best row, seen from this one; settings come last."""
    tests = comparison.tests()
    found = []
    for row in comparison.rows:
        against = tests.get(row.name)
        low, high = row.interval
        figures = {
            "student": row.name,
            "accuracy": round(row.accuracy, 4),
            "low": round(low, 4),
            "high": round(high, 4),
            "seeds": len(row.students),
            "spread": None if row.spread is None else round(row.spread, 4),
            "prompts": len(comparison.prompts),
            "difference": round(0.0 - against.difference, 4) if against else None,
            "better": against.worse if against else None,
            "worse": against.better if against else None,
            "p_value": float(f"{against.p_value:.6g}") if against else None,
            "kept": row.count("filter", "kept"),
            "rows": row.count("format", "rows"),
            "trained_tokens": row.count("finetune", "trained_tokens"),
            "cost_usd": None if row.cost_usd is None else f"{row.cost_usd:f}",
        }
        found.append(figures | dict(row.settings))
    return found


def as_json(comparison: Comparison) -> str:
    best = comparison.best.name
    return msgspec.json.encode({"best": best, "rows": records(comparison)}).decode()


def as_csv(comparison: Comparison) -> str:
    lines = records(comparison)
    names = list(dict.fromkeys([*COLUMNS, *(name for line in lines for name in line)]))
    out = io.StringIO()
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: no_formula(value) for name, value in line.items()} for line in lines)
    return out.getvalue()


def no_formula(value: Any) -> Any:
    """A spreadsheet computes a text that begins like a formula: such a name stands behind an apostrophe."""
    if not isinstance(value, str) or not value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value
