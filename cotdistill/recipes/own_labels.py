"""The closed set of labels that a person's references name: without what is only another spelling of one."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from pathlib import Path

from cotdistill import plugins
from cotdistill.artifacts import write_whole
from cotdistill.errors import CotDistillError
from cotdistill.inputs import templates
from cotdistill.recipes.tasks import LABELS, Task

TEMPLATE, FILE = "template.md", "labels.txt"
SHOWN = 12
MOST_IN_A_LINE = 20
MOST = 200
"""Labels; with more they are no closed set."""

LONGEST = 80
RARE = 0.05
"""Of what a slip looks like: a label that is more frequent is one of its own."""

ALIKE = 0.85
"""Of the letters (Ratcliff and Obershelp)."""


@dataclass(frozen=True)
class Slip:
    """A label that looks like a misspelt one: `label`, which `count` records have, for `meant`, which `of` have."""

    label: str
    count: int
    meant: str
    of: int

    def __str__(self) -> str:
        return f"{self.label!r} ({self.count:,}, beside {self.of:,} of {self.meant!r})"


@dataclass(frozen=True)
class Labels:
    """`names` in alphabetical order; empty where the references are no closed set. `slips` are left out of them."""

    names: tuple[str, ...] = ()
    slips: tuple[Slip, ...] = ()

    @property
    def in_a_line(self) -> bool:
        """Whether an option of a recipe can hold them; else they need a file."""
        if len(self.names) > MOST_IN_A_LINE:
            return False
        try:
            plugins.build("verifiers", f"label:labels={'|'.join(self.names)}")
        except CotDistillError:
            return False
        return True


def labels_of(references: Iterable[str]) -> Labels:
    """Case and spaces make no other label; the most frequent spelling stands for all."""
    spellings: dict[str, Counter[str]] = {}
    for one in references:
        name = " ".join(one.split())
        spellings.setdefault(name.casefold(), Counter())[name] += 1
        if len(spellings) > 2 * MOST or len(name) > LONGEST:
            return Labels()
    counts = {same.most_common(1)[0][0]: same.total() for same in spellings.values()}
    slips = [slip for label in counts if (slip := _slip(label, counts))]
    names = sorted(set(counts) - {slip.label for slip in slips})
    return Labels(tuple(names), tuple(slips)) if 2 <= len(names) <= MOST else Labels()


def written(directory: Path, task: Task, labels: Labels) -> tuple[Task, list[str]]:
    """The task with a person's own labels: in its verifier, and in a template, for a teacher knows only what its prompt
    says. Returns lines for the person too."""
    if not labels.names:
        return replace(task, verify="exact"), [
            "The references are no closed set of labels: they are compared as words."
        ]
    said = [f"{len(labels.names)} labels: {', '.join(labels.names[:SHOWN])}{', …' * (len(labels.names) > SHOWN)}"]
    if labels.slips:
        said.append(
            f"Left out as misspelt: {', '.join(map(str, labels.slips))}. Correct them in the file, or write them into "
            f"the recipe; until then answers to such prompts are dropped as bad_reference."
        )
    if not labels.in_a_line:
        write_whole(directory / FILE, ("\n".join(labels.names) + "\n").encode())
    listed = "\n".join(f"- {name}" for name in labels.names).replace("$", "$$")
    own = templates.text(task.template or "worked").replace("$question", f"$question\n\nThe classes are:\n{listed}", 1)
    write_whole(directory / TEMPLATE, f"{own}\n".encode())
    said.append(f"{directory / TEMPLATE}: how the teacher is asked, with the labels")
    spec = "|".join(labels.names) if labels.in_a_line else f"./{FILE}"
    verify = (task.verify or "").replace(LABELS, spec)
    return replace(task, template=TEMPLATE, verify=verify), said


def _slip(label: str, counts: dict[str, int]) -> Slip | None:
    """Numbers and single letters are names of their own: class 1 is no slip for class 2."""
    frequent = [one for one, count in counts.items() if counts[label] <= RARE * count and _words(one) != _words(label)]
    likeness = {one: SequenceMatcher(None, one.casefold(), label.casefold()).ratio() for one in frequent}
    meant = max(likeness, key=likeness.__getitem__, default=None)
    if meant is None or likeness[meant] < ALIKE or _figures(meant) != _figures(label):
        return None
    return Slip(label, counts[label], meant, counts[meant])


def _words(label: str) -> Sequence[str]:
    return sorted(label.casefold().split())


def _figures(label: str) -> Sequence[str]:
    """What names one of a series: numbers and single letters."""
    return [word for word in label.casefold().split() if len(word) == 1 or any(map(str.isdigit, word))]
