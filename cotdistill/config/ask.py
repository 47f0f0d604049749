"""The options of `ask`."""

from dataclasses import dataclass
from typing import Literal

from cotdistill.config.options import Amount, Count, Engine, Seed, Text, Url, option


@dataclass(frozen=True, kw_only=True)
class AskConfig:
    """How the students of a conversation are asked."""

    beside: tuple[Text, ...] = option((), "Ask this student too. Repeatable.", "STUDENT", panel="Students")
    base_url: Url | None = option(None, "Server of PROVIDER:MODEL students.", "URL", panel="Students")
    system: str | None = option(None, "System prompt.", "TEXT", panel="Sampling")
    max_output_tokens: Count = option(512, "Cap for one answer, in tokens.", "N", panel="Sampling")
    turns: Literal["auto", "all", "one"] = option(
        "auto",
        "What a question is asked with: all turns before it, or one, itself alone (auto: as the student was trained).",
        panel="Sampling",
    )
    temperature: Amount | None = option(
        None, "Sampling temperature (default: greedy, or the server's).", "T", panel="Sampling"
    )
    seed: Seed = option(0, "Seed of answers that --temperature draws; another one draws others.", "N", panel="Sampling")
    engine: Engine = option(
        "local", "What runs local students: this process, or a server that is started for them.", panel="Students"
    )
