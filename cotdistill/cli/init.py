"""`cotdistill init`: a first recipe, by questions or by options."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cotdistill.cli import log
from cotdistill.errors import UsageError

if TYPE_CHECKING:
    from cotdistill.recipes.own_prompts import OwnPrompts

NO_COLUMN = "none"
TEACHER = "Teacher that answers (PROVIDER:MODEL, or simulated)"


def init(
    directory: Annotated[
        Path, typer.Argument(help="Where recipe, prompts and .env are written.", metavar="DIR")
    ] = Path(),
    task: Annotated[
        str | None,
        typer.Option(
            help="maths, choice, classification, extraction, chat, code, judge or other (default: what your prompts "
            "look like, else maths).",
            metavar="NAME",
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Instead of a task, a chain of steps: born-again, big-to-small, curriculum or weak-spots.",
            metavar="NAME",
        ),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            help="Model that answers, such as vllm:Qwen/Qwen3-8B (default: simulated).", metavar="PROVIDER:MODEL"
        ),
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="The teacher's server, such as http://localhost:8000/v1.", metavar="URL")
    ] = None,
    student: Annotated[
        str | None,
        typer.Option(
            help="Model that is trained: tiny, smollm2-135m, a hub id, a directory (default: tiny with a simulated "
            "teacher, else smollm2-135m).",
            metavar="ID",
        ),
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(
            help="Your prompts, or a folder of documents to ask about (default: sample prompts).", metavar="FILE"
        ),
    ] = None,
    prompt_field: Annotated[
        str | None, typer.Option(help="Column of your prompts that holds the question.", metavar="NAME")
    ] = None,
    reference_field: Annotated[
        str | None, typer.Option(help="Column of your prompts that holds the reference answer.", metavar="NAME")
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Have runs set records aside that are no prompts.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; take the defaults.")] = False,
) -> None:
    """Write a commented recipe, a .env and, if you have no prompts yet, sample prompts with recorded answers."""
    from cotdistill.recipes import starter, starter_checks

    if recipe is not None:
        if any((task, teacher, base_url, student, prompts, prompt_field, reference_field, skip_bad)):
            raise UsageError("--recipe is complete as it is: give it alone, then edit what it wrote")
        with starter.alone(directory):
            log.say("\n".join(starter.write_ready(directory, recipe)))
        return
    ask = _Questions(yes)
    if prompts is not None and prompts.is_dir():
        of_prompts = any((task not in (None, starter.OF_DOCUMENTS), prompt_field, reference_field, skip_bad))
        named = ask.teacher(teacher)
        _of_documents(directory, prompts, of_prompts, named, ask.student(student, named), base_url)
        return
    task = ask.task(task, _kind(prompts, prompt_field, reference_field))
    chosen_teacher = ask.teacher(teacher)
    student = ask.student(student, chosen_teacher)
    own = _own_prompts(prompts, prompt_field, reference_field, ask, task)
    if own is not None:
        log.say("\n".join(["The first of your prompts, as they are read:", *own.first_rows()]))
        _set_aside(own, skip_bad, ask)
    elif skip_bad:
        raise UsageError("--skip-bad goes with --prompts")

    def fits(one: str) -> None:
        starter_checks.check_teacher(one)
        starter_checks.check_together(task, one, own, base_url)

    try:
        fits(chosen_teacher)
    except UsageError as error:
        if teacher or yes:
            raise
        log.say(str(error), err=True)
        chosen_teacher = ask.until(None, TEACHER, "", fits)
    with starter.alone(directory):
        log.say("\n".join(starter.write(directory, task, chosen_teacher, student, own, base_url)))


def _of_documents(
    directory: Path, folder: Path, of_prompts: bool, teacher: str, student: str, base_url: str | None
) -> None:
    from cotdistill.recipes import starter

    if of_prompts:
        only = f"documents go with --task {starter.OF_DOCUMENTS} and without columns"
        raise UsageError(f"{folder}: is a folder; {only}, and of prompts give the file")
    with starter.alone(directory):
        log.say("\n".join(starter.write_documents(directory, folder, teacher, student, base_url)))


def _kind(path: Path | None, question: str | None, reference: str | None) -> str | None:
    """The kind of task that the prompts look like; None where they cannot be read without more questions."""
    from cotdistill.recipes.kinds import kind_of
    from cotdistill.recipes.own_prompts import OwnPrompts

    try:
        return None if path is None else kind_of(OwnPrompts(path, question, reference))
    except UsageError:
        return None


def _own_prompts(
    path: Path | None, question: str | None, reference: str | None, ask: "_Questions", task: str
) -> "OwnPrompts | None":
    """The user's file; None for the samples. Asks for the columns that no usual name gives away."""
    from cotdistill.recipes import starter
    from cotdistill.recipes.own_prompts import OwnPrompts, column_names

    def readable(name: str) -> None:
        if name != starter.SAMPLES:
            column_names(Path(name))

    named = ask.until(str(path or ""), "Your prompts (a file, or samples)", starter.SAMPLES, readable)
    if named == starter.SAMPLES:
        if question or reference:
            raise UsageError("--prompt-field and --reference-field go with --prompts")
        return None
    chosen = Path(named)
    try:
        own = OwnPrompts(chosen, question, reference)
    except UsageError as error:
        if question or ask.nothing:
            raise
        log.say(str(error), err=True)
        question = ask.column(chosen, "Column that holds the question", "")
        own = OwnPrompts(chosen, question, reference)
    if not own.with_reference and not reference and (column := own.label_column(task)):
        return OwnPrompts(chosen, question, column)
    if not own.with_reference and own.ignored and not reference and not ask.nothing:
        given = ask.column(chosen, "Column that holds the reference answer", NO_COLUMN)
        own = own if given == NO_COLUMN else OwnPrompts(chosen, question, given)
    return own


def _set_aside(own: "OwnPrompts", skip: bool, ask: "_Questions") -> None:
    """Asks what to do with records that are no prompts. Raises UsageError where they are to stay."""
    if not own.bad.count:
        return
    log.say(own.bad_in_words(), err=True)
    if not skip and (ask.nothing or not ask.agrees("Set such records aside in every run")):
        raise UsageError(f"{own.path}: fix these records, or have runs set them aside with --skip-bad")


class _Questions:
    """Asks the user; with `nothing` takes the defaults."""

    def __init__(self, nothing: bool) -> None:
        self.nothing = nothing

    def until(self, given: str | None, question: str, default: str, check: Callable[[str], object]) -> str:
        """An option's value, or an answer, asked again until `check` accepts it. Raises UsageError for an option that
        `check` refuses."""
        while True:
            answer = given or (default if self.nothing else str(_asked(typer.prompt, question, default or None)))
            try:
                check(answer)
                return answer
            except UsageError as error:
                if given or self.nothing:
                    raise
                log.say(str(error), err=True)

    def task(self, given: str | None, looks_like: str | None) -> str:
        """The kind of task; `looks_like` is the kind that the prompts look like, where they are known already."""
        from cotdistill.recipes import tasks

        question = f"Kind of task ({', '.join(tasks.TASKS)})"
        task = self.until(given, question, looks_like or next(iter(tasks.TASKS)), tasks.find)
        if looks_like and not given and self.nothing:
            log.say(f"Your prompts look like --task {task}; name another where they are not.")
        return task

    def teacher(self, given: str | None) -> str:
        from cotdistill.recipes import starter_checks

        return self.until(given, TEACHER, starter_checks.SIMULATED, starter_checks.check_teacher)

    def student(self, given: str | None, teacher: str) -> str:
        from cotdistill.recipes import starter, starter_checks

        what = "Student that is trained (tiny, smollm2-135m, a hub id, a directory)"
        return self.until(given, what, starter.student_of(teacher), starter_checks.check_student)

    def agrees(self, question: str) -> bool:
        return bool(_asked(typer.confirm, question, True))

    def column(self, path: Path, question: str, default: str) -> str:
        from cotdistill.recipes.own_prompts import check_column, column_names

        columns = column_names(path)

        def known(name: str) -> None:
            if not default or name != default:
                check_column(name, columns)

        shown = f"{question} ({', '.join(columns)}{f'; or {default}' if default else ''})"
        return self.until(None, shown, default, known)


def _asked(how: Callable[..., object], question: str, default: object) -> object:
    """Raises UsageError where the input has no answer."""
    try:
        return how(question, default=default)
    except typer.Abort:
        if sys.stdin.isatty():
            raise  # Ctrl-C
        log.say("")  # ends the line of the question
        raise UsageError(
            f"init asks ({question}), and its input has no answer; --yes takes the defaults, and each question has an "
            f"option: cotdistill init --help"
        ) from None
