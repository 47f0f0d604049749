"""The short way from filter to finetune: formats for the student what filter kept."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cotdistill.artifacts import manifest_of, sibling
from cotdistill.artifacts.kinds import JUDGED, kind_of
from cotdistill.config import FinetuneConfig, FormatConfig
from cotdistill.errors import CotDistillError
from cotdistill.progress import Progress
from cotdistill.stages import format


@contextmanager
def formatted(source: Path, student_dir: Path, name: str, config: FinetuneConfig, progress: Progress) -> Iterator[Path]:
    """The file with the rows of `source`: `source` itself, or `<student_dir>.<name>.jsonl` where filter wrote `source`,
    each row proven with the student's chat template. A dry run leaves no such file.

    Raises CotDistillError for a row that cannot be proven, and where there is none.
    """
    if source.is_file() and source.stat().st_size == 0 and (made := manifest_of(source)) and made.stage == "filter":
        raise CotDistillError(f"{source}: filter kept nothing; {sibling(source, 'dropped.jsonl')} has the reasons")
    if not source.is_file() or kind_of(source) != JUDGED:
        yield source
        return
    with tempfile.TemporaryDirectory() as nowhere:
        folder = Path(nowhere) if config.dry_run else student_dir.parent
        rows = folder / f"{student_dir.name}.{name}.jsonl"
        options = FormatConfig(
            format="dpo" if config.on_pairs else FormatConfig.format,
            student=config.student,
            max_length=config.max_length,
            skip_bad=config.skip_bad,
            allow_modified=config.allow_modified,
        )
        manifest = format.run(source, rows, options, progress, card=False)
        count = manifest.counts["rows"]
        if not count:
            reasons = "; ".join(manifest.notes)
            raise CotDistillError(f"{source}: no row to train on{f': {reasons}' if reasons else ''}")
        progress.note(
            f"{source} holds what filter kept: formatted as {count:,} rows, each proven with the chat template of "
            f"{config.student}{'' if config.dry_run else f' -> {rows}'}"
        )
        yield rows
