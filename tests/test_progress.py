import io
import json
from datetime import datetime
from typing import Any

import pytest

from cotdistill import progress
from cotdistill.progress import Lines, about


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.0)


@pytest.mark.usefixtures("at_once")
def test_a_line_says_how_far_how_fast_how_long_and_the_stage_s_own_number() -> None:
    stream = io.StringIO()
    lines = Lines(stream)
    lines.begin("generate", 10)
    lines.update(1)
    lines.update(5, "0.12 USD")
    first, second = stream.getvalue().splitlines()
    assert first == "generate: 1/10", "by one alone, with the start before it, the rest would seem to take hours"
    assert second.startswith("generate: 5/10, ")
    assert second.endswith("/s, 0:00:00 left  0.12 USD")


@pytest.mark.usefixtures("at_once")
def test_a_line_of_slow_steps_says_the_seconds_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 7))
    monkeypatch.setattr("cotdistill.progress.time.monotonic", lambda: float(next(clock)))
    stream = io.StringIO()
    lines = Lines(stream)
    lines.begin("finetune", 10)
    for done in (1, 2):
        lines.update(done)
    assert " s each, " in stream.getvalue().splitlines()[-1], "0.1/s may be 7 seconds or 20"


@pytest.mark.usefixtures("at_once")
def test_with_an_unknown_total_no_time_left_is_made_up() -> None:
    stream = io.StringIO()
    lines = Lines(stream)
    lines.begin("filter", None)
    lines.update(1)
    lines.update(3)
    assert "\nfilter: 3, " in stream.getvalue()
    assert "left" not in stream.getvalue()


@pytest.mark.usefixtures("at_once")
def test_json_lines_are_objects_with_the_same_numbers() -> None:
    stream = io.StringIO()
    lines = Lines(stream, as_json=True)
    with about(stage="generate"):
        lines.begin("generate", 10)
        lines.update(0)
        lines.update(4, "3 retries")
        lines.note("a note")
    first, second, note = map(json.loads, stream.getvalue().splitlines())
    assert (first["done"], first["total"], "left_s" in first) == (0, 10, False), "nothing done: no rate to go by"
    assert (second["stage"], second["done"], second["detail"]) == ("generate", 4, "3 retries")
    assert datetime.fromisoformat(second["time"]).tzinfo is not None
    assert note["message"] == "a note"


def test_a_cron_log_gets_a_line_every_ten_seconds_not_one_an_answer() -> None:
    stream = io.StringIO()
    lines = Lines(stream)
    lines.begin("generate", 1000)
    for done in range(1000):
        lines.update(done)
    assert stream.getvalue() == ""


def test_the_bar_keeps_one_live_line_and_breaks_notes_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    pyte = pytest.importorskip("pyte", reason="no terminal to draw on")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", stream := Terminal())
    bar = progress.Bar()
    for name in ("generate", "evaluate runs/2026-11-26T020000Z/student-with-a-long-name"):
        bar.begin(name, 1_000)
        bar.update(10)
        bar.update(500, "loss 1.393, 9,132 tokens/s, and what does not fit")
    path = "runs/" + "x" * 90
    bar.note(f"a line of words that ends just where the terminal does, with a word too many, and {path}")
    bar._bar.refresh()  # which it does by itself ten times a second
    shown = screen(pyte, stream.getvalue())
    assert len([line for line in shown if "━" in line]) == 1, "a bar that ended is gone"
    assert any("500/1,000" in line and line.startswith("evaluate runs/") for line in shown)
    assert shown[0] == "a line of words that ends just where the terminal does, with a word too many,"
    assert "".join(shown).count("x" * 10) and path in "".join(line.rstrip() for line in shown).replace("  runs", "runs")
    bar.close()
    assert not any("━" in line for line in screen(pyte, stream.getvalue())), "what stays is notes"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def screen(pyte: Any, text: str) -> list[str]:
    terminal = pyte.Screen(80, 24)
    pyte.Stream(terminal).feed(text.replace("\n", "\r\n"))
    return [line.rstrip() for line in terminal.display]


SPOILING = {
    "see\nuser:secret@host": "see\n[password]@host",
    'http://h/?key=abc" is': 'http://h/?key=[key]" is',
    "a\n:abc@host": "a\n:abc@host",
    "\u202ea\x9b": "\u202ea\x9b",
    "a\ud800b": "a\ud800b",
}
"""Texts in whose JSON a mask, put over the line as it is written, would take half of an escape along."""


@pytest.mark.parametrize(("text", "shown"), SPOILING.items())
def test_a_line_of_json_stays_json_whatever_is_masked_in_it(text: str, shown: str) -> None:
    stream = io.StringIO()
    Lines(stream, as_json=True).note(text)
    assert json.loads(stream.getvalue())["message"] == shown
    assert not set("\u202e\x9b\ud800") & set(stream.getvalue()), "nothing in it acts on a terminal"
    assert json.loads(progress.masked_json({text: [text, 1, None]})) == {shown: [shown, 1, None]}
