"""What a step makes that a later step may read, and how a recipe names it.

`rows` is what the step of that name makes; `rows.holdout` is what it held out, `scores.weak` the prompts that an
evaluation's student got wrong.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cotdistill import config

PROMPTS = ("prompts", "held-out prompts", "weak prompts", "responses", "kept responses")
"""Kinds that can be read as prompts; responses are read for the prompts in them."""


@dataclass(frozen=True)
class Stage:
    """What a recipe knows of a stage: its `options`; the `stem` of its files' names, where it is a table and not a
    step; everything that it `makes`, with the ending of its file's name; the `key` that names its input, and what that
    may be."""

    options: type[Any]
    stem: str
    makes: Mapping[str, str]
    key: str
    reads: tuple[str, ...]


STAGES: dict[str, Stage] = {
    "expand": Stage(config.ExpandConfig, "prompts", {"prompts": ".jsonl"}, "prompts", PROMPTS),
    "generate": Stage(config.GenerateConfig, "responses", {"responses": ".jsonl"}, "prompts", PROMPTS),
    "filter": Stage(config.FilterConfig, "kept", {"kept responses": ".jsonl"}, "input", ("responses",)),
    "format": Stage(
        config.FormatConfig,
        "train",
        {"rows": ".jsonl", "held-out rows": ".holdout.jsonl", "held-out prompts": ".holdout.prompts.jsonl"},
        "input",
        ("kept responses",),
    ),
    "finetune": Stage(config.FinetuneConfig, "student", {"student": ""}, "input", ("rows", "kept responses")),
    "evaluate": Stage(
        config.EvaluateConfig, "scores", {"scores": ".json", "weak prompts": ".weak.jsonl"}, "prompts", PROMPTS
    ),
}
"""In the order in which they run."""


def reads(stage: str, table: Mapping[str, object]) -> tuple[str, tuple[str, ...]]:
    """A step's input key, and what it may name: training on a student's own answers reads prompts, or rows for the
    prompts in them."""
    known = STAGES[stage]
    return known.key, (*known.reads, *PROMPTS) if "on_policy" in table else known.reads


BY_OPTION: dict[str, tuple[str, ...]] = {
    "student": ("student",),
    "any_student": ("student",),
    "teacher": ("student",),
    "rows": ("rows", "held-out rows"),
    "prompts": PROMPTS,
    "scored_prompts": PROMPTS,
}
"""What an option may name of an earlier step, by the kind of name that it takes (`config.options.option`)."""

_PARTS = {"held-out": "holdout", "weak": "weak"}
_WORDS = re.compile(r"(?:local:)?the ([a-z -]+) of step ([\w-]+)\Z")


@dataclass(frozen=True)
class Reference:
    """One thing that a step makes."""

    step: str
    what: str

    @property
    def words(self) -> str:
        """The placeholder in a stage's options until the step has run; no path and no hub id looks like it."""
        return f"the {self.what} of step {self.step}"


def parse(text: object) -> Reference | None:
    """The Reference that `words` stands for; None for any other text."""
    found = _WORDS.match(text) if isinstance(text, str) else None
    return Reference(found[2], found[1]) if found else None


@dataclass(frozen=True)
class Maker:
    """A step further up: `name` is its own, `short` the one that a repeat gives to each of its rounds."""

    name: str
    short: str
    stage: str


def resolve(text: str, accepted: Sequence[str], above: Sequence[Maker]) -> Reference | None:
    """The Reference that `text` names among the steps above: the newest of its name, or of its names in
    `first|student`. None where it names no step. Raises ValueError where that step makes nothing that is accepted."""
    names, part = names_in(text), text.partition(".")[2]
    maker = next((one for one in reversed(above) if one.name in names or one.short in names), None)
    if maker is None:
        return None
    name = maker.short
    makes = STAGES[maker.stage].makes
    for what in accepted:
        if what in makes and _part(what) == part:
            return Reference(maker.name, what)
    made = ", ".join(f"{name}.{_part(what)}".rstrip(".") + f" ({what})" for what in makes)
    raise ValueError(f"expected {' or '.join(accepted)}; step {name} makes {made}")


def names_in(text: str) -> list[str]:
    """The step names that a text may hold: two in `first|student`, none in `rows.jsonl`, which is a file."""
    name, dot, part = text.partition(".")
    return [] if dot and part not in _PARTS.values() else name.split("|")


def newest(accepted: Iterable[str], above: Sequence[Maker]) -> Reference | None:
    """The nearest step above that makes one of these kinds."""
    accepted = list(accepted)
    for maker in reversed(above):
        if found := next((what for what in accepted if what in STAGES[maker.stage].makes), None):
            return Reference(maker.name, found)
    return None


def _part(what: str) -> str:
    return _PARTS.get(what.split()[0], "")
