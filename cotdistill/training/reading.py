"""The files of a training run -> tokens, and the teacher's log-probabilities of them where the loss needs these."""

import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from cotdistill import plugins
from cotdistill.artifacts.json_lines import BadLines
from cotdistill.artifacts.logprobs import LogprobsReader, logprobs_path
from cotdistill.artifacts.logprobs.carried import source_of
from cotdistill.config import FinetuneConfig
from cotdistill.errors import UsageError
from cotdistill.progress import Progress
from cotdistill.students import load
from cotdistill.students.aligned import Aligner
from cotdistill.training import losses
from cotdistill.training.pairs import PairReader
from cotdistill.training.recorded import Recorded
from cotdistill.training.row_reader import SHOWN, Reader
from cotdistill.training.token_rows import TokenRows


@dataclass(frozen=True)
class TrainingData:
    """A run's rows as the student's tokens. `held_out` are the rows of --eval-data, on which the loss is measured."""

    tokenizer: PreTrainedTokenizerBase
    training: TokenRows
    held_out: TokenRows
    recorded: Recorded | None
    """The teacher's log-probabilities of the rows' tokens, where the loss learns from them."""
    too_long: int
    """Rows that were left out for their length."""


def read(rows: Path, config: FinetuneConfig, bad: BadLines, progress: Progress, stack: ExitStack) -> TrainingData:
    """Tokenise the files that the config names. What must stay open during the training is entered into `stack`. Raises
    CotDistillError for a file without a row that this student can be trained on."""
    tokenizer = load.tokenizer(config.student)
    if recorded := _recorded_beside(rows, config, tokenizer):
        stack.enter_context(recorded)
    kind = PairReader if config.on_pairs else Reader
    reader = kind(tokenizer, config.max_length, bad, progress, _to_show(config))
    reader.recorded = recorded
    training = reader.read(rows)
    reader.recorded = None
    if recorded is not None:
        recorded.check()
    held_out = reader.read(Path(config.eval_data)) if config.eval_data else TokenRows()
    return TrainingData(tokenizer, training, held_out, recorded, reader.too_long)


def _to_show(config: FinetuneConfig) -> int:
    """How many rows to show. In a log none but those asked for: rows are a person's data, and logs are kept and
    mailed."""
    if config.dry_run:  # which shows a whole batch
        return 0
    if config.show_rows is not None:
        return config.show_rows
    return SHOWN if sys.stderr.isatty() else 0


def _recorded_beside(rows: Path, config: FinetuneConfig, tokenizer: PreTrainedTokenizerBase) -> Recorded | None:
    """The teacher's log-probabilities in the file beside the rows; None where the loss does not need them, or gets them
    from a local teacher.

    Raises UsageError where the loss needs them and the file is not there."""
    if config.teacher is not None or config.loss == FinetuneConfig.loss:
        return None
    if losses.needs(plugins.build("losses", config.loss)) != "probabilities":
        return None
    if (beside := source_of(rows)) is None:
        raise UsageError(
            f"--loss {config.loss}: needs what the teacher would have written instead. {logprobs_path(rows)} is not "
            "there: ask with generate --logprobs 20, which goes along through filter and format, or give --teacher "
            "local:DIR"
        )
    return Recorded(LogprobsReader(beside), Aligner(tokenizer))
