"""Preference pairs of a file -> tokens, each answer rendered and proven as a training row is."""

from pathlib import Path

import msgspec

from cotdistill.artifacts import json_lines
from cotdistill.chat.template import Row, Turn
from cotdistill.errors import CotDistillError
from cotdistill.training.row_reader import Reader
from cotdistill.training.token_rows import TokenRows


class Pair(msgspec.Struct, frozen=True):
    """A line that `format --format dpo` writes."""

    prompt: tuple[Turn, ...]
    chosen: tuple[Turn, ...]
    rejected: tuple[Turn, ...]
    id: str = "without id"

    def rows(self) -> tuple[Row, Row]:
        """The right answer, then the wrong one."""
        return Row(id=f"{self.id}, chosen", prompt=self.prompt, completion=self.chosen), Row(
            id=f"{self.id}, rejected", prompt=self.prompt, completion=self.rejected
        )


class PairReader(Reader):
    """Reads pairs where `Reader` reads rows."""

    def read(self, path: Path) -> TokenRows:
        """Rows 2n and 2n + 1 are a pair. A pair of which one answer is too long is left out. Raises CotDistillError for
        a file without a pair that can be trained on."""
        rows = TokenRows()
        for number, pair in json_lines.read_numbered(path, Pair, self._bad):
            both = pair.rows()
            try:
                chosen, rejected = (self.render(row) for row in both)
                if chosen.input_ids == rejected.input_ids:
                    raise CotDistillError(f"row {pair.id}: chosen and rejected are the same answer")
            except CotDistillError as error:
                self._bad.add(path, number, msgspec.json.encode(pair), str(error))
                continue
            if max(len(chosen.input_ids), len(rejected.input_ids)) > self.limit:
                self.too_long += 1
                continue
            for row, rendered in zip(both, (chosen, rejected), strict=True):
                self.show(row, rendered)
                rows.add(rendered)
        if not rows and self.too_long:
            raise CotDistillError(
                f"{path}: every pair has an answer of more than {self.limit} tokens; raise --max-length"
            )
        if not rows:
            raise CotDistillError(
                f"{path}: holds no preference pairs; expected one a line, as `cotdistill format --format dpo` writes "
                "from what `filter --keep-incorrect` kept"
            )
        return rows
