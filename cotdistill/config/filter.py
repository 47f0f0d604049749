"""The options of filter."""

from dataclasses import dataclass
from typing import Literal

from cotdistill.config.generate import GenerateConfig
from cotdistill.config.options import Amount, Count, Text, like, option


@dataclass(frozen=True, kw_only=True)
class FilterConfig:
    verify: Text | None = option(
        None,
        "Verifier: {verifiers}, none (default: by the references).",
        "SPEC",
        panel="Verify and filter",
        names="verifiers",
    )
    filter: tuple[Text, ...] = option(
        (),
        "Add a filter: {filters}; none clears the defaults. Repeatable.",
        "SPEC",
        panel="Verify and filter",
        names="filters",
    )
    cache: Text | None = option(
        None,
        "Store of a judge's paid answers (default: $COTDISTILL_CACHE).",
        "PATH",
        panel="Verify and filter",
        names="store",
        rare=True,
    )
    against: tuple[Text, ...] = option(
        (),
        "Decontaminate: drop problems of this evaluation set. Repeatable.",
        "EVAL",
        panel="Verify and filter",
        names="prompts",
    )
    keep_incorrect: bool = option(False, "Keep wrong answers too; each carries its verdict.", panel="Verify and filter")
    select: Text | None = option(
        None,
        "Choose per prompt: {selectors} (default: keep all).",
        "SPEC",
        panel="Choose and weigh",
        names="selectors",
    )
    weight: Literal["none", "difficulty", "uncertainty"] = option(
        "none",
        "Weight of a row in the loss, from its prompt's pass rate p: difficulty 1 - p, uncertainty 4p(1 - p).",
        panel="Choose and weigh",
    )
    incorrect_weight: Amount | None = option(
        None, "With --keep-incorrect: weight of wrong answers.", "X", panel="Choose and weigh", rare=True
    )
    explain: Text | None = option(
        None, "Show one prompt's samples and why each was kept or dropped.", "ID", panel="Output"
    )
    engine: Literal["local", "ray"] = option(
        "local",
        "local: processes of this machine. ray: Ray Data, here or on the cluster that RAY_ADDRESS names (extra ray).",
        panel="Speed",
        rare=True,
    )
    workers: Count | None = option(
        None, "Processes (default: all cores, 1 for a small file).", "N", panel="Speed", rare=True
    )
    skip_bad: bool = like(GenerateConfig, "skip_bad")
    allow_modified: bool = like(GenerateConfig, "allow_modified")
