"""Soft labels from what a teacher over an API said of its tokens: in step with the rows, or refused."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("trl", reason="the train extra is not installed")

import torch

from cotdistill.artifacts.logprobs import LogprobsReader, LogprobsWriter, Position, Token
from cotdistill.artifacts.logprobs.sureness import Sureness
from cotdistill.chat.template import render
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.mock.likely import IDS, likely
from cotdistill.progress import Silent
from cotdistill.stages import finetune
from cotdistill.students import tiny
from cotdistill.students.aligned import UNKNOWN, Aligner
from cotdistill.training.collator import Collator
from cotdistill.training.recorded import PROOF_ROWS, SEAM, Recorded, in_step
from cotdistill.training.token_rows import TokenRows, examples
from tests.conftest import Notes
from tests.training_runs import chain_rows, tiny_config, write

K = 4
MARKS = 3
"""<think>, </think> and the end: what the embedded student's template writes itself."""


def said(text: str, *, by_id: bool = False, alternatives: int = K) -> list[Position]:
    """What the embedded teacher says of each of its tokens."""

    def token(byte: int) -> Token:
        return Token(id=IDS[byte]) if by_id else Token(raw=bytes([byte]))

    return [
        Position(token(one.byte), one.logprob, tuple((token(byte), logprob) for byte, logprob in one.top))
        for one in likely(text, alternatives)
    ]


def answer_of(row: dict[str, Any]) -> tuple[str, str]:
    turn = row["completion"][0]
    return turn["reasoning_content"], turn["content"]


def record(path: Path, rows: list[dict[str, Any]], **how: Any) -> Path:
    """Log-probabilities beside rows, as format leaves them: by the rows' ids."""
    with LogprobsWriter(path.with_suffix(".source")) as writer:
        for row in rows:
            trace, answer = answer_of(row)
            writer.add(row["id"], 0, said(trace, **how) + said(answer, **how), len(trace))
        writer.finish()
        writer.place()
    with LogprobsReader(path.with_suffix(".source")) as reader, LogprobsWriter(path) as writer:
        for row in rows:
            one = reader.of(row["id"], 0)
            assert one is not None
            writer.copy(one, reader, row["id"])
        writer.finish()
        writer.place()
    return path


@contextmanager
def recorded(path: Path, rows: list[dict[str, Any]]) -> Iterator[tuple[Recorded, TokenRows]]:
    tokenizer = tiny.tokenizer()
    held = TokenRows()
    with Recorded(LogprobsReader(path), Aligner(tokenizer)) as found:
        for row in rows:
            rendered = render(tokenizer, row)
            held.add(rendered)
            found.add(row["id"], rendered)
        yield found, held


@pytest.mark.parametrize("by_id", [False, True])
def test_each_trained_token_has_the_alternatives_that_the_teacher_gave_for_it(tmp_path: Path, by_id: bool) -> None:
    rows = chain_rows(4)
    with recorded(record(tmp_path / "rows.logprobs", rows, by_id=by_id), rows) as (found, held):
        listed = [found.listed(number) for number in range(4)]
    assert (found.with_logprobs, found.aligned, found.alternatives) == (4, 4, K)
    for number, row in enumerate(rows):
        trace, answer = answer_of(row)
        ids, logprobs = listed[number]
        trained = [int(token) for token in held.labels(number) if token >= 0]
        assert len(ids) == len(trained) == len(trace) + len(answer) + MARKS
        marks = {0, 1 + len(trace), len(trained) - 1}
        told = iter(said(trace + answer))
        for place, token in enumerate(trained):
            known = {int(id): float(p) for id, p in zip(ids[place], logprobs[place], strict=True) if id != UNKNOWN}
            if place in marks:
                assert known == {}, "of a mark the teacher said nothing"
                continue
            position = next(told)
            assert known[token] == pytest.approx(position.logprob, abs=1e-3)
            top = {IDS[(one.raw or b"")[0]]: logprob for one, logprob in position.top if one is not None}
            assert known == pytest.approx({token: position.logprob} | top, abs=4e-3, rel=1e-3)


def test_probabilities_that_add_up_to_more_than_one_are_left_out_and_the_token_keeps_its_cross_entropy(
    tmp_path: Path,
) -> None:
    rows = chain_rows(1)
    trace, answer = answer_of(rows[0])
    sure = tuple((Token(raw=bytes([byte])), 0.0) for byte in b"+-")
    told = [
        Position(one.token, one.logprob, sure if place == 2 else one.top)
        for place, one in enumerate(said(trace + answer))
    ]
    path = tmp_path / "rows.logprobs"
    with LogprobsWriter(path.with_suffix(".source")) as source:
        source.add(rows[0]["id"], 0, told)
        source.finish()
        source.place()
    with LogprobsReader(path.with_suffix(".source")) as reader, LogprobsWriter(path) as writer:
        one = reader.of(rows[0]["id"], 0)
        assert one is not None
        writer.copy(one, reader, rows[0]["id"])
        writer.finish()
        writer.place()
    with recorded(path, rows) as (found, _):
        known = (found.listed(0).ids >= 0).any(dim=-1).tolist()
    assert known[1:4] == [True, True, False], "the third token of the trace, behind the mark before it"


def test_what_is_mapped_by_other_processes_is_the_same(tmp_path: Path) -> None:
    rows = chain_rows(3)
    with recorded(record(tmp_path / "rows.logprobs", rows), rows) as (found, _):
        found.save(tmp_path / "shared")
        with Recorded.load(tmp_path / "shared", Aligner(tiny.tokenizer())) as again:
            for number in range(3):
                for one, other in zip(found.listed(number), again.listed(number), strict=True):
                    assert torch.equal(one, other)


@pytest.mark.parametrize("packed", [False, True])
def test_a_batch_has_them_at_its_trained_tokens_and_none_on_held_out_rows(tmp_path: Path, packed: bool) -> None:
    rows = chain_rows(3)
    numbers = [2, 0, 1]
    with recorded(record(tmp_path / "rows.logprobs", rows[:2]), rows) as (found, held):
        collate = Collator(held, 0, packed, recorded=found)
        batch = collate(list(examples([numbers] if packed else [[number] for number in numbers])))
        collate.held_out.add(render(tiny.tokenizer(), rows[0]))
        aside = collate(list(examples([[0]], held_out=True)))
    ids, logprobs = batch["listed"]
    assert ids.shape == logprobs.shape == (batch["trained_tokens"], K + 1)
    assert batch["targets"].tolist() == [int(one) for row in numbers for one in held.labels(row) if one >= 0]
    known = (ids == batch["targets"][:, None]).any(dim=1)
    of_the_unknown_row = int((held.labels(2) >= 0).sum())
    assert not known[:of_the_unknown_row].any() and int(known.sum()) == batch["trained_tokens"] - of_the_unknown_row - 6
    assert "listed" not in aside


def test_a_run_learns_from_them_and_says_how_sure_the_teacher_was(tmp_path: Path) -> None:
    rows = chain_rows(12)
    source = write(tmp_path / "rows.jsonl", rows)
    beside = record(tmp_path / "rows.logprobs", rows[:11])
    notes = Notes()
    made = finetune.run(source, tmp_path / "soft", tiny_config(loss="soft", max_steps=3), notes)
    assert any("known of 11 of 12 rows; the others have the cross-entropy alone" in note for note in notes.notes)
    assert 0 < made.results["teacher_entropy"] < 0.1 and made.results["teacher_disagrees_share"] > 0
    assert [one.path for one in made.inputs if one.option == "logprobs"] == [str(beside)]
    finetune.run(source, tmp_path / "hard", tiny_config(max_steps=3), Silent())
    assert (tmp_path / "soft/model.safetensors").read_bytes() != (tmp_path / "hard/model.safetensors").read_bytes()


def test_without_log_probabilities_it_says_where_they_come_from(tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.jsonl", chain_rows(2))
    with pytest.raises(UsageError, match=r"rows.logprobs is not there: ask with generate --logprobs 20, .* local:DIR"):
        finetune.run(rows, tmp_path / "student", tiny_config(loss="soft"), Silent())
    record(tmp_path / "rows.logprobs", chain_rows(1, seed=9))
    with pytest.raises(CotDistillError, match=r"rows.logprobs: has no alternatives to a token"):
        record(tmp_path / "rows.logprobs", chain_rows(2), alternatives=0)
        finetune.run(rows, tmp_path / "student", tiny_config(loss="soft"), Silent())


def test_one_odd_answer_among_a_few_is_forgiven_and_none_that_fits_is_not(tmp_path: Path) -> None:
    rows = chain_rows(3)
    file = record(tmp_path / "rows.logprobs", rows)
    turn = {"role": "assistant", "content": "something else altogether, which the teacher never wrote"}
    with recorded(file, [*rows[:2], {**rows[2], "completion": [turn]}]) as (found, _):
        found.check()
        assert found.aligned == 2 and "and 1 are cut into other tokens" in found.words()
    none_fits = recorded(file, [{**row, "completion": [turn]} for row in rows[:1]])
    with none_fits as (found, _), pytest.raises(CotDistillError, match="of 1 of 1 answers are not those"):
        found.check()


def test_a_teacher_with_another_tokenizer_is_refused(tmp_path: Path) -> None:
    """Two bytes a token, where the student has one."""
    rows = chain_rows(PROOF_ROWS)
    with LogprobsWriter(tmp_path / "a.logprobs") as writer:
        for row in rows:
            text = "".join(answer_of(row))
            pairs = [text[place : place + 2].encode() for place in range(0, len(text), 2)]
            position = [Position(Token(raw=pair), -0.1, ((Token(raw=pair), -0.1),)) for pair in pairs]
            writer.add(row["id"], 0, position)
        writer.finish()
        writer.place()
    with LogprobsReader(tmp_path / "a.logprobs") as reader, LogprobsWriter(tmp_path / "rows.logprobs") as writer:
        for row in rows:
            one = reader.of(row["id"], 0)
            assert one is not None
            writer.copy(one, reader, row["id"])
        writer.finish()
        writer.place()
    source = write(tmp_path / "rows.jsonl", rows)
    expected = "of 100 of 100 answers are not those .* another tokenizer, .* Train on the text: --loss nll"
    with pytest.raises(CotDistillError, match=expected):
        finetune.run(source, tmp_path / "student", tiny_config(loss="soft"), Silent())


TEXT = list(range(100, 160))


@pytest.mark.parametrize(
    ("row", "answer", "places"),
    [
        ([1, 2, *TEXT, 3, 4, 5, 7, 8, 9], [*TEXT, 7, 8, 9], [-1, -1, *range(60), -1, -1, -1, 60, 61, 62]),
        ([1, *TEXT, 9], [50, 51, *TEXT, 60], [-1, *range(2, 62), -1]),
        ([1, *TEXT[:40], 3, 4, 5, 6, 7], [*TEXT, 3, 4, 5, 6, 7], [-1, *range(40), *[-1] * 5]),
        (TEXT, [token + 1000 if token % 5 == 0 else token for token in TEXT], None),
        (TEXT, TEXT[::-1], None),
        (TEXT, [], None),
    ],
    ids=["marks of the template", "marks of both", "a trace that was cut", "other tokens", "other text", "nothing"],
)
def test_rows_and_answers_are_in_step_but_at_the_seams(
    row: list[int], answer: list[int], places: list[int] | None
) -> None:
    assert in_step(row, answer) == places
    assert SEAM < 40


def test_sureness_is_entropy_with_one_token_for_the_rest_and_the_share_of_other_first_choices(tmp_path: Path) -> None:
    a, b, c = (Token(raw=one) for one in (b"a", b"b", b"c"))
    told = [Position(a, math.log(0.5), ((a, math.log(0.5)), (b, math.log(0.25)))), Position(c, -3.0, ((b, 0.0),))]
    with LogprobsWriter(tmp_path / "x.logprobs") as writer:
        writer.add("key", 0, told)
        writer.finish()
        writer.place()
    found = Sureness()
    with LogprobsReader(tmp_path / "x.logprobs") as reader:
        one = reader.of("key", 0)
        assert one is not None
        found.add(one)
    assert found.tokens == 2 and found.disagreeing == 1
    shares = np.array([0.5, 0.25, 0.25])
    assert found.nats == pytest.approx(float(-(shares * np.log(shares)).sum()), abs=2e-3)
