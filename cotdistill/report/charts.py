"""Charts as inline SVG, in the page's own colours. Every text is escaped.

Places along the x axis are per cent, so that a narrow screen shortens the bars and leaves the letters as they are.
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape

ROW, BAR = 38, 12
"""Pixels: a name with its bar below, and the bar alone."""

_ACROSS = 78.0
"""Per cent of the width for the longest bar; the number behind it needs the rest."""


def bars(values: Mapping[str, float], shown: Mapping[str, str] | None = None) -> str:
    """One bar a name, as long as its value."""
    most = max(values.values(), default=0) or 1
    words = {name: (shown or {}).get(name) or f"{value:,.0f}" for name, value in values.items()}
    rows = (_row(place, name, value / most, words[name]) for place, (name, value) in enumerate(values.items()))
    return _svg("".join(rows), len(values) * ROW)


def intervals(values: Mapping[str, tuple[float, float, float]]) -> str:
    """A share with its interval, (share, low, high), on a scale from 0 to 100 %."""
    return _svg("".join(_interval_rows(values)), len(values) * ROW)


def _interval_rows(values: Mapping[str, tuple[float, float, float]]) -> Iterator[str]:
    for place, (name, (share, low, high)) in enumerate(values.items()):
        y, left, right = place * ROW + 19, _percent(low), _percent(high)
        yield f'<rect class="rail" x="0" y="{y}" width="{_percent(1)}" height="{BAR}"/>'
        yield _row(place, name, share, f"{share:.1%}", value_at=1)
        middle = y + BAR // 2
        yield f'<line class="whisker" x1="{left}" x2="{right}" y1="{middle}" y2="{middle}"/>'
        for x in (left, right):
            yield f'<line class="whisker" x1="{x}" x2="{x}" y1="{y}" y2="{y + BAR}"/>'


def _row(place: int, name: str, share: float, words: str, value_at: float | None = None) -> str:
    y = place * ROW
    return (
        f'<text x="0" y="{y + 14}">{escape(name)}</text>'
        f'<rect class="bar" x="0" y="{y + 19}" width="{_percent(share)}" height="{BAR}"/>'
        f'<text x="{_percent(share if value_at is None else value_at)}" dx="6" y="{y + 30}">{escape(words)}</text>'
    )


def curves(lines_by_name: Mapping[str, Sequence[tuple[float, float]]], height: int = 220) -> str:
    """Several lines over one axis, each in a colour of its own and named above the chart."""
    points = [point for line in lines_by_name.values() for point in line]
    if not points:
        return ""
    right, top = max(x for x, _ in points) or 1, max(y for _, y in points) or 1
    head = 18 * len(lines_by_name) + 8
    names, drawn = [], []
    for number, (name, line) in enumerate(lines_by_name.items()):
        step = max(1, len(line) // 400)
        place = " ".join(f"{100 * x / right:.2f},{100 * (1 - y / top):.2f}" for x, y in line[::step])
        names.append(f'<text class="t{number % 6}" x="48" y="{14 + 18 * number}">{escape(name)}</text>')
        drawn.append(f'<polyline class="c{number % 6}" points="{place}"/>')
    return _svg(
        f"{''.join(names)}"
        f'<text x="40" y="{head + 10}" text-anchor="end">{top:.2f}</text>'
        f'<text x="40" y="{head + height}" text-anchor="end">0</text>'
        f'<text x="100%" y="{head + height + 18}" text-anchor="end">step {right:,.0f}</text>'
        f'<svg class="plot" x="48" y="{head}" height="{height}" viewBox="0 0 100 100" preserveAspectRatio="none">'
        f'<path class="axis" d="M0 0V100H100"/>{"".join(drawn)}</svg>',
        head + height + 24,
    )


def _percent(share: float) -> str:
    return f"{max(_ACROSS * share, 0.2):.2f}%"


def _svg(content: str, height: int) -> str:
    return f'<svg height="{max(height, 1)}" role="img">{content}</svg>'
