"""How much of the disk a recipe's runs and its store take, and how much is free."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import msgspec

from cotdistill.recipes.recipe import Recipe
from cotdistill.recipes.stores import stores_of
from cotdistill.store import admin
from cotdistill.wording import counted

WEIGHTS = (".safetensors", ".bin", ".pt", ".gguf")


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes in bytes. A file that several runs share as hard links counts once."""

    run_directories: int
    weights: int
    """Students and checkpoints."""
    data: int
    """Everything else in the runs."""
    store: int
    free: int


def used(recipe: Recipe, runs: Iterable[Path]) -> Disk:
    """The sizes of these run directories, and of the stores that the recipe's steps use."""
    sizes = {True: 0, False: 0}
    seen: set[tuple[int, int]] = set()
    directories = list(runs)
    for directory in directories:
        for path, state in admin.files(Path(where) / name for where, _, names in os.walk(directory) for name in names):
            if (state.st_dev, state.st_ino) not in seen:
                seen.add((state.st_dev, state.st_ino))
                sizes[path.suffix in WEIGHTS] += state.st_size
    there = next(one for one in (recipe.runs.absolute(), *recipe.runs.absolute().parents) if one.exists())
    return Disk(
        run_directories=len(directories),
        weights=sizes[True],
        data=sizes[False],
        store=sum(map(admin.bytes_on_disk, _stores(recipe))),
        free=shutil.disk_usage(there).free,
    )


def _stores(recipe: Recipe) -> set[Path]:
    return {store for _, store in stores_of(recipe)}


def in_words(disk: Disk) -> str:
    from rich.filesize import decimal

    return (
        f"{counted(disk.run_directories, 'run')}: weights {decimal(disk.weights)}, data {decimal(disk.data)}; "
        f"store {decimal(disk.store)}; {decimal(disk.free)} free"
    )
