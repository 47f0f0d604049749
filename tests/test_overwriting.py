"""No command writes over what is not its own: an input, the store, a person's file, a device, a link."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.overwriting import ATTEMPTS, Attempt, attempt, prepare, snapshot


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("files")
    prepare(folder)
    before = snapshot(folder)
    yield folder
    assert snapshot(folder) == before


@pytest.mark.parametrize("one", ATTEMPTS, ids=[one.name for one in ATTEMPTS])
def test_an_attempt_to_overwrite_is_refused_and_every_file_is_as_it_was(one: Attempt, folder: Path) -> None:
    if one.root and not (folder / "device").exists():
        pytest.skip("only root may make a device node, and not in every container")
    outcome = attempt(one, folder)
    assert outcome.changed == [], outcome.message
    assert outcome.code == 2, outcome.message
    assert len(outcome.message.strip().splitlines()) == 1, outcome.message
