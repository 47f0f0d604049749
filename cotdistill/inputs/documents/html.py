"""HTML: a section for each heading; scripts, styles, navigation and forms are left out.

Python's parser walks from tag to tag and never nests, so a page of a million open tags is read like any other. What has
no end it would seek to the end of the page, from every place where such a thing begins; that is kept from it.
"""

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

from cotdistill.inputs.documents.plain import read_text
from cotdistill.inputs.documents.sections import Section

_UNSEEN = frozenset({
    "script", "style", "noscript", "template", "svg", "math", "nav", "footer", "form", "button", "select", "iframe",
    "canvas", "object", "head",
})  # fmt: skip
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_INLINE = frozenset({
    "a", "abbr", "b", "bdi", "bdo", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins", "kbd", "label",
    "mark", "q", "s", "samp", "small", "span", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr", "img",
})  # fmt: skip


def sections(path: Path, most_bytes: int) -> list[Section]:
    reader = _Reader()
    page, rest = _ended(read_text(path, most_bytes))
    reader.feed(page)
    reader.close()
    reader.handle_data(rest)
    return reader.done()


def _ended(text: str) -> tuple[str, str]:
    """The page as far as a tag may end in it, and what stands behind: there `<` begins none. A comment without an end
    is none, and `<![CDATA[` begins a comment up to the next `>`, as in a browser."""
    last = text.rfind(">") + 1
    page = text[:last].replace("<![", "<!")
    comments = page.rfind("-->") + 1
    return page[:comments] + page[comments:].replace("<!--", ""), text[last:]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._found: list[Section] = []
        self._text: list[str] = []
        self._headings: dict[int, str] = {}
        self._heading: list[str] | None = None
        self._hidden: list[str] = []
        self._open: Counter[str] = Counter()
        """How many of each stand in `_hidden`."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            self._hidden.append(tag)
            self._open[tag] += 1
        elif tag in _HEADINGS and not self._hidden:
            self._close()
            self._heading = []
        elif tag == "br":
            self._text.append("\n")
        elif tag in ("td", "th"):
            self._text.append(" ")
        elif tag not in _INLINE:
            self._text.append("\n\n")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _UNSEEN:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if self._open[tag]:  # and all that was opened in it, and never closed
            while (closed := self._hidden.pop()) != tag:
                self._open[closed] -= 1
            self._open[tag] -= 1
        elif tag in ("html", "body"):
            self._hidden.clear()
            self._open.clear()
        elif tag in _HEADINGS and self._heading is not None:
            level = int(tag[1])
            for other in [one for one in self._headings if one >= level]:
                del self._headings[other]
            self._headings[level] = " ".join("".join(self._heading).split()) or "text"
            self._heading = None
        elif tag in ("td", "th"):
            self._text.append(" ")
        elif tag not in _INLINE:
            self._text.append("\n\n")

    def handle_data(self, data: str) -> None:
        if self._hidden:
            return
        (self._text if self._heading is None else self._heading).append(re.sub(r"\s+", " ", data))

    def done(self) -> list[Section]:
        self._close()
        return self._found

    def _close(self) -> None:
        place = " > ".join(self._headings[level] for level in sorted(self._headings)) or "text"
        self._found.append(Section(place, "".join(self._text)))
        self._text = []
