"""The result, at the top of a page: one sentence, one picture, and the tests behind it."""

from collections.abc import Sequence

from cotdistill.report import charts, html
from cotdistill.report.charts import Bar
from cotdistill.report.comparison import Comparison, Row, Test
from cotdistill.report.words import share, spread
from cotdistill.stages.evaluate.scores import p_in_words
from cotdistill.wording import amount

CHANCE_LEVEL = 0.05


def headline(comparison: Comparison, untrained: str | None = None) -> str:
    """ "student gets 99.7% of 300 held-out prompts right, 45.7 points more than student-all (54.0%)". `untrained`
    names the row of the model that the best one was trained from, where it was scored too."""
    best, tests = comparison.best, comparison.tests()
    seeds = f" (mean of {len(best.shares)} seeds)" if len(best.shares) > 1 else ""
    lost = len(best.prompts) - best.judged
    unjudged = f" ({lost:,} more could not be judged)" if lost else ""
    said = f"{best.name} gets {share(best.accuracy)} of {best.judged:,} held-out prompts right{unjudged}{seeds}"
    others = [row for row in comparison.rows if row is not best]
    if not others:
        low, high = best.interval
        return f"{said} (95% interval {spread((low, high))})."
    next_best = max(others, key=lambda row: row.accuracy)
    said += _against(best, next_best, tests[next_best.name])
    if untrained and untrained != next_best.name and untrained in tests:
        base = next(row for row in others if row.name == untrained)
        said += f"; {untrained}, from which it was trained, {share(base.accuracy)}"
    return f"{said}."


def _against(best: Row, other: Row, test: Test) -> str:
    """The difference of the shares that are shown; the test is on the prompts on which both could be judged."""
    difference = best.accuracy - other.accuracy
    chance = "" if test.p_value < CHANCE_LEVEL else f", which may be chance ({p_in_words(test.p_value)})"
    if difference == 0:
        return f", as many as {other.name}"
    more = "more" if difference > 0 else "fewer"
    return f", {abs(difference) * 100:.1f} points {more} than {other.name} ({share(other.accuracy)}){chance}"


def against_before(comparison: Comparison, name: str, test: Test) -> str:
    """The newer of two rows against the older one."""
    newest = comparison.rows[-1]
    sign = 1 if newest.name != name else -1
    chance = "" if test.p_value < CHANCE_LEVEL else ", which may be chance"
    return f"{sign * test.difference * 100 + 0.0:+.1f} points on {test.n:,} prompts, {p_in_words(test.p_value)}{chance}"


def block(sentence: str, comparison: Comparison, warnings: Sequence[str] = ()) -> str:
    """The top of the page."""
    best = comparison.best
    bars = [
        Bar(row.name, row.accuracy, share(row.accuracy), row.interval, mark=row is best, note=_seeds(row))
        for row in comparison.rows
    ]
    several = any(row.spread is not None for row in comparison.rows)
    caption = "Share of held-out prompts answered right. Thin lines: 95% interval (Wilson)"
    caption += ", or from the lowest to the highest seed." if several else "."
    alerts = "".join(f'<p class="alert">{html.escape(words)}</p>' for words in warnings)
    return (
        f'<div class="result"><p class="headline">{html.escape(sentence)}</p>{alerts}{charts.shares(bars)}'
        f'<p class="caption">{html.escape(caption)}</p>{tests_table(comparison)}</div>'
    )


def tests_table(comparison: Comparison) -> str:
    """A table that says whether each difference to the best row could be chance."""
    best = comparison.best.name
    rows = [
        (name, f"{0.0 - test.difference * 100:+.1f}", _p(test), f"{test.worse:,}", f"{test.better:,}", f"{test.n:,}")
        for name, test in comparison.tests().items()
    ]
    return html.table(
        [f"against {best}", "points", "p", "better on", "worse on", "of prompts"], rows, numbers=range(1, 6)
    )


def _p(test: Test) -> str:
    return p_in_words(test.p_value).removeprefix("p = ").removeprefix("p ")


def _seeds(row: Row) -> str:
    return f"{len(row.students)} seeds, ± {row.spread * 100:.1f}" if row.spread is not None else ""


def settings_table(comparison: Comparison) -> str:
    """A table of the settings in which rows differ, what each row was made of, and its cost."""
    names = list(dict.fromkeys(name for row in comparison.rows for name in row.settings))
    figures = [("kept", "filter", "kept"), ("rows", "format", "rows"), ("tokens trained", "finetune", "trained_tokens")]
    known = [one for one in figures if any(row.count(*one[1:]) is not None for row in comparison.rows)]
    priced = any(row.cost_usd is not None for row in comparison.rows)
    rows = [
        (
            row.name,
            *(row.settings.get(name, "") for name in names),
            *(_count(row.count(stage, count)) for _, stage, count in known),
            *([("" if row.cost_usd is None else amount(row.cost_usd))] if priced else []),
        )
        for row in comparison.rows
    ]
    columns = ["", *names, *(label for label, *_ in known), *(["USD"] if priced else [])]
    return html.table(columns, rows, numbers=range(1 + len(names), len(columns))) if len(columns) > 1 else ""


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
