"""The end of finetune, whatever a student learns from: train it, describe it, and give it its name."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from cotdistill import artifacts
from cotdistill.artifacts import Manifest
from cotdistill.artifacts.json_lines import BadLines
from cotdistill.config import FinetuneConfig
from cotdistill.progress import Progress
from cotdistill.publishing import model_card

if TYPE_CHECKING:
    from cotdistill.training.prepared import Job
    from cotdistill.training.train import Trained


def make(
    current: artifacts.Run,
    prepared: "Job",
    config: FinetuneConfig,
    counts: Mapping[str, int],
    bad: BadLines,
    progress: Progress,
    *,
    found: Callable[["Trained"], Mapping[str, Any]],
    lesson: Callable[[Mapping[str, int]], str],
) -> Manifest:
    """`found` is what the manifest holds of this training besides what it holds of every one, `lesson` what the card
    says of it, by the counts at its end. Raises as `training.job.run` does."""
    from cotdistill.training import job, shared_rows, student_directory

    work = job.work_directory(current.output, current.inputs, config, progress)
    for writer in bad.writers():
        writer.commit()
    with student_directory.full_disk_explained(work):
        shared_rows.share(prepared, work)
        trained, results = job.run(prepared, work, progress)
        results |= found(trained)
        counts = {**counts, "steps": trained.steps, "trained_tokens": trained.trained_tokens}
        model_card.write(current, work, results, counts, lesson(counts))
        return student_directory.publish(current, work, counts, results)
