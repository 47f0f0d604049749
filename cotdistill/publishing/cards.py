"""What the cards of data sets and students have in common. Paths of this machine stay out: cards are published."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cotdistill import mock
from cotdistill.artifacts import Manifest


def made_by(stage: str, sources: Sequence[Manifest]) -> Manifest | None:
    return next((one for one in sources if one.stage == stage), None)


def teacher(sources: Sequence[Manifest]) -> str:
    generate = made_by("generate", sources)
    if generate is None:
        return "a teacher that its data does not name"
    name = str(generate.options["teacher"])
    return f"`{name}`, a simulated teacher" if mock.is_simulated(name) else f"`{name}`"


def table(title: str, values: Mapping[str, Any]) -> list[str]:
    rows = [f"| {key.replace('_', ' ')} | {_written(value)} |" for key, value in values.items()]
    return [f"## {title}", "", "| | |", "|---|---|", *rows, ""]


def _written(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value).replace("|", "\\|")


def origin(sources: Sequence[Manifest]) -> list[str]:
    """Prompts, and what each stage made of them."""
    if not sources:
        return ["## Data", "", "Rows without a manifest: nothing is known of their origin.", ""]
    generate = made_by("generate", sources)
    read = [info for info in generate.inputs if info.option is None] if generate else []
    prompts = [Path(info.path).name for info in read]
    lines = [
        f"* {one.stage}: " + ", ".join(f"{key.replace('_', ' ')} {count:,}" for key, count in one.counts.items())
        for one in reversed(sources)
    ]
    named = [f"Prompts: `{', '.join(prompts)}`.", ""] if prompts else []
    return ["## Data", "", *named, "What each step made of them:", "", *lines, ""]


def license_of(sources: Sequence[Manifest]) -> str | None:
    """As `generate --license` was told."""
    generate = made_by("generate", sources)
    return generate.options.get("license") if generate else None


def rights(sources: Sequence[Manifest], more: str) -> list[str]:
    return [
        "## Rights",
        "",
        f"Licence of the teacher's answers: {license_of(sources) or 'not recorded'}. The terms of the teacher's "
        f"provider may restrict training on them. {more}",
        "",
    ]
