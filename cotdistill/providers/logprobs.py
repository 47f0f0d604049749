"""Log-probabilities in a reply: read from each server's shape of them, and asked for where a server has them.

Chat Completions as OpenAI made it has a list of tokens; vLLM writes an id in the place of a token's string, llama.cpp
and Fireworks beside it; Cerebras and DeepSeek have a list of the trace's tokens apart; Together has one list a field.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from cotdistill.artifacts.logprobs import NO_TOKEN, Position, Token
from cotdistill.errors import UsageError
from cotdistill.providers.lenient import items, mapping
from cotdistill.providers.types import Request
from cotdistill.records import Confidence

WHO_HAS_THEM = (
    "those that do: vllm, sglang, ollama, together, cerebras, fireworks (up to 5), openrouter where the provider "
    "behind it does, deepseek and openai with --effort none, openai --base-url URL for llama.cpp and other compatible "
    "servers, local, mock"
)

MOST_ALTERNATIVES = 21
"""Kept of one token: as many as --logprobs may ask for, and the token itself, which vLLM adds. A file has room for as
many at each token as one token has most, so a server that lists its vocabulary once would fill all memory."""

_ID_AS_TOKEN = "token_id:"
_REPLACED = "\ufffd".encode()
"""What servers that make bytes of a string leave of a token that is no whole character."""


class TokenLogprobs(NamedTuple):
    """An answer's tokens. The first `reasoning` of them are the trace, where the server has it apart."""

    positions: list[Position]
    reasoning: int = 0


@runtime_checkable
class GivesLogprobs(Protocol):
    """A teacher that can say how likely its tokens were."""

    def why_no_logprobs(self, request: Request) -> str:
        """Why this model, or this server, gives none for such a request; empty where it does."""

    def token_logprobs(self, raw: bytes) -> TokenLogprobs | None:
        """Of a stored reply; None where the server sent none."""


def check_logprobs(teacher: Any, request: Request, option: str = "") -> None:
    """Raises UsageError, with who can, for a teacher that gives no log-probabilities or not so many alternatives.
    `option` is what asked for them, where that is another than --logprobs."""
    if request.logprobs is None:
        return
    why = teacher.why_no_logprobs(request) if isinstance(teacher, GivesLogprobs) else "this teacher gives none"
    if why:
        raise UsageError(
            f"{option or f'--logprobs {request.logprobs}'}: {teacher.provider}:{teacher.model}: {why}; {WHO_HAS_THEM}"
        )


def confidence_of(logprobs: Sequence[float]) -> Confidence | None:
    """What is said of an answer by the log-probabilities of its tokens; None without any."""
    known = [min(one, 0.0) for one in logprobs if one == one]
    if not known:
        return None
    worst = min(known)
    return Confidence(
        tokens=len(known),
        mean_logprob=round(max(math.fsum(known) / len(known), -9999.0), 6),
        worst_logprob=round(max(worst, -9999.0), 6),
    )


def written(lists: "Lists") -> list[float]:
    """The log-probability of each token, without looking at which one it was."""
    return [_number(one.get("logprob")) for part in lists for one in part]


class Lists(NamedTuple):
    """A server's entries, one a token: those of the trace where it has them apart, and all others."""

    reasoning: list[dict[str, Any]]
    content: list[dict[str, Any]]


def in_choice(choice: dict[str, Any]) -> Lists:
    """Of a chat completion's choice; a refusal has a list of its own."""
    if not (choice.get("logprobs") or choice.get("reasoning_logprobs")):
        return Lists([], [])
    listed = choice.get("logprobs")
    said = {"content": listed} if isinstance(listed, list) else mapping(listed)
    apart = mapping(choice.get("reasoning_logprobs")) or {"content": said.get("reasoning_content")}
    content = items(said.get("content")) or items(said.get("refusal")) or list(_columns(said))
    return Lists(items(apart.get("content")), content)


def in_output(output: Sequence[dict[str, Any]]) -> Lists:
    """Of the messages of OpenAI's Responses, which know nothing of the trace."""
    parts = [part for item in output for part in items(item.get("content"))]
    return Lists([], [one for part in parts for one in items(part.get("logprobs"))])


def read(lists: Lists) -> TokenLogprobs | None:
    positions = [_position(one) for part in lists for one in part]
    return TokenLogprobs(positions, len(lists.reasoning)) if positions else None


def _columns(said: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Legacy completions: a list a field. The alternatives have no name but their string there, so they are left."""
    values, ids = said.get("token_logprobs"), said.get("token_ids")
    if not isinstance(values, list):
        return
    known = ids if isinstance(ids, list) and len(ids) == len(values) else [None] * len(values)
    for value, id in zip(values, known, strict=True):
        yield {"logprob": value, "token_id": id}


def _position(entry: dict[str, Any]) -> Position:
    given = items(entry.get("top_logprobs"))[:MOST_ALTERNATIVES]
    top = tuple((_token(one), _number(one.get("logprob"))) for one in given)
    return Position(_token(entry), _number(entry.get("logprob")), top)


def _token(entry: dict[str, Any]) -> Token | None:
    """By its id, else by its bytes; None where the server gives neither: a string is no name."""
    string = entry.get("token")
    id = string[len(_ID_AS_TOKEN) :] if type(string) is str and string.startswith(_ID_AS_TOKEN) else None
    if id is not None and id.isdecimal():
        return _by_id(int(id))
    for id in (entry.get("token_id"), entry.get("id")):
        if type(id) is int:
            return _by_id(id)
    raw = entry.get("bytes")
    try:
        known = bytes(raw) if type(raw) is list else b""
    except (TypeError, ValueError):
        return None
    return Token(None, known) if known and _REPLACED not in known else None


def _by_id(id: int) -> Token | None:
    return Token(id) if 0 <= id < NO_TOKEN else None


def _number(value: Any) -> float:
    """NaN for what is none, such as the first token's null in legacy completions."""
    if type(value) is float:
        return value
    try:
        return float(value) if type(value) in (int, str) else math.nan
    except (OverflowError, ValueError):  # a whole number with hundreds of digits; a text that is none
        return math.nan
