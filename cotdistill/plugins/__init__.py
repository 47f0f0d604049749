"""A folder is the registry: `filters/length.py` with a `class Filter` is `--filter length:max_chars=9000`.

The file's name is the name on the command line, the class has the folder's singular name, its dataclass fields
are its options, its docstring is its help. Names and help are read without importing a plug-in. A path to a
Python file works wherever a name does: `./mine.py:x=1`.
"""

import ast
import dataclasses
import difflib
import importlib
import importlib.util
import re
import sys
import types
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cotdistill.errors import CotDistillError, UsageError
from cotdistill.limits import Amount as Amount
from cotdistill.limits import Count as Count
from cotdistill.limits import Number as Number
from cotdistill.limits import Positive as Positive
from cotdistill.limits import Share as Share
from cotdistill.plugins import calls
from cotdistill.plugins.calls import FAILURES as FAILURES
from cotdistill.plugins.calls import place, words
from cotdistill.plugins.folders import FOLDERS as FOLDERS
from cotdistill.plugins.folders import METHODS as METHODS
from cotdistill.plugins.folders import ROOMS, class_name, elsewhere, file_place
from cotdistill.plugins.folders import names as names
from cotdistill.plugins.options import File as File
from cotdistill.plugins.options import Files as Files
from cotdistill.plugins.options import convert, separator_of

loaded: dict[str, str] = {}
"""Plug-in files that were loaded by path, with their hashes, for the manifest: their content decides the result too."""


def describe(folder: str, name: str) -> tuple[str, list[str]]:
    """The first line of a plug-in's docstring, and its options as `name=default`. Parses the file without running
    it."""
    tree = ast.parse((file_place(folder) / f"{name}.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == class_name(folder):
            summary = (ast.get_docstring(node) or ast.get_docstring(tree) or "").partition("\n")[0]
            return summary, [text for field in node.body if (text := _option(folder, name, field))]
    return "", []


def build(folder: str, spec: str) -> Any:
    """Make the plug-in that `name:option=value,option=value` names.

    A comma inside a value is written `\\,`. Raises UsageError for an unknown name or option, or a value of
    the wrong type.
    """
    name, options = parse(spec)
    kind = load(folder, name)
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    hints = _hints(kind, name)
    values = {}
    for key, text in options.items():
        if key not in fields:
            raise UsageError(f"{name!r} has no option {key!r}; {_there_are('its options are', fields, key)}")
        values[key] = convert(text, hints[key], f"{name}:{key}")
    missing = [key for key, field in fields.items() if key not in values and _required(field)]
    if missing:
        raise UsageError(f"{name!r} needs {', '.join(missing)}: write {name}:{missing[0]}=…")
    try:
        return kind(**values)
    except ValueError as error:
        raise UsageError(f"{spec}: {error}") from None
    except CotDistillError:
        raise
    except FAILURES as error:
        raise UsageError(f"{place(error, loaded)}{spec}: {words(error)}") from error


def files(folder: str, spec: str) -> list[Path]:
    """The files that a plug-in's options name, defaults included; a plug-in given by its path is one of them."""
    name, options = parse(spec)
    kind = load(folder, name)
    hints = _hints(kind, name)
    found = [Path(name)] if name.endswith(".py") else []
    for field in dataclasses.fields(kind):
        value = options.get(field.name, None if field.default is dataclasses.MISSING else field.default)
        if isinstance(value, str) and (separator := separator_of(hints.get(field.name))) is not None:
            found += [Path(one) for one in (value.split(separator) if separator else [value]) if one]
    return found


def _hints(kind: Any, name: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(kind, include_extras=True)
    except Exception as error:  # whatever is written where a type is expected
        file = getattr(sys.modules.get(kind.__module__), "__file__", name)
        raise UsageError(
            f"{file}: class {kind.__name__}: the types of its options cannot be resolved: {words(error)}"
        ) from error


def load(folder: str, name: str) -> Any:
    """Import the class of one plug-in, by name or by path to a Python file."""
    if name.endswith(".py"):
        module = _load_file(Path(name))
    elif name.replace("-", "_") in names(folder):
        room = ROOMS.get(folder, folder).replace("/", ".")
        module = _import(f"cotdistill.{room}.{name.replace('-', '_')}", name)
    else:
        singular = class_name(folder).lower()
        raise UsageError(
            f"no {singular} named {name!r}{elsewhere(name)}; {_there_are('there are', names(folder), name)}"
        )
    kind = getattr(module, class_name(folder), None)
    if kind is None:
        raise UsageError(f"{name}: defines no class {class_name(folder)}")
    if not dataclasses.is_dataclass(kind):
        raise UsageError(f"{name}: class {class_name(folder)} must be a dataclass; write @dataclass above it")
    missing = [method for method in METHODS[folder] if not _has_one(kind, method)]
    if missing:
        raise UsageError(f"{name}: class {class_name(folder)} has no method {missing[0].replace('|', ' or ')}")
    return kind


def failure(error: BaseException, plug_in: str, on: str) -> CotDistillError:
    """The one-line error to raise for what a plug-in raised (see `calls.failure`)."""
    return calls.failure(error, plug_in, on, loaded)


def _import(module: str, name: str) -> types.ModuleType:
    """Raises CotDistillError where a package of an extra is missing."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "cotdistill":
            raise
        raise CotDistillError(f"{name!r} needs {error.name}: pip install 'cotdistill[train]'") from None


def _has_one(kind: Any, methods: str) -> bool:
    return any(callable(getattr(kind, method, None)) for method in methods.split("|"))


def parse(spec: str) -> tuple[str, dict[str, str]]:
    """`name:a=1,b=2` -> ("name", {"a": "1", "b": "2"})."""
    name, _, rest = spec.partition(":")
    options = {}
    for part in re.split(r"(?<!\\),", rest) if rest else []:
        key, equals, value = part.partition("=")
        if not equals:
            raise UsageError(f"{spec!r}: expected name:option=value, found {part!r}")
        key = key.strip().replace("-", "_")
        if key in options:
            raise UsageError(f"{spec!r}: {key} is given twice; leave one of them out")
        options[key] = value.replace("\\,", ",")
    return name, options


def unknown(kind: str, name: str, known: Iterable[str]) -> UsageError:
    return UsageError(f"no {kind} named {name!r}; {_there_are('there are', known, name)}")


def _there_are(lead: str, known: Iterable[str], wrong: str) -> str:
    known = list(known)
    close = difflib.get_close_matches(wrong, known, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"{lead}: {', '.join(known) or 'none'}{hint}"


def _option(folder: str, name: str, node: ast.stmt) -> str:
    """An option as it is typed: `on=prompt`. A computed default is looked up in the class, which is imported for
    that."""
    if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
        return ""
    if "ClassVar" in ast.unparse(node.annotation):
        return ""
    if node.value is None:
        return node.target.id
    if ast.unparse(node.value).startswith(("field(", "dataclasses.field(")):
        return ""
    try:
        default = ast.literal_eval(node.value)
    except ValueError:
        default = getattr(load(folder, name), node.target.id)
    return f"{node.target.id}={'none' if default is None else default}"


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _load_file(path: Path) -> types.ModuleType:
    if not path.is_file():
        raise UsageError(f"{path}: no such plug-in file")
    name = f"cotdistill_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader  # always so for an existing .py file
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except FAILURES as error:
        line = error.lineno if isinstance(error, SyntaxError) else None
        at = f"{path}:{line}: " if line else place(error, [str(path)]) or f"{path}: "
        raise UsageError(f"{at}the plug-in cannot be loaded: {words(error)}") from error
    import hashlib  # not for --help: it loads OpenSSL

    loaded[str(path)] = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    return module
