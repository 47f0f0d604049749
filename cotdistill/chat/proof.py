"""Checks rows with the student that they are meant for, before anyone trains on them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cotdistill.chat import apply, template
from cotdistill.chat.template import Rendered
from cotdistill.errors import CotDistillError

Fits = Callable[[str], bool]


@dataclass
class Proof:
    """Renders each row with the student's own chat template, which proves that trace and answer stand in the trained
    part, once and whole. Counts the ways of writing, and tokens."""

    tokenizer: Any
    max_length: int
    show: int = 0
    report: Callable[[str], None] = print
    coloured: bool = False
    too_long: int = 0
    cut: int = 0
    ways: Counter[str] = field(default_factory=Counter)
    read_tokens: list[int] = field(default_factory=list)
    trained_tokens: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.max_length = min(self.max_length, self.tokenizer.model_max_length)

    def fits(self, row: Mapping[str, Any]) -> bool:
        """Whether the row fits into the student's context. Raises CotDistillError, naming the row, where no way of
        writing it is proven."""
        rendered = template.render(self.tokenizer, _neutral(row))
        if len(rendered.input_ids) > self.max_length:
            return False
        self.ways[rendered.how] += 1
        self.read_tokens.append(rendered.n_prompt)
        self.trained_tokens.append(len(rendered.input_ids) - rendered.n_prompt)
        if self.show:
            self.show -= 1
            self.report(self._highlighted(str(row.get("id")), rendered))
        return True

    def results(self) -> dict[str, Any]:
        """The manifest's results: the ways of writing, the template's extra arguments, and tokens as median, 95th
        percentile and maximum."""
        return {
            "trace_written": dict(self.ways),
            "chat_template_kwargs": apply.template_kwargs(self.tokenizer),
            "tokens_read": _spread(self.read_tokens),
            "tokens_trained": _spread(self.trained_tokens),
        }

    def _highlighted(self, name: str, rendered: Rendered) -> str:
        read = self.tokenizer.decode(rendered.input_ids[: rendered.n_prompt])
        trained = self.tokenizer.decode(rendered.input_ids[rendered.n_prompt :])
        marks = ("\x1b[7m", "\x1b[0m") if self.coloured else ("【", "】")
        shown = "".join(letter for letter in trained if letter.isprintable() or letter == "\n")
        return f"row {name}, {rendered.how}, {len(rendered.input_ids)} tokens:\n{read}{marks[0]}{shown}{marks[1]}"


def steps_that_fit(reasoning: str, fits: Fits) -> str | None:
    """The longest beginning of a trace that ends with a line and fits; None where not even the first line does."""
    lines = reasoning.splitlines(keepends=True)
    low, high = 0, len(lines)
    while low < high:
        middle = (low + high + 1) // 2
        if fits("".join(lines[:middle]).rstrip()):
            low = middle
        else:
            high = middle - 1
    return "".join(lines[:low]).rstrip() if low else None


def check(tokenizer: Any) -> None:
    """Raises CotDistillError for a student without a chat template, with which no row can be checked."""
    if not tokenizer.chat_template:
        raise CotDistillError("this student has no chat template; take an instruct model, or leave --student out")


def _neutral(row: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a row that rendering reads."""
    return {name: row[name] for name in ("id", "prompt", "completion", "messages") if name in row}


def _spread(counts: Sequence[int]) -> dict[str, int]:
    if not counts:
        return {}
    ordered = sorted(counts)
    return {"median": ordered[len(ordered) // 2], "p95": ordered[len(ordered) * 95 // 100], "most": ordered[-1]}
