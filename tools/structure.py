"""Hold the rooms of docs/architecture.md: prints modules at the root, circles, imports upward, fences crossed.

    python -m tools.structure        # exits 1 where any number is out of bounds, and names each place

Imports inside functions count like those at the top; only `if TYPE_CHECKING:` does not.
"""

import ast
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PACKAGE = "cotdistill"

MOST_AT_THE_ROOT = 12

FLOORS: tuple[frozenset[str], ...] = tuple(
    frozenset(names.split())
    for names in (
        "__init__ errors",
        "records config limits masking plugins pricing progress reasoning statistics wording",
        "answers artifacts chat providers parallel sandbox",
        "inputs mock store students",
        "dispatch exports servers training",
        "teachers verifiers filters selectors formats expanders",
        "publishing",
        "stages",
        "doctor recipes report",
        "api cli",
        "__main__",
    )
)
"""From the ground up. A room imports from its own floor or a lower one; no circle closes on one floor either."""


class Import(NamedTuple):
    """`target` is a module, `name` what is taken out of it, or empty for the module itself."""

    file: Path
    line: int
    source: str
    target: str
    name: str = ""


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name; a package by its folder's."""
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(known: dict[str, Path]) -> Iterator[Import]:
    for source, path in known.items():
        tree = ast.parse(path.read_text())
        for node in _at_run_time(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
                for name in node.names:
                    whole = f"{node.module}.{name.name}"
                    if whole in known:
                        yield Import(path, node.lineno, source, whole)
                    else:
                        yield Import(path, node.lineno, source, node.module or "", name.name)
            elif isinstance(node, ast.Import):
                for name in node.names:
                    if name.name.split(".")[0] == PACKAGE:
                        yield Import(path, node.lineno, source, name.name)


def _at_run_time(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _at_run_time(child)


def _crosses_a_fence(one: Import) -> bool:
    """Whether a `_private` file is taken from outside its folder, or a `_private` name from outside its module."""
    parts = [*one.target.split("."), *([one.name] if one.name else [])]
    private = next((n for n, part in enumerate(parts) if part.startswith("_") and not part.startswith("__")), None)
    return private is not None and one.source.split(".")[:private] != parts[:private]


def room(module: str) -> str:
    """The folder under the package, or the module at its root."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Circles, so many that without one arrow of each there are none."""
    left = {source: set(targets) for source, targets in arrows.items()}
    found: list[list[str]] = []
    while True:
        try:
            TopologicalSorter(left).prepare()
        except CycleError as error:
            circle: list[str] = error.args[1]
            found.append(circle)
            left[circle[1]].discard(circle[0])
        else:
            return found


def problems() -> dict[str, list[str]]:
    """What is out of bounds, by kind; every list is empty in a house in order."""
    known = modules()
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    files: dict[str, set[str]] = {}
    rooms: dict[str, set[str]] = {}
    upward, fences = [], []
    for one in imports(known):
        place = f"{one.file.relative_to(ROOT)}:{one.line}: {one.target}"
        if one.target != one.source:
            files.setdefault(one.source, set()).add(one.target)
        here, there = room(one.source), room(one.target)
        if here != there:
            rooms.setdefault(here, set()).add(there)
            if floor[there] > floor[here]:
                upward.append(f"{place} (floor {floor[there]}) from {here} (floor {floor[here]})")
        if _crosses_a_fence(one):
            fences.append(f"{place} {one.name}".rstrip())
    at_root = [name for name in known if name.count(".") == 1 and known[name].name != "__init__.py"]
    homeless = sorted({room(name) for name in known} - set(floor))
    return {
        "rooms without a floor": homeless,
        "modules at the root": sorted(at_root) if len(at_root) > MOST_AT_THE_ROOT else [],
        "circles of files": [" <-> ".join(one) for one in circles(files)],
        "circles of rooms": [" <-> ".join(one) for one in circles(rooms)],
        "imports upward": upward,
        "private imports over a fence": fences,
    }


def main() -> int:
    known = modules()
    print(f"modules at the root: {sum(name.count('.') == 1 and p.name != '__init__.py' for name, p in known.items())}")
    found = problems()
    for kind, places in found.items():
        if kind != "modules at the root":
            print(f"{kind}: {len(places)}")
        for place in places:
            print(f"  {place}")
    return 1 if any(found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
