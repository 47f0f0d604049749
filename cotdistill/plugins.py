"""A folder is the registry: `filters/length.py` with a `class Filter` is `--filter length:max_chars=9000`.

The file's name is the name on the command line, the class has the folder's singular name, its dataclass fields
are its options, its docstring is its help. Names and help are read without importing a plug-in. A path to a
Python file works wherever a name does: `./mine.py:x=1`.
"""

import ast
import dataclasses
import difflib
import hashlib
import importlib
import importlib.util
import re
import sys
import traceback
import types
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import msgspec

from cotdistill.errors import UsageError

FOLDERS = ("teachers", "verifiers", "filters", "selectors", "formats")
METHODS = {
    "teachers": ("body", "ask", "read", "classify"),
    "verifiers": ("judge",),
    "filters": ("reason_to_drop",),
    "selectors": ("choose",),
    "formats": ("row|rows",),
}
"""What a plug-in's class must have, or one of; the Protocols in each folder say more."""

_PACKAGE = Path(__file__).parent

loaded: dict[str, str] = {}
"""The plug-in files that were loaded by path, with their hashes, for the manifest: their content decides too."""

Count = Annotated[int, msgspec.Meta(ge=1)]
"""For an option of a plug-in: how many, at least 1."""

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
"""For an option of a plug-in: from 0 to 1."""


def names(folder: str) -> list[str]:
    files = (_PACKAGE / folder).glob("*.py")
    return sorted(file.stem for file in files if not file.stem.startswith("_"))


def describe(folder: str, name: str) -> tuple[str, list[str]]:
    """First line of a plug-in's docstring, and its options as `name=default`. Parses the file, never runs it."""
    tree = ast.parse((_PACKAGE / folder / f"{name}.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == _class_name(folder):
            summary = (ast.get_docstring(node) or ast.get_docstring(tree) or "").partition("\n")[0]
            return summary, [text for field in node.body if (text := _option(field))]
    return "", []


def build(folder: str, spec: str) -> Any:
    """Make the plug-in that `name:option=value,option=value` names.

    A comma inside a value is written `\\,`. Raises UsageError for an unknown name or option, or a value of
    the wrong type.
    """
    name, options = parse(spec)
    kind = load(folder, name)
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    hints = typing.get_type_hints(kind, include_extras=True)
    values = {}
    for key, text in options.items():
        if key not in fields:
            raise UsageError(f"{name!r} has no option {key!r}; {_there_are('its options are', fields, key)}")
        values[key] = _convert(text, hints[key], f"{name}:{key}")
    missing = [key for key, field in fields.items() if key not in values and _required(field)]
    if missing:
        raise UsageError(f"{name!r} needs {', '.join(missing)}: write {name}:{missing[0]}=…")
    try:
        return kind(**values)
    except ValueError as error:
        raise UsageError(f"{spec}: {error}") from None


def load(folder: str, name: str) -> Any:
    """Import the class of one plug-in, by name or by path to a Python file."""
    if name.endswith(".py"):
        module = _load_file(Path(name))
    elif name.replace("-", "_") in names(folder):
        module = importlib.import_module(f"cotdistill.{folder}.{name.replace('-', '_')}")
    else:
        singular = _class_name(folder).lower()
        raise UsageError(f"no {singular} named {name!r}; {_there_are('there are', names(folder), name)}")
    kind = getattr(module, _class_name(folder), None)
    if kind is None:
        raise UsageError(f"{name}: defines no class {_class_name(folder)}")
    if not dataclasses.is_dataclass(kind):
        raise UsageError(f"{name}: class {_class_name(folder)} must be a dataclass; write @dataclass above it")
    missing = [method for method in METHODS[folder] if not _has_one(kind, method)]
    if missing:
        raise UsageError(f"{name}: class {_class_name(folder)} has no method {missing[0].replace('|', ' or ')}")
    return kind


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
        options[key.strip().replace("-", "_")] = value.replace("\\,", ",")
    return name, options


def unknown(kind: str, name: str, known: Iterable[str]) -> UsageError:
    return UsageError(f"no {kind} named {name!r}; {_there_are('there are', known, name)}")


def _there_are(lead: str, known: Iterable[str], wrong: str) -> str:
    known = list(known)
    close = difflib.get_close_matches(wrong, known, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"{lead}: {', '.join(known) or 'none'}{hint}"


def _class_name(folder: str) -> str:
    return folder.removesuffix("s").capitalize()


def _option(node: ast.stmt) -> str:
    if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
        return ""
    if "ClassVar" in ast.unparse(node.annotation):
        return ""
    if node.value is None:
        return node.target.id
    default = ast.unparse(node.value)
    return "" if default.startswith(("field(", "dataclasses.field(")) else f"{node.target.id}={default}"


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
    except Exception as error:  # whatever a file of one's own does when it is imported
        line = next((frame.lineno for frame in reversed(_frames(error)) if frame.filename == str(path)), None)
        line = error.lineno if isinstance(error, SyntaxError) else line
        at = f":{line}" if line else ""
        raise UsageError(f"{path}{at}: the plug-in cannot be loaded: {type(error).__name__}: {error}") from error
    loaded[str(path)] = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    return module


def _frames(error: BaseException) -> list[traceback.FrameSummary]:
    return list(traceback.extract_tb(error.__traceback__))


def _convert(text: str, hint: Any, where: str) -> Any:
    kinds = [kind for kind in typing.get_args(hint) if kind is not type(None)]
    if typing.get_origin(hint) is typing.Literal:
        if text not in kinds:
            raise UsageError(f"{where}: expected one of {', '.join(map(str, kinds))}, got {text!r}")
        return text
    kind = kinds[0] if kinds else hint
    try:
        if kind is bool:
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()]
        value = kind(text)
    except (ValueError, KeyError):
        raise UsageError(f"{where}: expected {kind.__name__}, got {text!r}") from None
    try:
        return msgspec.convert(value, hint) if kind in (int, float) else value
    except msgspec.ValidationError as error:
        limit = str(error).removeprefix("Expected ").replace("`", "")
        raise UsageError(f"{where}: expected {limit}, got {text!r}") from None
