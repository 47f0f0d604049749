"""SIGTERM ends a stage as Ctrl-C does: exit code 130, one line, nothing half-written, no process, no warning."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.conftest import make_judged, make_prompt, make_response, start

SLOW = """
import dataclasses, pathlib, time
@dataclasses.dataclass
class {kind}:
    def {method}:
        pathlib.Path({mark!r}).touch()
        time.sleep(0.05)
        return {value}
"""


def slow(folder: Path, kind: str, method: str, value: str) -> str:
    path = folder / "slow.py"
    path.write_text(SLOW.format(kind=kind, method=method, mark=str(folder / "begun"), value=value))
    return str(path)


def records(folder: Path, count: int = 2_000) -> None:
    prompts = [make_prompt(f"p{n}", f"{n}?") for n in range(count)]
    lines: dict[str, list[Any]] = {
        "r": [make_response(prompt=one) for one in prompts],
        "k": [make_judged(prompt=one) for one in prompts],
    }
    for name, given in lines.items():
        (folder / f"{name}.jsonl").write_bytes(msgspec.json.Encoder().encode_lines(given))


def command(folder: Path, stage: str) -> list[str]:
    if stage == "format":
        layout = slow(folder, "Format", "row(self, judged)", "{'messages': []}")
        return ["format", str(folder / "k.jsonl"), "-o", str(folder / "out" / "train.jsonl"), "--format", layout]
    words = ["filter", str(folder / "r.jsonl"), "-o", str(folder / "out" / "kept.jsonl")]
    words += ["--filter", slow(folder, "Filter", "reason_to_drop(self, judged)", "None")]
    return [*words, "--workers", "2" if stage == "filter with workers" else "1"]


@pytest.mark.parametrize("whom", ["the process", "the whole group, as a service manager does"])
@pytest.mark.parametrize("stage", ["filter", "filter with workers", "format"])
def test_sigterm_ends_a_stage_and_leaves_nothing_behind(tmp_path: Path, stage: str, whom: str) -> None:
    records(tmp_path)
    with start(*command(tmp_path, stage), new_session=True) as process:
        while not (tmp_path / "begun").exists():
            assert process.poll() is None
            time.sleep(0.05)
        (os.kill if whom == "the process" else os.killpg)(process.pid, signal.SIGTERM)
        _, said = process.communicate()
    assert (process.returncode, said.strip()) == (130, "cotdistill: interrupted; the same command continues")
    assert not (tmp_path / "out").exists(), "no partial file, no lock, no empty directory"
    while in_group(process.pid):  # or pytest's time limit ends the test
        time.sleep(0.05)


def in_group(group: int) -> list[str]:
    """Processes of a group that are not ended: those that nobody reaped are."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = path.read_text().rpartition(")")[2].split()[:3]
        except OSError:  # it has just ended
            continue
        if int(its_group) == group and state != "Z":
            found.append(path.parent.name)
    return found
