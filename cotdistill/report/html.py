"""The shell of every page: static HTML, one style, and one script that lets a reader look through texts.

What a model wrote is in a JSON block, out of which the script makes text nodes only. The content security policy allows
this one script, by its hash, and no request at all.
"""

import base64
import hashlib
import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from cotdistill.masking import spelled_out

_HERE = Path(__file__).parent

MARK = '<meta name="generator" content="cotdistill report">'
"""Identifies our pages: only such a file is replaced."""

FOLDED_FROM = 12
"""Rows beyond which a table opens on a click."""


def escape(text: str) -> str:
    """For HTML; what would turn the order of letters round, as of names with a right-to-left override, is spelled
    out."""
    return html.escape(spelled_out(text.replace("\r\n", "\n")))


@dataclass(frozen=True)
class Section:
    """A section of a page; left out where it has no body."""

    title: str
    body: str
    intro: str = ""

    @property
    def anchor(self) -> str:
        return "".join(letter if letter.isalnum() else "-" for letter in self.title.lower())


def page(title: str, lead: str, head: str, sections: Iterable[Section], data: dict[str, Any]) -> str:
    """A whole page. `head` is what a reader must see first; `data` is what the script lets a reader look through."""
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'"
    shown = [section for section in sections if section.body]
    links = "".join(f'<a href="#{escape(one.anchor)}">{escape(one.title)}</a>' for one in shown)
    bodies = "".join(
        f'<section id="{escape(one.anchor)}"><h2>{escape(one.title)}</h2>{paragraph(one.intro)}{one.body}</section>'
        for one in shown
    )
    return (
        f'<!doctype html><html lang="en"><head>{MARK}<meta charset="utf-8"><title>{escape(title)} · cotdistill</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{(_HERE / 'page.css').read_text(encoding='utf-8')}</style></head><body><main>"
        f"<header><h1>{escape(title)}</h1>{paragraph(lead)}</header>{head}<nav>{links}</nav>{bodies}</main>"
        f'<script type="application/json" id="data">{safe_json(data)}</script><script>{script}</script>'
        f"</body></html>\n"
    )


def paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>" if text else ""


def table(names: Sequence[str], rows: Sequence[Sequence[object]], *, numbers: Iterable[int] = ()) -> str:
    """A table. `numbers` are the indices of right-aligned columns. A long table is folded."""
    right = set(numbers)

    def cells(tag: str, row: Sequence[object]) -> str:
        return "".join(
            f"<{tag}{' class=n' if place in right else ''}>{escape(str(cell))}</{tag}>"
            for place, cell in enumerate(row)
        )

    if not rows:
        return ""
    head = f"<thead><tr>{cells('th', names)}</tr></thead>" if any(names) else ""
    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    whole = f'<div class="wide"><table>{head}<tbody>{body}</tbody></table></div>'
    return f"<details><summary>{len(rows)} rows</summary>{whole}</details>" if len(rows) > FOLDED_FROM else whole


def under(title: str, body: str) -> str:
    """A subsection; nothing where it has no body."""
    return f"<h3>{escape(title)}</h3>{body}" if body else ""


def tiles(figures: Sequence[tuple[str, str]]) -> str:
    """Large figures, each with its name below."""
    each = "".join(f"<div><b>{escape(value)}</b><span>{escape(name)}</span></div>" for name, value in figures)
    return f'<div class="tiles">{each}</div>' if figures else ""


def one_line(value: object, most: int = 200) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 1]}…"


def safe_json(value: object) -> str:
    """JSON that cannot end its script element, nor open a comment in it."""
    text = msgspec.json.encode(value).decode()
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text
