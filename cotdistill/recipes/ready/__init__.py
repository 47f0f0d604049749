"""Recipes of steps that run offline as they are: a commented file each, whose first line says what it does."""

from pathlib import Path

from cotdistill import plugins

FOLDER = Path(__file__).parent


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def text(name: str) -> str:
    """The recipe. Raises UsageError for one there is not."""
    if name not in names():
        raise plugins.unknown("recipe", name, names())
    return (FOLDER / f"{name}.toml").read_text(encoding="utf-8")


def summary(name: str) -> str:
    """What it does, in a sentence."""
    return text(name).partition("\n")[0].removeprefix("# ")
