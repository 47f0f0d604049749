"""The log-probabilities that a teacher over an API gave, matched with the rows that were made of its answers."""

import json
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch

from cotdistill import artifacts
from cotdistill.artifacts.logprobs import NO_TOKEN, LogprobsReader
from cotdistill.artifacts.logprobs.sureness import ENOUGH_TOKENS, Sureness
from cotdistill.chat.template import Rendered
from cotdistill.errors import CotDistillError
from cotdistill.providers.scoring import MOST_MASS
from cotdistill.students.aligned import UNKNOWN, Aligner
from cotdistill.training.scored import Listed
from cotdistill.training.token_rows import Numbers

SEAMS, SEAM = 3, 12
"""How many places of a row may differ from the answer because the template decided which tokens stand there (before the
trace, between trace and answer, at the end), and the most tokens of such a place."""

IN_STEP = 3
"""Tokens in a row that must match before both count as in step again."""

PROOF_ROWS, PROVEN = 100, 0.95
"""After this many rows, this share of them must have the teacher's tokens, but for one row. Not all: a sampled text may
be cut into tokens in a way that no tokenizer would choose."""


class Recorded:
    """For each trained token of each row, its place in the teacher's answer. The log-probabilities are read from the
    file when a batch needs them, because 20 alternatives take thirty times a token's own bytes."""

    def __init__(self, reader: LogprobsReader, aligner: Aligner) -> None:
        self._reader = reader
        self._ids = np.array([*aligner.ids(reader.tokens), UNKNOWN], dtype=np.int64)
        self._names: list[str] = []
        self._places: array[int] | Numbers = array("i")
        self._ends: array[int] | Numbers = array("q")
        self.with_logprobs = self.aligned = self.alternatives = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    def add(self, row: str, rendered: Rendered) -> None:
        """Match the next row. Raises CotDistillError once it is clear that the teacher cuts text into other tokens."""
        assert isinstance(self._places, array) and isinstance(self._ends, array)
        trained = rendered.input_ids[rendered.n_prompt :]
        places: list[int] | None = None
        if one := self._reader.of_row(row):
            self.with_logprobs += 1
            self.alternatives = max(self.alternatives, one.k)
            places = in_step(trained, self._named(one.tokens).tolist())
            self.aligned += places is not None
            if self.with_logprobs == PROOF_ROWS:
                self.check()
        self._names.append(row)
        self._places.extend(places or [UNKNOWN] * len(trained))
        self._ends.append(len(self._places))

    def check(self) -> None:
        """Raises CotDistillError where there is nothing to learn from."""
        file = self._reader.path
        if not self.with_logprobs or not self.alternatives:
            what = "alternatives to a token" if self.with_logprobs else "of these rows"
            raise CotDistillError(
                f"{file}: has no {what}. --loss soft learns from them: ask again with generate --logprobs 20 (what was "
                f"answered without is asked anew), or give --teacher local:DIR"
            )
        if not self.aligned or self.aligned < PROVEN * self.with_logprobs - 1:
            raise CotDistillError(
                f"{file}: the tokens of {self.with_logprobs - self.aligned:,} of {self.with_logprobs:,} answers are "
                f"not those that the student's tokenizer cuts the rows into: the teacher has another tokenizer, and "
                f"its probabilities say nothing about the student's tokens. Train on the text: --loss nll"
            )

    def listed(self, row: int) -> Listed:
        """(trained tokens, K + 1) the teacher's alternatives, and the token itself where it is not among them.
        Probabilities that add up to more than 1 are no distribution: nothing is listed then, and that token has its
        cross-entropy alone."""
        start = int(self._ends[row - 1]) if row else 0
        places = np.asarray(self._places[start : self._ends[row]], dtype=np.int64)
        one = self._reader.of_row(self._names[row]) if (places >= 0).any() else None
        if one is None:
            shape = (len(places), 1)
            return Listed(torch.full(shape, UNKNOWN), torch.full(shape, -torch.inf))
        own = self._named(one.tokens)[:, None]
        top = self._named(one.top).reshape(-1, one.k)
        ids = np.concatenate([top, own], axis=1)
        logprobs = np.concatenate(
            [
                np.frombuffer(one.top_logprobs, "<f2").reshape(-1, one.k),
                np.frombuffer(one.logprobs, "<f2")[:, None],
            ],
            axis=1,
        ).astype(np.float32)
        same = ids[:, :, None] == ids[:, None, :]
        repeated = np.tril(same, -1).any(axis=2)  # the first of each stays
        mass = np.where(repeated, 0, np.exp(logprobs)).sum(axis=1)
        no_distribution = ~(mass <= MOST_MASS)
        unknown = (places < 0)[:, None] | repeated[places] | (ids[places] < 0) | no_distribution[places][:, None]
        return Listed(
            torch.from_numpy(np.where(unknown, UNKNOWN, ids[places])),
            torch.from_numpy(np.where(unknown, -np.inf, logprobs[places])),
        )

    def words(self) -> str:
        """A note on how many rows have log-probabilities; "" where all have."""
        rows, unlike = len(self._names), self.with_logprobs - self.aligned
        if self.aligned == rows:
            return ""
        cut = f", and {unlike:,} are cut into other tokens" if unlike else ""
        return (
            f"the teacher's probabilities are known of {self.aligned:,} of {rows:,} rows{cut}; the others have the "
            "cross-entropy alone"
        )

    def sureness(self) -> Sureness:
        """How sure the teacher is, over the first rows that have its tokens."""
        found = Sureness()
        for name in self._names:
            if found.tokens >= ENOUGH_TOKENS:
                break
            if one := self._reader.of_row(name):
                found.add(one)
        return found

    def save(self, directory: Path) -> None:
        """Save the places for the other processes; the file of log-probabilities stays where it is."""
        directory.mkdir(parents=True, exist_ok=True)
        np.save(directory / "places.npy", np.asarray(self._places, dtype=np.int32))
        np.save(directory / "places_ends.npy", np.asarray(self._ends, dtype=np.int64))
        kept = {"file": str(self._reader.path.absolute()), "names": self._names}
        artifacts.write_whole(directory / "recorded.json", json.dumps(kept).encode())

    @classmethod
    def load(cls, directory: Path, aligner: Aligner) -> Self:
        kept = json.loads((directory / "recorded.json").read_bytes())
        found = cls(LogprobsReader(Path(kept["file"])), aligner)
        found._names = kept["names"]
        found._places = np.load(directory / "places.npy", mmap_mode="r")
        found._ends = np.load(directory / "places_ends.npy", mmap_mode="r")
        return found

    def _named(self, column: bytes) -> Numbers:
        """The student's ids of a column of the file."""
        places = np.frombuffer(column, "<u4").astype(np.int64)
        found: Numbers = self._ids[np.where(places == NO_TOKEN, len(self._ids) - 1, places)]
        return found


def in_step(row: Sequence[int], answer: Sequence[int]) -> list[int] | None:
    """For each trained token of a row its place among the answer's tokens; UNKNOWN at the seams, and after the end of a
    trace that was cut. None where they differ anywhere else, as with two tokenizers."""
    places = [UNKNOWN] * len(row)
    at, its, seams = 0, 0, 0
    while at < len(row) and its < len(answer):
        if row[at] == answer[its]:
            places[at] = its
            at, its = at + 1, its + 1
            continue
        seams += 1
        ahead = _ahead(row, answer, at, its)
        if ahead is None:
            break
        at, its = ahead
    found = sum(place != UNKNOWN for place in places)
    return places if seams <= SEAMS and 2 * found >= len(row) else None


def _ahead(row: Sequence[int], answer: Sequence[int], at: int, its: int) -> tuple[int, int] | None:
    """The nearest places in both from which they match again."""
    for skipped in range(1, 2 * SEAM + 1):
        for ahead in range(max(0, skipped - SEAM), min(skipped, SEAM) + 1):
            i, j = at + ahead, its + skipped - ahead
            length = min(IN_STEP, len(row) - i, len(answer) - j)
            if length > 0 and list(row[i : i + length]) == list(answer[j : j + length]):
                return i, j
    return None
