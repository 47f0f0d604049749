"""Kept responses -> training rows of problem, trace and answer, split by prompt."""

import dataclasses
import hashlib
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import msgspec

from cotdistill import artifacts, extensions
from cotdistill.artifacts import ArtifactWriter, BadLines, Manifest
from cotdistill.config import FormatConfig, check
from cotdistill.errors import UsageError
from cotdistill.formats import Format
from cotdistill.progress import Progress
from cotdistill.records import Judged, Prompt


def run(kept: Path, train: Path, config: FormatConfig, progress: Progress) -> Manifest:
    """Write rows to `train`; with a holdout also `<stem>.holdout.jsonl` (its rows) and
    `<stem>.holdout.prompts.jsonl` (its prompts, ready for evaluate).

    A prompt is wholly on one side. The side depends on the problem's text alone: not on its id, its order or
    the other prompts, so it stays the same as a data set grows.
    """
    check(config)
    if not 0 <= config.holdout < 1:
        raise UsageError(f"--holdout {config.holdout}: expected a share from 0 up to, not including, 1")
    layout: Format = extensions.build("formats", config.format)
    counts: Counter[str] = Counter(rows=0, holdout_rows=0, holdout_prompts=0, without_reasoning=0)
    with artifacts.run("format", train, dataclasses.asdict(config)) as current, ExitStack() as stack:
        current.read(kept, allow_modified=config.allow_modified, written_by="filter")
        bad = stack.enter_context(BadLines(artifacts.sibling(train, "bad.jsonl") if config.skip_bad else None))
        endings = ("holdout.jsonl", "holdout.prompts.jsonl")
        rows = stack.enter_context(ArtifactWriter(train))
        held, prompts = (stack.enter_context(ArtifactWriter(artifacts.sibling(train, ending))) for ending in endings)
        last: str | None = None
        seen = 0
        progress.begin("format", None)
        for judged in artifacts.read_records(kept, Judged, bad):
            response = judged.response
            prompt = response.prompt
            row = {"id": f"{prompt.id}/{response.sample}", **layout.row(judged)}
            counts["without_reasoning"] += not response.reasoning
            new = prompt.id != last
            last, seen = prompt.id, seen + new
            if not is_held_out(prompt, config.holdout):
                rows.write(row)
            else:
                held.write(row)
                if new:
                    prompts.write(prompt)
            progress.update(rows.records + held.records)
        if bad.count:
            current.notes.append(f"{bad.count} unreadable lines set aside in {bad.path}")
        counts.update(rows=rows.records, holdout_rows=held.records, holdout_prompts=prompts.records)
        if counts["without_reasoning"] and config.format != "answer_only":
            current.notes.append(
                f"{counts['without_reasoning']} rows have no separate reasoning; their answer text is all"
            )
        if not rows.records and not held.records:
            current.notes.append(f"{kept} holds nothing to write")
        if config.holdout:
            current.notes += _holdout_note(seen, prompts.records, config.holdout)
            return current.publish([rows, held, prompts], counts=counts)
        for writer in (held, prompts):
            writer.path.unlink(missing_ok=True)  # of an earlier run with a holdout
        return current.publish([rows], counts=counts)


def _holdout_note(prompts: int, held: int, share: float) -> list[str]:
    """Where chance made it another share than was asked for; and an empty holdout leaves nothing to evaluate."""
    if held and abs(held / prompts - share) <= share / 3:
        return []
    return [
        f"held out {held} of {prompts} prompts, where {share:.0%} was asked for: a prompt's side depends on its text "
        f"alone, so few prompts come out uneven"
    ]


def is_held_out(prompt: Prompt, share: float) -> bool:
    digest = hashlib.sha256(msgspec.json.encode(prompt.messages)).digest()
    return int.from_bytes(digest[:8]) < share * 2**64
