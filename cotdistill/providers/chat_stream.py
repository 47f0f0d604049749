"""A streamed chat completion put together again, in the shape the same answer has unstreamed."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from cotdistill.providers.event_stream import events
from cotdistill.providers.lenient import error_in, items, mapping
from cotdistill.providers.types import BadReplyError


async def collect(chunks: AsyncIterator[bytes]) -> bytes:
    """The completion in JSON. Raises BadReplyError for an error among the chunks, or where the end does not come."""
    whole = _Completion()
    async for event in events(chunks, "chunk of a chat completion"):
        if isinstance(event, str):
            if not (whole.choice or whole.message):
                break
            return whole.encoded()
        whole.take(event)
    if whole.ended:  # some servers leave the last line out
        return whole.encoded()
    raise BadReplyError("the stream ended before the answer did")


@dataclass
class _Completion:
    envelope: dict[str, Any] = field(default_factory=dict)
    choice: dict[str, Any] = field(default_factory=dict)
    message: dict[str, Any] = field(default_factory=dict)
    grown: dict[str, list[str]] = field(default_factory=dict)
    ended: bool = False

    def take(self, chunk: dict[str, Any]) -> None:
        if error := error_in(chunk.get("error")):
            raise error
        usage = mapping(chunk.get("usage")) or mapping(mapping(chunk.get("x_groq")).get("usage"))
        said = {name: one for name, one in chunk.items() if one is not None and name != "choices"}
        self.envelope |= said | ({"usage": usage} if usage else {})
        for choice in items(chunk.get("choices")):
            if choice.get("index") not in (None, 0):
                continue
            self._add(choice)
            self.ended = self.ended or bool(choice.get("finish_reason"))
            for name, value in (mapping(choice.get("delta")) or mapping(choice.get("message"))).items():
                self._grow(name, value)

    def _add(self, choice: dict[str, Any]) -> None:
        """What a choice says beside its message: the last word counts, but lists of log-probabilities go on."""
        for name, value in choice.items():
            if name.endswith("logprobs") and isinstance(value, dict):
                listed = self.choice.setdefault(name, {})
                for part, more in value.items():
                    known = listed.get(part)
                    listed[part] = known + more if isinstance(known, list) and isinstance(more, list) else more or known
            elif value is not None and name != "delta":
                self.choice[name] = value

    def _grow(self, name: str, value: Any) -> None:
        if isinstance(value, str) and name != "role":
            self.grown.setdefault(name, []).append(value)
        elif isinstance(value, list):
            listed = self.message.get(name)
            self.message[name] = _grown(listed if isinstance(listed, list) else [], value)
        elif value is not None:
            self.message[name] = value

    def encoded(self) -> bytes:
        for name, parts in self.grown.items():
            text, listed = "".join(parts), self.message.get(name)
            # Mistral sends thoughts as parts, and the answer after them as text.
            self.message[name] = [*listed, {"type": "text", "text": text}] if isinstance(listed, list) else text
        self.choice.pop("message", None)
        choices = [{**self.choice, "message": self.message}] if self.choice or self.message else []
        return msgspec.json.encode({**self.envelope, "object": "chat.completion", "choices": choices})


def _grown(listed: list[Any], more: list[Any]) -> list[Any]:
    """Pieces of one thought are one part, as they are unstreamed."""
    for part in more:
        last = mapping(listed[-1]) if listed else {}
        before, after = last.get("thinking"), mapping(part).get("thinking")
        if isinstance(before, list) and isinstance(after, list):
            last["thinking"] = before + after
        else:
            listed.append(part)
    return listed
