"""The filter stage in several processes: the same bytes, nothing lost, bad lines named, no process left behind."""

import json
import os
import signal
import socket
import time
from itertools import accumulate, pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cotdistill.artifacts import read_manifest
from cotdistill.artifacts.json_lines import read_records
from cotdistill.config import FilterConfig
from cotdistill.errors import CotDistillError
from cotdistill.parallel import ray_data, ray_driver
from cotdistill.parallel.ray_driver import Failure, Order
from cotdistill.progress import Silent
from cotdistill.records import Judged
from cotdistill.stages import filter as stage
from cotdistill.stages.filter.chunks import chunks, ranges
from cotdistill.stages.filter.screen import vote_share
from tests.conftest import is_alive, make_prompt, make_response, make_responses, start, write_records


def outputs(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.glob("kept*.jsonl")}


def sift(source: Path, directory: Path, **options: Any) -> dict[str, bytes]:
    directory.mkdir()
    stage.run(source, directory / "kept.jsonl", FilterConfig(**options), Silent())
    return outputs(directory)


def test_any_number_of_workers_writes_the_same_bytes(tmp_path: Path) -> None:
    source = write_records(tmp_path / "r.jsonl", make_responses(400))
    options: dict[str, Any] = {"select": "diverse:k=2", "filter": ("length:max_answer=500",), "weight": "difficulty"}
    one, three = (sift(source, tmp_path / str(n), workers=n, **options) for n in (1, 3))
    assert one == three
    assert {"kept.jsonl", "kept.dropped.jsonl"} <= one.keys()
    manifests = [read_manifest(tmp_path / str(n) / "kept.manifest.json") for n in (1, 3)]
    assert manifests[0].results == manifests[1].results
    assert manifests[0].options == manifests[1].options, "how many processes is no part of the result"


@pytest.mark.slow
def test_a_local_ray_writes_the_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra ray is not installed")
    source = write_records(tmp_path / "r.jsonl", make_responses(400))
    options: dict[str, Any] = {"select": "diverse:k=2", "filter": ("repetition",), "weight": "difficulty"}
    local, ray = (sift(source, tmp_path / engine, engine=engine, workers=2, **options) for engine in ("local", "ray"))
    assert local == ray
    lines = source.read_bytes().splitlines(keepends=True)
    lines[700] = b"{}\n"
    source.write_bytes(b"".join(lines))
    with pytest.raises(CotDistillError, match=r"r.jsonl:701: .*--skip-bad"):
        sift(source, tmp_path / "bad", engine="ray", workers=2)


FATAL = '''
import os
from dataclasses import dataclass

@dataclass
class Verifier:
    """Ends what it runs in."""

    needs_reference = False

    def judge(self, response):
        {act}
'''


@pytest.mark.slow
@pytest.mark.parametrize(
    ("act", "words", "logged"),
    [
        ("os._exit(7)", "--engine ray: .*worker", "WorkerCrashedError"),
        ("raise KeyError('boom')", "fatal.py:12: verifier .* failed on prompt 'p0', sample 0: KeyError: 'boom'$", ""),
    ],
)
def test_a_verifier_that_fails_on_ray_is_one_line(tmp_path: Path, act: str, words: str, logged: str) -> None:
    """Ray does a task again for ever whose process dies, and wraps an error in its own words."""
    pytest.importorskip("ray", reason="the extra ray is not installed")
    source = write_records(tmp_path / "r.jsonl", make_responses(20, samples=1))
    (tmp_path / "fatal.py").write_text(FATAL.format(act=act))
    with pytest.raises(CotDistillError, match=words) as found:
        sift(source, tmp_path / "out", engine="ray", workers=1, verify=str(tmp_path / "fatal.py"))
    assert "\n" not in str(found.value)
    if logged:
        log = Path(str(found.value).rpartition("; Ray's log is ")[2])
        assert logged in log.read_text(), "the reason is to be found there"
        log.unlink()
    assert not [path.name for path in (tmp_path / "out").iterdir() if not path.name.endswith(".lock")]


def dying(order: Order, connection: Connection) -> None:
    """In Ray's driver: what Ray does from C++ where one of its own processes dies."""
    (order.folder / ray_driver.LOG).write_text("raylet died\n")
    connection.send_bytes(msgspec.msgpack.encode(Counted(1)))
    os._exit(3)


def slow_to_start(order: Order, connection: Connection) -> None:
    before = Path(order.arguments[0])
    failure = None if before.exists() else Failure("not_started", CotDistillError("--engine ray: it timed out"))
    if before.exists():
        connection.send_bytes(msgspec.msgpack.encode(Counted(1)))
    before.touch()
    connection.send_bytes(b"")
    connection.send(failure)


class Counted(msgspec.Struct):
    number: int


def unused(*_: Any) -> Any:
    raise AssertionError("the driver calls it, and this one is another")


def test_a_ray_that_ends_its_driver_is_one_line_and_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_data, "drive", dying)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    results = ray_data.in_order(unused, (), [1], Counted, 1)
    assert next(results) == Counted(1)
    with pytest.raises(CotDistillError, match=r"^--engine ray: Ray ended with code 3; Ray's log is ") as found:
        next(results)
    log = Path(str(found.value).rpartition(" ")[2])
    assert log.read_text() == "raylet died\n"
    log.unlink()


def test_a_ray_that_did_not_start_in_time_is_started_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_data, "drive", slow_to_start)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    results = ray_data.in_order(unused, (str(tmp_path / "before"),), [1], Counted, 1)
    assert list(results) == [Counted(1)]


@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "ray://127.0.0.1:{port}", "nowhere"])
def test_a_ray_cluster_that_is_not_there_is_said_at_once(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="the extra ray is not installed")
    with socket.socket() as taken:  # by nobody who listens
        taken.bind(("127.0.0.1", 0))
        named = address.format(port=taken.getsockname()[1])
        monkeypatch.setenv("RAY_ADDRESS", named)
        source = write_records(tmp_path / "r.jsonl", make_responses(2))
        with pytest.raises(CotDistillError, match=f"--engine ray: no cluster at RAY_ADDRESS={named}: .*unset RAY_ADDR"):
            sift(source, tmp_path / "out", engine="ray")


def test_a_duplicate_is_found_across_chunks(tmp_path: Path) -> None:
    write_records(tmp_path / "r.jsonl", make_responses(400))
    dropped = sift(tmp_path / "r.jsonl", tmp_path / "out", workers=2)["kept.dropped.jsonl"]
    assert b"same problem under another id" in dropped, "question 390 is question 0 again, 1,560 lines later"


def test_chunks_hold_whole_prompts_and_all_bytes(tmp_path: Path) -> None:
    source = write_records(tmp_path / "r.jsonl", make_responses(50, samples=7))
    found = list(chunks(source, responses=20))
    assert len(found) > 5
    data = source.read_bytes()
    assert b"".join(data[one.start : one.start + one.size] for one in found) == data
    ids = [{json.loads(line)["prompt"]["id"] for line in data[c.start : c.start + c.size].splitlines()} for c in found]
    assert not any(one & other for one, other in pairwise(ids)), "no prompt is split"


@pytest.mark.parametrize("size", [1, 100, 1_000, 5_003, 1_000_000])
def test_ranges_of_any_size_hold_every_prompt_once_and_whole(tmp_path: Path, size: int) -> None:
    lines = write_records(tmp_path / "r.jsonl", make_responses(30, samples=3)).read_bytes().splitlines(keepends=True)
    for number in (0, 4, 5, 44, 89):  # before a prompt, within one, two in a row, the last line
        lines[number] = b'{"prompt": 1}\n' if number % 2 else b"\xff" * 3_000 + b"\n"
    source = tmp_path / "r.jsonl"
    source.write_bytes(b"".join(lines).removesuffix(b"\n"))
    cut = [list(chunks(one.path, 20, one)) for one in ranges(source, size)]
    whole = [chunk for found in cut for chunk in found]
    assert [one.start for one in whole] == [0, *accumulate(one.size for one in whole)][:-1], "no byte twice, none left"
    assert sum(one.size for one in whole) == source.stat().st_size
    data = source.read_bytes()
    starts = {0, *(one.start for one in chunks(source, 1))}
    assert {one.start for one in whole} <= starts, "cut where a prompt begins, as one process cuts"
    assert len(data) < size or len([found for found in cut if found]) > 1


@pytest.mark.parametrize("workers", [1, 2])
def test_a_bad_line_is_named_by_file_line_and_field_from_any_process(tmp_path: Path, workers: int) -> None:
    source = write_records(tmp_path / "r.jsonl", make_responses(200))
    lines = source.read_bytes().splitlines(keepends=True)
    lines[700] = lines[700].replace(b'"model":"m"', b'"model":null')
    source.write_bytes(b"".join(lines))
    with pytest.raises(CotDistillError, match=r"r.jsonl:701: teacher.model: expected str, got null.*--skip-bad"):
        sift(source, tmp_path / "a", workers=workers)
    assert outputs(tmp_path / "a") == {}, "nothing half-written"
    sift(source, tmp_path / "b", workers=workers, skip_bad=True)
    (bad,) = (tmp_path / "b" / "kept.bad.jsonl").read_text().splitlines()
    assert json.loads(bad)["line"] == 701
    manifest = read_manifest(tmp_path / "b" / "kept.manifest.json")
    assert manifest.counts["responses"] == 799
    assert any("1 unreadable line" in note for note in manifest.notes)


def test_a_killed_run_leaves_no_process_behind(tmp_path: Path) -> None:
    source = write_records(tmp_path / "r.jsonl", make_responses(3000))
    (tmp_path / "slow.py").write_text(
        "import dataclasses, os, time\n"
        "@dataclasses.dataclass\nclass Filter:\n"
        f"    def reason_to_drop(self, judged):\n        open({str(tmp_path)!r} + f'/pid-{{os.getpid()}}', 'w')\n"
        "        time.sleep(0.05)\n"
    )
    words = ["filter", str(source), "-o", str(tmp_path / "k.jsonl"), "--workers", "2"]
    words += ["--filter", str(tmp_path / "slow.py")]
    with start(*words) as process:
        while len(pids := [int(path.name[4:]) for path in tmp_path.glob("pid-*")]) < 2:
            assert process.poll() is None, "the run ended before two workers started"
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    assert process.pid not in pids
    while any(is_alive(pid) for pid in pids):  # pytest's time limit ends this where one lives on
        time.sleep(0.05)


def test_votes_go_to_values_not_to_spellings(tmp_path: Path) -> None:
    texts = ["Answer: 0.5", "Answer: 1/2", "Answer: 50%", "Answer: 7", "I do not know"]
    prompt = make_prompt(reference="3")
    source = write_records(
        tmp_path / "r.jsonl", [make_response(text, prompt, sample=n) for n, text in enumerate(texts)]
    )
    sift(source, tmp_path / "o", keep_incorrect=True)
    kept = list(read_records(tmp_path / "o" / "kept.jsonl", Judged))
    assert {one.vote_share for one in kept} == {0.6}
    assert {(one.samples, one.correct, one.pass_rate) for one in kept} == {(5, 0, 0.0)}
    assert vote_share([one.response for one in kept], [one.verdict for one in kept]) == 0.6


@pytest.mark.parametrize(
    ("weight", "right", "wrong"), [("none", None, 0.3), ("difficulty", 0.25, 0.3), ("uncertainty", 0.75, 0.3)]
)
def test_weights_follow_the_pass_rate_and_wrong_answers_have_their_own(
    tmp_path: Path, weight: str, right: float | None, wrong: float
) -> None:
    texts = ["Answer: 4", "So it is 4", "I find 4", "Answer: 5"]
    source = write_records(tmp_path / "r.jsonl", [make_response(text, sample=n) for n, text in enumerate(texts)])
    sift(source, tmp_path / "o", weight=weight, keep_incorrect=True, incorrect_weight=0.3)
    kept = list(read_records(tmp_path / "o" / "kept.jsonl", Judged))
    assert [one.weight for one in kept] == [right, right, right, wrong]


def test_a_prompt_that_is_always_solved_keeps_a_little_weight(tmp_path: Path) -> None:
    source = write_records(tmp_path / "r.jsonl", [make_response(f"{way}: 4", sample=n) for n, way in enumerate("ab")])
    sift(source, tmp_path / "o", weight="difficulty")
    assert {one.weight for one in read_records(tmp_path / "o" / "kept.jsonl", Judged)} == {0.1}
