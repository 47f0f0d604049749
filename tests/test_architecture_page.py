"""docs/architecture.md says where things are: its floors are those that are checked, its places are there."""

import re

from tests.conftest import ROOT
from tools import structure

PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")


def test_the_page_has_the_floors_that_are_checked() -> None:
    rows = re.findall(r"^\| (\d+) \| (.*?) \|", PAGE, re.MULTILINE)
    told = {int(number): set(re.findall(r"`(\w+)`", rooms)) for number, rooms in rows}
    held = {number: set(rooms) - {"__init__"} for number, rooms in enumerate(structure.FLOORS, 1)}
    assert told == held


def test_every_place_that_the_page_names_is_there() -> None:
    places = set(re.findall(r"`([a-z_]+/(?:[a-z_/]+\.py)?)`", PAGE))
    assert len(places) > 25
    missing = [place for place in sorted(places) if not (ROOT / "cotdistill" / place).exists()]
    assert missing == []


def test_no_page_of_the_docs_counts_tests_or_modules() -> None:
    """A number that nothing checks is wrong a week later."""
    counted = [
        f"{page.name}: {found}"
        for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
        for found in re.findall(
            r"\d[\d,]* (?:tests|modules|programs|kinds of text)\b", page.read_text(encoding="utf-8")
        )
    ]
    assert counted == []
