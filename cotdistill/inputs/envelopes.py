"""Prompts inside the records of other programs: lines of Batch APIs, rows of the hub's viewer, Label Studio's tasks."""

from collections.abc import Iterator, Mapping
from typing import Any

_IDS = ("id", "custom_id", "recordId", "key")
_INSIDE = ("body", "params", "modelInput", "request", "row", "data", "fields")
"""OpenAI's and Anthropic's batches, Bedrock's, Gemini's; the hub's viewer; Label Studio and Argilla."""

_ASIDE = {
    "body": ("custom_id", "method", "url"),
    "params": ("custom_id",),
    "modelInput": ("recordId",),
    "request": ("key",),
    "row": ("row_idx", "truncated_cells"),
    "data": ("id",),
    "fields": ("id",),
}
"""What stands beside it; at least the first of them must."""


def opened(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The columns of the prompt inside, with the record's id; the record itself where it is none of these."""
    for name in _INSIDE:
        inner, beside = record.get(name), _ASIDE[name]
        if isinstance(inner, dict) and inner and beside[0] in record and all(isinstance(key, str) for key in inner):
            identity = next((record[key] for key in _IDS if record.get(key) is not None), None)
            found = {} if identity is None else {"id": identity}
            if name == "data" and (label := _choice(record)):
                found["label"] = label
            return _with_turns({**found, **inner})
    return _with_turns(record)


def _with_turns(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Gemini's `contents` as the turns of a chat."""
    contents = record.get("contents")
    if not isinstance(contents, list) or "messages" in record:
        return record
    turns = [
        {"role": one.get("role", "user"), "content": one.get("parts")} for one in contents if isinstance(one, Mapping)
    ]
    if len(turns) != len(contents):
        return record
    kept = {name: value for name, value in record.items() if name != "contents"}
    if isinstance(system := kept.pop("systemInstruction", None) or kept.pop("system_instruction", None), Mapping):
        turns.insert(0, {"role": "system", "content": system.get("parts")})
    return {**kept, "messages": turns}


def _choice(task: Mapping[str, Any]) -> str | None:
    """The one choice or text that Label Studio's annotators agree on."""
    chosen = {value for value in _values(task) if isinstance(value, str) and value}
    return chosen.pop() if len(chosen) == 1 else None


def _values(task: Mapping[str, Any]) -> Iterator[Any]:
    for annotation in _objects(task.get("annotations") or task.get("completions")):
        for result in _objects(annotation.get("result")):
            value = result.get("value")
            for name in ("choices", "text"):
                members = value.get(name) if isinstance(value, Mapping) else None
                yield from members if isinstance(members, list) else [members]


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
