"""For answers out of a closed set: how well each label fits, what it is taken for, and what a guess has right."""

from collections.abc import Sequence

from cotdistill.artifacts.scores import ByClass, Score
from cotdistill.report import html
from cotdistill.report.run import Run
from cotdistill.report.words import share

MOST_TAKEN_FOR = 3
"""Wrong answers that are named for a class, the most frequent first."""


def table(scores: Sequence[tuple[str, Score]]) -> str:
    """Of each student, by its short name, what evaluate says of it; nothing where no answer is a label."""
    known = [(name, score.by_class) for name, score in scores if score.by_class]
    return "".join(
        html.under(f"{name}: macro F1 {found.macro_f1:.3f}", _of_student(found))
        if len(known) > 1
        else html.paragraph(f"Macro F1 {found.macro_f1:.3f}") + _of_student(found)
        for name, found in known
    )


def guessing(run: Run) -> str:
    """What a blind guess has right, where no warning says it."""
    known = [one.manifest.results.get("guessing") for one in run.stage("evaluate")[-1:]]
    said = [f"Guessing {level['how']} would be right on {share(level['accuracy'])}." for level in known if level]
    if any("guessing" in words for words in run.warnings):
        return ""
    return "".join(f'<p class="caption">{html.escape(level)}</p>' for level in said)


def _of_student(found: ByClass) -> str:
    rows = [
        (
            label,
            f"{one.n:,}",
            share(one.precision),
            share(one.recall),
            f"{one.f1:.3f}",
            _taken_for(label, found.confusion[label]),
        )
        for label, one in found.classes.items()
    ]
    return html.table(["class", "prompts", "precision", "recall", "F1", "taken for"], rows, numbers=range(1, 5))


def _taken_for(label: str, answers: dict[str, int]) -> str:
    wrong = sorted(((count, answer) for answer, count in answers.items() if answer != label), reverse=True)
    named = [f"{answer} {count:,}" for count, answer in wrong[:MOST_TAKEN_FOR]]
    return ", ".join([*named, *(["…"] if len(wrong) > MOST_TAKEN_FOR else [])])
