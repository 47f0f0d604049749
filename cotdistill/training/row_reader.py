"""Training rows of a file -> tokens. The first rows are shown as the student will read them."""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec

from cotdistill.artifacts import json_lines
from cotdistill.artifacts.json_lines import BadLines
from cotdistill.chat import template
from cotdistill.chat.template import Rendered, Row
from cotdistill.errors import CotDistillError
from cotdistill.progress import Progress
from cotdistill.training.recorded import Recorded
from cotdistill.training.token_rows import IGNORED, TokenRows

SHOWN = 3
"""Rows that a user at a terminal sees before training, so that a template that drops the trace is noticed at once."""


class TrainingRow(Row, frozen=True):
    """A row of a training file. `weight` is how much each of its tokens counts in the loss."""

    weight: float = 1.0


class Reader:
    """Renders rows, leaves out those that are too long, shows the first ones and counts."""

    def __init__(self, tokenizer: Any, max_length: int, bad: BadLines, progress: Progress, to_show: int = 0) -> None:
        self._tokenizer, self._bad, self._progress = tokenizer, bad, progress
        self.limit = min(max_length, tokenizer.model_max_length)
        self._to_show = to_show
        self.recorded: Recorded | None = None
        """Gets every row that is kept, where the loss learns from recorded log-probabilities."""
        self.too_long = 0
        self.ways: Counter[str] = Counter()

    def read(self, path: Path) -> TokenRows:
        """Tokenise a file. Raises CotDistillError where it has no row that can be trained on."""
        rows = TokenRows()
        shortest_left_out = 0
        for number, row in json_lines.read_numbered(path, TrainingRow, self._bad):
            try:
                rendered = self._weighed(row)
            except CotDistillError as error:
                self._bad.add(path, number, msgspec.json.encode(row), str(error))
                continue
            if len(rendered.input_ids) > self.limit:
                self.too_long += 1
                shortest_left_out = min(shortest_left_out or len(rendered.input_ids), len(rendered.input_ids))
                continue
            self.ways[rendered.how] += 1
            self.show(row, rendered)
            rows.add(rendered, row.weight)
            if self.recorded is not None:
                self.recorded.add(row.id, rendered)
        if rows:
            return rows
        if shortest_left_out:
            most = self._tokenizer.model_max_length
            advice = f"Raise --max-length, up to the {most} that this student can read"
            if self.limit == most:
                advice = "This student can read no more; cut the traces with format --cut-long, or take another student"
            raise CotDistillError(
                f"{path}: every row is longer than {self.limit} tokens, the shortest has {shortest_left_out}. {advice}"
            )
        raise CotDistillError(f"{path}: holds no rows; expected one training row a line, as `cotdistill format` writes")

    def _weighed(self, row: TrainingRow) -> Rendered:
        if not 0 <= row.weight < float("inf"):
            raise CotDistillError(f"row {row.id}: weight: expected 0 or more, got {row.weight}")
        return self.render(row)

    def render(self, row: Row) -> Rendered:
        return template.render(self._tokenizer, row)

    def show(self, row: Row, rendered: Rendered) -> None:
        if not self._to_show:
            return
        self._to_show -= 1
        read = self._tokenizer.decode(rendered.input_ids[: rendered.n_prompt])
        written = self._tokenizer.decode(rendered.input_ids[rendered.n_prompt :])
        self._progress.note(
            f"row {row.id}: {len(rendered.input_ids)} tokens, trace {rendered.how}, trained are those in 【】:\n"
            f"{_shortened(read, 200)}【{_shortened(written, 300)}】"
        )


def marked(tokenizer: Any, ids: Sequence[int], labels: Sequence[int]) -> str:
    """An example as the student reads it, one row or a pack; the trained tokens stand in 【】."""
    parts = groupby(zip(ids, labels, strict=True), key=lambda pair: pair[1] != IGNORED)
    texts = ((trained, tokenizer.decode([token for token, _ in pairs])) for trained, pairs in parts)
    return "".join(f"【{_shortened(text, 300)}】" if trained else _shortened(text, 200) for trained, text in texts)


def _shortened(text: str, limit: int) -> str:
    """The text without its middle: what matters is how the parts meet."""
    return text if len(text) <= limit else f"{text[: limit // 2]} […] {text[-limit // 2 :]}"
