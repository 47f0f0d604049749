"""One step of a recipe as the call of its stage, with the files of this run for what it names of earlier steps."""

from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from cotdistill import artifacts
from cotdistill.artifacts import ArtifactWriter, Manifest
from cotdistill.dispatch.budget import Budget
from cotdistill.errors import UsageError
from cotdistill.inputs import hub
from cotdistill.progress import Progress
from cotdistill.recipes import joined, references
from cotdistill.recipes.references import Reference
from cotdistill.recipes.steps import Step


class Files:
    """Where the steps of one run find what they read."""

    def __init__(self, steps: Sequence[Step], progress: Progress) -> None:
        self.steps = {step.name: step for step in steps}
        self.progress = progress
        self._fetched: dict[Path, Path] = {}

    def own(self, path: Path) -> Path:
        """A person's file, or a copy of what is on the hub."""
        if path not in self._fetched:
            self._fetched[path] = hub.fetch(path, self.progress.note)
        return self._fetched[path]

    def made(self, reference: Reference, here: Path) -> Path:
        return here / self.steps[reference.step].file(reference.what)

    def input(self, step: Step, here: Path) -> Path:
        """The one file that a step reads; several are joined."""
        places = [self.made(one, here) if isinstance(one, Reference) else self.own(one) for one in step.inputs]
        return places[0] if len(places) == 1 else joined.join(places, here / f"{step.stem}.input.jsonl")

    def options(self, step: Step, here: Path) -> Any:
        """With paths for what earlier steps made, and with the prompts that a later step reads of this one."""
        found = {field.name: self._filled(getattr(step.options, field.name), here) for field in fields(step.options)}
        if self._is_read(Reference(step.name, "weak prompts")):
            found["write_weak"] = str(here / step.file("weak prompts"))
        return replace(step.options, **found)

    def _filled(self, value: Any, here: Path) -> Any:
        if isinstance(value, tuple):
            return tuple(self._filled(one, here) for one in value)
        reference = references.parse(value)
        if reference is None:
            return value
        return f"{'local:' * value.startswith('local:')}{self.made(reference, here)}"

    def _is_read(self, reference: Reference) -> bool:
        return any(reference in step.references() for step in self.steps.values())


def call(
    step: Step, source: Path, here: Path, options: Any, progress: Progress, *, resumed: bool, month: Budget | None
) -> Manifest:
    """Run the stage on `source`. `resumed`: a run that was killed in this very step."""
    from cotdistill.stages import evaluate, expand, filter, format, generate

    output = here / step.output
    if step.stage == "expand":
        return expand.run(source, output, options, progress, month=month)
    if step.stage == "generate" and _asks_nothing(step, source):
        return _no_answers(source, output, options)
    if step.stage == "generate":
        return generate.run(source, output, options, progress, month=month)
    if step.stage == "filter":
        return filter.run(source, output, options, progress, month=month)
    if step.stage == "format":
        return format.run(source, output, options, progress)
    if step.stage == "finetune":
        return _finetune(source, output, options, progress, resumed, month)
    return evaluate.run(source, output, options, progress, month=month)


def _asks_nothing(step: Step, source: Path) -> bool:
    """Whether a student was right on every prompt: none is left to ask again."""
    return (
        any(isinstance(one, Reference) and one.what == "weak prompts" for one in step.inputs)
        and not source.stat().st_size
    )


def _no_answers(source: Path, output: Path, options: Any) -> Manifest:
    """An empty file of responses, so that what is joined with it goes on."""
    with (
        artifacts.run("generate", output, asdict(options), inputs=[source]) as current,
        ArtifactWriter(output) as empty,
    ):
        current.read(source)
        current.notes.append(f"{source} is empty: the student was right on every prompt, so nothing was asked")
        return current.publish(
            [empty], counts={"prompts": 0, "responses": 0, "bought": 0, "from_store": 0, "failed": 0}
        )


def _finetune(
    rows: Path, student: Path, options: Any, progress: Progress, resumed: bool, month: Budget | None
) -> Manifest:
    """A killed training goes on from its last checkpoint, unless rows or options are others now."""
    from cotdistill.stages import finetune
    from cotdistill.training.student_directory import AFRESH

    if resumed:
        try:
            return finetune.run(rows, student, replace(options, resume=True), progress, month=month)
        except UsageError as error:
            progress.note(f"starting afresh: {str(error).removesuffix(f'; {AFRESH}')}")
    return finetune.run(rows, student, options, progress, month=month)
