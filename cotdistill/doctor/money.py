"""Keys, by their names alone, and the store of paid answers."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from cotdistill import plugins
from cotdistill.doctor.finding import Finding
from cotdistill.errors import CotDistillError
from cotdistill.store.admin import bytes_on_disk
from cotdistill.store.database import Database
from cotdistill.store.schema import SCHEMA_VERSION

_NEED_NONE = ("local", "mock", "ollama", "sglang", "vllm")
"""Teachers on the user's own server, which need a key only if the server asks for one."""


def keys() -> Iterator[Finding]:
    """Whether each teacher's variable is set; never its value."""
    teachers: dict[str, list[str]] = {}
    for name in plugins.names("teachers"):
        if name not in _NEED_NONE and (variable := getattr(plugins.load("teachers", name), "key", "")):
            teachers.setdefault(variable, []).append(name)
    for variable, names in teachers.items():
        for_whom = f"for teacher {' and '.join(names)}"
        if os.environ.get(variable, "").strip():
            yield Finding("keys", variable, "ok", f"set, {for_whom}")
        else:
            yield Finding("keys", variable, "missing", f"not set; {for_whom}", "export it, or put it into .env")


def store(path: Path | None) -> Iterator[Finding]:
    """The store's path and size, and whether SQLite finds it sound; `cache check` also reads each answer. None where
    this user has no home directory for it."""
    if path is None:
        advice = "set HOME, or COTDISTILL_CACHE to the path of the store"
        yield Finding("store", "answers", "broken", "no home directory is known for this user", advice)
        return
    if not path.exists():
        yield Finding("store", "answers", "ok", f"{path}: none yet; the first answer makes it")
        return
    try:
        with closing(Database(path, create=False)) as database:
            ((answers,),) = database.read("SELECT count(*) FROM answers")
            problems = database.problems()
    except CotDistillError as error:
        yield Finding("store", "answers", "broken", str(error), "cotdistill cache check")
        return
    says = f"{path}: {answers:,} answers, {bytes_on_disk(path) / 2**20:.1f} MB, tables of version {SCHEMA_VERSION}"
    if problems:
        advice = "cotdistill cache export --skip-bad -o answers.jsonl saves what can be read"
        yield Finding("store", "answers", "broken", f"{says}; damaged: {problems[0]}", advice)
    else:
        yield Finding("store", "answers", "ok", f"{says}, whole")
