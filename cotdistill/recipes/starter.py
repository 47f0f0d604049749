"""What `cotdistill init` writes: a commented recipe, prompts to begin with, and a .env to fill in."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from cotdistill import mock, plugins, students, teachers
from cotdistill.artifacts import outputs, write_whole
from cotdistill.artifacts.outputs import Place
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.inputs.prompt_files import PromptFile
from cotdistill.mock import problems, sources

TEACHER = "mock:digit-chains"
STUDENT = "tiny"
SAMPLES = "samples"
"""Instead of a file of prompts: those that come with the task."""

LOOKED_AT = 1000
"""Of a person's prompts, to say which columns hold what."""

_PACKAGE = Path(__file__).parent.parent
_ENV = next(path for path in (_PACKAGE / "env.example", _PACKAGE.parent / ".env.example") if path.is_file())
"""In a wheel inside the package, in a checkout at the root."""


@dataclass(frozen=True)
class Task:
    """`template` is how the teacher is asked, `verify` how answers are judged; both None for the defaults."""

    about: str
    template: str | None
    verify: str | None
    prompts: list[dict[str, str]]


def _sums() -> list[dict[str, str]]:
    return [{"question": problem.text, "answer": problem.answer} for problem in problems.generate(60, seed=7)]


_CHOICE = "{}\nA) {}\nB) {}\nC) {}"
_TICKET = "Class of this support ticket (billing, bug or question): {}"

_TASKS: dict[str, Task] = {
    "maths": Task("worked maths", None, "math", _sums()),
    "choice": Task(
        "multiple choice",
        "choice",
        "choice",
        [
            {"question": _CHOICE.format("Which is a metal?", "oxygen", "iron", "helium"), "answer": "B"},
            {"question": _CHOICE.format("Which is the largest?", "a cat", "a mouse", "a whale"), "answer": "C"},
            {"question": _CHOICE.format("Which number is even?", "8", "9", "11"), "answer": "A"},
        ],
    ),
    "classification": Task(
        "classification with a rationale",
        "classification",
        "exact",
        [
            {"question": _TICKET.format("I was charged twice in May."), "answer": "billing"},
            {"question": _TICKET.format("The export button does nothing."), "answer": "bug"},
            {"question": _TICKET.format("Can I use it without a network?"), "answer": "question"},
        ],
    ),
    "code": Task(
        "code with tests",
        "code",
        "code",
        [
            {"question": "Write a function double(n).", "answer": "assert double(2) == 4\nassert double(-1) == -2"},
            {
                "question": "Write a function last(items).",
                "answer": "assert last([1, 2]) == 2\nassert last('a') == 'a'",
            },
        ],
    ),
    "judge": Task(
        "free-form answers with a judge",
        "worked",
        "judge:teacher={teacher}",
        [
            {"question": "Why is the sky blue?", "answer": "Air scatters short wavelengths more than long ones."},
            {"question": "Why does ice float?", "answer": "Ice is less dense than water."},
        ],
    ),
}

TASKS = tuple(_TASKS)

_FILES = ("recipe.toml", "prompts.jsonl", ".env")

_RECIPE = """\
# {about}. Run it:  cotdistill run {name}        What would run, and its cost:  cotdistill run {name} --plan
# A table is a stage, a key an option of its command (`cotdistill generate --help-all`); paths are relative to here.

prompts = {prompts}         # or .csv, .parquet, .txt, "hf:openai/gsm8k:main:train"; append to it, and run again
runs = "runs"                     # one dated directory a run; runs/latest is the last complete one
keep = 10                         # older ones go
# max_cost_per_month = 50.0       # USD, over all runs on this store

[generate]
teacher = {teacher}  # vllm:Qwen/Qwen3-8B, anthropic:..., openai_responses:...; mock: is simulated
# base_url = "http://localhost:8000/v1"
cache = "store.sqlite"            # every answer that was paid for; keep it
{template}samples = 4                       # answers to each prompt, to choose the right ones from
# max_cost = 5.0                  # USD, in one run
# license = "Apache-2.0"          # of the teacher's answers

[filter]
{verify}select = "shortest:k=2"           # of the right ones
# against = ["my_test_set.jsonl"] # problems that must not be learnt

[format]
holdout = 0.15                    # of the prompts, for evaluate

[finetune]
student = {student}  # or smollm2-135m, a hub id, a directory, a .gguf file
epochs = 3

[evaluate]
baseline = [{student}]
max_output_tokens = 256
"""


def check_task(task: str) -> None:
    """Raises UsageError for a task there is not."""
    if task not in _TASKS:
        raise plugins.unknown("task", task, TASKS)


def check_teacher(teacher: str) -> None:
    """Raises UsageError for a teacher there is not; its key may be missing still."""
    teachers.build(teacher)
    if mock.is_simulated(teacher):
        sources.open_source(teacher.partition(":")[2])


def check_student(student: str) -> None:
    """Raises UsageError for what is neither a student here nor a hub id."""
    students.resolve(student)


def check_prompts(prompts: str) -> None:
    """Raises UsageError for a file without a prompt in it."""
    if prompts != SAMPLES:
        _columns(Path(prompts))


def _columns(prompts: Path) -> str:
    """Which columns of a person's file hold question and reference, in words."""
    file = PromptFile(prompts, limit=LOOKED_AT)
    try:
        if not sum(1 for _ in file):
            raise UsageError(f"{prompts}: no prompts in it")
    except UsageError:
        raise
    except CotDistillError as error:
        raise UsageError(str(error)) from None
    return file.columns.describe() if file.columns else ""


def write(directory: Path, task: str, teacher: str, student: str, prompts: Path | None = None) -> list[str]:
    """Write what is not there yet, sample prompts too unless there are `prompts`. Returns lines for the person.

    Raises UsageError where a recipe stands already."""
    chosen, recipe = _TASKS[task], directory / "recipe.toml"
    if recipe.exists():
        raise UsageError(f"{recipe}: exists; give another directory, or delete it")
    fresh = [path for name in _FILES if not (path := directory / name).exists()]
    outputs.check([place for path in fresh for place in outputs.replaced(Place(path, outputs.never, "init"))])
    directory.mkdir(parents=True, exist_ok=True)
    samples = directory / "prompts.jsonl"
    text = _RECIPE.format(
        about=chosen.about.capitalize(),
        name=recipe.name,
        prompts=_quoted(samples.name if prompts is None else os.path.relpath(prompts, directory)),
        teacher=_quoted(teacher),
        student=_quoted(student),
        template=f"template = {_quoted(chosen.template)}\n" if chosen.template else "",
        verify=f"verify = {_quoted(chosen.verify.format(teacher=teacher))}\n" if chosen.verify else "",
    )
    write_whole(recipe, text.encode())
    said = [f"{recipe}: {chosen.about}"]
    if prompts is not None:
        said.append(f"{prompts}: {_columns(prompts)}")
    elif not samples.exists():
        lines = [json.dumps({"id": f"{task}-{number}", **item}) for number, item in enumerate(chosen.prompts, 1)]
        write_whole(samples, ("\n".join(lines) + "\n").encode())
        said.append(f"{samples}: {len(lines)} sample prompts; replace them by yours")
    env = directory / ".env"
    if not env.exists():
        env.touch(mode=0o600)
        shutil.copyfile(_ENV, env)
        said.append(f"{env}: for keys, readable by you alone; never commit it")
    if mock.is_simulated(teacher):
        said.append("The teacher is simulated, for a rehearsal: name a real one in the recipe when you are ready.")
    if chosen.verify and "{teacher}" in chosen.verify:
        said.append(f"{teacher} judges its own answers: name another model in filter.verify for a stricter judge.")
    return [*said, "Next:", f"  cotdistill run {recipe} --plan", f"  cotdistill run {recipe}"]


def _quoted(text: str) -> str:
    """A TOML string; its escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False)
