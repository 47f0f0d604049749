"""How well answers out of a closed set of labels fit, class by class."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from cotdistill.records import Judged

NO_LABEL = "(none)"
"""Stands for an answer that names no single label."""

MAX_CLASSES = 200
"""With more labels than that, they are no classes."""


class Confusion(Counter[tuple[str, str]]):
    """Counts of (reference, answer) of the verdicts that the `label` verifier gave."""

    def add(self, judged: Judged) -> None:
        """An answer that did not end by itself names no label."""
        verdict, ended = judged.verdict, judged.response.stop_reason == "stop"
        if verdict.method == "label" and verdict.reference is not None:
            self[verdict.reference, (verdict.answer if ended else None) or NO_LABEL] += 1


def confusion_of(judged: Iterable[Judged]) -> Confusion:
    found = Confusion()
    for one in judged:
        found.add(one)
    return found


def class_scores(counts: Confusion) -> dict[str, Any] | None:
    """`classes`: n, precision, recall and F1 of each label; `macro_f1`: their mean; `confusion`: of each reference, how
    many got which answer. None without labels. A label that is never answered has precision 0."""
    labels = sorted({gold for gold, _ in counts})
    if not labels or len(labels) > MAX_CLASSES:
        return None
    classes = {label: _of_class(counts, label) for label in labels}
    return {
        "classes": classes,
        "macro_f1": round(sum(one["f1"] for one in classes.values()) / len(classes), 4),
        "confusion": {
            label: {answer: n for (gold, answer), n in sorted(counts.items()) if gold == label} for label in labels
        },
    }


def _of_class(counts: Confusion, label: str) -> dict[str, Any]:
    right = counts[label, label]
    wanted = sum(n for (gold, _), n in counts.items() if gold == label)
    said = sum(n for (_, answer), n in counts.items() if answer == label)
    precision, recall = right / said if said else 0.0, right / wanted
    f1 = 2 * precision * recall / (precision + recall) if right else 0.0
    return {"n": wanted, "precision": round(precision, 4), "recall": round(recall, 4), "f1": round(f1, 4)}
