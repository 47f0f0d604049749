"""Teachers: one file a provider; `--teacher FILENAME:MODEL` finds it.

A teacher says what it would send (`body`), sends it once (`ask`), reads a stored answer again (`read`) and
says what an error means (`classify`). It never retries, waits or stores: `dispatch` does.
"""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cotdistill import plugins
from cotdistill.config.embedded import EMBEDDED, whole_name
from cotdistill.errors import UsageError
from cotdistill.providers.keys import check_base_url
from cotdistill.providers.types import Teacher
from cotdistill.reasoning.marks import Tags

if TYPE_CHECKING:
    from cotdistill.teachers.local import Teacher as LocalTeacher


def is_teacher(name: str) -> bool:
    """Whether a student's name is PROVIDER:MODEL and is asked over an API; a local: name is not."""
    if name == EMBEDDED:
        return not Path(name).is_dir()
    provider, colon, model = name.partition(":")
    return bool(colon and model) and provider != "local" and provider in plugins.names("teachers")


def answers_greedily(provider: str, temperature: float | None) -> bool:
    """Whether all samples of a prompt are the same: a local model samples only with a temperature. A simulated teacher
    takes none, and its samples differ."""
    return provider != "mock" and (temperature == 0 or (temperature is None and provider == "local"))


def build(
    spec: str,
    base_url: str | None = None,
    concurrency: int | None = None,
    timeout_s: float = 600.0,
    think_tags: Tags = (),
    columns: tuple[str | None, str | None] = (None, None),
    engine: str = "local",
) -> Teacher:
    """The teacher that `PROVIDER:MODEL` names, not yet opened. `columns` are those of question and reference, for a
    teacher that reads a prompt file itself. `engine` runs a local model. Raises UsageError for anything else."""
    provider, colon, model = whole_name(spec).partition(":")
    if not colon or not model:
        raise UsageError(f"teacher {spec!r}: expected PROVIDER:MODEL, such as openai:gpt-6-luna or mock:digit-chains")
    kind = plugins.load("teachers", provider)
    given: dict[str, Any] = {} if base_url is None else {"base_url": check_base_url(base_url)}
    if concurrency is not None:
        given["concurrency"] = concurrency
    known = {field.name for field in dataclasses.fields(kind)}
    if "columns" in known:
        given["columns"] = columns
    if think_tags:
        if "think_tags" not in known:
            raise UsageError(f"--think-tags: teacher {provider!r} reads its replies in its own way, without tags")
        given["think_tags"] = think_tags
    if engine != "local" and provider == "local":
        return on_this_machine(model, engine=engine, timeout_s=timeout_s, **given)
    teacher: Teacher = kind(model=model, timeout_s=timeout_s, **given)
    if base_url is None and "://" in teacher.base_url:
        check_base_url(teacher.base_url)  # some find theirs in the environment
    return teacher


def check_ready(teacher: Teacher, columns: tuple[str | None, str | None] = (None, None)) -> None:
    """Check what can be known before the first request. Raises AccountError for a key that is not set, UsageError for a
    recording that does not exist; `columns` are those of a recording."""
    from cotdistill.providers.sdk_teacher import SdkTeacher

    if teacher.provider == "mock":
        from cotdistill.mock.sources import open_source

        open_source(teacher.model, columns=columns)
    elif isinstance(teacher, SdkTeacher):
        teacher.api_key()


def on_this_machine(model: str, *, engine: str = "local", **settings: Any) -> "LocalTeacher":
    """A model on this machine, not yet opened, in this process or behind a server of its own. `settings` are fields of
    `local.Teacher`. Raises UsageError for an unknown model or engine."""
    if engine == "local":
        from cotdistill.teachers.local import Teacher as LocalTeacher

        return LocalTeacher(model=model, **settings)
    from cotdistill.teachers._served import Teacher as ServedTeacher

    return ServedTeacher(model=model, engine=engine, **settings)
