"""From the files that finetune is given to tokens, with what a teacher said of them where the loss asks that."""

import sys
from contextlib import ExitStack
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


def read(
    rows: Path, config: FinetuneConfig, bad: BadLines, progress: Progress, ways: ExitStack
) -> tuple[Reader, TokenRows, TokenRows, PreTrainedTokenizerBase, Recorded | None]:
    """Tokenise the rows to train on, and those to measure the loss on; `ways` close what stays open. Raises
    CotDistillError for a file without a row that this student can be taught."""
    tokenizer = load.tokenizer(config.student)
    if recorded := _recorded_beside(rows, config, tokenizer):
        ways.enter_context(recorded)
    kind = PairReader if config.of_pairs else Reader
    reader = kind(tokenizer, config.max_length, bad, progress, _to_show(config))
    reader.recorded = recorded
    training = reader.read(rows)
    reader.recorded = None
    if recorded is not None:
        recorded.check()
    held_out = reader.read(Path(config.eval_data)) if config.eval_data else TokenRows()
    return reader, training, held_out, tokenizer, recorded


def _to_show(config: FinetuneConfig) -> int:
    """None in a log where they were not asked for: rows are a person's data, and logs are kept and mailed."""
    if config.dry_run:  # which shows a whole batch
        return 0
    if config.show_rows is not None:
        return config.show_rows
    return SHOWN if sys.stderr.isatty() else 0


def _recorded_beside(rows: Path, config: FinetuneConfig, tokenizer: PreTrainedTokenizerBase) -> Recorded | None:
    """What the teacher said of the rows' tokens; None where the loss does not ask, or asks a local teacher.

    Raises UsageError where it asks and there is nothing."""
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
