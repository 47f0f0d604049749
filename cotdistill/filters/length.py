"""Traces and answers outside a length that a student can learn from."""

from dataclasses import dataclass, field
from typing import Any

from cotdistill.plugins import Count, Number
from cotdistill.records import Judged


@dataclass
class Filter:
    """Drops answers without text, and traces or answers outside the given lengths, in characters or tokens.

    Characters, unless `tokenizer` names a student (as finetune does); then the limits are that student's tokens, and
    the train extra is needed. Of a worked solution the whole is the answer.
    """

    min_reasoning: Number = 0
    max_reasoning: Count = 40_000
    min_answer: Number = 1
    max_answer: Count = 20_000
    tokenizer: str | None = None

    _loaded: Any = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for part, low, high in (
            ("reasoning", self.min_reasoning, self.max_reasoning),
            ("answer", self.min_answer, self.max_answer),
        ):
            if low > high:
                raise ValueError(f"min_{part}={low} is above max_{part}={high}")

    def reason_to_drop(self, judged: Judged) -> str | None:
        unit = "tokens" if self.tokenizer else "characters"
        for part, text, low, high in (
            ("reasoning", judged.response.reasoning or "", self.min_reasoning, self.max_reasoning),
            ("answer", judged.response.text.strip(), self.min_answer, self.max_answer),
        ):
            length = self._length(text)
            if length < low:
                return f"{part} under {low} {unit}"
            if length > high:
                return f"{part} over {high} {unit}"
        return None

    def _length(self, text: str) -> int:
        if not self.tokenizer or not text:
            return len(text)
        if self._loaded is None:  # not before: loading takes seconds, and each process needs its own
            from cotdistill.students.load import tokenizer as load_tokenizer

            self._loaded = load_tokenizer(self.tokenizer)
        return len(self._loaded(text, add_special_tokens=False, verbose=False)["input_ids"])
