"""Chats of people's files -> messages: OpenAI's layout with its content parts, and ShareGPT's."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from cotdistill.inputs.values import as_text, is_missing, kind, simple
from cotdistill.records import Message, Role

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "ai": "assistant",
}
_TEXT_PARTS = ("text", "input_text", "output_text")
_THOUGHTS = ("thinking", "redacted_thinking", "reasoning", "reasoning_content", "thought")
"""Parts of an assistant's turn that are no answer."""
_CONTENTS = ("content", "value", "parts")
_OF_A_TURN = ("role", "from", *_CONTENTS)


class Chat(NamedTuple):
    """`messages` end with a user's turn; `answer` is the assistant's turn that followed it. `unused` are the turns'
    own fields that are left out, such as name; `blank` counts the turns without a text, which no provider takes, and
    which are left out too."""

    messages: tuple[Message, ...]
    answer: str | None
    unused: frozenset[str]
    blank: int = 0


def is_chat(value: Any) -> bool:
    """A list of turns, also as JSON in a text, as a CSV cell holds it."""
    return bool(turns_of(value))


def turns_of(value: Any) -> list[Mapping[str, Any]]:
    """The turns, or [] for a value that is no list of objects with a role."""
    if isinstance(value, str) and value.lstrip().startswith("[{") and ("role" in value or "from" in value):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return []
    if isinstance(value, list) and value and all(isinstance(turn, Mapping) for turn in value):
        return value if "role" in value[0] or "from" in value[0] else []
    return []


def chat(value: Any, column: str) -> Chat:
    """Raises ValueError for turns that cannot be asked: no user's turn at the end, roles of tools, images."""
    turns = turns_of(value)
    if not turns:
        raise ValueError(f"{column}: expected a list of turns with role and content, got {kind(value)}")
    messages = tuple(_message(turn, f"{column}: turn {number}") for number, turn in enumerate(turns, 1))
    answer = None
    if messages[-1].role == "assistant":
        messages, answer = messages[:-1], messages[-1].content if messages[-1].content.strip() else None
    if not messages or messages[-1].role != "user":
        roles = [str(turn.get("role", turn.get("from"))) for turn in turns]
        raise ValueError(
            f"{column}: expected turns that end with a user's, or with the answer to it, got roles {roles}"
        )
    if not messages[-1].content.strip():
        raise ValueError(f"{column}: expected a question, got a blank last turn")
    unused = {f"{column}.{name}" for turn in turns for name, own in turn.items() if name not in _OF_A_TURN and own}
    said = tuple(one for one in messages if one.content.strip())
    blank = len(turns) - len(said) - (answer is not None)
    return Chat(said, answer, frozenset(unused), blank)


def _message(turn: Mapping[str, Any], place: str) -> Message:
    role = turn.get("role", turn.get("from"))
    known = ROLES.get(simple(role)) if isinstance(role, str) else None
    if known is None:
        raise ValueError(f"{place}: the role {role!r} is not supported; expected system, developer, user or assistant")
    if not is_missing(turn.get("tool_calls")) or not is_missing(turn.get("function_call")):
        raise ValueError(f"{place}: it calls a tool; only conversations in text can be asked")
    content = next((turn[name] for name in _CONTENTS if name in turn), None)
    if isinstance(content, Mapping):
        content = content["parts"] if isinstance(content.get("parts"), list) else [content]
    if known == "assistant" and isinstance(content, list):
        content = [one for one in content if not (isinstance(one, Mapping) and one.get("type") in _THOUGHTS)]
    return Message(role=known, content=text_of(content, place))


def text_of(content: Any, place: str) -> str:
    """A turn's content: a text, or OpenAI's list of parts, whose texts are joined line by line."""
    if content is None:
        return ""
    if not isinstance(content, list):
        return as_text(content, f"{place}: content")
    texts = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
            continue
        sort = part.get("type", "text") if isinstance(part, Mapping) else type(part).__name__
        if sort not in _TEXT_PARTS or not isinstance(part.get("text"), str):
            found = {"image": "an image", "audio": "a sound", "file": "a file", "video": "a film"}
            word = next((word for key, word in found.items() if key in str(sort)), f"a part of type {sort!r}")
            raise ValueError(f"{place}: it holds {word}; only text can be asked")
        texts.append(part["text"])
    return "\n".join(texts)
