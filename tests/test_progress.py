import io
import json
from datetime import datetime

import pytest

from cotdistill import progress
from cotdistill.progress import Lines


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
