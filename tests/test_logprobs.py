import struct
from pathlib import Path

import pytest

from cotdistill.artifacts.logprobs import LogprobsReader, LogprobsWriter, Position, Token, appending
from cotdistill.artifacts.logprobs.columns import MARK, TAIL
from cotdistill.errors import CotDistillError

HALF = struct.unpack("<e", struct.pack("<e", -0.1))[0]
"""What 16 bits make of -0.1."""

IDS = [
    Position(Token(id=7), -0.5, ((Token(id=7), -0.5), (Token(id=9), -1.0))),
    Position(Token(id=9), -2.0, ((Token(id=8), -0.25),)),
    Position(None, HALF, ()),
]
BYTES = [Position(Token(raw=b"\xf0\x9f"), -0.5, ((Token(raw=b"\xf0\x9f"), -0.5), (Token(raw=b"a"), -1.5)))]


def written(path: Path) -> Path:
    with LogprobsWriter(path) as writer:
        writer.add("s1:a", 0, IDS, reasoning=2)
        writer.add("s1:a", 1, BYTES)
        writer.add("s1:a", 1, IDS)
        info = writer.finish()
        writer.place()
    assert info.records == 2, "the same request under two ids stands there once"
    return path


def test_an_answer_comes_back_as_the_server_told_it_by_ids_and_by_bytes_that_are_no_text(tmp_path: Path) -> None:
    with LogprobsReader(written(tmp_path / "r.logprobs")) as reader:
        first, second = reader.of("s1:a", 0), reader.of("s1:a", 1)
        assert first and second
        assert reader.positions(first) == IDS
        assert (first.k, first.reasoning, len(first)) == (2, 2, 3)
        assert reader.positions(second) == BYTES
        assert reader.of("s1:a", 2) is None
        assert reader.of("s1:b", 0) is None


def test_columns_are_arrays_of_numpy_that_point_into_the_table(tmp_path: Path) -> None:
    import numpy as np

    with LogprobsReader(written(tmp_path / "r.logprobs")) as reader:
        one = reader.of("s1:a", 0)
        assert one
        assert [reader.tokens[place].id for place in np.frombuffer(one.tokens, "<u4")[:2]] == [7, 9]
        assert np.frombuffer(one.logprobs, "<f2").tolist() == [-0.5, -2.0, HALF]
        top = np.frombuffer(one.top, "<u4").reshape(-1, one.k)
        assert top.shape == (3, 2)
        assert np.isneginf(np.frombuffer(one.top_logprobs, "<f2").reshape(-1, one.k)[1, 1])


def test_same_answers_give_the_same_bytes_and_no_file_appears_before_it_is_whole(tmp_path: Path) -> None:
    one, other = written(tmp_path / "a.logprobs"), written(tmp_path / "b.logprobs")
    assert one.read_bytes() == other.read_bytes()
    with pytest.raises(ZeroDivisionError), LogprobsWriter(tmp_path / "c.logprobs") as writer:
        writer.add("k", 0, IDS)
        1 / 0  # noqa: B018
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.logprobs", "b.logprobs"]


def test_a_copy_has_a_table_of_its_own_and_is_found_by_its_training_row_too(tmp_path: Path) -> None:
    source = written(tmp_path / "a.logprobs")
    with LogprobsReader(source) as reader, LogprobsWriter(tmp_path / "b.logprobs") as writer:
        one = reader.of("s1:a", 1)
        assert one
        writer.copy(one, reader, row="p/1")
        writer.copy(one, reader, row="p/1+1")
        writer.finish()
        writer.place()
    with LogprobsReader(tmp_path / "b.logprobs") as copied:
        assert copied.tokens == [Token(raw=b"\xf0\x9f"), Token(raw=b"a")], "nothing of what was left behind"
        assert copied.of_row("p/1") == copied.of_row("p/1+1") == copied.of("s1:a", 1)
        assert copied.of_row("s1:a") is None


def test_a_file_that_a_crash_cut_goes_on_where_its_last_whole_answer_ends(tmp_path: Path) -> None:
    path = tmp_path / "r.logprobs"
    with appending(path) as log:
        log.add("a", 0, IDS)
        log.add("b", 0, BYTES)
    whole = path.read_bytes()
    for cut in range(len(whole) - 40, len(whole)):
        path.write_bytes(whole[:cut])
        with LogprobsReader(path) as reader:
            assert reader.of("a", 0) is not None, "the reader needs no end either"
            assert reader.of("b", 0) is None
        with appending(path) as log:
            assert log.has("a", 0)
            assert not log.has("b", 0)
            log.add("b", 0, BYTES)
        with LogprobsReader(path) as reader:
            again = reader.of("b", 0)
            assert again and reader.positions(again) == BYTES


def test_a_broken_byte_and_another_file_are_errors_that_name_the_file(tmp_path: Path) -> None:
    path = written(tmp_path / "r.logprobs")
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(data)
    problem = r"r\.logprobs: is no whole file of log-probabilities: broken at byte [\d,]+; run the stage"
    with pytest.raises(CotDistillError, match=problem), LogprobsReader(path) as reader:
        reader.of("s1:a", 0)
    path.write_bytes(data[: -TAIL.size] + TAIL.pack(2**64 - 1, MARK))
    with pytest.raises(CotDistillError, match=problem):
        LogprobsReader(path)
    path.write_bytes(b'{"id": 1}\n')
    with pytest.raises(CotDistillError, match="expected the log-probabilities"):
        LogprobsReader(path)
    with pytest.raises(CotDistillError, match="is whole"), appending(written(tmp_path / "w.logprobs")):
        pass


def test_twenty_alternatives_take_at_most_130_bytes_a_token(tmp_path: Path) -> None:
    """Random ids and logarithms, which compress worse than any model's."""
    import random

    lots, tokens = random.Random(0), 2_000
    positions = [
        Position(
            Token(id=lots.randrange(150_000)),
            -lots.random(),
            tuple((Token(id=lots.randrange(150_000)), -lots.expovariate(0.2)) for _ in range(20)),
        )
        for _ in range(tokens)
    ]
    with LogprobsWriter(tmp_path / "r.logprobs") as writer:
        writer.add("k", 0, positions)
        table = writer.frames.at
        writer.add("l", 0, positions)
        again = writer.frames.at - table
    assert again / tokens <= 130
