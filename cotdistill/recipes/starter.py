"""What `cotdistill init` writes: a commented recipe, prompts to begin with, and a .env to fill in."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from cotdistill import mock, plugins
from cotdistill.artifacts import outputs, write_whole
from cotdistill.artifacts.outputs import Place
from cotdistill.errors import UsageError
from cotdistill.mock import problems

TEACHER = "mock:digit-chains"
STUDENT = "tiny"

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

prompts = "prompts.jsonl"         # or .csv, .parquet, .txt, "hf:openai/gsm8k:main:train"; append to it, and run again
runs = "runs"                     # one dated directory a run; runs/latest is the last complete one
keep = 10                         # older ones go
# max_cost_per_month = 50.0       # USD, over all runs on this store

[generate]
teacher = "{teacher}"  # vllm:Qwen/Qwen3-8B, anthropic:..., openai_responses:...; mock: is simulated
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
student = "{student}"  # or smollm2-135m, a hub id, a directory, a .gguf file
epochs = 3

[evaluate]
baseline = ["{student}"]
max_output_tokens = 256
"""


def check(task: str) -> None:
    """Raises UsageError for a task there is not."""
    if task not in _TASKS:
        raise plugins.unknown("task", task, TASKS)


def write(directory: Path, task: str, teacher: str, student: str) -> list[str]:
    """Write what is not there yet; gives what to tell. Raises UsageError where a recipe stands already."""
    chosen, recipe = _TASKS[task], directory / "recipe.toml"
    if recipe.exists():
        raise UsageError(f"{recipe}: exists; give another directory, or delete it")
    fresh = [path for name in _FILES if not (path := directory / name).exists()]
    outputs.check([place for path in fresh for place in outputs.replaced(Place(path, outputs.never, "init"))])
    directory.mkdir(parents=True, exist_ok=True)
    text = _RECIPE.format(
        about=chosen.about.capitalize(),
        name=recipe.name,
        teacher=teacher,
        student=student,
        template=f'template = "{chosen.template}"\n' if chosen.template else "",
        verify=f'verify = "{chosen.verify.format(teacher=teacher)}"\n' if chosen.verify else "",
    )
    write_whole(recipe, text.encode())
    told = [f"{recipe}: {chosen.about}"]
    prompts = directory / "prompts.jsonl"
    if not prompts.exists():
        lines = [json.dumps({"id": f"{task}-{number}", **item}) for number, item in enumerate(chosen.prompts, 1)]
        write_whole(prompts, ("\n".join(lines) + "\n").encode())
        told.append(f"{prompts}: {len(lines)} to begin with; put yours in their place")
    env = directory / ".env"
    if not env.exists():
        env.touch(mode=0o600)
        shutil.copyfile(_ENV, env)
        told.append(f"{env}: for keys, readable by you alone; never commit it")
    if mock.is_simulated(teacher):
        told.append("The teacher is simulated, for a rehearsal: name a real one in the recipe when you are ready.")
    return [*told, "Next:", f"  cotdistill run {recipe} --plan", f"  cotdistill run {recipe}"]
