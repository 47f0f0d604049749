"""The README's picture: a real `cotdistill demo` in a terminal of 80 columns, recorded and drawn as an animated SVG.

    python -m tools.demo_picture docs/demo.svg [--recording FILE]

With a FILE that is there the recording in it is drawn again; else the demo runs (one to two minutes on two free cores),
and FILE keeps what the terminal got and when. Nothing of the recording is edited but the time: it plays in LASTS_S.
"""

import argparse
import json
import os
import pty
import select
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fcntl import ioctl
from html import escape
from pathlib import Path

import pyte

COLUMNS, ROWS = 80, 28
LASTS_S, HOLD_S = 14.0, 8.0
"""Seconds of the animation, and of its end."""

FRAMES = 40
"""Pictures of the running demo; between two of them nothing is drawn."""

QUESTION = "a=6 b=a*3 c=b-9 c?"
SCRIPT = f"""
PS1='$ '
printf '$ cotdistill demo\\n'
{sys.executable} -m cotdistill demo || exit 1
printf '\\n$ cotdistill ask demo/student-verified "{QUESTION}"\\n'
{sys.executable} -m cotdistill ask demo/student-verified "{QUESTION}"
"""

CHARACTER, LINE, MARGIN = 8.43, 19, 18
"""Pixels, of a monospaced letter of 14 px and around the text."""


def record() -> list[tuple[float, str]]:
    """What the commands write to a terminal, with the second at which it came."""
    with tempfile.TemporaryDirectory() as directory:
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(directory)
            root = str(Path(__file__).parent.parent)
            os.environ.update(TERM="xterm-256color", PYTHONPATH=root, COTDISTILL_CACHE=f"{directory}/store.sqlite")
            os.execvp("bash", ["bash", "-c", SCRIPT])
        ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        began, found = time.monotonic(), []
        for text in _read(terminal):
            found.append((time.monotonic() - began, text))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code:
            raise SystemExit("".join(text for _, text in found) + f"\nended with code {code}")
        return found


def _read(terminal: int) -> Iterator[str]:
    while True:
        select.select([terminal], [], [])
        try:
            got = os.read(terminal, 65_536)
        except OSError:  # the other end is closed
            return
        if not got:
            return
        yield got.decode("utf-8", "replace")


@dataclass(frozen=True)
class Piece:
    """A run of letters of one style in a row, and from when to when it is seen, as shares of the animation."""

    row: int
    column: int
    text: str
    style: str
    begins: float
    ends: float


def pieces(recording: Sequence[tuple[float, str]]) -> list[Piece]:
    """Each row's runs of letters, for as long as they stay as they are."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.Stream(screen)
    end = recording[-1][0]
    shown: dict[tuple[int, int, str, str], float] = {}
    done: list[Piece] = []
    waiting = list(recording)
    for frame in range(1, FRAMES + 1):
        while waiting and (waiting[0][0] <= end * frame / FRAMES or frame == FRAMES):
            stream.feed(waiting.pop(0)[1])
        at = frame / FRAMES * LASTS_S / (LASTS_S + HOLD_S)
        now = dict.fromkeys(run for row in range(ROWS) for run in _runs(screen, row))
        done += [Piece(*run, began, at) for run, began in shown.items() if run not in now]
        shown = {run: shown.get(run, at if frame > 1 else 0.0) for run in now}
    return done + [Piece(*run, began, 1.0) for run, began in shown.items()]


def _runs(screen: pyte.Screen, row: int) -> Iterator[tuple[int, int, str, str]]:
    text, style, start = "", "", 0
    for column in range(COLUMNS):
        cell = screen.buffer[row][column]
        found = _style(cell)
        if found != style and text:
            yield from _trimmed(row, start, text, style)
            text, start = "", column
        text, style = text + cell.data, found
        start = column - len(text) + 1
    yield from _trimmed(row, start, text, style)


def _style_sheet() -> str:
    """It begins with its end, the table: whoever looks for a moment sees what came out, and not an empty terminal."""
    return _STYLE.replace("LASTS", f"{LASTS_S + HOLD_S:g}s").replace("BEGINS", f"{LASTS_S + 1:g}s")


def _trimmed(row: int, start: int, text: str, style: str) -> Iterator[tuple[int, int, str, str]]:
    stripped = text.strip()
    if stripped:
        yield row, start + len(text) - len(text.lstrip()), stripped, style


def _style(cell: pyte.screens.Char) -> str:
    if cell.data in "━╸╺":
        return "done" if cell.fg not in ("default", "3a3a3a") else "rest"
    if cell.data in "█▏▎▍▌▋▊▉":
        return "bar"
    return "strong" if cell.bold else "plain"


def draw(found: Sequence[Piece]) -> str:
    """Pieces that stay to the end are seen where nothing moves, too: in print, or where a reader wants no motion."""
    width, height = COLUMNS * CHARACTER + 2 * MARGIN, ROWS * LINE + 2 * MARGIN + 20
    texts, moves = [], []
    for number, piece in enumerate(sorted(found, key=lambda one: (one.begins, one.row, one.column))):
        x, y = MARGIN + piece.column * CHARACTER, MARGIN + 34 + piece.row * LINE
        stays = piece.ends >= 1.0
        texts.append(_drawn(piece, f'id="p{number}" class="{piece.style}{"" if stays else " gone"}"', x, y))
        if piece.begins > 0 or not stays:
            begins, ends = 100 * piece.begins, 100 * piece.ends
            before = "0%{opacity:0}" if begins else ""
            after = "" if stays else f"{ends:.2f}%{{opacity:0}}"
            moves.append(f"@keyframes k{number}{{{before}{begins:.2f}%{{opacity:1}}{after}}}")
            moves.append(f"#p{number}{{animation-name:k{number}}}")
    still = "@media (prefers-reduced-motion:reduce){text,rect{animation:none!important}}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" role="img" '
        f'aria-label="A terminal runs cotdistill demo, which ends with a table of what four students learnt">'
        f"<style>{_style_sheet()}{''.join(moves)}{still}</style>"
        f'<rect class="window" x="1" y="1" width="{width - 2:.0f}" height="{height - 2}" rx="10"/>'
        f'<circle cx="22" cy="20" r="5.5"/><circle cx="42" cy="20" r="5.5"/><circle cx="62" cy="20" r="5.5"/>'
        f"{''.join(texts)}</svg>\n"
    )


def _drawn(piece: Piece, names: str, x: float, y: float) -> str:
    """Text; of a bar's letters, which fonts draw with seams, their shape."""
    if piece.style in THICK:
        long = sum(EIGHTHS.get(letter, 8) for letter in piece.text) / 8 * CHARACTER
        thick = THICK[piece.style]
        return f'<rect {names} x="{x:.1f}" y="{y - 5 - thick / 2}" width="{long:.1f}" height="{thick}"/>'
    length = f'textLength="{len(piece.text) * CHARACTER:.1f}" lengthAdjust="spacingAndGlyphs"'
    return f'<text {names} x="{x:.1f}" y="{y}" {length}>{escape(piece.text)}</text>'


THICK = {"bar": 13, "done": 3, "rest": 3}
"""Pixels of a bar's letters by their style."""

EIGHTHS = dict(zip("▏▎▍▌▋▊▉", range(1, 8), strict=True))

_STYLE = """
svg{--back:#fbfbfc;--edge:#d4d8de;--text:#24292f;--dots:#d0d5dc;--bar:#2f62c8;--rest:#d8dce2}
@media (prefers-color-scheme:dark){
svg{--back:#14171c;--edge:#343a42;--text:#dfe3e8;--dots:#3a4048;--bar:#7aa5f7;--rest:#333941}}
.window{fill:var(--back);stroke:var(--edge)}circle{fill:var(--dots)}
text,rect{animation-duration:LASTS;animation-delay:-BEGINS;animation-timing-function:step-end;animation-iteration-count:infinite}
text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:var(--text);white-space:pre}
.strong{font-weight:700}.bar,.done{fill:var(--bar)}.rest{fill:var(--rest)}.gone{opacity:0}
"""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("output", type=Path)
    options.add_argument("--recording", type=Path)
    given = options.parse_args()
    if given.recording and given.recording.exists():
        recording = [(float(at), str(text)) for at, text in json.loads(given.recording.read_text())]
    else:
        recording = record()
        if given.recording:
            given.recording.write_text(json.dumps(recording))
    given.output.write_text(draw(pieces(recording)), encoding="utf-8")


if __name__ == "__main__":
    main()
