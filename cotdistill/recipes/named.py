"""The files that options name, also inside SPECs and their lists: a stage runs again when one of them changes."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from cotdistill import artifacts, plugins, students
from cotdistill.config import ExpandConfig
from cotdistill.config.expand import split_methods
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.inputs import templates
from cotdistill.recipes import references

_STUDENTS = ("student", "any_student", "tokenizer")


def states(options: Any) -> dict[str, str]:
    """Each local file and student that a stage's options name, with something that identifies its state."""
    found: dict[str, str] = {}
    for field in fields(options):
        value, names = getattr(options, field.name), field.metadata["names"]
        if names in ("", "store"):  # a store grows with each run, and decides nothing
            continue
        if names in plugins.FOLDERS and value == field.default:  # names no file, and is slow to load
            continue
        for text in value if isinstance(value, tuple) else (value,) if value else ():
            if references.parse(text):  # known by what the step made
                continue
            for kind, name in _texts(names, text):
                found |= _student(name) if kind in _STUDENTS else _file(name)
    if isinstance(options, ExpandConfig):
        for spec in split_methods(options.method):
            for _, name in _texts("expanders", spec):
                found |= _file(name)
    return found


def _texts(names: str, text: str) -> Iterator[tuple[str, str]]:
    """Yields the kind and text of everything that may be a name: `contamination:against=a.jsonl|b.jsonl` holds two."""
    if names == "template":
        yield names, text
        yield names, str(templates.FOLDER / f"{text}.md")
    elif names in plugins.FOLDERS:
        name, given = plugins.parse(text)
        if name.endswith(".py"):
            yield names, name
        yield from ((names, str(path)) for path in _declared(names, text))
        for key, value in given.items():
            for part in (value, *value.split("|")):
                yield key, part
                yield key, part.partition(":")[2]  # a teacher such as mock:FILE
    elif text.startswith("local:"):
        yield "student", text.removeprefix("local:")
    else:
        yield names, text
        yield names, text.partition(":")[2]


def _declared(folder: str, spec: str) -> list[Path]:
    """The options that a plug-in declares as files, with their defaults."""
    try:
        return plugins.files(folder, spec)
    except CotDistillError:
        return []


def _file(name: str) -> dict[str, str]:
    return {name: artifacts.sha256(Path(name))} if name and _is_file(Path(name)) else {}


def _student(name: str) -> dict[str, str]:
    """Identifies a directory or file by a fingerprint, without reading its weights; recorded answers by their hash."""
    if not name or name.endswith(".jsonl"):
        return _file(name)
    try:
        found = students.resolve(name)
    except UsageError:
        return {}
    there = bool(found.source) and found.kind in ("directory", "adapter", "gguf")
    return {name: students.fingerprint(name)} if there else {}


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a text, too long for a name or with what no name can hold
        return False
