"""The registries and the names in each, found by parsing their files without running them."""

import ast
from pathlib import Path

FOLDERS = ("teachers", "verifiers", "filters", "selectors", "formats", "exports", "servers", "expanders", "losses")
METHODS = {
    "teachers": ("body", "ask", "read", "classify"),
    "verifiers": ("judge",),
    "filters": ("reason_to_drop",),
    "selectors": ("choose",),
    "formats": ("row|rows",),
    "exports": ("student|rows|prompts",),
    "servers": ("command", "options", "body"),
    "expanders": ("facets", "instruction"),
    "losses": ("token_losses",),
}
"""The methods of a plug-in's class, of which it must have all, or one; the Protocols in each folder say more."""

OPTIONS = {
    "verifiers": "--verify",
    "filters": "--filter",
    "selectors": "--select",
    "formats": "--format",
    "exports": "--export",
    "expanders": "--method",
    "losses": "--loss",
    "servers": "--engine",
}
"""The option that takes each kind of plug-in, if there is one."""

_PACKAGE = Path(__file__).parent.parent

ROOMS = {"losses": "training/losses"}
"""Registries that lie within a room, where other files may stand: a plug-in is a file that has the class."""


def names(folder: str, method: str = "") -> list[str]:
    """The names in a registry; with `method`, of those whose class has it."""
    files = (file for file in file_place(folder).glob("*.py") if not file.stem.startswith("_"))
    if folder in ROOMS:
        head = f"class {class_name(folder)}:"
        files = (file for file in files if head in file.read_text(encoding="utf-8"))
    found = sorted(file.stem for file in files)
    return [name for name in found if not method or method in _methods(folder, name)]


def file_place(folder: str) -> Path:
    """The directory of a registry's files."""
    return _PACKAGE / ROOMS.get(folder, folder)


def _methods(folder: str, name: str) -> list[str]:
    tree = ast.parse((file_place(folder) / f"{name}.py").read_text(encoding="utf-8"))
    kinds = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == class_name(folder)]
    return [one.name for kind in kinds for one in kind.body if isinstance(one, ast.FunctionDef)]


def elsewhere(name: str) -> str:
    """The registry that has this name, where it is another one, and the option that takes it."""
    for folder, option in OPTIONS.items():
        if name.replace("-", "_") in names(folder):
            singular = class_name(folder).lower()
            return f", it is {'an' if singular[0] in 'aeiou' else 'a'} {singular} ({option} {name})"
    return ""


def class_name(folder: str) -> str:
    """filters -> Filter."""
    return "Loss" if folder == "losses" else folder.removesuffix("s").capitalize()
