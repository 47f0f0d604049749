"""The packages that one command needs, asked before it begins; apart from `preflight`, for every command comes by."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from cotdistill import plugins, students, teachers


def check_packages(chosen: Any) -> None:
    """Raises CotDistillError that says how to install what is missing."""
    for name in _local_students(chosen):
        students.need_packages(name)
    if starts_engine(chosen):
        from cotdistill.recipes import lookups

        lookups.engine(chosen.engine)


def starts_engine(chosen: Any) -> bool:
    """Whether a server of this machine is started: there is an engine, and a student or teacher that it answers for."""
    return getattr(chosen, "engine", "local") in plugins.names("servers") and any(_local_students(chosen))


def _local_students(chosen: Any) -> Iterator[str]:
    """The students that a command loads into its own process."""
    for one in fields(chosen):
        value, names = getattr(chosen, one.name), one.metadata["names"]
        for text in value if isinstance(value, tuple) else (value,) if value else ():
            given = plugins.parse(text)[1] if names in plugins.FOLDERS else {names: text}
            for kind in ("student", "any_student", "tokenizer"):
                if (name := given.get(kind)) and not _answers_elsewhere(name):
                    yield name.removeprefix("local:")
            if (name := given.get("teacher", "")).startswith("local:"):
                yield name.removeprefix("local:")


def _answers_elsewhere(student: str) -> bool:
    from cotdistill.stages.evaluate.answers import is_recorded

    return teachers.is_teacher(student) or is_recorded(student)
