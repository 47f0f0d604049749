"""The loss over the steps, as one SVG file that follows the reader's light or dark colours."""

import math
from collections.abc import Sequence

from cotdistill.training.entries import Entry

WIDTH, HEIGHT = 720, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 40, 44

_STYLE = """\
svg { background: #fff; font: 13px system-ui, sans-serif }
text { fill: #333 } .grid { stroke: #ddd } .train { stroke: #1f6feb } .eval { stroke: #d1570b }
polyline { fill: none; stroke-width: 2; stroke-linejoin: round } circle { fill: #d1570b }
@media (prefers-color-scheme: dark) {
  svg { background: #111 } text { fill: #ccc } .grid { stroke: #333 }
  .train { stroke: #6ea8fe } .eval { stroke: #ff9d5c } circle { fill: #ff9d5c }
}"""

Point = tuple[float, float]


def svg(history: Sequence[Entry]) -> str:
    """Training loss as a line, loss on held-out rows as a line with dots; both against the step."""
    train = [(entry["step"], entry["loss"]) for entry in history if "loss" in entry]
    held = [(entry["step"], entry["eval_loss"]) for entry in history if "eval_loss" in entry]
    last_step = max(step for step, _ in (*train, *held))
    ticks = _ticks(max(loss for _, loss in (*train, *held)))
    across, down = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM

    def place(point: Point) -> Point:
        step, loss = point
        return round(_LEFT + across * step / last_step, 1), round(_TOP + down * (1 - loss / ticks[-1]), 1)

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>Loss over {last_step:,.0f} steps</title>",
        f"<style>{_STYLE}</style>",
    ]
    for tick in ticks:
        _, y = place((0, tick))
        lines.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        lines.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for step in (0, last_step / 2, last_step):
        x, _ = place((step, 0))
        anchor = "end" if step == last_step else "middle"
        lines.append(f'<text x="{x}" y="{HEIGHT - 22}" text-anchor="{anchor}">{step:,.0f}</text>')
    lines.append(f'<text x="{_LEFT + across / 2}" y="{HEIGHT - 6}" text-anchor="middle">step</text>')
    lines += _curve("train", "training loss", _LEFT, [place(point) for point in train])
    if held:
        dots = [place(point) for point in held]
        lines += _curve("eval", "loss on held-out rows", _LEFT + 170, dots)
        lines += [f'<circle cx="{x}" cy="{y}" r="3"/>' for x, y in dots]
    return "\n".join([*lines, "</svg>", ""])


def _curve(kind: str, label: str, legend_at: float, points: Sequence[Point]) -> list[str]:
    path = " ".join(f"{x},{y}" for x, y in points)
    return [
        f'<line class="{kind}" x1="{legend_at}" x2="{legend_at + 22}" y1="20" y2="20" stroke-width="3"/>',
        f'<text x="{legend_at + 30}" y="24">{label}</text>',
        f'<polyline class="{kind}" points="{path}"/>',
    ]


def _ticks(most: float) -> list[float]:
    """From 0 to at least `most` in about five round numbers."""
    if not most > 0:
        return [0.0, 1.0]
    rough = most / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return [round(step * number, 10) for number in range(math.ceil(most / step) + 1)]
