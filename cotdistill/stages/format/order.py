"""A curriculum: rows in order of difficulty, easy ones first (Bengio et al. 2009, Curriculum learning)."""

import struct
from typing import Any, Literal

import msgspec

from cotdistill.artifacts import ArtifactWriter
from cotdistill.artifacts.spool import Spool
from cotdistill.records import Judged
from cotdistill.wording import counted


class Ordered:
    """Writes rows as they come, or sorted at the end; rows of equal difficulty keep their order. Many rows are sorted
    on disk."""

    def __init__(self, writer: ArtifactWriter, order: Literal["input", "easy", "short"]) -> None:
        self.writer, self.order = writer, order
        self._without_rate = 0
        self._spool = Spool()
        self.records = 0

    def write(self, row: dict[str, Any], prompt: Judged) -> None:
        """`prompt` is any judged response to the row's prompt: its pass rate is that of the prompt."""
        self.records += 1
        if self.order == "input":
            self.writer.write(row)
            return
        line = msgspec.json.encode(row)
        self._spool.add(struct.pack(">d", self._difficulty(line, prompt.pass_rate)), line)

    def end(self) -> list[str]:
        """Call it after the last row. Returns what a person should know of the order."""
        if self.order == "input":
            return []
        for alike in self._spool.by_key():
            for line in alike:
                self.writer.write(msgspec.Raw(line))
        notes = [f"the rows stand in their order, {self.order} ones first: `finetune --order file` keeps it"]
        if self._without_rate:
            without = counted(self._without_rate, "row has", "rows have")
            notes.append(f"{without} no pass rate, which filter counts, and so the last places")
        return notes

    def _difficulty(self, line: bytes, pass_rate: float | None) -> float:
        """A number from 0 up, whose bytes sort as the numbers do."""
        if self.order == "short":
            return len(line)
        self._without_rate += pass_rate is None
        return 2.0 if pass_rate is None else 1.0 - pass_rate
