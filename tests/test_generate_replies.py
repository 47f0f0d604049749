"""Replies of every kind through generate and its store: what is asked again, what is read anew, what is warned of."""

import asyncio
import json
import sqlite3
import zlib
from pathlib import Path
from typing import Any

import pytest

from cotdistill.artifacts import Manifest
from cotdistill.artifacts.json_lines import read_records
from cotdistill.config import GenerateConfig
from cotdistill.errors import UsageError
from cotdistill.records import Response
from cotdistill.stages import generate as stage
from tests.conftest import Notes
from tests.scripted_server import Scripted, completion
from tests.test_generate_money import Answer, questions, runs


def responses(tmp_path: Path) -> list[Response]:
    return list(read_records(tmp_path / "r.jsonl", Response))


def mock(tmp_path: Path, file: Path, prompts: Path) -> tuple[Manifest, list[str]]:
    notes = Notes()
    config = GenerateConfig(teacher=f"mock:{file}")
    return stage.run(prompts, tmp_path / "r.jsonl", config, notes), notes.notes


def stored(tmp_path: Path) -> list[tuple[str, dict[str, Any]]]:
    with sqlite3.connect(tmp_path / "store.sqlite") as connection:
        rows = connection.execute("SELECT key, raw FROM answers ORDER BY key").fetchall()
    return [(key, json.loads(zlib.decompress(raw))) for key, raw in rows]


def breaking_off(word: str, every: int = 4) -> Answer:
    def answer(number: int, body: dict[str, Any]) -> Scripted:
        return Scripted(completion("First, 2 and", word) if number % every == 0 else completion("4", reasoning="2+2"))

    return answer


@pytest.mark.parametrize("word", ["abort", "error", "load", "insufficient_system_resource"])
def test_what_a_server_breaks_off_is_asked_again_in_the_same_run_and_not_stored(tmp_path: Path, word: str) -> None:
    (manifest, again), asked = runs(tmp_path, breaking_off(word), 6, {}, {})
    assert (manifest.complete, [one.text for one in responses(tmp_path)]) == (True, ["4"] * 6)
    assert asked[0] > 6
    assert asked[1] == 0, "and a second run has them all"
    assert again.complete
    assert {reply["choices"][0]["finish_reason"] for _, reply in stored(tmp_path)} == {"stop"}


def test_what_an_earlier_version_stored_as_an_answer_gives_way_to_one_and_is_kept_aside(tmp_path: Path) -> None:
    def answer(number: int, body: dict[str, Any]) -> Scripted:
        return Scripted(completion("4" if number < 3 else "5"))

    async def run() -> list[int]:
        from tests.scripted_server import serving

        asked = []
        async with serving(answer) as server:
            config = GenerateConfig(teacher="openai:m", base_url=f"{server.url}/v1")
            for turn in range(3):
                await asyncio.to_thread(stage.run, questions(tmp_path, 3), tmp_path / "r.jsonl", config, Notes())
                asked.append(len(server.requests))
                if turn == 0:
                    broken = zlib.compress(json.dumps(completion("First, 2 and", "abort")).encode())
                    with sqlite3.connect(tmp_path / "store.sqlite") as connection:
                        connection.execute("UPDATE answers SET raw = ? WHERE key = (SELECT min(key) FROM answers)",
                                           (broken,))  # fmt: skip
        return asked

    assert asyncio.run(run()) == [3, 4, 4]
    assert sorted(one.text for one in responses(tmp_path)) == ["4", "4", "5"]
    assert [reply["choices"][0]["finish_reason"] for key, reply in stored(tmp_path) if "no-answer" in key] == ["abort"]


def test_marks_of_ones_own_are_applied_to_what_is_paid_for(tmp_path: Path) -> None:
    def answer(number: int, body: dict[str, Any]) -> Scripted:
        return Scripted({**completion("<scratch>2+2</scratch>4"), "usage": None})

    tags = ("<scratch>,</scratch>", "###,===")
    (_, _), asked = runs(tmp_path, answer, 2, {}, {"think_tags": tags, "reextract": True})
    assert asked == [2, 0]
    assert [(one.reasoning, one.text, one.reasoning_rule) for one in responses(tmp_path)] == [
        ("2+2", "4", "</scratch>")
    ] * 2


@pytest.mark.parametrize("tags", ["<scratch>", "<scratch>,", ",</scratch>", "a,b,c", "x,x"])
def test_marks_that_are_no_pair_are_refused(tmp_path: Path, tags: str) -> None:
    with pytest.raises(UsageError, match="--think-tags: expected OPEN,CLOSE, such as"):
        stage.run(questions(tmp_path, 1), tmp_path / "r.jsonl", GenerateConfig(teacher="openai:m", think_tags=(tags,)),
                  Notes())  # fmt: skip


@pytest.mark.parametrize(
    ("reply", "options", "words"),
    [
        (completion("4"), {}, "without the reasoning that was billed"),
        ({**completion("4"), "usage": None}, {}, "without any reasoning: a student would learn bare answers"),
        ({**completion("4"), "usage": None}, {"template": "answer_only"}, None),
        ({**completion("4", reasoning="2+2"), "usage": None}, {}, None),
        ({**completion("2+2 is 4.\nAnswer: 4"), "usage": None}, {}, None),
    ],
)
def test_a_run_that_brings_no_reasoning_says_so_after_a_few_answers(
    tmp_path: Path, reply: dict[str, Any], options: dict[str, Any], words: str | None
) -> None:
    notes = Notes()
    (manifest,), _ = runs(tmp_path, lambda number, body: Scripted(reply), 8, options, progress=notes)
    warnings = [note for note in notes.notes if note.startswith("WARNING")]
    assert len(warnings) == (words is not None)
    assert (words or "") in "".join(warnings)
    bare = any("no answer came with reasoning" in note for note in manifest.notes)
    assert bare == ("without any" in (words or ""))


def test_a_recording_that_was_edited_gives_its_new_answers(tmp_path: Path) -> None:
    prompts, file = questions(tmp_path, 1), tmp_path / "p.jsonl"
    for answer in ("5", "4"):
        file.write_text(json.dumps({"question": "question 0", "answer": answer}))
        mock(tmp_path, file, prompts)
        assert [one.text for one in responses(tmp_path)] == [answer]
    other = tmp_path / "elsewhere" / "p.jsonl"
    other.parent.mkdir()
    other.write_text(json.dumps({"question": "question 0", "answer": "four", "reasoning": "2+2"}))
    mock(tmp_path, other, prompts)
    assert [(one.reasoning, one.text) for one in responses(tmp_path)] == [("2+2", "four")]


@pytest.mark.parametrize("name", ["p.jsonl", "digit-chains"])
def test_a_simulated_teacher_says_at_once_what_it_has_no_answer_to(tmp_path: Path, name: str) -> None:
    file = tmp_path / "p.jsonl"
    file.write_text(json.dumps({"question": "question 0", "answer": "4"}))
    manifest, notes = mock(tmp_path, file if name == "p.jsonl" else Path(name), questions(tmp_path, 3))
    assert [note for note in notes if "has no answer to some of these questions" in note]
    missing = 2 if name == "p.jsonl" else 3
    assert [note for note in manifest.notes if note.startswith(f"{missing} of 3 questions have no answer of mock:")]
    assert [one.stop_reason for one in responses(tmp_path)] == ["stop"] * (3 - missing) + ["other"] * missing


def test_a_recording_has_the_columns_that_the_prompts_have(tmp_path: Path) -> None:
    file = tmp_path / "odd.csv"
    file.write_text("Frage;Antwort\n2+2?;4\n")
    config = GenerateConfig(teacher=f"mock:{file}", prompt_field="Frage", reference_field="Antwort")
    stage.run(file, tmp_path / "r.jsonl", config, Notes())
    assert [(one.text, one.prompt.reference) for one in responses(tmp_path)] == [("4", "4")]
