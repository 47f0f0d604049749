"""The rooms of the house: no import upward, no circle, no fence crossed."""

from pathlib import Path

import pytest

from tools import structure


def test_every_room_has_its_floor_and_no_import_leaves_its_bounds() -> None:
    assert {kind: places for kind, places in structure.problems().items() if places} == {}


BROKEN = {
    "imports upward": ("errors.py", "def late():\n    from cotdistill.stages import filter\n"),
    "private imports over a fence": ("stages/x.py", "from cotdistill.filters import _texts\n"),
    "circles of files": (
        "records.py",
        "def lazy():\n    from cotdistill import records2\n",
    ),
    "rooms without a floor": ("attic/__init__.py", ""),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_each_kind_of_breach_is_found(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "cotdistill"
    for name in ("__init__.py", "errors.py", "stages/__init__.py", "stages/filter.py", "filters/_texts.py"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text("")
    (package / "records2.py").write_text("from cotdistill import records\n")
    place, text = BROKEN[kind]
    (package / place).parent.mkdir(exist_ok=True)
    (package / place).write_text(text)
    monkeypatch.setattr(structure, "ROOT", tmp_path)
    monkeypatch.setattr(structure, "FLOORS", (*structure.FLOORS, frozenset({"records2"})))
    assert structure.problems()[kind]
