"""Shows paths of a recipe, which are relative to it, as the user sees them from another directory."""

import os
import re
from collections.abc import Callable
from pathlib import Path

from cotdistill.progress import Passed, Progress
from cotdistill.recipes import named
from cotdistill.recipes.recipe import Recipe


def words_from(recipe: Recipe, where: Path) -> Callable[[str], str]:
    """A function that turns the recipe's paths in a text into paths that can be pasted at `where`. The recipe's
    directory must be the working directory."""
    given = {str(recipe.prompts), *(str(path) for _, path in recipe.paths)}
    given |= {name for options in recipe.stages.values() for name in named.states(options)}
    paths = [name for name in given if name.strip(".") and not Path(name).is_absolute() and not name.startswith("hf:")]
    paths = [name for name in paths if "." in name or "/" in name]  # a bare word may be any word
    inside = [] if recipe.runs.is_absolute() else [f"{recipe.runs}/"]
    if not (paths or inside) or where == Path.cwd():
        return lambda text: text
    files = "|".join(re.escape(name) for name in sorted(paths, key=len, reverse=True))
    either = [rf"(?:{files})(?!\w)"] * bool(files) + [re.escape(folder) for folder in inside]
    pattern = re.compile(rf"(?<![\w./~-])(?:{'|'.join(either)})")

    outside = where == Path(where.anchor)  # cron starts there; a path from the root is clearer with its slash

    def seen(found: re.Match[str]) -> str:
        slash = "/" if found.group().endswith("/") else ""
        relative = os.path.relpath(found.group(), where)
        return (str(Path(found.group()).absolute()) if outside or relative.startswith("..") else relative) + slash

    return lambda text: pattern.sub(seen, text)


class Seen(Passed):
    """Progress whose lines name paths as `words` does."""

    def __init__(self, progress: Progress, words: Callable[[str], str]) -> None:
        super().__init__(progress)
        self._words = words

    def begin(self, label: str, total: int | None) -> None:
        super().begin(self._words(label), total)

    def note(self, message: str) -> None:
        super().note(self._words(message))


def words_of(progress: Progress) -> Callable[[str], str]:
    """What `progress` does to paths, for a table: its columns are as wide as the texts that are shown."""
    if isinstance(progress, Seen):
        return progress._words
    return words_of(progress.progress) if isinstance(progress, Passed) else str
