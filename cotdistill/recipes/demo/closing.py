"""What the demo says: a line a stage, the result as a table, one next step; the rest is in its README.md."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cotdistill import artifacts
from cotdistill.artifacts import Manifest, outputs
from cotdistill.artifacts.outputs import Place
from cotdistill.progress import Passed
from cotdistill.publishing import data_set_card
from cotdistill.recipes.demo.steps import Step

CHANCE = 0.1
"""Each operation permutes the ten digits, so every final digit is equally likely."""

BAR = 24
"""Characters of a bar that stands for 100 %."""

_MARK = "<!-- Written by cotdistill demo; the next one in this directory writes it anew. -->"


@dataclass(frozen=True)
class Score:
    """`interval` is Wilson's, of 95 %."""

    name: str
    student: Path
    accuracy: float
    interval: tuple[float, ...]


@dataclass(frozen=True)
class Result:
    """`seconds` by the clock."""

    directory: Path
    seed: int
    scores: Sequence[Score]
    seconds: float


class OnlyBars(Passed):
    """Passes on how far a stage is, and only those of its notes that warn."""

    def note(self, message: str) -> None:
        if message.startswith("WARNING: "):
            super().note(message)


def opening(example: str) -> str:
    return (
        f"The teacher is simulated: a program that solves chains of last-digit operations\n"
        f"such as {example}, and often forgets to borrow. No key, no network.\n"
    )


def line(stage: str, words: str) -> str:
    return f"  {stage:<9} {words}"


def kept(verified: Manifest) -> str:
    accuracy, count = verified.results["accuracy"], verified.counts["kept"]
    return f"{accuracy:.0%} end right; kept one right trace for {count:,} problems"


def words(result: Result, example: str) -> str:
    """The table, and one command to go on with; 79 columns where the directory's name is short."""
    first = result.scores[0].student
    return "\n".join(
        [
            "",
            *table(result.scores),
            "",
            "Same model, same steps; only what they learn from differs.",
            f"Every command, and how to go on with your own prompts: {result.directory}/README.md",
            "",
            "Ask the first one:",
            f"  {ask(first, example)}",
        ]
    )


def table(scores: Sequence[Score]) -> list[str]:
    lines = [f"  {'students that learn from':<26}{'right':>6}  {'':<{BAR}}  95 % interval"]
    for score in scores:
        low, high = score.interval
        lines.append(f"  {score.name:<26}{score.accuracy:>6.1%}  {bar(score.accuracy):<{BAR}}  {low:.1%} to {high:.1%}")
    return [*lines, f"  {'chance':<26}{CHANCE:>6.1%}  {bar(CHANCE):<{BAR}}".rstrip()]


def bar(share: float) -> str:
    """In eighths of a character."""
    eighths = round(share * BAR * 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def ask(student: Path, example: str) -> str:
    return f'cotdistill ask {shlex.quote(str(student))} "{example}"'


def check_readme(directory: Path) -> None:
    """Raises UsageError where a README stands that is neither the demo's nor format's."""

    def ours(path: Path) -> bool:
        return any(outputs.marked(mark.encode(), within=1 << 20)(path) for mark in (_MARK, data_set_card.MARK))

    outputs.check(outputs.replaced(Place(directory / "README.md", ours, f"-o {directory}")))


def write_readme(result: Result, steps: Sequence[Step], example: str) -> None:
    at, beside = result.directory, shlex.quote(str(result.scores[1].student))
    commands = "\n".join(step.command() for step in steps)
    text = f"""{_MARK}
# What the demo did

A simulated teacher answered chains of last-digit operations such as `{example}`, and often forgot to borrow. Four
students of 0.1 M parameters learnt from what it wrote; they differ in what of it they saw. On problems that none has
seen:

```
{chr(10).join(table(result.scores))}
```

Seed {result.seed}; all of it took {result.seconds:.0f} s.

## The same by hand

```sh
{commands}
```

## Now you

```sh
{ask(result.scores[0].student, example)} --beside {beside}
cotdistill report {shlex.quote(str(at))} -o report.html
cotdistill init mine
cotdistill init mine --prompts YOUR_FILE
```

The first command asks the student of right traces, and beside it the one of all traces, which has learnt to forget
the borrow. The second writes a page with the result, every trace and every student's answers. `init` writes a recipe
for prompts of yours.

## The files

| file | holds |
|---|---|
| `prompts.jsonl`, `heldout.jsonl` | problems to learn from, and others to score on |
| `responses.jsonl` | every answer of the teacher |
| `verified.jsonl`, `all.jsonl` | what filter kept; beside each, in `*.dropped.jsonl`, the others with their reasons |
| `*.train.jsonl` | training rows |
| `student-*/` | students that plain transformers loads |
| `scores.json`, `scores.answers.jsonl` | the scores, and every judged answer of the students |
| `*.manifest.json` | of each file, what it was made of and how |
"""
    artifacts.write_whole(at / "README.md", text.encode())
