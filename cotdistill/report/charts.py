"""Charts as inline SVG, in the page's own colours. Every text is escaped."""

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, BAR, GAP, LABEL = 680, 20, 6, 250


def bars(values: Mapping[str, float], shown: Mapping[str, str] | None = None) -> str:
    """One bar a name, as long as its value."""
    most = max(values.values(), default=0) or 1
    lines = []
    for place, (name, value) in enumerate(values.items()):
        y = place * (BAR + GAP)
        wide = (WIDTH - LABEL - 90) * value / most
        words = (shown or {}).get(name) or f"{value:,.0f}"
        lines += [
            f'<text x="{LABEL - 8}" y="{y + 15}" text-anchor="end">{escape(_cut(name))}</text>',
            f'<rect class="bar" x="{LABEL}" y="{y}" width="{max(wide, 1):.1f}" height="{BAR}"/>',
            f'<text x="{LABEL + wide + 6:.1f}" y="{y + 15}">{escape(words)}</text>',
        ]
    return _svg(lines, len(values) * (BAR + GAP))


def intervals(values: Mapping[str, tuple[float, float, float]]) -> str:
    """A share with its interval, (share, low, high), on a scale from 0 to 100 %."""
    lines, across = [], WIDTH - LABEL - 70
    for place, (name, (share, low, high)) in enumerate(values.items()):
        y = place * (BAR + GAP)
        lines += [
            f'<text x="{LABEL - 8}" y="{y + 15}" text-anchor="end">{escape(_cut(name))}</text>',
            f'<rect class="rail" x="{LABEL}" y="{y}" width="{across}" height="{BAR}"/>',
            f'<rect class="bar" x="{LABEL}" y="{y}" width="{across * share:.1f}" height="{BAR}"/>',
            f'<path class="whisker" d="M{LABEL + across * low:.1f} {y + 11}H{LABEL + across * high:.1f}'
            f'M{LABEL + across * low:.1f} {y + 5}v12M{LABEL + across * high:.1f} {y + 5}v12"/>',
            f'<text x="{LABEL + across + 6}" y="{y + 15}">{share:.1%}</text>',
        ]
    return _svg(lines, len(values) * (BAR + GAP))


def curves(lines_by_name: Mapping[str, Sequence[tuple[float, float]]], height: int = 240) -> str:
    """Several lines over one axis, each in a colour of its own and named beside the chart."""
    points = [point for line in lines_by_name.values() for point in line]
    if not points:
        return ""
    right, top = max(x for x, _ in points) or 1, max(y for _, y in points) or 1
    across, down = WIDTH - 60, height - 30
    parts = [
        f'<path class="axis" d="M50 0V{down}H{50 + across}"/>',
        f'<text x="44" y="12" text-anchor="end">{top:.2f}</text><text x="44" y="{down}" text-anchor="end">0</text>',
        f'<text x="{50 + across}" y="{down + 18}" text-anchor="end">step {right:,.0f}</text>',
    ]
    for number, (name, line) in enumerate(lines_by_name.items()):
        step = max(1, len(line) // 400)
        place = " ".join(f"{50 + across * x / right:.1f},{down * (1 - y / top):.1f}" for x, y in line[::step])
        parts.append(f'<polyline class="c{number % 6}" points="{place}"/>')
        parts.append(
            f'<text class="t{number % 6}" x="{60 + across * 0.55:.0f}" y="{16 + 16 * number}">{escape(name)}</text>'
        )
    return _svg(parts, height)


def _svg(lines: Sequence[str], height: int) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {max(height, 1)}" role="img">{"".join(lines)}</svg>'


def _cut(name: str) -> str:
    return name if len(name) <= 36 else name[:35] + "…"
