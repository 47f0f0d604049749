"""What `cotdistill init` refuses before it writes: teachers, students, and prompts that do not go with them."""

from pathlib import Path

from cotdistill import mock, students, teachers
from cotdistill.config.embedded import SCRIPTED
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.inputs import recordings
from cotdistill.mock import sources
from cotdistill.recipes import tasks
from cotdistill.recipes.own_prompts import SHOWN_COLUMNS, OwnPrompts
from cotdistill.recipes.tasks import JUDGE

SIMULATED = "simulated"
"""Instead of a teacher: one that replays recorded answers, for a rehearsal."""


def check_teacher(teacher: str) -> None:
    """Raises UsageError for a teacher there is not; its key may be missing still."""
    if teacher == SIMULATED:
        return
    teachers.build(teacher)
    if mock.is_simulated(teacher) and not Path(file := teacher.partition(":")[2]).is_file():
        sources.open_source(file)  # says which there are


def check_student(student: str) -> None:
    """Raises UsageError for what is neither a student here nor a hub id."""
    students.resolve(student)


def check_server(teacher: str, base_url: str | None) -> None:
    """Raises UsageError for an address of a teacher that needs none."""
    if base_url and (teacher == SIMULATED or mock.is_simulated(teacher)):
        raise UsageError(f"--base-url goes with a teacher on a server, and {teacher} needs none")


def check_together(task: str, teacher: str, prompts: OwnPrompts | None, base_url: str | None = None) -> None:
    """Raises UsageError where a simulated teacher could not answer, or not judge, so that nothing would be learnt."""
    chosen = tasks.find(task)
    check_server(teacher, base_url)
    if task == tasks.OTHER and prompts is None:
        raise UsageError(f"--task {task}: has no sample prompts; give your own with --prompts FILE")
    if teacher == f"mock:{SCRIPTED}" and chosen.sample is not None and prompts is None:
        raise UsageError(
            f"teacher {teacher}: it solves chains of last-digit operations alone, no samples of {task}; "
            f"give {SIMULATED}, or a teacher of yours"
        )
    if mock.is_simulated(teacher) and Path(file := teacher.partition(":")[2]).is_file():
        sources.open_source(file, columns=prompts.named if prompts else recordings.USUAL)
    if prompts is None or not (teacher == SIMULATED or mock.is_simulated(teacher)):
        return
    if chosen.verify and JUDGE in chosen.verify:
        raise UsageError(
            f"teacher {teacher}: a simulated one cannot judge answers to prompts of yours; give a teacher of yours, "
            f"such as vllm:Qwen/Qwen3-8B"
        )
    if teacher == SIMULATED and not prompts.with_reference:
        raise UsageError(
            f"teacher {teacher}: it would answer with the references of {prompts.path}, and that has none; "
            f"{_name_the_column(prompts)}give a teacher of yours, such as vllm:Qwen/Qwen3-8B"
        )
    if teacher == SIMULATED:
        _check_replay(prompts)


def _name_the_column(prompts: OwnPrompts) -> str:
    if not prompts.ignored or prompts.named[1]:
        return ""
    return f"name their column with --reference-field (not used: {', '.join(prompts.ignored[:SHOWN_COLUMNS])}), or "


def _check_replay(prompts: OwnPrompts) -> None:
    """Raises UsageError where references are no answers, such as tests without a program beside them."""
    try:
        sources.open_source(str(prompts.path), columns=prompts.named)
    except CotDistillError as error:
        raise UsageError(
            f"teacher {SIMULATED}: it would answer with what stands in {prompts.path}, and that is no answer: {error}; "
            f"give a teacher of yours, such as vllm:Qwen/Qwen3-8B"
        ) from None
