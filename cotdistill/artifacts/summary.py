"""A stage's manifest, for the person who ran it and for a pipe."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import msgspec

from cotdistill.artifacts import Manifest

TAGS_SHOWN = 20
MOST_VALUES = 20
"""A tag of more values, such as a page, names single prompts and no groups."""

LABELS = {
    "bought": "asked now",
    "from_store": "from the store",
    "in_store": "in the store",
    "not_asked": "left to ask",
    "to_ask_at_most": "to ask at most",
    "kept": "responses kept",
    "prompts_kept": "prompts with one kept",
    "stop": "finished",
    "length": "cut at the token cap",
    "padding_share": "padding",
    "teacher_disagrees_share": "teacher's first choice is another token at",
    "teacher_entropy": "teacher's entropy in nats a token",
    "output_tokens": "output tokens, guessed from stored answers",
    "cost_usd": "cost in USD, guessed from stored answers",
    "cost_usd_batch": "cost in USD with --batch, guessed from stored answers",
    "cost_usd_at_most": "cost in USD at most, every answer at its cap",
    "cost_usd_at_most_batch": "cost in USD at most with --batch",
    "prompts_by_pass_rate": "prompts by share of right samples",
    "tokens_per_s": "tokens a second",
    "estimated_seconds": "time of the whole training, estimated from these steps",
    "measured_memory_gb": "memory that these steps took, in GB",
    "free_memory_gb": "memory that is free, in GB",
    "checkpoint_gb": "disk that a checkpoint takes, in GB",
    "teacher_gb": "of it the teacher, in GB",
    "new_prompts": "new prompts",
    "wrong_references_expected_share": "references expected to be wrong, by the seeds",
    "majority_on_seeds": "what most answers to a seed say, by votes",
    "kept_share": "prompts kept of those written",
    "margin_share": "how far off that cost may be, nine times in ten",
    "to_write": "requests for new prompts",
    "to_answer": "requests for answers to them",
    "seeds_covered_share": "seeds with a new prompt",
    "distinct_2_share": "different pairs of words (distinct-2)",
    "cost_usd_per_kept": "cost in USD a kept one",
}
"""What people read in the place of a manifest's key; scripts read the keys."""

PASS_RATES = {
    "0": "none",
    "to 1/4": "up to 1/4",
    "to 1/2": "up to 1/2",
    "to 3/4": "up to 3/4",
    "below 1": "more, not all",
    "1": "all",
}
"""Of a prompt's samples, how many are right."""


def label(key: str) -> str:
    return LABELS.get(key, key.replace("_", " "))


def as_json(manifest: Manifest) -> str:
    return msgspec.json.encode(manifest).decode()


def one_line(manifest: Manifest) -> str:
    """For a log: stage, counts, cost, where the result is."""
    counts = ", ".join(f"{label(name)} {count:,}" for name, count in manifest.counts.items())
    known = manifest.cost_usd
    cost = "" if known is None else f", {known} USD in all with what was in the store (estimate)"
    if (spent := manifest.results.get("spent_usd")) is not None:
        cost = f", spent {spent} USD now{cost}" if manifest.counts.get("bought") or cost else ""
    where = f" -> {manifest.outputs[0].path}" if manifest.outputs else " (dry run, nothing written)"
    return f"{manifest.stage}: {counts}{cost}{where}"


def as_text(manifest: Manifest) -> str:
    lines = [one_line(manifest), *_table(manifest.results)]
    if not manifest.complete and manifest.outputs:
        lines.append(f"  {_unfinished(manifest)}")
    return "\n".join([*lines, *(f"  {_note(note)}" for note in manifest.notes)])


def _note(note: str) -> str:
    return note if note.startswith("WARNING: ") else f"note: {note}"


def _unfinished(manifest: Manifest) -> str:
    if manifest.stage == "expand":
        return f"fewer prompts than --count; why the others were left out stands in {manifest.outputs[-1].path}"
    failed = next((one for one in manifest.outputs if one.path.endswith(".failed.jsonl")), manifest.outputs[-1])
    return f"some prompts failed; see {failed.path}. The same command asks only for them"


def _table(results: dict[str, Any]) -> list[str]:
    lines = []
    for name, value in results.items():
        if name in ("columns", "spent_usd", "features", "guard", "guessing", "draft", "right") or name.endswith(
            "_interval"
        ):
            continue  # said elsewhere: before the first request, in the card, with the number it belongs to
        title = label(name)
        if name in _TABLES:
            lines += _TABLES[name](value)
        elif name == "accuracy":
            lines.append(f"  {title}: {value:.1%}{_spread(results.get('accuracy_interval'))}")
        elif isinstance(value, dict) and value and sum(map(len, value)) > 60:
            lines += [f"  {title}:", *(f"    {count:>9,}  {key}" for key, count in value.items())]
        elif isinstance(value, dict):
            lines.append(
                f"  {title}: " + ", ".join(f"{PASS_RATES.get(key, key)} {count:,}" for key, count in value.items())
                if value
                else ""
            )
        else:
            lines.append(f"  {title}: {_figure(name, value)}")
    return [line for line in lines if line]


def _by_method(methods: dict[str, dict[str, Any]]) -> list[str]:
    """One line a method of expand: what it was asked, what it yields, what one kept prompt costs."""
    width = max(map(len, methods), default=0)
    lines = []
    for method, one in methods.items():
        share = f"  yield {one['yield']:6.1%}" if "yield" in one else ""
        cost = f"  {one['cost_usd_per_kept']} USD a kept prompt" if "cost_usd_per_kept" in one else ""
        lines.append(f"    {method:<{width}}  {one['kept']:>7,} kept of {one['asked']:,} requests{share}{cost}")
    return ["  methods:", *lines]


def _by_votes(votes: dict[str, dict[str, int]]) -> list[str]:
    shares = [f"{name}: {one['right']} right of {one['seeds']}" for name, one in votes.items()]
    return [f"  {label('majority_on_seeds')}: {', '.join(shares)}"] if shares else []


def _figure(name: str, value: Any) -> str:
    if name == "estimated_seconds":
        return f"{timedelta(seconds=round(value))} h" if value >= 60 else f"{value:.0f} s"
    if name.endswith("_share") and isinstance(value, float):
        return f"{value:.1%}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _spread(interval: list[float] | None) -> str:
    return f" (95 % interval {interval[0]:.1%} to {interval[1]:.1%})" if interval else ""


def telling(tags: Iterable[str]) -> list[str]:
    """Of `name=value`, those whose name has several values, and no more than a group has: a tag that all prompts share
    says nothing, nor does one that hardly two of them share."""
    tags = list(tags)
    values = Counter(tag.partition("=")[0] for tag in tags)
    return [tag for tag in tags if 1 < values[tag.partition("=")[0]] <= MOST_VALUES]


def _by_tag(every: dict[str, dict[str, Any]]) -> list[str]:
    tags = {tag: every[tag] for tag in telling(every)}
    width = max(map(len, tags), default=0)
    lines = [
        f"    {tag:<{width}}  {entry['accuracy']:6.1%}{_spread(entry['interval'])}  {entry['responses']:,} responses"
        for tag, entry in list(tags.items())[:TAGS_SHOWN]
    ]
    more = [f"    and {len(every) - len(lines)} more tags; --json has all"] if len(every) > len(lines) else []
    return ["  accuracy by tag:", *lines, *more] if lines else []


def _by_class(found: dict[str, Any], indent: str = "  ") -> list[str]:
    """One line a class: precision, recall, F1, and what it is mostly taken for instead."""
    classes: dict[str, dict[str, Any]] = found["classes"]
    width = max(map(len, classes))
    lines = [f"{indent}by class (macro F1 {found['macro_f1']:.3f}):"]
    for name, one in list(classes.items())[:TAGS_SHOWN]:
        wrong = {answer: n for answer, n in found["confusion"][name].items() if answer != name}
        most = max(wrong, key=lambda answer: wrong[answer], default=None)
        lines.append(
            f"{indent}  {name:<{width}}  precision {one['precision']:6.1%}  recall {one['recall']:6.1%}  "
            f"F1 {one['f1']:.3f}  n={one['n']:,}{f'  taken for {most} {wrong[most]:,} times' if most else ''}"
        )
    more = [f"{indent}  and {len(classes) - TAGS_SHOWN} more classes; --json has all"]
    return lines + (more if len(classes) > TAGS_SHOWN else [])


def _in_one_line(found: dict[str, Any]) -> list[str]:
    return [f"  confidence: {_confidence(found)}"]


def _confidence(found: dict[str, Any]) -> str:
    """How well log-probabilities tell right answers from wrong ones."""
    words = [f"calibration error {found['sequence']['ece']:.1%} over {found['n']:,} answers"]
    for name, of in (("sequence", "of a right and a wrong answer the surer one is right"), ("prompt", "by prompt")):
        if (area := found.get(name, {}).get("auc")) is not None:
            words.append(f"{of} in {area:.0%} of pairs (AUC)")
    return "; ".join(words)


def scores_table(students: list[dict[str, Any]]) -> list[str]:
    """One line a student: accuracy, interval, how often it stopped by itself."""
    width = max(len(entry["student"]) for entry in students)
    lines = []
    for entry in students:
        low, high = entry["interval"]
        passes = "  ".join(f"pass@{k} {share:.1%}" for k, share in entry.get("pass_at", {}).items())
        if majority := entry.get("majority"):
            passes += f"  majority@{majority['k']} {majority['accuracy']:.1%}"
        lines.append(
            f"  {entry['student']:<{width}}  {entry['accuracy']:6.1%}  [{low:.1%}, {high:.1%}]  n={entry['n']}  "
            f"finished {entry['stopped']:.0%}  {passes}".rstrip()
        )
        if confidence := entry.get("confidence"):
            lines.append(f"  {'':<{width}}  confidence: {_confidence(confidence)}")
        tags = ", ".join(f"{tag} {entry['by_tag'][tag]['accuracy']:.0%}" for tag in entry.get("weakest", []))
        if by_class := entry.get("by_class"):
            lines += _by_class(by_class, indent=f"  {'':<{width}}  ")
        lines += [f"  {'':<{width}}  weakest: {tags}"] if len(entry.get("by_tag", {})) > 1 and tags else []
    return lines


def _by_teacher(teachers: dict[str, dict[str, Any]]) -> list[str]:
    """One line a teacher of a cascade: what it was asked, what it had right, what that cost."""
    width = max(map(len, teachers), default=0)
    lines = []
    for name, one in teachers.items():
        share = f" ({one['prompts_right'] / one['prompts']:.1%})" if one["prompts"] else ""
        cost = f", {one['cost_usd']} USD" if "cost_usd" in one else ""
        each = f", {one['cost_usd_per_prompt_right']} USD each" if "cost_usd_per_prompt_right" in one else ""
        right = f"right on {one['prompts_right']:,}{share}"
        lines.append(f"    {name:<{width}}  asked {one['prompts']:,} prompts, {right}{cost}{each}")
    return ["  teachers:", *lines]


def _by_teacher_asked(teachers: dict[str, dict[str, Any]]) -> list[str]:
    """The same of a dry run."""
    width = max(map(len, teachers), default=0)
    lines = []
    for name, one in teachers.items():
        most = f"at most {one['requests_at_most']:,} requests"
        most += f", {one['cost_usd_at_most']} USD" if "cost_usd_at_most" in one else ""
        guess = f"; expected {one['requests']:,}" if "requests" in one else ""
        guess += f", {one['cost_usd']} USD" if guess and "cost_usd" in one else ""
        lines.append(f"    {name:<{width}}  {most}{guess}")
    return ["  teachers:", *lines]


_TABLES: dict[str, Callable[[Any], list[str]]] = {
    "teachers": _by_teacher,
    "teachers_asked": _by_teacher_asked,
    "accuracy_by_tag": _by_tag,
    "by_class": _by_class,
    "confidence": _in_one_line,
    "majority_on_seeds": _by_votes,
    "methods": _by_method,
    "students": scores_table,
}
"""Figures that take lines of their own."""
