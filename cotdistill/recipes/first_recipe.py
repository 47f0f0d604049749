"""The recipe that `cotdistill init` writes, with a comment behind each line that a user may want to change."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from cotdistill import mock, students, teachers
from cotdistill.config import ExpandConfig
from cotdistill.providers.keys import is_own_server
from cotdistill.recipes import tasks
from cotdistill.recipes.own_prompts import SHOWN_COLUMNS, OwnPrompts
from cotdistill.recipes.tasks import JUDGE, LABELS, Task

PROMPTS, TEACHER, VERDICTS = "prompts.jsonl", "teacher.jsonl", "verdicts.jsonl"
"""The files beside the recipe."""

_QUESTIONS, _MOST_PER_PASSAGE = 300, 4
"""How many questions a first recipe asks for, and the most for one passage: the teacher is asked for four kinds."""

_EMBEDDED = (students.TINY, students.SMOLLM2)

_PASSAGE_LETTERS = {students.TINY: 150}
_LETTERS = 1_000

_RECIPE = """\
# {about}. Run it:  cotdistill run {name}        What would run, and its cost:  cotdistill run {name} --plan
# A table is a stage, a key an option of its command (`cotdistill generate --help-all`); paths are relative to here.

prompts = {prompts}         # {what}
runs = "runs"                     # one dated directory a run; runs/latest is the last complete one
keep = 10                         # older ones go
# max_cost_per_month = 50.0       # USD, over all runs on this store
{expand}
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
student = {student}  # {others}, a hub id, a directory, a .gguf file
# epochs = 3                      # passes over the rows; left out: more for few rows

[evaluate]
{verify}baseline = [{student}]             # the same model before training
max_output_tokens = 256
"""


_OWN_SERVER = """
price_in = 0.0                    # USD per million tokens; the server is your own. A gateway that bills has a price
price_out = 0.0"""
_NO_TEMPLATE = '# template = "./mine.md"          # how the teacher is asked: a text with $question, or a name\n'
_NO_VERIFIER = (
    '# verify = "./mine.py"            # how answers are judged: a name, or a file; left out: as references read\n'
)

_PROMPTS = 'or .csv, .parquet, .txt, "hf:openai/gsm8k:main:train"; append to it, and run again'
_FOLDER = "text, Markdown, HTML and PDF, with all folders below; add documents, and run again"

_EXPAND = """
[expand]
teacher = {teacher}         # writes questions about the documents
{server}
method = "extract:letters={letters}"    # whose answers stand there word for word; passages of {letters} letters at most
per_seed = {per_passage:<22}  # questions for each passage, on average, {questions} in all; of more documents more
cache = "store.sqlite"
"""


@dataclass(frozen=True)
class Folder:
    """A document or a folder of documents, and how many passages they have."""

    path: Path
    passages: int

    @property
    def per_passage(self) -> float:
        """Questions for each passage, so that there are some hundreds: the first run is a trial."""
        return min(_MOST_PER_PASSAGE, float(f"{_QUESTIONS / self.passages:.2g}"))


def passage_letters(student: str) -> int:
    """The length of the passages that questions are asked about: the tiny student reads a sentence or two."""
    return _PASSAGE_LETTERS.get(student, _LETTERS)


def text(
    directory: Path, task: Task, teacher: str, student: str, prompts: OwnPrompts | Folder | None, base_url: str | None
) -> str:
    """The recipe. Its paths are relative to `directory`."""
    documents = prompts if isinstance(prompts, Folder) else None
    own = not mock.is_simulated(teacher) and is_own_server(teachers.build(teacher, base_url).base_url)
    server = f"base_url = {_quoted(base_url)}" if base_url else '# base_url = "http://localhost:8000/v1"'
    server += _OWN_SERVER if own else ""
    verify = task.verify
    if verify and JUDGE in verify:
        at = f",base_url={base_url}" if base_url else ""
        at += ",price_in=0,price_out=0" if own else ""
        verify = verify.replace(JUDGE, f"mock:{VERDICTS}" if mock.is_simulated(teacher) else f"{teacher}{at}")
    if verify and LABELS in verify:
        verify = verify.replace(LABELS, "|".join(tasks.labels(task)))
    is_here = Path(student).exists() and students.resolve(student).source == student
    named = seen_from(directory, Path(student)) if is_here else student
    return _RECIPE.format(
        about=task.about.capitalize(),
        name="recipe.toml",
        prompts=_quoted(seen_from(directory, prompts.path) if prompts else PROMPTS),
        what=_FOLDER if documents else _PROMPTS,
        expand=_expand(documents, teacher, student, server) if documents else "",
        teacher=_quoted(teacher),
        student=_quoted(named),
        others=" or ".join(name for name in _EMBEDDED if name != named),
        server=server,
        columns=_columns(prompts) if isinstance(prompts, OwnPrompts) else "",
        template=f"template = {_quoted(task.template)}\n" if task.template else _NO_TEMPLATE,
        answers=task.answers,
        verify=f"verify = {_quoted(verify)}\n" if verify else _NO_VERIFIER,
    )


def _expand(documents: Folder, teacher: str, student: str, server: str) -> str:
    return _EXPAND.format(
        teacher=_quoted(teacher),
        server=server,
        letters=passage_letters(student),
        per_passage=f"{documents.per_passage:g}",
        questions=f"{ExpandConfig(teacher=teacher, per_seed=documents.per_passage).wanted(documents.passages):,}",
    )


def _columns(prompts: OwnPrompts) -> str:
    """The recipe's lines on how the user's prompts are read."""
    lines = [f"{name} = {_quoted(value)}\n" for name, value in prompts.columns()]
    aside = "skip_bad = true                   # records that are no prompts, to responses.bad.jsonl in each run\n"
    if own := prompts.ignored[:SHOWN_COLUMNS]:
        lines.append(
            f"# tag_field = [{', '.join(map(_quoted, own))}]   # columns not used: scores by each value of one\n"
        )
        lines += [] if prompts.named_ids else [f"# id_field = {_quoted(own[0])}   # ids of your own\n"]
    return "".join([*lines, *([aside] if prompts.bad.count else [])])


def _quoted(text: str) -> str:
    """A TOML string; its escapes are JSON's."""
    return json.dumps(text, ensure_ascii=False)


def seen_from(directory: Path, path: Path) -> str:
    return os.path.relpath(path, directory)
