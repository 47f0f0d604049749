"""The options of expand. How a teacher is asked is generate's: those options are copied from there, help and all."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import msgspec

from cotdistill.config.generate import GenerateConfig
from cotdistill.config.options import (
    REQUIRED,
    Amount,
    Count,
    Engine,
    Positive,
    Seed,
    Share,
    ShareBelowOne,
    Text,
    Url,
    like,
    option,
)

OF_DOCUMENTS = ("document", "extract")
"""Methods whose seeds are documents."""

COUNT = 100
"""The default number of new prompts."""


@dataclass(frozen=True, kw_only=True)
class ExpandConfig:
    teacher: Text = option(
        REQUIRED, "Model that writes the new prompts: {teachers}.", "PROVIDER:MODEL", panel="Teacher", names="teacher"
    )
    base_url: Url | None = like(GenerateConfig, "base_url")
    effort: Text | None = like(GenerateConfig, "effort")
    think_tags: tuple[Text, ...] = like(GenerateConfig, "think_tags")
    count: Count | None = option(None, f"New prompts to keep (default: {COUNT}).", "N", panel="New prompts")
    per_seed: Positive | None = option(
        None,
        "In place of --count: new prompts for each seed or passage on average, such as 2 or 0.5.",
        "X",
        panel="New prompts",
    )
    method: tuple[Text, ...] = option(
        ("vary",), "How they are written: {expanders}. Several: a,b, or repeat it.", "SPEC", panel="New prompts"
    )
    seed: Seed = option(
        0, "Draws the plan: which seed is asked about, in which way, and when.", "N", panel="New prompts"
    )
    include_seeds: bool = option(False, "Write the seeds too, before the new prompts.", panel="New prompts")
    against: tuple[Text, ...] = option(
        (),
        "Leave out what stands in this evaluation set or hold-out. Repeatable.",
        "EVAL",
        panel="New prompts",
        names="prompts",
    )
    holdout: ShareBelowOne = option(
        0.0,
        "Leave alone the seeds that format --holdout FRACTION will hold out, and write nothing like them.",
        "FRACTION",
        panel="New prompts",
    )
    samples: Annotated[int, msgspec.Meta(ge=0, le=10_000)] | None = option(
        None,
        "Answers to each new prompt, to see whether it can be answered and to take a reference from; 0 asks for none "
        "(default: 4 where the seeds have short references).",
        "K",
        panel="Answers",
    )
    agreement: Share = option(
        0.5, "Share of these answers that must agree for a prompt to be kept.", "SHARE", panel="Answers"
    )
    solver: Text | None = option(
        None,
        "Another model for these answers (default: the teacher).",
        "PROVIDER:MODEL",
        panel="Answers",
        names="teacher",
    )
    solver_base_url: Url | None = option(None, "Server of the solver.", "URL", panel="Answers", rare=True)
    template: Text | None = option(
        None,
        "Wrap each new prompt when it is answered, as generate does: a name ({templates}) or a file.",
        "NAME|PATH",
        panel="Answers",
        names="template",
    )
    min_accuracy: Share = option(
        0.5,
        "Leave out a prompt whose reference is expected to be right less often, by the seeds with as many agreeing "
        "answers.",
        "SHARE",
        panel="Answers",
    )
    weight: Share | None = option(
        None,
        "Weight in the loss of rows whose reference is what most answers say (default: how often such a reference was "
        "right on the seeds).",
        "X",
        panel="Answers",
        rare=True,
    )
    prompt_field: Text | None = like(GenerateConfig, "prompt_field", panel="Seeds")
    reference_field: Text | None = like(GenerateConfig, "reference_field", panel="Seeds")
    id_field: Text | None = option(None, "Column that holds each seed's id (default: id).", "NAME", panel="Seeds")
    limit: Count | None = option(None, "Only the first N seeds.", "N", panel="Seeds")
    max_output_tokens: Count = like(GenerateConfig, "max_output_tokens")
    temperature: Amount | None = option(
        None, "Sampling temperature of the teacher that writes (default: the provider's).", "T", panel="Sampling"
    )
    retry_truncated: bool = like(GenerateConfig, "retry_truncated")
    concurrency: Count | None = like(GenerateConfig, "concurrency")
    rpm: Count | None = like(GenerateConfig, "rpm")
    input_tpm: Count | None = like(GenerateConfig, "input_tpm")
    output_tpm: Count | None = like(GenerateConfig, "output_tpm")
    timeout_s: Positive = like(GenerateConfig, "timeout_s")
    max_wait: Positive = like(GenerateConfig, "max_wait")
    engine: Engine = like(GenerateConfig, "engine")
    max_attempts: Count = like(GenerateConfig, "max_attempts")
    batch: bool = like(GenerateConfig, "batch")
    max_cost: Amount | None = like(GenerateConfig, "max_cost")
    price_in: Amount | None = like(GenerateConfig, "price_in")
    price_out: Amount | None = like(GenerateConfig, "price_out")
    solver_price_in: Amount | None = option(
        None, "The same of the solver, where it is another model.", "USD", panel="Money", rare=True
    )
    solver_price_out: Amount | None = option(
        None, "USD per million output tokens of the solver.", "USD", panel="Money", rare=True
    )
    cache: Text | None = like(GenerateConfig, "cache")
    no_cache: bool = like(GenerateConfig, "no_cache")
    dry_run: bool = like(GenerateConfig, "dry_run")
    skip_bad: bool = like(GenerateConfig, "skip_bad")
    allow_modified: bool = like(GenerateConfig, "allow_modified")

    def wanted(self, seeds: int) -> int:
        """The number of new prompts to keep, from this many seeds or passages."""
        return self.count or COUNT if self.per_seed is None else math.ceil(self.per_seed * seeds)


def split_methods(given: Iterable[str]) -> list[str]:
    """`("evolve,topic:breadth=5,topics=t.txt", "vary")` -> the three specs: what is no `option=value` begins another
    one."""
    found: list[str] = []
    for text in given:
        own: list[str] = []
        for part in re.split(r"(?<!\\),", text):
            name = part.partition(":")[0]
            if own and "=" in name:
                own[-1] += f",{part}"
            else:
                own.append(part.strip())
        found += own
    return found


def name_of_method(spec: str) -> str:
    """`topic:breadth=5` -> `topic`; of a file of one's own its name without the ending."""
    name = spec.partition(":")[0]
    return re.sub(r"^.*/|\.py$", "", name) if name.endswith(".py") else name.replace("-", "_")
