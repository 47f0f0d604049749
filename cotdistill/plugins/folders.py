"""What registries there are, and the names in each: read from their files, which are parsed and never run."""

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
"""What a plug-in's class must have, or one of; the Protocols in each folder say more."""

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
"""The option that takes each kind, where one does."""

_PACKAGE = Path(__file__).parent.parent

ROOMS = {"losses": "training/losses"}
"""Of a registry that lies within a room. Other files may stand in it: a plug-in is one that has the class."""


def names(folder: str, method: str = "") -> list[str]:
    """With a `method` those whose class has it. Parses files, never runs them."""
    files = (file for file in file_place(folder).glob("*.py") if not file.stem.startswith("_"))
    if folder in ROOMS:
        head = f"class {class_name(folder)}:"
        files = (file for file in files if head in file.read_text(encoding="utf-8"))
    found = sorted(file.stem for file in files)
    return [name for name in found if not method or method in _methods(folder, name)]


def file_place(folder: str) -> Path:
    """Where the files of a registry stand."""
    return _PACKAGE / ROOMS.get(folder, folder)


def _methods(folder: str, name: str) -> list[str]:
    tree = ast.parse((file_place(folder) / f"{name}.py").read_text(encoding="utf-8"))
    kinds = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == class_name(folder)]
    return [one.name for kind in kinds for one in kind.body if isinstance(one, ast.FunctionDef)]


def elsewhere(name: str) -> str:
    """Of a name that another registry has, which one, and the option that takes it."""
    for folder, option in OPTIONS.items():
        if name.replace("-", "_") in names(folder):
            singular = class_name(folder).lower()
            return f", it is {'an' if singular[0] in 'aeiou' else 'a'} {singular} ({option} {name})"
    return ""


def class_name(folder: str) -> str:
    """filters -> Filter."""
    return "Loss" if folder == "losses" else folder.removesuffix("s").capitalize()
