"""`cotdistill init`: a first recipe, by questions or by options."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cotdistill.cli import log
from cotdistill.errors import UsageError

if TYPE_CHECKING:
    from cotdistill.recipes.own_prompts import OwnPrompts

NO_COLUMN = "none"


def init(
    directory: Annotated[
        Path, typer.Argument(help="Where recipe, prompts and .env are written.", metavar="DIR")
    ] = Path(),
    task: Annotated[
        str | None,
        typer.Option(help="maths, choice, classification, extraction, chat, code or judge.", metavar="NAME"),
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
    student: Annotated[
        str | None, typer.Option(help="Model that is trained: tiny, smollm2-135m, a hub id, a directory.", metavar="ID")
    ] = None,
    prompts: Annotated[
        Path | None, typer.Option(help="Your prompts (default: sample prompts).", metavar="FILE")
    ] = None,
    prompt_field: Annotated[
        str | None, typer.Option(help="Column of your prompts that holds the question.", metavar="NAME")
    ] = None,
    reference_field: Annotated[
        str | None, typer.Option(help="Column of your prompts that holds the reference answer.", metavar="NAME")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; take the defaults.")] = False,
) -> None:
    """Write a commented recipe, a .env and, if you have no prompts yet, sample prompts with recorded answers."""
    from cotdistill.recipes import starter, tasks

    if recipe is not None:
        if any((task, teacher, student, prompts, prompt_field, reference_field)):
            raise UsageError("--recipe is complete as it is: give it alone, then edit what it wrote")
        log.say("\n".join(starter.write_ready(directory, recipe)))
        return
    ask = _Questions(yes)
    task = ask.until(task, f"Kind of task ({', '.join(tasks.TASKS)})", next(iter(tasks.TASKS)), tasks.find)
    question = f"Teacher that answers (PROVIDER:MODEL, or {starter.SIMULATED})"
    chosen_teacher = ask.until(teacher, question, starter.SIMULATED, starter.check_teacher)
    what = "Student that is trained (tiny, smollm2-135m, a hub id, a directory)"
    student = ask.until(student, what, starter.STUDENT, starter.check_student)
    own = _own_prompts(prompts, prompt_field, reference_field, ask)
    if own is not None:
        log.say("\n".join(["The first of your prompts, as they are read:", *own.first_rows()]))

    def fits(one: str) -> None:
        starter.check_teacher(one)
        starter.check_together(task, one, own)

    try:
        fits(chosen_teacher)
    except UsageError as error:
        if teacher or yes:
            raise
        log.say(str(error), err=True)
        chosen_teacher = ask.until(None, question, "", fits)
    for line in starter.write(directory, task, chosen_teacher, student, own):
        log.say(line)


def _own_prompts(
    path: Path | None, question: str | None, reference: str | None, ask: "_Questions"
) -> "OwnPrompts | None":
    """What a person's file holds; None for the samples. Asks for the columns that no usual name gives away."""
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
    if not own.with_reference and own.ignored and not reference and not ask.nothing:
        given = ask.column(chosen, "Column that holds the reference answer", NO_COLUMN)
        own = own if given == NO_COLUMN else OwnPrompts(chosen, question, given)
    return own


class _Questions:
    """Asks a person; with `nothing` takes the defaults."""

    def __init__(self, nothing: bool) -> None:
        self.nothing = nothing

    def until(self, given: str | None, question: str, default: str, check: Callable[[str], object]) -> str:
        """An option's value, or an answer; asks again after one that `check` refuses. Raises UsageError for an option
        that it refuses."""
        while True:
            answer = given or (default if self.nothing else str(typer.prompt(question, default=default or None)))
            try:
                check(answer)
                return answer
            except UsageError as error:
                if given or self.nothing:
                    raise
                log.say(str(error), err=True)

    def column(self, path: Path, question: str, default: str) -> str:
        from cotdistill.recipes.own_prompts import check_column, column_names

        columns = column_names(path)

        def known(name: str) -> None:
            if not default or name != default:
                check_column(name, columns)

        shown = f"{question} ({', '.join(columns)}{f'; or {default}' if default else ''})"
        return self.until(None, shown, default, known)
