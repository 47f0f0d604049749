"""The script of docs/cron.md: what it prints is what cron mails."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

ERROR = '{"level": "error", "message": "the key is refused", "exit_code": 6}'
GUARD = '{"level": "warning", "message": "guard: runs/x/student is worse than in-use/student"}'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (script,) = re.findall(r"^```bash\n(.*?)^```", (ROOT / "docs" / "cron.md").read_text(), re.DOTALL | re.MULTILINE)
    (tmp_path / "nightly.sh").write_text(script)
    (tmp_path / "cotdistill").write_text('#!/bin/sh\necho "$LINE" >&2\nexit "$CODE"\n')
    (tmp_path / "curl").write_text(f"#!/bin/sh\necho called >> {tmp_path}/pings\n")
    for name in ("cotdistill", "curl"):
        (tmp_path / name).chmod(0o755)
    return tmp_path


def mails(home: Path, *nights: int, line: str = ERROR) -> list[int]:
    """The numbers of the nights that were mailed, from 1, when `cotdistill run` ends with these codes."""
    found = []
    for number, code in enumerate(nights, 1):
        done = subprocess.run(
            ["sh", "nightly.sh", "recipe.toml", "run.log"],
            cwd=home,
            env={"PATH": f"{home}:/usr/bin:/bin", "CODE": str(code), "LINE": line, "PING": "http://ping.example"},
            capture_output=True,
            text=True,
        )
        assert done.stderr == ""
        if done.stdout:
            found.append(number)
    return found


def test_an_error_is_mailed_on_its_first_night_alone_and_again_after_a_good_one(home: Path) -> None:
    assert mails(home, 0, 6, 6, 6, 0, 6, 1, 2, 2) == [2, 6, 7, 8]


def test_failed_prompts_are_mailed_on_the_third_night_in_a_row(home: Path) -> None:
    assert mails(home, 3, 0, 3, 3, 0) == []
    assert mails(home, 3, 3, 3, 3, 3) == [3]


def test_a_run_under_way_and_a_machine_that_went_down_are_not_mailed_and_end_no_series(home: Path) -> None:
    assert mails(home, 6, 5, 6, 130, 6) == [1]


def test_a_student_that_its_guard_holds_back_is_mailed_at_once(home: Path) -> None:
    assert mails(home, 0, 3, 0, line=GUARD) == [2]


def test_a_killed_run_is_mailed(home: Path) -> None:
    assert mails(home, 137) == [1]


def test_a_health_check_hears_of_good_nights_only(home: Path) -> None:
    mails(home, 0, 3, 6, 1)
    assert (home / "pings").read_text().splitlines() == ["called", "called"]
