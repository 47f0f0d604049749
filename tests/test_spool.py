"""Items that are sorted on disk come back as they would from memory, and a full disk is said."""

import random
import tempfile
from itertools import groupby
from pathlib import Path

import pytest

from cotdistill.artifacts import spool as spooling
from cotdistill.artifacts.spool import Spool
from cotdistill.errors import CotDistillError
from cotdistill.plugins import build
from tests.conftest import make_judged, make_prompt


@pytest.mark.parametrize("run_bytes", [1, 2_000, 50_000, 10**9])
def test_items_come_back_by_key_in_the_order_they_came_however_many_are_held(
    run_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spooling, "_MOST_RUNS", 5)
    monkeypatch.setattr(spooling, "_FRAME_BYTES", 100)
    lots = random.Random(0)
    given = [(str(lots.randrange(40)).encode(), str(number).encode()) for number in range(300)]
    spool = Spool(run_bytes)
    for key, item in given:
        spool.add(key, item)
        assert len(spool._runs) <= 5, "few files are open at once"
    found = [list(items) for items in spool.by_key()]
    expected = [[item for _, item in one] for _, one in groupby(sorted(given, key=lambda e: e[0]), lambda e: e[0])]
    assert found == expected


@pytest.mark.parametrize("name", ["exact_duplicate", "near_duplicate"])
def test_duplicates_are_the_same_whether_they_waited_on_disk_or_not(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lots = random.Random(1)
    names = ["Ann", "Bob", "Cy"]
    asked = [
        make_judged(
            f"Answer: {number}",
            prompt=make_prompt(
                f"p{number}",
                f"{lots.choice(names)} has {lots.randrange(10, 14)} apples, and {lots.randrange(3)} more. How many?",
                lots.choice([None, "12", "13"]),
            ),
        )
        for number in range(200)
    ]

    def reasons() -> list[str | None]:
        duplicate = build("filters", name)
        for one in asked:
            duplicate.consider([one])
        return [duplicate.reason_to_drop(one) for one in asked]

    in_memory = reasons()
    assert sum(reason is not None for reason in in_memory) > 50
    monkeypatch.setattr(Spool.__init__, "__defaults__", (500,))
    assert reasons() == in_memory


def test_a_directory_for_temporary_files_without_room_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: Path("/dev/full").open("wb"))  # noqa: SIM115
    spool = Spool(1)
    with pytest.raises(CotDistillError, match=r"cannot sort there .*: No space left.*TMPDIR"):
        spool.add(b"key", b"item")
