"""The options of each stage, and the one check that command line, recipe and stage share.

One file a stage has its options: a field's name is the option's name (`max_output_tokens` is `--max-output-tokens`),
its default is the default, its type says which values it takes. `conditions` has the conditions between several
options.
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any

from cotdistill.config.ask import AskConfig
from cotdistill.config.conditions import MixShare, broken_conditions
from cotdistill.config.evaluate import EvaluateConfig
from cotdistill.config.expand import ExpandConfig
from cotdistill.config.export import ExportConfig
from cotdistill.config.filter import FilterConfig
from cotdistill.config.finetune import FinetuneConfig
from cotdistill.config.format import FormatConfig
from cotdistill.config.generate import GenerateConfig
from cotdistill.config.idle import idle_options
from cotdistill.config.options import REQUIRED, option, required, wrong_values
from cotdistill.errors import UsageError

__all__ = [
    "REQUIRED",
    "AskConfig",
    "EvaluateConfig",
    "ExpandConfig",
    "ExportConfig",
    "FilterConfig",
    "FinetuneConfig",
    "FormatConfig",
    "GenerateConfig",
    "MixShare",
    "check",
    "flag",
    "idle_notes",
    "option",
    "problems",
]

_FLAG = re.compile(r"--[a-z][a-z-]*")


def problems(kind: type[Any], values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each option among `values` that does not fit, with the reason. Options that are left out have their defaults.

    First come values that an option's type does not take, then options that do not go together; conditions that involve
    a wrong value are not checked.
    """
    found = list(wrong_values(kind, values))
    wrong = {name for name, _ in found}
    sound = {name: value for name, value in values.items() if name not in wrong}
    config = kind(**dict.fromkeys(required(kind), "") | sound)
    unknown = {flag(name) for name in wrong}
    return found + [
        (name, why)
        for name, why in broken_conditions(config)
        if name not in wrong and unknown.isdisjoint(_FLAG.findall(why))
    ]


def check(config: Any) -> None:
    """Raises UsageError that names every option that does not fit."""
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    found = [f"{flag(name)}: {why}" for name, why in problems(type(config), values)]
    if len(found) > 1:
        found = [f"{len(found)} options do not fit:", *found]
    if found:
        raise UsageError("\n  ".join(found))


def idle_notes(config: Any, more: Iterable[tuple[str, str]] = ()) -> list[str]:
    """A note for each option that is given and changes nothing; `more` are further pairs of an option and a reason."""
    return [f"{flag(name)} changes nothing here: {why}" for name, why in (*idle_options(config), *more)]


def flag(name: str) -> str:
    """max_length -> --max-length."""
    return "--" + name.replace("_", "-")
