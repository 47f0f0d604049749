"""SIGTERM ends a stage as Ctrl-C does: exit code 130, one line, nothing half-written, no process, no warning."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.command_server import ROOT
from tests.conftest import make_judged, make_prompt, make_response, start, write_records

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
        write_records(folder / f"{name}.jsonl", given)


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


SWALLOWED = """
import os, signal, sys, time, weakref
from cotdistill.cli import interrupts
class Thing: pass
def gone(_): os.kill(os.getpid(), signal.{number})
interrupts.watch()
try:
    kept = weakref.ref(Thing(), gone)
    time.sleep(60)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_a_signal_that_python_swallows_in_a_callback_ends_the_command_all_the_same(number: str) -> None:
    run = python("-c", SWALLOWED.format(number=number))
    assert (run.returncode, run.stderr) == (130, "")


def test_the_exit_code_is_130_also_where_the_interrupt_came_while_a_dataclass_was_made(tmp_path: Path) -> None:
    made = "try: exec('raise KeyboardInterrupt')\nexcept KeyboardInterrupt: pass\nsys.exit(130)\n"
    (tmp_path / "making.py").write_text(
        f"import sys\nfrom cotdistill.cli import interrupts\ninterrupts.watch()\n{made}"
    )
    assert python("-m", "making", cwd=tmp_path).returncode == 130, "not -2, as Python has it by itself"


EARLY = """
import os, signal, sys
class Interrupting:
    def find_spec(self, name, *_):
        if name == "cotdistill.cli.options":
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGTERM)
from cotdistill.__main__ import main
sys.meta_path.insert(0, Interrupting())
main()
"""


def test_an_interrupt_while_the_command_line_is_imported_is_one_line_too() -> None:
    plain, as_json = (python("-c", EARLY, *words) for words in ([], ["--log-format", "json"]))
    assert (plain.returncode, plain.stdout, plain.stderr) == (130, "", "cotdistill: interrupted\n")
    assert (as_json.returncode, json.loads(as_json.stderr)["exit_code"]) == (130, 130)


def python(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *words], cwd=cwd, env=environment, capture_output=True, text=True)
