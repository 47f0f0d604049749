"""The options of format."""

from dataclasses import dataclass
from typing import Literal

from cotdistill.config.generate import GenerateConfig
from cotdistill.config.options import Count, Number, ShareBelowOne, Text, like, option


@dataclass(frozen=True, kw_only=True)
class FormatConfig:
    format: Text = option("prompt_completion", "Row layout: {formats}.", "NAME", panel="Rows", names="formats")
    holdout: ShareBelowOne = option(
        0.0, "Hold out about this share of the prompts, whole, for evaluate.", "FRACTION", panel="Rows"
    )
    mix: tuple[Text, ...] = option(
        (),
        "Write rows with this tag TIMES times: task=code:0.5 writes half of them. Repeatable.",
        "TAG=VALUE:TIMES",
        panel="Rows",
    )
    order: Literal["input", "easy", "short"] = option(
        "input",
        "A curriculum. easy: rows of prompts that the teacher gets right most often first. short: short rows first.",
        panel="Rows",
    )
    student: Text | None = option(
        None, "Prove each row with this student's chat template.", "ID", panel="Student", names="student"
    )
    max_length: Count = option(8192, "With --student: leave out rows with more tokens.", "N", panel="Student")
    cut_long: bool = option(
        False, "With --student: shorten longer traces at the end of a step instead.", panel="Student"
    )
    show: Number = option(
        0, "With --student: print the first N rows, trained tokens highlighted.", "N", panel="Student"
    )
    export: tuple[Text, ...] = option(
        (), "Write settings for this trainer too: {rows_exports}. Repeatable.", "SPEC", panel="Output"
    )
    skip_bad: bool = like(GenerateConfig, "skip_bad")
    allow_modified: bool = like(GenerateConfig, "allow_modified")

    @property
    def can_cut(self) -> bool:
        """Whether a row can be cut at a step of its trace: answer_only has none, and dpo compares whole answers."""
        return self.format.partition(":")[0].replace("-", "_") not in ("answer_only", "dpo")
