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


@pytest.mark.parametrize(
    "words",
    [
        "filter responses.jsonl -o",
        "format kept.jsonl -o",
        "generate prompts.jsonl --teacher mock:digit-chains -o",
        "evaluate prompts.jsonl --student tiny -o",
        "finetune train.jsonl --student tiny -o",
        "report made -o",
        "cache export -o",
    ],
)
def test_nothing_takes_the_place_of_the_store_that_is_not_there_yet(
    words: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COTDISTILL_CACHE", "answers.sqlite")
    outcome = attempt(Attempt("", f"{words} answers.sqlite"), folder)
    assert (outcome.code, outcome.changed) == (2, []), outcome.message


@pytest.mark.parametrize(
    "words",
    [
        "generate prompts.jsonl --teacher mock -o",
        "expand prompts.jsonl --teacher mock -o",
        "filter responses.jsonl -o",
        "format kept.jsonl -o",
        "finetune train.jsonl --student tiny -o",
        "evaluate prompts.jsonl --student tiny -o",
        "report made -o",
        "compare made --csv",
        "cache export -o",
    ],
)
def test_an_output_without_a_name_is_refused_before_names_are_made_of_it(words: str, folder: Path) -> None:
    for name in (".", "/", ".."):
        outcome = attempt(Attempt("", f"{words} {name}"), folder)
        assert (outcome.code, outcome.changed) == (2, []), outcome.message
        assert len(outcome.message.strip().splitlines()) == 1, outcome.message


@pytest.mark.parametrize("store", ["pipe", "folder", "device", "made/kept.jsonl"])
def test_what_is_no_store_is_not_written_to(store: str, folder: Path) -> None:
    if not (folder / store).exists():
        pytest.skip("only root may make a device node, and not in every container")
    words = f"generate prompts.jsonl -o x.jsonl --teacher mock:digit-chains --cache {store}"
    outcome = attempt(Attempt("", words), folder)
    assert outcome.changed == [], outcome.message
    assert outcome.code in (1, 2), outcome.message
