"""What the page shows of a run of filter: streamed, and sampled where there is too much of it."""

import hashlib
import heapq
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from cotdistill.artifacts import lineage, sibling
from cotdistill.artifacts.json_lines import read_records
from cotdistill.artifacts.lineage import Found
from cotdistill.records import UNDECIDED, Dropped, Judged, Prompt, is_right, question_of
from cotdistill.report.words import STATUS, reason

KEPT = "kept"

PROMPTS_SHOWN = 400
PER_REASON = 8
"""Prompts that are shown for each reason of a drop, whatever the lot says."""

LONGEST_TEXT = 6_000
TRACE_BYTES = 2_500_000
"""Of the traces in the page, which stays below 5 MB with the answers."""

ROWS_SHOWN = 50
TITLE = 200
"""Characters of a question in a list."""


def manifests(directory: Path) -> dict[str, list[Found]]:
    """By stage."""
    found: dict[str, list[Found]] = defaultdict(list)
    for one in lineage.within(directory):
        found[one.manifest.stage].append(one)
    return dict(found)


def curve(student: Path) -> list[tuple[float, float]]:
    """Step and training loss."""
    path = student / "metrics.jsonl"
    entries = read_records(path, dict[str, Any]) if path.is_file() else iter(())
    return [(entry["step"], entry["loss"]) for entry in entries if "step" in entry and "loss" in entry]


def trace_lengths(kept: Path) -> list[int]:
    """Characters of the kept traces."""
    return [len(one.response.reasoning or one.response.text) for one in read_records(kept, Judged)]


def suspects(kept: Path) -> list[dict[str, Any]]:
    path = sibling(kept, "suspects.jsonl")
    return _first(read_records(path, dict[str, Any])) if path.is_file() else []


def contaminated(kept: Path) -> list[Dropped]:
    """Drops because a problem is in an evaluation set; the reason names the match."""
    path = sibling(kept, "dropped.jsonl")
    hits = (one for one in read_records(path, Dropped) if one.filter == "contamination") if path.is_file() else iter(())
    return _first(hits)


def _first(items: Iterator[Any]) -> list[Any]:
    return [item for item, _ in zip(items, range(ROWS_SHOWN), strict=False)]


@dataclass(frozen=True)
class Traces:
    """Prompts with all their samples, in the order of their ids' lots; `prompts` is how many there are in all."""

    prompts: int
    shown: list[dict[str, Any]]


def traces(kept: Path, most_bytes: int = TRACE_BYTES) -> Traces:
    """Goes through both files of a filter run twice: which prompts, then their samples. Memory does not grow with them,
    but for one number a prompt."""
    lots: dict[int, str] = {}
    by_reason: dict[str, list[str]] = defaultdict(list)
    names: set[int] = set()
    for judged, decision in _decided(kept):
        name = judged.response.prompt.id
        if (lot := _lot(name)) not in names:
            names.add(lot)
            lots[lot] = name
            if len(lots) > 4 * PROMPTS_SHOWN:
                lots = {lot: lots[lot] for lot in heapq.nsmallest(PROMPTS_SHOWN, lots)}
        if len(alike := by_reason[decision]) < PER_REASON and name not in alike:
            alike.append(name)
    wanted = [lots[lot] for lot in heapq.nsmallest(PROMPTS_SHOWN, lots)]
    wanted = list(dict.fromkeys([*(name for alike in by_reason.values() for name in alike), *wanted]))
    return Traces(len(names), _within_budget(kept, wanted, most_bytes))


def _within_budget(kept: Path, wanted: list[str], most_bytes: int) -> list[dict[str, Any]]:
    order = {name: place for place, name in enumerate(wanted)}
    found: dict[str, dict[str, Any]] = {}
    for judged, decision in _decided(kept):
        prompt = judged.response.prompt
        if prompt.id not in order:
            continue
        entry = found.setdefault(prompt.id, asked(prompt) | {"samples": []})
        sample = answer(judged)
        entry["samples"].append({"name": f"sample {judged.response.sample}", "decision": decision} | sample)
    shown, size = [], 0
    for name in sorted(found, key=order.__getitem__):
        entry = found[name]
        entry["samples"].sort(key=lambda sample: int(sample["name"].removeprefix("sample ")))
        size += len(msgspec.json.encode(entry))
        if size > most_bytes:
            break
        shown.append(entry)
    return shown


def asked(prompt: Prompt) -> dict[str, Any]:
    """The whole conversation, and the right answer."""
    turns = [{"role": turn.role, "content": shortened(turn.content)} for turn in prompt.messages]
    return {"id": prompt.id, "turns": turns, "question": _title(question_of(prompt)), "reference": _tests(prompt)}


def _tests(prompt: Prompt) -> str | None:
    """The reference; of tests that stand in an object with what belongs to them, the tests as they are written."""
    try:
        found = msgspec.json.decode(prompt.reference or "")
    except msgspec.DecodeError:
        return prompt.reference
    test = found.get("test") if isinstance(found, dict) else None
    return test if isinstance(test, str) else prompt.reference


def answer(judged: Judged) -> dict[str, Any]:
    """One answer as the page shows it; `mark` is its colour."""
    response, verdict = judged.response, judged.verdict
    right = is_right(response, verdict)
    cut = "" if response.stop_reason == "stop" else f", {_ENDED.get(response.stop_reason, response.stop_reason)}"
    status = STATUS[verdict.status] if right or verdict.status != "correct" else "wrong"
    return {
        "mark": "right" if right else "open" if verdict.status in UNDECIDED else "wrong",
        "status": status + cut,
        "answer": None if verdict.answer is None else shortened(verdict.answer),
        "detail": None if right or verdict.detail is None else shortened(verdict.detail),
        "reasoning": None if response.reasoning is None else shortened(response.reasoning),
        "text": shortened(response.text),
    }


_ENDED = {"length": "cut off at the token cap", "refusal": "refused", "content_filter": "stopped by a content filter"}


def _decided(kept: Path) -> Iterator[tuple[Judged, str]]:
    for judged in read_records(kept, Judged):
        yield judged, KEPT
    path = sibling(kept, "dropped.jsonl")
    for dropped in read_records(path, Dropped) if path.is_file() else ():
        yield dropped.judged, reason(dropped.filter, dropped.reason)


def _lot(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "replace")).digest()[:8])


def shortened(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]} […]"


def _title(question: str) -> str:
    """For a list: what is asked below a long passage, else how the question begins."""
    last = question.rstrip().rpartition("\n\n")[2]
    return f"… {last}" if len(question) > TITLE >= len(last) else question[:TITLE]
