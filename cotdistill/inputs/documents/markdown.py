"""Markdown: a section for each heading, with the headings above it as its place."""

import re
from pathlib import Path

from cotdistill.inputs.documents.plain import read_text
from cotdistill.inputs.documents.sections import Section

_HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.*?)[ \t#]*$")
_UNDERLINE = re.compile(r"^ {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r"^ {0,3}(```|~~~)")
_FRONT_MATTER = re.compile(r"\A---\n.{0,20000}?\n---\n", re.DOTALL)
_COMMENT = re.compile(r"<!--.{0,20000}?-->", re.DOTALL)
_IMAGE_OR_LINK = re.compile(r"!?\[([^\[\]\n]{0,500})\]\([^()\n]{0,2000}\)")


def sections(path: Path, most_bytes: int) -> list[Section]:
    text = _COMMENT.sub("", _FRONT_MATTER.sub("", read_text(path, most_bytes)))
    found: list[Section] = []
    headings: dict[int, str] = {}
    lines: list[str] = []
    in_code = False

    def close() -> None:
        place = " > ".join(headings[level] for level in sorted(headings)) or "text"
        found.append(Section(place, "\n".join(lines)))
        lines.clear()

    def open_section(level: int, heading: str) -> None:
        close()
        for other in [one for one in headings if one >= level]:
            del headings[other]
        headings[level] = _plain(heading)

    for line in text.splitlines():
        if _FENCE.match(line):
            in_code = not in_code
        elif not in_code and (heading := _HEADING.match(line)):
            open_section(len(heading[1]), heading[2])
            continue
        elif not in_code and lines and lines[-1].strip() and (under := _UNDERLINE.match(line)):
            heading_line = lines.pop()
            open_section(1 if under[1][0] == "=" else 2, heading_line)
            continue
        lines.append(line if in_code else _IMAGE_OR_LINK.sub(r"\1", line))
    close()
    return found


def _plain(heading: str) -> str:
    return re.sub(r"[*_`]+", "", _IMAGE_OR_LINK.sub(r"\1", heading)).strip() or "text"
