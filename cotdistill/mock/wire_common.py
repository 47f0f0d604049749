"""What all wire formats need: token estimates, truncation, the shape of a request and of a reply."""

import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import msgspec
from aiohttp import web

from cotdistill.mock.sources import Answer

_numbers = itertools.count(random.getrandbits(40))

Sampler = Callable[[str, int], Answer]
"""The answer to a question; the number is that of the choice among several of one request."""


class Billed(msgspec.Struct, frozen=True):
    """Tokens of one answer. Reasoning is part of the output."""

    input_tokens: int
    output_tokens: int
    reasoning_tokens: int


class Level(NamedTuple):
    """How a rate limit stands: units a minute, units left, seconds until it is full again."""

    per_minute: int
    remaining: int
    reset_s: float


@dataclass(frozen=True)
class Reply:
    """Before it is bytes. `billed` is None for what costs nothing: errors."""

    status: int
    content: dict[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    billed: Billed | None = None


class Wire(Protocol):
    """One provider's API: a module. It reads requests and shapes replies; it sends nothing."""

    NAME: str
    AXES: tuple[str, ...]
    """Which rate limits it counts and tells of."""
    REQUEST_ID: str
    """The header with the request's id."""

    def key(self, headers: Mapping[str, str]) -> str | None:
        """The API key of a request."""

    def reply(self, body: dict[str, Any], headers: Mapping[str, str], sample: Sampler, truncate: bool) -> Reply:
        """Raises ValueError, TypeError or AttributeError for a request this API would refuse with 400."""

    def refusal(self, status: int, message: str, code: str | None = None) -> Reply:
        """An error in the provider's shape; `code` where the status says too little."""

    def spent(self) -> Reply:
        """The 429 of an account that has used up its money or quota."""

    def limit_headers(self, levels: Mapping[str, Level]) -> dict[str, str]: ...

    def events(self, content: dict[str, Any]) -> Iterator[bytes]:
        """The same reply as server-sent events."""

    def overload_event(self) -> bytes: ...

    def spoilt(self, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        """An answer as the faults `null`, `empty` and `unknown` leave it."""


def fresh_id(prefix: str) -> str:
    """Distinct, in the shape providers use."""
    return f"{prefix}{next(_numbers):024x}"


def tokens(text: str | None) -> int:
    """An estimate, three bytes a token, as English and code come to."""
    return -(-len((text or "").encode("utf-8", "replace")) // 3)


def tokens_of(*parts: Any) -> int:
    """The same of JSON, such as a list of turns."""
    return tokens(msgspec.json.encode(parts).decode())


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


def within(answer: Answer, cap: int | None, truncate: bool = False) -> Cut:
    """Cut as a model would be: it reasons first, so what does not fit is the end. With `truncate` even an answer that
    would fit loses its second half."""
    wanted = tokens(answer.reasoning) + tokens(answer.text)
    if truncate:
        cap = wanted // 2 if cap is None else min(cap, wanted // 2)
    elif cap is None or wanted <= cap:
        return Cut(answer.reasoning, answer.text, True)
    if answer.reasoning is not None and tokens(answer.reasoning) >= cap:
        return Cut(_first(answer.reasoning, cap), "", False)
    return Cut(answer.reasoning, _first(answer.text, cap - tokens(answer.reasoning)), False)


def _first(text: str, count: int) -> str:
    return text.encode("utf-8", "replace")[: 3 * count].decode("utf-8", "ignore")


def billed(input_tokens: int, cuts: list[Cut]) -> Billed:
    return Billed(input_tokens, sum(cut.output_tokens for cut in cuts), sum(cut.reasoning_tokens for cut in cuts))


def read_body(content: bytes) -> dict[str, Any]:
    """Raises ValueError for what is no JSON object with a model; SGLang's own API names none, for it serves one."""
    try:
        body = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ValueError("the body is not valid JSON") from None
    if not isinstance(body, dict):
        raise ValueError("the body is not a JSON object")
    if "input_ids" not in body and not (isinstance(body.get("model"), str) and body["model"]):
        raise ValueError("model: a name is required")
    return body


def turns(body: dict[str, Any], name: str = "messages") -> list[dict[str, Any]]:
    """Raises ValueError for what is no conversation with a user's turn in it."""
    messages = body.get(name)
    if not isinstance(messages, list) or not all(isinstance(turn, dict) for turn in messages):
        raise ValueError(f"{name}: a list of turns is required")
    if not any(turn.get("role") == "user" and turn.get("content") for turn in messages):
        raise ValueError(f"{name}: at least one user turn with content is required")
    return messages


def cap_of(body: dict[str, Any], *names: str) -> int | None:
    for name in names:
        value = body.get(name)
        if value is not None:
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name}: expected a positive integer")
            return value
    return None


def as_response(reply: Reply, request_id: str) -> web.Response:
    """The reply over HTTP, under a fresh id in the header of that name."""
    content, headers = msgspec.json.encode(reply.content), {request_id: fresh_id("req_"), **reply.headers}
    return web.Response(body=content, status=reply.status, content_type="application/json", headers=headers)
