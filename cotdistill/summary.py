"""A stage's manifest, for the person who ran it and for a pipe."""

from typing import Any

import msgspec

from cotdistill.artifacts import Manifest


def as_json(manifest: Manifest) -> str:
    return msgspec.json.encode(manifest).decode()


def one_line(manifest: Manifest) -> str:
    """For a log: stage, counts, cost, where the result is."""
    counts = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in manifest.counts.items())
    cost = f", cost {manifest.cost_usd} USD (estimate)" if manifest.cost_usd is not None else ""
    where = f" -> {manifest.outputs[0].path}" if manifest.outputs else " (dry run, nothing written)"
    return f"{manifest.stage}: {counts}{cost}{where}"


def as_text(manifest: Manifest) -> str:
    lines = [one_line(manifest), *_table(manifest.results)]
    if not manifest.complete and manifest.outputs:
        lines.append(f"  some prompts failed; see {manifest.outputs[-1].path}. The same command asks only for them")
    return "\n".join([*lines, *(f"  note: {note}" for note in manifest.notes)])


def _table(results: dict[str, Any]) -> list[str]:
    lines = []
    for name, value in results.items():
        if name == "columns":
            continue  # said before the first request
        if name == "students":
            lines += scores_table(value)
        elif isinstance(value, dict):
            inner = ", ".join(f"{key} {count:,}" for key, count in value.items())
            lines.append(f"  {name.replace('_', ' ')}: {inner}" if inner else "")
        elif not name.endswith("_interval"):
            interval = results.get(f"{name}_interval")
            spread = f" (95 % interval {interval[0]:.1%} to {interval[1]:.1%})" if interval else ""
            shown = f"{value:.1%}" if name == "accuracy" else value
            lines.append(f"  {name.replace('_', ' ')}: {shown}{spread}")
    return [line for line in lines if line]


def scores_table(students: list[dict[str, Any]]) -> list[str]:
    """One line a student: accuracy, interval, how often it stopped by itself."""
    width = max(len(entry["student"]) for entry in students)
    lines = []
    for entry in students:
        low, high = entry["interval"]
        passes = "  ".join(f"pass@{k} {share:.1%}" for k, share in entry.get("pass_at", {}).items())
        lines.append(
            f"  {entry['student']:<{width}}  {entry['accuracy']:6.1%}  [{low:.1%}, {high:.1%}]  n={entry['n']}  "
            f"stopped {entry['stopped']:.0%}  {passes}".rstrip()
        )
    return lines
