"""Ends a run before a stage that has nothing to work on, with what the stage before it reported."""

from pathlib import Path

from cotdistill.artifacts import Manifest
from cotdistill.recipes import record
from cotdistill.recipes.steps import Step
from cotdistill.wording import counted

REASONS = 3
"""How many of the most frequent reasons for dropping are named."""


def why_not(maker: Step, what: str, directory: Path) -> str | None:
    """The reason why what a step of this run made is empty; None where it is not, or where there was nothing to begin
    with, as with the weak prompts of a student that is right on all."""
    manifest = record.manifest_of(directory, maker)
    look = _LOOKS.get(what)
    return look(manifest, maker, directory) if manifest and look else None


def _no_answers(manifest: Manifest, maker: Step, directory: Path) -> str | None:
    if manifest.counts.get("responses", 1) or not manifest.counts.get("prompts", 1):
        return None
    failed = manifest.counts.get("failed", 0)
    return (
        f"{maker.name}: no answers: {counted(failed, 'request')} failed; see {directory / f'{maker.stem}.failed.jsonl'}"
    )


def _nothing_kept(manifest: Manifest, maker: Step, directory: Path) -> str | None:
    if manifest.counts.get("kept", 1) or not manifest.counts.get("responses", 1):
        return None
    dropped = list(manifest.results.get("dropped", {}).items())
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in dropped[:REASONS])
    return (
        f"{maker.name}: nothing was kept of {manifest.counts['responses']:,} responses ({reasons}); "
        f"see {directory / f'{maker.stem}.dropped.jsonl'}"
    )


def _no_rows(manifest: Manifest, maker: Step, directory: Path) -> str | None:
    if manifest.counts.get("rows", 1):
        return None
    counts = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in manifest.counts.items())
    return (
        f"{maker.name}: no rows to train on ({counts}); more prompts, a smaller {maker.label}.holdout or a larger "
        f"max_length"
    )


def _nothing_held_out(manifest: Manifest, maker: Step, directory: Path) -> str | None:
    if manifest.counts.get("holdout_prompts", 1):
        return None
    return (
        f"{maker.name}: no prompt was held out for evaluate ({maker.label}.holdout = "
        f"{manifest.options.get('holdout')}, and chance decides among those that can be judged "
        f"again); add prompts with references, raise {maker.label}.holdout, or name a file as evaluate.prompts"
    )


def _no_prompts(manifest: Manifest, maker: Step, directory: Path) -> str | None:
    if manifest.counts.get("new_prompts", 1):
        return None
    return f"{maker.name}: no new prompt was kept; see {directory / f'{maker.stem}.dropped.jsonl'}"


_LOOKS = {
    "prompts": _no_prompts,
    "responses": _no_answers,
    "kept responses": _nothing_kept,
    "rows": _no_rows,
    "held-out prompts": _nothing_held_out,
    "held-out rows": _nothing_held_out,
}
