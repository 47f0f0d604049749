"""Answers of several students to the same prompts, side by side, with the teacher's if it was asked them too."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from cotdistill.artifacts import sibling
from cotdistill.artifacts.json_lines import read_records
from cotdistill.artifacts.scores import scores_of
from cotdistill.records import Dropped, Judged
from cotdistill.report.scored import Scored, answers
from cotdistill.report.traces import answer, asked

OF_A_KIND = 40
"""Prompts shown of each kind: the first student alone is right, alone is wrong, all are right, and so on."""

ANSWER_BYTES = 1_500_000

MOST_STUDENTS = 8
"""The most columns; of more students the first ones are shown."""


def side_by_side(students: Sequence[tuple[str, Scored]]) -> dict[str, Any] | None:
    """For the page: the names of the columns, and prompts with each column's answer or None. `kinds` are what a reader
    can ask for. The first student is the one that the others are compared with."""
    students = students[:MOST_STUDENTS]
    chosen = _chosen([one for _, one in students])
    if not chosen:
        return None
    found: dict[str, dict[str, Any]] = {}
    for column, (_, one) in enumerate(students):
        for judged in _greedy(one):
            name = judged.response.prompt.id
            if name not in chosen:
                continue
            entry = found.setdefault(name, asked(judged.response.prompt) | {"answers": [None] * len(students)})
            entry["answers"][column] = answer(judged)
    names = [name for name, _ in students]
    teacher = _teacher(students[0][1], chosen)
    if teacher:
        names.append("teacher")
        for name, entry in found.items():
            entry["answers"].append(teacher.get(name))
    kinds = [f"{names[0]} is wrong", f"{names[0]} is right", f"only {names[0]} is right"][: 2 + (len(students) > 1)]
    shown, size = [], 0
    for name, kind in chosen.items():
        if name not in found:
            continue
        entry = found[name] | {"kinds": [place for place, holds in enumerate(kind[: len(kinds)]) if holds]}
        size += len(msgspec.json.encode(entry))
        if size > ANSWER_BYTES:
            break
        shown.append(entry)
    return {"names": names, "kinds": kinds, "prompts": shown}


def _chosen(students: Sequence[Scored]) -> Mapping[str, tuple[bool, bool, bool]]:
    """Some prompts of each pattern of right and wrong, drawn by their ids: whether the first student is wrong, is
    right, and is the only one that is."""
    found: dict[tuple[bool | None, ...], list[str]] = {}
    for name in sorted(students[0].asked, key=_lot):
        pattern = tuple(one.right.get(name) for one in students)
        if len(alike := found.setdefault(pattern, [])) < OF_A_KIND:
            alike.append(name)
    kinds = {
        name: (pattern[0] is False, pattern[0] is True, pattern[0] is True and not any(pattern[1:]))
        for pattern, names in found.items()
        for name in names
    }
    return {name: kinds[name] for name in sorted(kinds, key=_lot)}


def _greedy(one: Scored) -> Iterator[Judged]:
    place = next(place for place, score in enumerate(scores_of(one.manifest)) if score.student == one.student)
    for column, judged in answers(one.scores, one.manifest):
        if column == place and judged.response.sample == 0:
            yield judged


def _teacher(student: Scored, prompts: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The teacher's first answers to these very prompts, from the run of filter that the student goes back to: held-out
    prompts are often ones that the teacher was asked too."""
    filtered = student.made_by("filter")
    found: dict[str, dict[str, Any]] = {}
    for judged in _of_filter(filtered.path) if filtered and filtered.path.is_file() else ():
        prompt = judged.response.prompt
        if prompt.id in prompts and judged.response.sample == 0:
            found[prompt.id] = answer(judged)
    return found


def _of_filter(kept: Path) -> Iterator[Judged]:
    yield from read_records(kept, Judged)
    dropped = sibling(kept, "dropped.jsonl")
    if dropped.is_file():
        yield from (one.judged for one in read_records(dropped, Dropped))


def _lot(name: str) -> bytes:
    return hashlib.sha256(name.encode("utf-8", "replace")).digest()
