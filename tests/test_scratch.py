"""Directories of work: gone with their block, and those of a killed process with the next one that makes its own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cotdistill.artifacts.scratch import YOUNG_S, scratch

HOLDS = (
    "import sys; from cotdistill.artifacts.scratch import scratch\n"
    "with scratch('test') as folder:\n    (folder / 'work').write_text('x')\n    print(folder, flush=True)\n"
    "    sys.stdin.read()\n"
)


def test_what_a_killed_process_left_goes_and_what_a_living_one_holds_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    both = [
        subprocess.Popen([sys.executable, "-c", HOLDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    folders = [Path((process.stdout.readline() if process.stdout else "").strip()) for process in both]
    killed, living = both
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    (tmp_path / "cotdistill-other-x").mkdir()
    long_ago = time.time() - 2 * YOUNG_S
    for folder in tmp_path.iterdir():
        os.utime(folder, (long_ago, long_ago))
    with scratch("test") as own:
        assert sorted(tmp_path.iterdir()) == sorted([folders[1], own, tmp_path / "cotdistill-other-x"])
    living.communicate("")
    assert [folder.name for folder in tmp_path.iterdir()] == ["cotdistill-other-x"], "each goes with its block"
