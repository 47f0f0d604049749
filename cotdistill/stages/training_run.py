"""What every training run does: hold its directory, and once its job is prepared train, write the model card, publish
the directory."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
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


def opened(
    source: Path,
    student_dir: Path,
    config: FinetuneConfig,
    packages: Sequence[str],
    bad: BadLines,
    stores: Sequence[Path],
) -> AbstractContextManager[artifacts.Run]:
    """The run of finetune from `source` to `student_dir`; `stores` are those that it may not write over. Raises what
    `artifacts.run` raises."""
    from cotdistill.training import student_directory

    return artifacts.run(
        "finetune",
        student_dir,
        dataclasses.asdict(config),
        packages,
        directory=True,
        also=student_directory.places(student_dir, bad.path),
        stores=stores,
        inputs=[source],
    )


def train_and_publish(
    current: artifacts.Run,
    prepared: "Job",
    config: FinetuneConfig,
    counts: Mapping[str, int],
    bad: BadLines,
    progress: Progress,
    *,
    results_of: Callable[["Trained"], Mapping[str, Any]],
    trained_on: Callable[[Mapping[str, int]], str],
) -> Manifest:
    """Both callables are asked when the training has ended. `results_of` returns the results of this kind of run, which
    are added to those of every run. `trained_on` gets the final counts and returns the model card's words for what the
    student was trained on, "" where that is a teacher's answers.

    Raises what `training.job.run` raises.
    """
    from cotdistill.training import job, shared_rows, student_directory

    work = job.work_directory(current.output, current.inputs, config, progress)
    for writer in bad.writers():
        writer.commit()
    with student_directory.full_disk_explained(work):
        shared_rows.share(prepared, work)
        trained, results = job.run(prepared, work, progress)
        results |= results_of(trained)
        counts = {**counts, "steps": trained.steps, "trained_tokens": trained.trained_tokens}
        model_card.write(current, work, results, counts, trained_on(counts))
        return student_directory.publish(current, work, counts, results)
