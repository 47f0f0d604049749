"""Several processes that train one student, as on two machines: no launcher stands over both of them."""

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="the train extra is not installed")

from tests.command_server import Command
from tests.conftest import ROOT, start
from tests.training_runs import chain_rows, losses, write

pytestmark = pytest.mark.slow


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Any]:
    """Starts both processes; each gets its own words, behind those that they share."""
    started: list[Command] = []

    def begin(
        *shared: str, first: tuple[str, ...] = (), second: tuple[str, ...] = (), before: str = ""
    ) -> list[Command]:
        """`before` is run in each process before the command."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        for rank, own in enumerate((first, second)):
            environment = {
                "RANK": str(rank),
                "LOCAL_RANK": "0",
                "WORLD_SIZE": "2",
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
            }
            started.append(start("finetune", *shared, *own, cwd=tmp_path, before=before, environment=environment))
        return started

    yield begin
    for one in started:
        with one:
            pass


def until(found: Any) -> Any:
    for _ in range(1000):
        if value := found():
            return value
        time.sleep(0.05)
    raise AssertionError("it never came")


def maps(process: Command) -> str:
    assert process.poll() is None, process.stderr.read()
    return Path(f"/proc/{process.pid}/maps").read_text()


OPTIONS = ("--student", "tiny", "--threads", "1", "--batch-size", "8")


@pytest.mark.skipif(sys.platform != "linux", reason="only /proc says what a process maps")
def test_the_rows_are_tokenised_once_and_mapped_by_the_others(machines: Any, tmp_path: Path) -> None:
    """The second process finds no rows of its own: it has what the first one wrote. Both end by themselves."""
    write(tmp_path / "train.jsonl", chain_rows(32))
    words = ("-o", "student", *OPTIONS, "--max-steps", "40")
    first, second = machines(first=("train.jsonl", *words), second=("no-such-file.jsonl", *words))
    tokens = f"{tmp_path}/student.partial/tokens/training"
    until(lambda: f"{tokens}/ids.npy" in maps(second))
    mapped = [line for line in maps(second).splitlines() if tokens in line]
    assert mapped and all(" r--" in line for line in mapped), mapped
    said = [one.communicate()[1] for one in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], said
    assert said[1] == "", "one of them speaks"
    assert len(losses(tmp_path / "student")) > 1
    assert not (tmp_path / "student" / "tokens").exists()


@pytest.mark.parametrize(
    ("words", "codes", "message"),
    [
        (("train.jsonl", "--max-steps", "8"), (1, 1), "holds no rows"),
        (("nowhere.jsonl", "--max-steps", "8"), (2, 1), "nowhere.jsonl: cannot read it"),
        (("train.jsonl", "--on-policy", "8", "--teacher", "local:a"), (2, 2), "tiny has random weights"),
    ],
)
def test_where_the_first_process_cannot_begin_the_second_one_ends_too(
    machines: Any, tmp_path: Path, words: tuple[str, ...], codes: tuple[int, int], message: str
) -> None:
    write(tmp_path / "train.jsonl", [])
    first, second = machines(*words, "-o", "student", *OPTIONS)
    said = [one.communicate()[1] for one in (first, second)]
    assert (first.returncode, second.returncode) == codes, said
    assert message in said[0] and "Traceback" not in said[0] + said[1]


def test_where_another_machines_process_is_killed_the_first_one_says_how_to_go_on(
    machines: Any, tmp_path: Path
) -> None:
    write(tmp_path / "train.jsonl", chain_rows(32))
    first, second = machines("train.jsonl", "-o", "student", *OPTIONS, "--max-steps", "4000")
    metrics = tmp_path / "student.partial/metrics.jsonl"
    until(lambda: metrics.exists() and metrics.stat().st_size)
    second.kill()
    said = first.communicate()[1]
    assert first.returncode == 1 and "Traceback" not in said, said
    assert "process 0: another process of this training is gone, killed or with its machine" in said
    assert "--resume continues from the last checkpoint" in said


def test_a_signal_that_reaches_one_process_stops_all_after_the_same_step(machines: Any, tmp_path: Path) -> None:
    """Else the one saves a checkpoint while the other computes on, and they wait for each other for good."""
    write(tmp_path / "train.jsonl", chain_rows(32))
    first, second = machines("train.jsonl", "-o", "student", *OPTIONS, "--max-steps", "4000")
    metrics = tmp_path / "student.partial/metrics.jsonl"
    until(lambda: metrics.exists() and metrics.stat().st_size)
    os.kill(second.pid, signal.SIGTERM)
    said = [one.communicate()[1] for one in (first, second)]
    assert (first.returncode, second.returncode) == (130, 130), said
    steps = {text.partition("stopped after step ")[2].partition(" ")[0] for text in said}
    assert [path.parent.name for path in tmp_path.glob("student.partial/checkpoints/*/finished")] == [
        f"checkpoint-{step}" for step in steps
    ]


def test_processes_whose_launcher_is_gone_save_a_checkpoint_and_end(machines: Any, tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", chain_rows(32))
    orphaned = (
        "import os; from pathlib import Path; from cotdistill.training import distributed; distributed._LAUNCHER = 7; "
        "os.getppid = lambda: 1 if Path('gone').exists() else 7"
    )
    both = machines("train.jsonl", "-o", "student", *OPTIONS, "--max-steps", "4000", before=orphaned)
    metrics = tmp_path / "student.partial/metrics.jsonl"
    until(lambda: metrics.exists() and metrics.stat().st_size)
    (tmp_path / "gone").touch()
    said = [one.communicate()[1] for one in both]
    assert [one.returncode for one in both] == [130, 130], said
    assert said[0].count("the launcher of these processes has ended; stopping after a checkpoint") == 1
    assert "stopped after step" in said[0] and list(tmp_path.glob("student.partial/checkpoints/*/finished"))


def test_a_dry_run_is_for_one_process_and_says_so(machines: Any, tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", chain_rows(8))
    first, second = machines("train.jsonl", "-o", "student", *OPTIONS, "--dry-run")
    said = [one.communicate()[1] for one in (first, second)]
    assert (first.returncode, second.returncode) == (2, 1), said
    assert "--dry-run: measures one process, and this is one of 2" in said[0]


def test_a_machine_that_does_not_see_the_rows_says_so_and_ends(machines: Any, tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", chain_rows(32))
    words = ("train.jsonl", *OPTIONS, "--max-steps", "8")
    # else a minute, for a file system that caches names
    patient = "from cotdistill.training import shared_rows; shared_rows.SEEN_WITHIN_S = 1"
    first, second = machines(*words, first=("-o", "student"), second=("-o", "elsewhere/student"), before=patient)
    said = second.communicate()[1]
    assert second.returncode == 1
    assert "the rows that the first process wrote are not there. On several machines --output must lie on one" in said
    first.kill()  # it would end by itself too, once torch has waited long enough
    first.communicate()


@pytest.mark.parametrize("file", sorted((ROOT / "data/accelerate").glob("*.yaml")), ids=lambda file: str(file.stem))
def test_the_configurations_are_ones_that_accelerate_takes(file: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(file))
    assert config.mixed_precision == "no", "finetune chooses the number format itself"
    assert not config.num_processes % config.num_machines
