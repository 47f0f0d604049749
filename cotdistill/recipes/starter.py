"""What `cotdistill init` writes: a commented recipe, prompts to begin with, and a .env to fill in."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from cotdistill import mock, students
from cotdistill.artifacts import lock, outputs, write_whole
from cotdistill.artifacts.outputs import Place
from cotdistill.config.embedded import SCRIPTED
from cotdistill.errors import UsageError
from cotdistill.inputs.documents import Documents
from cotdistill.recipes import first_recipe, own_labels, ready, tasks
from cotdistill.recipes.first_recipe import PROMPTS, TEACHER, VERDICTS, Folder
from cotdistill.recipes.own_prompts import OwnPrompts
from cotdistill.recipes.starter_checks import SIMULATED, check_server, check_together
from cotdistill.recipes.tasks import JUDGE, LABELS, Task
from cotdistill.wording import counted

STUDENT = students.TINY
"""For a rehearsal."""

OF_DOCUMENTS = "extraction"
"""The task of questions about a folder of documents."""

SAMPLES = "samples"
"""Instead of a file of prompts: those that come with the task."""

_FILES = ("recipe.toml", PROMPTS, TEACHER, VERDICTS, own_labels.TEMPLATE, own_labels.FILE, ".env")

_PACKAGE = Path(__file__).parent.parent
_ENV = next(path for path in (_PACKAGE / "env.example", _PACKAGE.parent / ".env.example") if path.is_file())
"""In a wheel inside the package, in a checkout at the root."""

_REHEARSAL = "The teacher is simulated, for a rehearsal: name a real one in the recipe when you are ready."
_TINY = (
    f"The student {STUDENT} has 0.1 M weights, for rehearsals: it learns short patterns and no language. Name "
    f"smollm2-135m or a larger one in the recipe before you pay a teacher."
)


def student_of(teacher: str) -> str:
    """Who learns, where nobody says it: a real teacher's answers are for one that knows the language."""
    return STUDENT if teacher == SIMULATED or mock.is_simulated(teacher) else students.SMOLLM2


def alone(directory: Path) -> AbstractContextManager[None]:
    """For the time of one `write…`: two at once would mix the files of two tasks. Raises OutputLockedError."""
    return lock(directory / "recipe.toml", "is writing it; give another directory")


def write(
    directory: Path,
    task: str,
    teacher: str,
    student: str,
    prompts: OwnPrompts | None = None,
    base_url: str | None = None,
) -> list[str]:
    """Write what is not there yet: the recipe, a .env and, unless there are `prompts`, samples with a simulated
    teacher's answers. Returns lines for the person.

    Raises UsageError where a recipe stands already, and what `check_together` raises."""
    chosen, recipe = tasks.find(task), directory / "recipe.toml"
    check_together(task, teacher, prompts, base_url)
    _check_new(recipe)
    fresh = [path for name in _FILES if not (path := directory / name).exists()]
    outputs.check([place for path in fresh for place in outputs.replaced(Place(path, outputs.never, "init"))])
    directory.mkdir(parents=True, exist_ok=True)
    said = [f"{recipe}: {chosen.about}", *_write_samples(directory, task, teacher, fresh, prompts)]
    if prompts and chosen.verify and LABELS in chosen.verify:
        chosen, about_labels = own_labels.written(directory, chosen, prompts.labels())
        said += about_labels
    named = _teacher(chosen, teacher, directory, prompts)
    write_whole(recipe, first_recipe.text(directory, chosen, named, student, prompts, base_url).encode())
    said += _write_env(directory)
    if mock.is_simulated(named):
        said.append(_REHEARSAL)
        said += prompts.replayed() if prompts and teacher == SIMULATED else []
    elif student == STUDENT:
        said.append(_TINY)
    if not mock.is_simulated(named) and chosen.verify and JUDGE in chosen.verify:
        said.append(f"{named} judges its own answers: name another model in filter.verify for a stricter judge.")
    said += [chosen.remark] if chosen.remark else []
    return [*said, *_next(recipe)]


def write_documents(
    directory: Path, folder: Path, teacher: str, student: str, base_url: str | None = None
) -> list[str]:
    """A recipe that has questions written about a folder of documents, or about one. Returns lines for the person.

    Raises UsageError where a recipe stands already, and for a folder without a document that can be read."""
    chosen, recipe = tasks.find(OF_DOCUMENTS), directory / "recipe.toml"
    check_server(teacher, base_url)
    _check_new(recipe)
    found = Documents(folder, first_recipe.passage_letters(student))
    passages = sum(1 for _ in found.passages())
    if not passages:
        why = "; ".join([found.describe(), *found.notes()])
        raise UsageError(f"{folder}: expected a document with a {found.wanted}, found none; {why}")
    outputs.check(outputs.replaced(Place(recipe, outputs.never, "init")))
    directory.mkdir(parents=True, exist_ok=True)
    named = f"mock:{SCRIPTED}" if teacher == SIMULATED else teacher
    text = first_recipe.text(directory, chosen, named, student, Folder(folder, passages), base_url)
    write_whole(recipe, text.encode())
    said = [
        f"{recipe}: questions about documents, and their answers",
        f"{folder}: {found.describe()}, {counted(passages, 'passage')}",
    ]
    said += [f"  {note}" for note in found.notes()] + _write_env(directory)
    if mock.is_simulated(named):
        said.append(_REHEARSAL)
    if student == STUDENT:
        said.append(_TINY)
    return [*said, *_next(recipe)]


def write_ready(directory: Path, name: str) -> list[str]:
    """Write a recipe of `ready/`, sample prompts for it and a .env. Returns lines for the person. Raises UsageError for
    a name there is not, and where a recipe stands already."""
    recipe, content = directory / "recipe.toml", ready.text(name)
    _check_new(recipe)
    fresh = [path for name in ("recipe.toml", PROMPTS, ".env") if not (path := directory / name).exists()]
    outputs.check([place for path in fresh for place in outputs.replaced(Place(path, outputs.never, "init"))])
    directory.mkdir(parents=True, exist_ok=True)
    write_whole(recipe, content.encode())
    samples = _write_samples(directory, "maths", SIMULATED, fresh, None)
    said = [f"{recipe}: {ready.summary(name)}", *samples, *_write_env(directory)]
    return [*said, *_next(recipe)]


def _check_new(recipe: Path) -> None:
    if recipe.exists():
        raise UsageError(f"{recipe}: exists; give another directory, or delete it")


def _next(recipe: Path) -> list[str]:
    return ["Next:", f"  cotdistill run {recipe} --plan", f"  cotdistill run {recipe}"]


def _write_env(directory: Path) -> list[str]:
    env = directory / ".env"
    if env.exists():
        return []
    write_whole(env, _ENV.read_bytes(), private=True)
    return [f"{env}: for keys, readable by you alone; never commit it"]


def _write_samples(
    directory: Path, task: str, teacher: str, fresh: Sequence[Path], prompts: OwnPrompts | None
) -> list[str]:
    if prompts is not None:
        return [f"{prompts.path}: {prompts.describe()}"]
    said, lines = [], tasks.files(task)
    simulated = teacher == SIMULATED
    for name, content, words in (
        (PROMPTS, lines.prompts, "sample prompts; replace them by yours"),
        (TEACHER, lines.teacher if simulated else [], "recorded answers to them, right and wrong: the teacher"),
        (VERDICTS, lines.verdicts if simulated else [], "recorded verdicts on those: the judge"),
    ):
        path = directory / name
        if content and path in fresh:
            write_whole(path, ("\n".join(content) + "\n").encode())
            said.append(f"{path}: {len(content)} {words}")
    return said


def _teacher(task: Task, teacher: str, directory: Path, prompts: OwnPrompts | None) -> str:
    """As the recipe names it: a file from the recipe's directory."""
    if teacher == SIMULATED:
        if prompts is not None:
            return f"mock:{first_recipe.seen_from(directory, prompts.path)}"
        return f"mock:{SCRIPTED if task.sample is None else TEACHER}"
    provider, _, model = teacher.partition(":")
    is_file = provider in ("mock", "local") and Path(model).exists()
    return f"{provider}:{first_recipe.seen_from(directory, Path(model))}" if is_file else teacher
