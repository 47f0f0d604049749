"""The pages of several runs: students side by side, and one recipe's runs over time."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cotdistill.report import answers, charts, html, result, run_page, series, traces
from cotdistill.report.charts import Line
from cotdistill.report.comparison import Comparison
from cotdistill.report.html import Section
from cotdistill.report.series import Night

MOST_DOTS = 60
"""Points of a curve that are drawn as dots too."""


def write(comparison: Comparison, title: str, without: Sequence[str] = ()) -> str:
    """Students side by side; `without` names runs that have no scores."""
    best = comparison.best
    rows = [best, *(row for row in comparison.rows if row is not best)]
    data: dict[str, Any] = {
        "answers": answers.side_by_side([(row.name, row.students[0]) for row in rows]),
        "traces": [],
    }
    lead = f"{len(comparison.rows)} students on {comparison.prompts_in_words}."
    warnings = [f"Without scores, so not compared: {one}" for one in without]
    head = result.block(result.headline(comparison), comparison, warnings)
    return html.page(title, lead, head, _sections(comparison, bool(data["answers"])), data)


def _sections(comparison: Comparison, answered: bool) -> Iterator[Section]:
    yield Section("What they were made of", result.settings_table(comparison))
    if answered:
        yield Section(
            "Answers side by side",
            '<div data-view="answers"></div>',
            "The same prompts, and what each student answered; of several seeds the first.",
        )
    made = [(row.name, row.students[0].made_by("finetune")) for row in comparison.rows]
    lines = [Line(name, traces.curve(found.path)) for name, found in made if found]
    yield Section(
        "Training loss", charts.curves([one for one in lines if one.points], x="training step", y="training loss")
    )


def write_series(nights: Sequence[Night], folder: Path, comparison: Comparison | None, why_not: str = "") -> str:
    """One recipe over time. `comparison` has the last two runs; `why_not` says why there is none."""
    title = f"{run_page.title(nights[-1].directory, nights[-1].record)}: {len(nights)} runs"
    lead = f"Runs in {folder}, from {nights[0].name} to {nights[-1].name}."
    head = _newest(nights, comparison)
    return html.page(title, lead, head, _over_time(nights, why_not), {"answers": None, "traces": []})


def _newest(nights: Sequence[Night], comparison: Comparison | None) -> str:
    """The newest student, against the first one and the one before."""
    scored = [(one, one.student) for one in nights if one.student]
    if not scored:
        return ""
    newest, first = scored[-1][1], scored[0][1]
    said = f"The newest student gets {newest.accuracy:.1%} of {newest.n:,} held-out prompts right"
    said += f"; the first one got {first.accuracy:.1%}." if len(scored) > 1 else "."
    before = ""
    if comparison:
        ((name, test),) = comparison.tests().items()
        before = html.paragraph(f"Against the run before: {result.against_before(comparison, name, test)}.")
    failed = [one.directory.name for one in nights if one.record.guard_failed][-3:]
    alerts = "".join(f'<p class="alert">{html.escape(f"{name}: {GUARD_FAILED}")}</p>' for name in failed)
    points = [(float(place), student.accuracy) for place, (_, student) in enumerate(scored)]
    chart = _over(
        [one.name for one, _ in scored],
        points,
        "Held-out prompts answered right, with 95% interval",
        band=[student.interval for _, student in scored],
    )
    return f'<div class="result"><p class="headline">{html.escape(said)}</p>{before}{alerts}{chart}</div>'


GUARD_FAILED = "its student is worse than its guard allows"


def _over(
    names: Sequence[str],
    points: Sequence[tuple[float, float]],
    title: str,
    *,
    band: Sequence[tuple[float, float]] = (),
    is_share: bool = True,
) -> str:
    """One figure, run by run."""
    if not points:
        return ""
    line = Line("", points, band, dots=len(points) < MOST_DOTS)
    share: dict[str, Any] = {"y_most": 1.0, "y_label": lambda tick: f"{tick:.0%}"} if is_share else {}
    return charts.curves([line], x="run", y=title, x_names=names, height=180, **share)


def _over_time(nights: Sequence[Night], why_not: str) -> Iterator[Section]:
    names = [one.name for one in nights]
    made = [(float(place), one.made) for place, one in enumerate(nights) if one.made is not None]
    kept = [(float(place), float(one.kept)) for place, one in enumerate(nights) if one.kept is not None]
    spent = [(float(place), one.spent_usd) for place, one in enumerate(nights) if one.spent_usd is not None]
    yield Section(
        "Yield",
        _over(names, made, "Share of the teacher's answers that was kept")
        + _over(names, kept, "Responses kept", is_share=False),
    )
    if any(cost for _, cost in spent):
        yield Section("Cost", _over(names, spent, "Spent in each run, USD", is_share=False))
    rows = list(series.table(nights))[::-1]
    yield Section("Every run", html.table(series.COLUMNS, rows, numbers=[1, 3, 4, 5, 6]), why_not)
