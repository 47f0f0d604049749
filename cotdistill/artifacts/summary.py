"""A stage's manifest, for the person who ran it and for a pipe."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec

from cotdistill.artifacts import Manifest
from cotdistill.artifacts.manifest import left_open
from cotdistill.artifacts.summary_labels import PASS_RATES, label
from cotdistill.artifacts.summary_tables import TABLES, spread
from cotdistill.progress import each_text
from cotdistill.wording import amount, on_one_line, usd

_SAID_ELSEWHERE = ("columns", "spent_usd", "features", "guard", "guessing", "draft", "right")
"""Results that are said before the first request, in the card, or in a note; an interval stands with its number."""


def as_json(manifest: Manifest) -> str:
    return msgspec.json.encode(manifest).decode()


def one_line(manifest: Manifest) -> str:
    """For a log: stage, counts, cost, where the result is."""
    counts = ", ".join(f"{label(name)} {count:,}" for name, count in manifest.counts.items())
    known = manifest.cost_usd
    cost = "" if known is None else f", {usd(known)} in all with what was in the store (estimate)"
    if (spent := manifest.results.get("spent_usd")) is not None:
        cost = f", spent {usd(spent)} now{cost}" if manifest.counts.get("bought") or cost else ""
    where = f" -> {manifest.outputs[0].path}" if manifest.outputs else " (dry run, nothing written)"
    return f"{manifest.stage}: {counts}{cost}{where}"


def as_text(manifest: Manifest, words: Callable[[str], str] = str) -> str:
    """`words` is what is made of each text before it gets its column."""
    lines = [one_line(manifest), *_table(each_text(manifest.results, lambda text: on_one_line(words(text))))]
    if not manifest.complete and manifest.outputs:
        lines.append(f"  {_unfinished(manifest)}")
    return "\n".join([*lines, *(f"  {_note(' '.join(note.split()))}" for note in manifest.notes)])


def _note(note: str) -> str:
    return note if note.startswith("WARNING: ") else f"note: {note}"


def _unfinished(manifest: Manifest) -> str:
    if manifest.stage == "expand":
        return f"fewer prompts than --count; why the others were left out stands in {manifest.outputs[-1].path}"
    if manifest.options.get("reextract"):
        return "some answers are not in the store; the same command without --reextract asks for them"
    if manifest.stage in ("filter", "evaluate"):
        return f"{left_open(manifest.counts)}: no verdict of the judge on these; the same command asks for them again"
    failed = next((one for one in manifest.outputs if one.path.endswith(".failed.jsonl")), manifest.outputs[-1])
    return f"{left_open(manifest.counts)}; see {failed.path}. The same command asks only for these"


def _table(results: dict[str, Any]) -> list[str]:
    lines = []
    for name, value in results.items():
        if name in _SAID_ELSEWHERE or name.endswith("_interval"):
            continue
        title = label(name)
        if name in TABLES:
            lines += TABLES[name](value)
        elif name == "accuracy":
            lines.append(f"  {title}: {value:.1%}{spread(results.get('accuracy_interval'))}")
        elif isinstance(value, dict):
            lines += _counts(title, value)
        else:
            lines.append(f"  {title}: {_figure(name, value)}")
    return lines


def _counts(title: str, counts: dict[str, int]) -> list[str]:
    """On one line where the names are short."""
    if not counts:
        return []
    if sum(map(len, counts)) > 60:
        return [f"  {title}:", *(f"    {count:>9,}  {name}" for name, count in counts.items())]
    return [f"  {title}: {', '.join(f'{PASS_RATES.get(name, name)} {count:,}' for name, count in counts.items())}"]


def _figure(name: str, value: Any) -> str:
    if "_usd" in name and value != "unknown":
        return amount(value)
    if name == "estimated_seconds":
        return f"{timedelta(seconds=round(value))} h" if value >= 60 else f"{value:.0f} s"
    if name.endswith(("_share", "stop_rate", "think_rate")) and isinstance(value, float):
        return f"{value:.1%}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
