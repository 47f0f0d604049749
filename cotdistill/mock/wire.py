"""What both wire formats need: token estimates, truncation, the request body."""

import itertools
import random
from typing import Any, NamedTuple

import msgspec
from aiohttp import web

from cotdistill.mock.sources import Answer

_numbers = itertools.count(random.getrandbits(40))


def fresh_id(prefix: str) -> str:
    """Distinct, in the shape providers use."""
    return f"{prefix}{next(_numbers):024x}"


def tokens(text: str | None) -> int:
    """An estimate, three bytes a token, as English and code come to."""
    return -(-len((text or "").encode("utf-8", "replace")) // 3)


class Cut(NamedTuple):
    """An answer within its cap; `whole` is False when the cap cut it."""

    reasoning: str | None
    text: str
    whole: bool

    @property
    def reasoning_tokens(self) -> int:
        return tokens(self.reasoning)

    @property
    def output_tokens(self) -> int:
        return self.reasoning_tokens + tokens(self.text)


def within(answer: Answer, cap: int | None) -> Cut:
    """Cut as a model would be: it reasons first, so what does not fit is the end."""
    if cap is None or tokens(answer.reasoning) + tokens(answer.text) <= cap:
        return Cut(answer.reasoning, answer.text, True)
    if answer.reasoning is not None and tokens(answer.reasoning) >= cap:
        return Cut(_first(answer.reasoning, cap), "", False)
    return Cut(answer.reasoning, _first(answer.text, cap - tokens(answer.reasoning)), False)


def _first(text: str, count: int) -> str:
    return text.encode("utf-8", "replace")[: 3 * count].decode("utf-8", "ignore")


async def read_body(request: web.Request) -> dict[str, Any]:
    """Raises ValueError for what is no JSON object with a model and user messages."""
    try:
        body = msgspec.json.decode(await request.read())
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ValueError("the body is not valid JSON") from None
    if not isinstance(body, dict):
        raise ValueError("the body is not a JSON object")
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise ValueError("model: a name is required")
    messages = body.get("messages")
    if not isinstance(messages, list) or not all(isinstance(turn, dict) for turn in messages):
        raise ValueError("messages: a list of turns is required")
    if not any(turn.get("role") == "user" and turn.get("content") for turn in messages):
        raise ValueError("messages: at least one user turn with content is required")
    return body


def cap_of(body: dict[str, Any], *names: str) -> int | None:
    for name in names:
        value = body.get(name)
        if value is not None:
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name}: expected a positive integer")
            return value
    return None
