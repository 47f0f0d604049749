"""Charts in the page's own colours, each with a scale. Every text is escaped.

Bars are HTML, so that a narrow screen shortens them and leaves the letters as they are; curves are SVG whose lines
stretch and whose letters do not.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import floor, log10

from cotdistill.report.html import escape

Label = Callable[[float], str]
"""A number of a scale in words."""

Scale = Callable[[float], float]
"""A value's place, from 0 to 100."""


@dataclass(frozen=True)
class Bar:
    """`value` on the chart's scale, `shown` behind the bar; `whisker` is an interval; `mark` makes it stand out."""

    name: str
    value: float
    shown: str
    whisker: tuple[float, float] | None = None
    mark: bool = False
    note: str = ""


def shares(bars: Sequence[Bar]) -> str:
    """Bars from 0 to 100 %."""
    return _bars(bars, 1.0, [0, 0.25, 0.5, 0.75, 1.0], lambda tick: f"{tick:.0%}")


def counts(bars: Sequence[Bar]) -> str:
    """Bars from 0 to the most of them."""
    most = max((bar.value for bar in bars), default=0) or 1
    marks = ticks(0, most, int(min(4, most)) or 4)  # whole numbers for a few
    return _bars(bars, max(most, marks[-1]), marks, short)


def _bars(bars: Sequence[Bar], most: float, marks: Sequence[float], label: Label) -> str:
    if not bars:
        return ""
    scale = "".join(f'<i style="left:{100 * tick / most:.2f}%"><b>{escape(label(tick))}</b></i>' for tick in marks)
    rows = "".join(_bar(bar, most) for bar in bars)
    axis = (
        f'<div class="row scale" aria-hidden="true"><span class="name"></span><span class="track">{scale}</span></div>'
    )
    return f'<div class="bars" style="--ticks:{len(marks) - 1}">{rows}{axis}</div>'


def _bar(bar: Bar, most: float) -> str:
    whisker = ""
    if bar.whisker:
        low, high = (100 * bound / most for bound in bar.whisker)
        whisker = f'<i class="whisker" style="left:{low:.2f}%;width:{high - low:.2f}%"></i>'
    note = f" <small>{escape(bar.note)}</small>" if bar.note else ""
    return (
        f'<div class="row{" mark" if bar.mark else ""}"><span class="name">{escape(bar.name)}{note}</span>'
        f'<span class="track"><i class="fill" style="width:{100 * bar.value / most:.2f}%"></i>{whisker}</span>'
        f'<span class="value">{escape(bar.shown)}</span></div>'
    )


@dataclass(frozen=True)
class Line:
    """Points (x, y); `band` has the interval of each point, `dots` draws each point too."""

    name: str
    points: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float]] = ()
    dots: bool = False


def curves(
    lines: Sequence[Line],
    *,
    x: str,
    y: str,
    y_most: float | None = None,
    y_label: Label | None = None,
    x_names: Sequence[str] = (),
    height: int = 240,
) -> str:
    """Lines over one pair of axes; `x` and `y` name them. `x_names` stand in the place of the numbers 0, 1, 2 …"""
    points = [point for line in lines for point in line.points]
    if not points:
        return ""
    left, right = min(at for at, _ in points), max(at for at, _ in points)
    left = 0.0 if not x_names and left < 0.2 * right else left
    marks = ticks(0, y_most or max(value for _, value in points) or 1)
    top = y_most or marks[-1]

    def across(at: float) -> float:
        return 100 * (at - left) / (right - left) if right > left else 50.0

    def up(value: float) -> float:
        return 100 * (1 - value / top)

    grid = "".join(f'<path class="grid" d="M0 {up(mark):.2f}H100"/>' for mark in marks)
    drawn = "".join(_line(number, line, across, up) for number, line in enumerate(lines))
    label = y_label or short
    heights = [(14 + height * up(mark) / 100, label(mark)) for mark in marks]
    y_texts = "".join(f'<text x="-8" y="{at:.0f}" text-anchor="end">{escape(words)}</text>' for at, words in heights)
    x_texts = "".join(
        f'<text x="{across(at):.2f}%" y="{height + 28}" text-anchor="{anchor}">{escape(words)}</text>'
        for at, words, anchor in _x_marks(left, right, x_names)
    )
    legend = "".join(
        f'<li class="t{number % 6}">{escape(line.name)}</li>' for number, line in enumerate(lines) if line.name
    )
    return (
        f'<figure><figcaption>{escape(y)}</figcaption><ul class="legend">{legend}</ul>'
        f'<svg class="curve" height="{height + 36}" role="img" aria-label="{escape(y)} by {escape(x)}">{y_texts}'
        f'<svg class="plot" y="10" height="{height}" viewBox="0 0 100 100" preserveAspectRatio="none">'
        f"{grid}{drawn}</svg>{x_texts}</svg>"
        f'<figcaption class="x">{escape(x)}</figcaption></figure>'
    )


def _line(number: int, line: Line, across: Scale, up: Scale) -> str:
    step = max(1, len(line.points) // 400)
    shown = [*line.points[::step], *(line.points[-1:] if (len(line.points) - 1) % step else [])]
    places = [(across(at), up(value)) for at, value in shown]
    colour = f"c{number % 6}"
    band = ""
    if line.band:
        xs = [across(at) for at, _ in line.points]
        over = [f"{at:.2f},{up(high):.2f}" for at, (_, high) in zip(xs, line.band, strict=True)]
        under = [f"{at:.2f},{up(low):.2f}" for at, (low, _) in zip(xs, line.band, strict=True)]
        band = f'<polygon class="band {colour}" points="{" ".join([*over, *reversed(under)])}"/>'
    dots = "".join(f'<path class="dot {colour}" d="M{at:.2f} {value:.2f}h0"/>' for at, value in places if line.dots)
    path = " ".join(f"{at:.2f},{value:.2f}" for at, value in places)
    return f'{band}<polyline class="{colour}" points="{path}"/>{dots}'


def reliability_chart(curves_by_name: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Points of (confidence, accuracy), both from 0 to 1, beside the diagonal of perfect calibration; one line a name.
    Empty without any."""
    lines = [Line(name, sorted(points), dots=True) for name, points in curves_by_name.items() if points]
    if not lines:
        return ""
    lines.append(Line("as right as sure", [(0.0, 0.0), (1.0, 1.0)]))
    probability, right = "probability that the model gave its answer", "answers that are right"
    return curves(lines, x=probability, y=right, y_most=1.0, y_label=lambda value: f"{value:.0%}")


def _x_marks(left: float, right: float, names: Sequence[str]) -> Iterator[tuple[float, str, str]]:
    if names:
        last, step = len(names) - 1, max(1, -(-len(names) // 4))
        places = [place for place in range(0, last, step) if place == 0 or place + step / 2 < last]
        marks = [(float(place), names[place]) for place in dict.fromkeys([*places, last])]
    else:
        marks = [(mark, short(mark)) for mark in ticks(left, right) if left <= mark <= right]
    for at, words in marks:
        yield at, words, "start" if at == marks[0][0] else "end" if at >= right else "middle"


def ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """Round numbers from `low` (or below) to `high` (or above)."""
    span = (high - low) or 1
    rough = span / wanted
    power = 10 ** floor(log10(rough))
    step = next(size * power for size in (1, 2, 2.5, 5, 10) if size * power >= rough * 0.999)
    first = floor(low / step)
    found = [first * step]
    while found[-1] < high - 1e-9 * span:
        found.append((first + len(found)) * step)
    return [round(mark, 12) for mark in found]


def short(value: float) -> str:
    """1,200 as 1,200, 34,500 as 34.5k, 0.25 as 0.25."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= max(unit, 10_000):
            return f"{value / unit:g}{letter}"
    return f"{value:,.0f}" if value == round(value) else f"{value:g}"
