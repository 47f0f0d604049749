"""A stage that has nothing to work on is not begun: the run ends with what the stage before it found."""

from pathlib import Path

from cotdistill.recipes import record

REASONS = 3
"""Of what was dropped, the most frequent ones are named."""


def why_not(stage: str, directory: Path, *, needs_holdout: bool) -> str | None:
    """Why `stage` has no input in a run's directory, or None. `needs_holdout`: evaluate asks what format held out."""
    look = {"filter": _no_answers, "format": _nothing_kept, "finetune": _no_rows}.get(stage)
    why = look(directory) if look else None
    return why or (_nothing_held_out(directory) if needs_holdout and stage in ("finetune", "evaluate") else None)


def _no_answers(directory: Path) -> str | None:
    manifest = record.manifest_of(directory, "generate")
    if manifest is None or manifest.counts.get("responses", 1):
        return None
    failed = manifest.counts.get("failed", 0)
    return f"generate: no answers: {failed} requests failed; see {directory / 'responses.failed.jsonl'}"


def _nothing_kept(directory: Path) -> str | None:
    manifest = record.manifest_of(directory, "filter")
    if manifest is None or manifest.counts.get("kept", 1):
        return None
    dropped = list(manifest.results.get("dropped", {}).items())
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in dropped[:REASONS])
    return (
        f"filter: nothing was kept of {manifest.counts['responses']:,} responses ({reasons}); "
        f"see {directory / 'kept.dropped.jsonl'}"
    )


def _no_rows(directory: Path) -> str | None:
    manifest = record.manifest_of(directory, "format")
    if manifest is None or manifest.counts.get("rows", 1):
        return None
    counts = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in manifest.counts.items())
    return f"format: no rows to train on ({counts}); more prompts, a smaller format.holdout or a larger max_length"


def _nothing_held_out(directory: Path) -> str | None:
    manifest = record.manifest_of(directory, "format")
    if manifest is None or manifest.counts.get("holdout_prompts", 1):
        return None
    return (
        f"format: no prompt was held out for evaluate (format.holdout = {manifest.options.get('holdout')}, and chance "
        f"decides); add prompts, raise format.holdout, or name a file as evaluate.prompts"
    )
