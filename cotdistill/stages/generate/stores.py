"""Which store a run pays into: the user's, or with --no-cache one beside the output."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cotdistill import artifacts
from cotdistill.artifacts import outputs
from cotdistill.artifacts.outputs import Place
from cotdistill.artifacts.own_store import own_store
from cotdistill.config import GenerateConfig
from cotdistill.errors import UsageError
from cotdistill.store import admin
from cotdistill.store.answers import Store
from cotdistill.store.location import store_path


def work_places(config: GenerateConfig, output: Path) -> list[Place]:
    """Files of work in progress; their names are this command's alone."""
    own = [Place(own_store(output), outputs.always, "--no-cache")] if config.no_cache else []
    store = own_store(output) if config.no_cache else path_of(config)
    shard = store.with_name(f"{store.name}.batch")
    return [*own, *([Place(shard, outputs.always, "--batch")] if config.batch else [])]


def _check_own_store(config: GenerateConfig, output: Path) -> None:
    """Raises UsageError where a run with --no-cache left paid answers that this one would not see, and pay again."""
    own = own_store(output)
    if config.no_cache or not own.exists() or path_of(config).absolute() == own.absolute():
        return
    if not sum(share.answers for share in admin.stats(own)):
        return
    raise UsageError(
        f"{own}: holds the paid answers of an earlier run with --no-cache, which this one would buy again; add "
        f"--no-cache or give --cache {own} to use them, or move that file away"
    )


def path_of(config: GenerateConfig) -> Path:
    return store_path(config.cache)


@contextmanager
def work_folder(beside: Path, dry_run: bool) -> Iterator[Path]:
    """Where files stand until they are one; it is gone at the end. A dry run leaves the output's folder alone."""
    if dry_run:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
        return
    shutil.rmtree(beside, ignore_errors=True)  # of a run that was killed
    beside.mkdir(parents=True)
    try:
        yield beside
    finally:
        shutil.rmtree(beside, ignore_errors=True)


@contextmanager
def opened(config: GenerateConfig, output: Path) -> Iterator[Store]:
    """The user's store; with --no-cache one beside the output, which goes once the output is complete: until then the
    same command continues. Where nothing was paid for, as in a dry run, it goes at once."""
    _check_own_store(config, output)
    store = Store(own_store(output) if config.no_cache else path_of(config))
    try:
        yield store
    except BaseException:
        store.close(unless_empty=config.no_cache)
        raise
    if config.no_cache and not config.dry_run and artifacts.read_manifest(artifacts.manifest_path(output)).complete:
        store.delete()
    else:
        store.close(unless_empty=config.no_cache)
