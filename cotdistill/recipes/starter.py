"""What `cotdistill init` writes: a commented recipe, prompts to begin with, and a .env to fill in."""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from cotdistill import mock, students
from cotdistill.artifacts import outputs, write_whole
from cotdistill.artifacts.outputs import Place
from cotdistill.config.embedded import SCRIPTED
from cotdistill.errors import UsageError
from cotdistill.recipes import own_labels, ready, tasks
from cotdistill.recipes.own_prompts import SHOWN_COLUMNS, OwnPrompts
from cotdistill.recipes.starter_checks import SIMULATED, check_together
from cotdistill.recipes.tasks import JUDGE, LABELS, Task

STUDENT = "tiny"
SAMPLES = "samples"
"""Instead of a file of prompts: those that come with the task."""

PROMPTS, TEACHER, VERDICTS = "prompts.jsonl", "teacher.jsonl", "verdicts.jsonl"
_FILES = ("recipe.toml", PROMPTS, TEACHER, VERDICTS, own_labels.TEMPLATE, own_labels.FILE, ".env")

_PACKAGE = Path(__file__).parent.parent
_ENV = next(path for path in (_PACKAGE / "env.example", _PACKAGE.parent / ".env.example") if path.is_file())
"""In a wheel inside the package, in a checkout at the root."""

_RECIPE = """\
# {about}. Run it:  cotdistill run {name}        What would run, and its cost:  cotdistill run {name} --plan
# A table is a stage, a key an option of its command (`cotdistill generate --help-all`); paths are relative to here.

prompts = {prompts}         # or .csv, .parquet, .txt, "hf:openai/gsm8k:main:train"; append to it, and run again
runs = "runs"                     # one dated directory a run; runs/latest is the last complete one
keep = 10                         # older ones go
# max_cost_per_month = 50.0       # USD, over all runs on this store

[generate]
teacher = {teacher}  # vllm:Qwen/Qwen3-8B, anthropic:..., openai_responses:...; mock: is simulated
{server}
{columns}cache = "store.sqlite"            # every answer that was paid for; keep it
{template}samples = {answers}                       # answers to each prompt, to choose the right ones from
# max_cost = 5.0                  # USD, in one run
# license = "Apache-2.0"          # of the teacher's answers

[filter]
{verify}select = "shortest:k=1"           # of the right ones
# against = ["my_test_set.jsonl"] # problems that must not be learnt

[format]
holdout = 0.2                     # of the prompts, for evaluate

[finetune]
student = {student}  # or smollm2-135m, a hub id, a directory, a .gguf file
# epochs = 3                      # passes over the rows; left out: more for few rows

[evaluate]
{verify}baseline = [{student}]             # the same model before training
max_output_tokens = 256
"""


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
    if recipe.exists():
        raise UsageError(f"{recipe}: exists; give another directory, or delete it")
    fresh = [path for name in _FILES if not (path := directory / name).exists()]
    outputs.check([place for path in fresh for place in outputs.replaced(Place(path, outputs.never, "init"))])
    directory.mkdir(parents=True, exist_ok=True)
    said = [f"{recipe}: {chosen.about}", *_write_samples(directory, task, teacher, fresh, prompts)]
    if prompts and chosen.verify and LABELS in chosen.verify:
        chosen, about_labels = own_labels.written(directory, chosen, prompts.labels())
        said += about_labels
    named = _teacher(chosen, teacher, directory, prompts)
    write_whole(recipe, _recipe(directory, chosen, named, student, prompts, base_url).encode())
    said += _write_env(directory)
    if mock.is_simulated(named):
        said.append("The teacher is simulated, for a rehearsal: name a real one in the recipe when you are ready.")
    elif student == STUDENT:
        said.append(
            f"The student {student} has 0.1 M weights, for rehearsals: it learns short patterns and no language. Name "
            f"smollm2-135m or a larger one in the recipe before you pay a teacher."
        )
    if not mock.is_simulated(named) and chosen.verify and JUDGE in chosen.verify:
        said.append(f"{named} judges its own answers: name another model in filter.verify for a stricter judge.")
    said += [chosen.remark] if chosen.remark else []
    return [*said, "Next:", f"  cotdistill run {recipe} --plan", f"  cotdistill run {recipe}"]


def write_ready(directory: Path, name: str) -> list[str]:
    """Write a recipe of `ready/`, sample prompts for it and a .env. Returns lines for the person. Raises UsageError for
    a name there is not, and where a recipe stands already."""
    recipe, content = directory / "recipe.toml", ready.text(name)
    if recipe.exists():
        raise UsageError(f"{recipe}: exists; give another directory, or delete it")
    fresh = [path for name in ("recipe.toml", PROMPTS, ".env") if not (path := directory / name).exists()]
    outputs.check([place for path in fresh for place in outputs.replaced(Place(path, outputs.never, "init"))])
    directory.mkdir(parents=True, exist_ok=True)
    write_whole(recipe, content.encode())
    samples = _write_samples(directory, "maths", SIMULATED, fresh, None)
    said = [f"{recipe}: {ready.summary(name)}", *samples, *_write_env(directory)]
    return [*said, "Next:", f"  cotdistill run {recipe} --plan", f"  cotdistill run {recipe}"]


def _write_env(directory: Path) -> list[str]:
    env = directory / ".env"
    if env.exists():
        return []
    env.touch(mode=0o600)
    shutil.copyfile(_ENV, env)
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
            return f"mock:{_from(directory, prompts.path)}"
        return f"mock:{SCRIPTED if task.sample is None else TEACHER}"
    provider, _, model = teacher.partition(":")
    is_file = provider in ("mock", "local") and Path(model).exists()
    return f"{provider}:{_from(directory, Path(model))}" if is_file else teacher


def _from(directory: Path, path: Path) -> str:
    return os.path.relpath(path, directory)


def _recipe(
    directory: Path, task: Task, teacher: str, student: str, prompts: OwnPrompts | None, base_url: str | None
) -> str:
    verify = task.verify
    if verify and JUDGE in verify:
        at = f",base_url={base_url}" if base_url else ""
        verify = verify.replace(JUDGE, f"mock:{VERDICTS}" if mock.is_simulated(teacher) else f"{teacher}{at}")
    if verify and LABELS in verify:
        verify = verify.replace(LABELS, "|".join(tasks.labels(task)))
    is_here = Path(student).exists() and students.resolve(student).source == student
    named = _from(directory, Path(student)) if is_here else student
    return _RECIPE.format(
        about=task.about.capitalize(),
        name="recipe.toml",
        prompts=_quoted(PROMPTS if prompts is None else _from(directory, prompts.path)),
        teacher=_quoted(teacher),
        student=_quoted(named),
        server=f"base_url = {_quoted(base_url)}" if base_url else '# base_url = "http://localhost:8000/v1"',
        columns=_columns(prompts) if prompts else "",
        template=f"template = {_quoted(task.template)}\n" if task.template else "",
        answers=task.answers,
        verify=f"verify = {_quoted(verify)}\n" if verify else "",
    )


def _columns(prompts: OwnPrompts) -> str:
    """What the recipe says of the reading of a person's prompts."""
    lines = [f"{name} = {_quoted(value)}\n" for name, value in prompts.columns()]
    aside = "skip_bad = true                   # records that are no prompts, to responses.bad.jsonl in each run\n"
    if own := prompts.ignored[:SHOWN_COLUMNS]:
        lines.append(
            f"# tag_field = [{', '.join(map(_quoted, own))}]   # columns not used: scores by each value of one\n"
        )
        lines += [] if prompts.named_ids else [f"# id_field = {_quoted(own[0])}   # ids of your own\n"]
    return "".join([*lines, *([aside] if prompts.bad.count else [])])


def _quoted(text: str) -> str:
    """A TOML string; its escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False)
