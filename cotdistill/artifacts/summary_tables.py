"""The figures of a manifest that take lines of their own: a line for each teacher, method, tag, class or student."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from cotdistill.artifacts.scores import ByClass, Score, Sureness, read
from cotdistill.artifacts.summary_labels import label
from cotdistill.wording import shown_name, usd

TAGS_SHOWN = 20
MOST_VALUES = 20
"""A tag of more values, such as a page, names single prompts and no groups."""


def _by_method(methods: dict[str, dict[str, Any]]) -> list[str]:
    """One line a method of expand: what it was asked, what it yields, what one kept prompt costs."""
    width = max(map(len, methods), default=0)
    lines = []
    for method, one in methods.items():
        share = f"  yield {one['yield']:6.1%}" if "yield" in one else ""
        cost = f"  {usd(one['cost_usd_per_kept'])} a kept prompt" if "cost_usd_per_kept" in one else ""
        lines.append(f"    {method:<{width}}  {one['kept']:>7,} kept of {one['asked']:,} requests{share}{cost}")
    return ["  methods:", *lines]


def _by_votes(votes: dict[str, dict[str, int]]) -> list[str]:
    shares = [f"{name}: {one['right']} right of {one['seeds']}" for name, one in votes.items()]
    return [f"  {label('majority_on_seeds')}: {', '.join(shares)}"] if shares else []


def spread(interval: list[float] | None) -> str:
    return f" (95 % interval {interval[0]:.1%} to {interval[1]:.1%})" if interval else ""


def distinguishing(tags: Iterable[str]) -> list[str]:
    """Those of the tags `name=value` whose name has several values, but at most MOST_VALUES: a tag that all prompts
    share says nothing, nor does one that hardly two of them share."""
    tags = list(tags)
    values = Counter(tag.partition("=")[0] for tag in tags)
    return [tag for tag in tags if 1 < values[tag.partition("=")[0]] <= MOST_VALUES]


def _by_tag(every: dict[str, dict[str, Any]]) -> list[str]:
    tags = {tag: every[tag] for tag in distinguishing(every)}
    width = max((len(shown_name(tag)) for tag in tags), default=0)
    lines = [
        f"    {shown_name(tag):<{width}}  {entry['accuracy']:6.1%}{spread(entry['interval'])}  "
        f"{entry['responses']:,} responses"
        for tag, entry in list(tags.items())[:TAGS_SHOWN]
    ]
    more = [f"    and {len(every) - len(lines)} more tags; --json has all"] if len(every) > len(lines) else []
    return ["  accuracy by tag:", *lines, *more] if lines else []


def _by_class(found: ByClass, indent: str = "  ") -> list[str]:
    """One line a class: precision, recall, F1, and what it is mostly taken for instead."""
    classes = found.classes
    width = max(len(shown_name(name)) for name in classes)
    lines = [f"{indent}by class (macro F1 {found.macro_f1:.3f}):"]
    for name, one in list(classes.items())[:TAGS_SHOWN]:
        wrong = {answer: n for answer, n in found.confusion[name].items() if answer != name}
        most = max(wrong, key=lambda answer: wrong[answer], default=None)
        lines.append(
            f"{indent}  {shown_name(name):<{width}}  precision {one.precision:6.1%}  recall {one.recall:6.1%}  "
            f"F1 {one.f1:.3f}  n={one.n:,}" + (f"  taken for {shown_name(most)} {wrong[most]:,} times" if most else "")
        )
    more = [f"{indent}  and {len(classes) - TAGS_SHOWN} more classes; --json has all"]
    return lines + (more if len(classes) > TAGS_SHOWN else [])


def _by_confidence(found: Sureness) -> list[str]:
    return [f"  confidence: {_confidence(found)}"]


def _confidence(found: Sureness) -> str:
    """How well log-probabilities separate right answers from wrong ones."""
    words = [f"calibration error {found.sequence.ece:.1%} over {found.n:,} answers"]
    measured = ((found.sequence, "of a right and a wrong answer the surer one is right"), (found.prompt, "by prompt"))
    for one, of in measured:
        if one and one.auc is not None:
            words.append(f"{of} in {one.auc:.0%} of pairs (AUC)")
    return "; ".join(words)


def scores_table(students: Sequence[Score]) -> list[str]:
    """One line a student: accuracy, interval, how often it stopped by itself."""
    width = max(len(one.student) for one in students)
    lines = []
    for one in students:
        low, high = one.interval
        passes = "  ".join(f"pass@{k} {share:.1%}" for k, share in one.pass_at.items())
        if one.majority:
            passes += f"  majority@{one.majority.k} {one.majority.accuracy:.1%}"
        lines.append(
            f"  {one.student:<{width}}  {one.accuracy:6.1%}  [{low:.1%}, {high:.1%}]  n={one.n}  "
            f"finished {one.stopped:.0%}  {passes}".rstrip()
        )
        if one.confidence:
            lines.append(f"  {'':<{width}}  confidence: {_confidence(one.confidence)}")
        tags = ", ".join(f"{shown_name(tag)} {one.by_tag[tag].accuracy:.0%}" for tag in one.weakest)
        if one.by_class:
            lines += _by_class(one.by_class, indent=f"  {'':<{width}}  ")
        lines += [f"  {'':<{width}}  weakest: {tags}"] if len(one.by_tag) > 1 and tags else []
    return lines


def _by_teacher(teachers: dict[str, dict[str, Any]]) -> list[str]:
    """One line a teacher of a cascade: what it was asked, what it had right, what that cost."""
    width = max(map(len, teachers), default=0)
    lines = []
    for name, one in teachers.items():
        share = f" ({one['prompts_right'] / one['prompts']:.1%})" if one["prompts"] else ""
        cost = f", {usd(one['cost_usd'])}" if "cost_usd" in one else ""
        each = f", {usd(one['cost_usd_per_prompt_right'])} each" if "cost_usd_per_prompt_right" in one else ""
        right = f"right on {one['prompts_right']:,}{share}"
        lines.append(f"    {name:<{width}}  asked {one['prompts']:,} prompts, {right}{cost}{each}")
    return ["  teachers:", *lines]


def _by_teacher_asked(teachers: dict[str, dict[str, Any]]) -> list[str]:
    """The same of a dry run."""
    width = max(map(len, teachers), default=0)
    lines = []
    for name, one in teachers.items():
        most = f"at most {one['requests_at_most']:,} requests"
        most += f", {usd(one['cost_usd_at_most'])}" if "cost_usd_at_most" in one else ""
        guess = f"; expected {one['requests']:,}" if "requests" in one else ""
        guess += f", {usd(one['cost_usd'])}" if guess and "cost_usd" in one else ""
        lines.append(f"    {name:<{width}}  {most}{guess}")
    return ["  teachers:", *lines]


TABLES: dict[str, Callable[[Any], list[str]]] = {
    "teachers": _by_teacher,
    "teachers_asked": _by_teacher_asked,
    "accuracy_by_tag": _by_tag,
    "by_class": lambda found: _by_class(read(found, ByClass)),
    "confidence": lambda found: _by_confidence(read(found, Sureness)),
    "majority_on_seeds": _by_votes,
    "methods": _by_method,
    "students": lambda found: scores_table(read(found, list[Score])),
}
"""Figures that take lines of their own."""
