"""Several processes train on the rows that the first one read: it writes their tokens, the others map them."""

import time
from contextlib import ExitStack
from pathlib import Path

from cotdistill.config import FinetuneConfig
from cotdistill.errors import CotDistillError
from cotdistill.progress import Silent
from cotdistill.students import load
from cotdistill.students.aligned import Aligner
from cotdistill.training import distributed, student_directory
from cotdistill.training.job import prepare
from cotdistill.training.prepared import Job
from cotdistill.training.recorded import Recorded
from cotdistill.training.token_rows import TokenRows
from cotdistill.training.train import train

_TRAINING, _HELD_OUT, _RECORDED = Path("tokens/training"), Path("tokens/held_out"), Path("tokens/recorded")
"""In the work directory, for the other processes."""

SEEN_WITHIN_S = 60.0
"""Until a file that one machine wrote is seen by another, at most: NFS caches names for 30 to 60 s."""


def share(job: Job, work: Path) -> None:
    """Let the other processes map the tokens into memory, and begin."""
    if distributed.count() > 1:
        if job.held_out:
            job.held_out.save(work / _HELD_OUT)
        if job.objective and job.objective.recorded:
            job.objective.recorded.save(work / _RECORDED)
        job.rows.save(work / _TRAINING)  # last: a machine that sees these sees the others too
        distributed.say("train")


def help_first(student_dir: Path, config: FinetuneConfig) -> bool:
    """What every process but the first one does: compute. The first one reads, checks and says why where it fails: then
    this is False. Raises CotDistillError on a machine that does not see the first one's files."""
    word = distributed.listen()
    if word != "train":
        return word == "nothing"
    with distributed.together(), ExitStack() as ways:
        work = student_directory.work_directory(student_dir)
        training = _shared(work / _TRAINING)
        held_out = _shared(work / _HELD_OUT) if config.eval_data else TokenRows()
        tokenizer = load.tokenizer(config.student)
        recorded = None
        if (work / _RECORDED).is_dir():
            recorded = ways.enter_context(Recorded.load(work / _RECORDED, Aligner(tokenizer)))
        job = prepare(tokenizer, training, held_out, config, recorded)
        with student_directory.full_disk_explained(work):  # each process writes a part of a checkpoint
            train(job, work, Silent())
        distributed.leave()
    return True


def _shared(tokens: Path) -> TokenRows:
    """Rows that the first process wrote. Another machine may see them some seconds later."""
    deadline = time.monotonic() + SEEN_WITHIN_S
    while not TokenRows.is_whole(tokens):
        if time.monotonic() > deadline:
            raise CotDistillError(
                f"{tokens.absolute()}: the rows that the first process wrote are not there. On several machines "
                "--output must lie on one file system that all of them see"
            )
        time.sleep(1)
    return TokenRows.load(tokens)
