"""The figures of a run's steps, and how they changed since the run before."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cotdistill import artifacts
from cotdistill.artifacts import json_lines
from cotdistill.artifacts.scores import scores_of
from cotdistill.artifacts.together import Id, OfResponse
from cotdistill.recipes import record
from cotdistill.recipes.steps import Step
from cotdistill.wording import usd


def changes(steps: Sequence[Step], here: Path, last: Path | None) -> dict[str, Any]:
    """Compared with the last run: prompts that were added or removed, and each count and score then and now."""
    found: dict[str, Any] = {}
    if asking := next((step for step in steps if step.stage == "generate"), None):
        ids, before = _prompt_ids(asking, here), _prompt_ids(asking, last)
        if ids is not None and before is not None:
            found["prompts_added"], found["prompts_removed"] = len(ids - before), len(before - ids)
    now, then = figures_of(steps, here), figures_of(steps, last)
    for name, value in now.items():
        found[name] = {"now": value, "before": then[name]} if name in then else {"now": value}
    return found


_COUNTS = {"expand": ("new_prompts",), "generate": ("responses",), "filter": ("kept", "dropped"), "format": ("rows",)}


def figures_of(steps: Sequence[Step], directory: Path | None) -> dict[str, Any]:
    """Figures by name, after the name of their step; steps of tables go without, because the figure's name says the
    stage."""
    every: dict[str, Any] = {}
    for step in steps:
        if (manifest := record.manifest_of(directory, step)) is None:
            continue
        found: dict[str, Any] = {
            name: manifest.counts[name] for name in _COUNTS.get(step.stage, ()) if name in manifest.counts
        }
        if step.stage in ("expand", "generate") and manifest.cost_usd is not None:
            found["cost_usd"] = manifest.cost_usd
        if step.stage == "filter" and "accuracy" in manifest.results:
            found["teacher_accuracy"] = manifest.results["accuracy"]
        if step.stage == "evaluate":
            found["student_accuracy"] = scores_of(manifest)[0].accuracy
        own = "" if step.stem != step.name else f"{step.name}: "
        every |= {f"{own}{name}": value for name, value in found.items()}
    return every


def label(figure: str) -> str:
    """A figure's name in words; the step's name, where there is one, stays before it."""
    step, colon, name = figure.rpartition(": ")
    return f"{step}{colon}{'cost of the answers' if name == 'cost_usd' else name.replace('_', ' ')}"


def value_in_words(name: str, value: Any) -> str:
    """A figure's value: a share in per cent, money in USD."""
    if name.endswith("accuracy"):
        return f"{value:.1%}"
    if name.endswith("cost_usd"):
        return usd(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _prompt_ids(step: Step, directory: Path | None) -> set[int] | None:
    """Hashes of the ids that were asked, including those that got no answer."""
    path = directory / step.output if directory else None
    if path is None or not path.is_file():
        return None
    asked = {hash(one.prompt.id) for one in json_lines.read_records(path, OfResponse)}
    failed = artifacts.sibling(path, "failed.jsonl")
    return asked | ({hash(one.id) for one in json_lines.read_records(failed, Id)} if failed.is_file() else set())
