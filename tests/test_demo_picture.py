"""The README's picture: what a terminal showed, and nothing else."""

from xml.etree import ElementTree

import pytest

pytest.importorskip("pyte", reason="no terminal to draw on")

from tests.conftest import ROOT
from tools.demo_picture import draw, pieces

SVG = "{http://www.w3.org/2000/svg}"


def test_what_a_terminal_showed_last_is_seen_and_what_it_overwrote_is_gone() -> None:
    recording = [
        (0.0, "$ run <&>\r\n"),
        (1.0, "half ━━\r"),
        (9.0, "\x1b[Kdone █▌\r\n"),
    ]
    found = pieces(recording)
    assert [(one.text, one.row) for one in found if one.ends >= 1] == [("$ run <&>", 0), ("done", 1), ("█▌", 1)]
    half = next(one for one in found if one.text == "half")
    assert 0 < half.begins < half.ends < 1
    drawn = ElementTree.fromstring(draw(found))
    texts = {one.text: one.get("class") for one in drawn.iter(f"{SVG}text")}
    assert texts == {"$ run <&>": "plain", "half": "plain gone", "done": "plain"}
    bar = next(one for one in drawn.iter(f"{SVG}rect") if one.get("class") == "bar")
    assert bar.get("width") == "12.6", "one letter and a half"


def test_the_picture_in_the_readme_is_there_and_ends_with_the_example_answered() -> None:
    assert "(docs/demo.svg)" in (ROOT / "README.md").read_text(encoding="utf-8")
    drawn = ElementTree.parse(ROOT / "docs/demo.svg")
    stays = [one.text for one in drawn.iter(f"{SVG}text") if one.get("class") == "plain"]
    assert stays[0] == "$ cotdistill demo"
    assert "9" in stays and "b=6*3=8 c=8-9=9" in stays
