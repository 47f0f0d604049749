"""What a command may find around it: no home, no directory, no standard files, a log that cannot be written."""

import errno
import io
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import platformdirs
import pytest

from cotdistill.cli import log
from cotdistill.dispatch.claims import Claims, claims_path
from cotdistill.doctor import money
from cotdistill.errors import USAGE, CotDistillError, UsageError
from cotdistill.progress import Lines
from cotdistill.store.answers import Store
from cotdistill.store.location import known_stores, store_path
from tests.conftest import start


def test_where_no_home_is_known_the_store_wants_a_place_and_what_needs_none_does_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("COTDISTILL_CACHE")

    def unknown(*_: object) -> str:
        raise RuntimeError("could not determine the home directory")

    for answer in (unknown, lambda *_: "~/.local/share/cotdistill"):
        monkeypatch.setattr(platformdirs, "user_data_dir", answer)
        with pytest.raises(UsageError, match=r"no home directory is known for this user; set HOME, or .* --cache PATH"):
            store_path()
        assert known_stores() == []
    (said,) = money.store(None)
    assert (said.state, said.advice) == ("broken", "set HOME, or COTDISTILL_CACHE to the path of the store")


def test_a_home_of_a_user_there_is_not_is_a_slip() -> None:
    with pytest.raises(UsageError, match=r"~nosuch-user/s.sqlite: no home directory is known for ~nosuch-user"):
        store_path("~nosuch-user/s.sqlite")


def test_a_directory_that_was_removed_is_said_to_be_gone(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    words = ("generate", "p.jsonl", "-o", "r.jsonl", "--teacher", "mock:digit-chains")
    run = start(*words, cwd=tmp_path / "gone", before="import os\nos.rmdir(os.getcwd())")
    _, said = run.communicate()
    assert (run.returncode, said) == (
        USAGE,
        "cotdistill: the directory that this was started in is gone; change to another one\n",
    )


def test_no_file_gets_the_number_of_a_standard_file_that_was_closed(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom cotdistill.cli import main\nmain._open_standard_files()\n"
        "store = open('store', 'w')\nprint('out')\nprint('said', file=sys.stderr)\nos.write(2, b'said')\n"
        "store.write(f'{store.fileno() > 2} {sys.stdin.read()!r}')\n"
    )
    command = [sys.executable, "-c", code]
    subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command], cwd=tmp_path, check=True)
    assert (tmp_path / "store").read_text() == "True ''"


class Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_log_that_cannot_be_written_stops_nothing_and_an_output_that_cannot_be_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Lines(Full()).note("bought")
    monkeypatch.setattr(sys, "stderr", Full())
    log.say("bought", err=True)
    monkeypatch.setattr(sys, "stdout", Full())
    with pytest.raises(CotDistillError, match="standard output: cannot write it: No space left on device"):
        log.say("answer")


def test_whoever_may_use_the_store_may_use_its_claims(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with closing(Store(path)), Claims(path):
        assert claims_path(path).stat().st_mode & 0o777 == 0o600
    path.chmod(0o660)
    with Claims(path):
        assert claims_path(path).stat().st_mode & 0o777 == 0o660


def test_an_output_beside_which_no_lock_can_stand_is_named_with_the_reason(tmp_path: Path) -> None:
    from cotdistill import artifacts

    (tmp_path / ".kept.jsonl.lock").mkdir()
    with (
        pytest.raises(CotDistillError, match=r"kept.jsonl: cannot write .kept.jsonl.lock beside it: "),
        artifacts.lock(tmp_path / "kept.jsonl"),
    ):
        pass
