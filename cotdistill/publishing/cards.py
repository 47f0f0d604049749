"""What the cards of data sets and students share. Paths of this machine stay out, because cards are published.

Names and licences come from manifests and responses, which others may have written: a card shows each as text, never as
a heading or HTML.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cotdistill import mock
from cotdistill.artifacts import Manifest
from cotdistill.masking import spelled_out

_MARKUP = re.compile(r"[\\`*\[\]<>|]")


def plain(text: str) -> str:
    """A text on one line, in Markdown that shows it unchanged, also in a table."""
    return _MARKUP.sub(r"\\\g<0>", _line(text))


def code(text: str) -> str:
    """A text on one line between backticks."""
    return f"`{_line(text).replace('`', chr(39))}`".replace("|", "\\|")


def _line(text: str) -> str:
    return spelled_out(" ".join(text.split()))


def made_by(stage: str, sources: Sequence[Manifest]) -> Manifest | None:
    return next((one for one in sources if one.stage == stage), None)


def teachers(sources: Sequence[Manifest]) -> dict[str, str | None]:
    """Each teacher of these answers, with the licence that was given for them: two for a cascade, or those of several
    steps. A local student is named without its path."""
    found: dict[str, str | None] = {}
    for made in (one for one in sources if one.stage == "generate" and "teacher" in one.options):
        found.setdefault(_public(str(made.options["teacher"])), made.options.get("license"))
        if len(made.results.get("teachers", {})) > 1:
            found.setdefault(_public(str(made.options["then"])), made.options.get("then_license"))
    return found


def _public(spec: str) -> str:
    provider, _, model = spec.partition(":")
    return f"{provider}:{Path(model).name}" if provider == "local" else spec


def teacher(sources: Sequence[Manifest]) -> str:
    names = [code(name) + ", a simulated teacher" * mock.is_simulated(name) for name in teachers(sources)]
    return " and ".join(names) or "a teacher that its data does not name"


def table(title: str, values: Mapping[str, Any]) -> list[str]:
    rows = [f"| {plain(key.replace('_', ' '))} | {_written(value)} |" for key, value in values.items()]
    return [f"## {title}", "", "| | |", "|---|---|", *rows, ""]


def _written(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else plain(str(value))


def origin(sources: Sequence[Manifest]) -> list[str]:
    """The prompts, and what each stage made of them."""
    if not sources:
        return ["## Data", "", "Rows without a manifest: nothing is known of their origin.", ""]
    generate = made_by("generate", sources)
    read = [info for info in generate.inputs if info.option is None] if generate else []
    prompts = [Path(info.path).name for info in read]
    lines = [
        f"* {plain(one.stage)}: "
        + ", ".join(f"{plain(key.replace('_', ' '))} {count:,}" for key, count in one.counts.items())
        for one in reversed(sources)
    ]
    named = [f"Prompts: {code(', '.join(prompts))}.", ""] if prompts else []
    return ["## Data", "", *named, "What each step made of them:", "", *lines, ""]


def license_of(sources: Sequence[Manifest]) -> str | None:
    """The --license of generate; None where several teachers have different ones."""
    known = set(teachers(sources).values())
    return known.pop() if len(known) == 1 else None


def rights(sources: Sequence[Manifest], more: str) -> list[str]:
    known, common = teachers(sources), license_of(sources)
    said = f"Licence of the teacher's answers: {plain(common or 'not recorded')}. The terms of the teacher's provider"
    if len(known) > 1:
        each = "; ".join(f"{code(name)} {plain(one or 'not recorded')}" for name, one in known.items())
        said = f"Licences of the teachers' answers: {each}. The terms of each teacher's provider"
    return ["## Rights", "", f"{said} may restrict training on them. {more}", ""]
