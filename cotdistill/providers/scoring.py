"""A teacher's scores of tokens that another model wrote: at each place its likeliest tokens with their logprobs.

vLLM gives them in `/v1/completions` (`prompt_logprobs`), SGLang in `/generate` (`return_logprob`). Both take token ids,
so no text has to be cut into tokens anew.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from cotdistill.providers.lenient import document, error_in, excerpt
from cotdistill.providers.sdk_teacher import SdkTeacher
from cotdistill.providers.types import BadReplyError, Failure, Reply, Request
from cotdistill.records import Usage

TOP = 20
"""Tokens a place: what vLLM gives unless it was started with more (`--max-logprobs`)."""


class ScoreRequest(Request, frozen=True, kw_only=True):
    """The tokens from `start` on are to be scored, each in sight of all before it. `messages` are the prompt that they
    answer, which is not sent: it tells one refused prompt from another."""

    ids: tuple[int, ...]
    start: int
    top: int = TOP

    @property
    def most_input_tokens(self) -> int:
        return len(self.ids)

    @property
    def size(self) -> int:
        """As English with the usual vocabularies: three letters a token."""
        return 3 * len(self.ids)


class Scores(NamedTuple):
    """(tokens, top) ids, -1 where fewer were listed, and their log-probabilities in nats; `texts` are the scored tokens
    as the server writes them, None where it does not."""

    ids: npt.NDArray[np.int32]
    logprobs: npt.NDArray[np.float32]
    texts: tuple[str | None, ...]


class Scorer(Protocol):
    """What a teacher's `scorer()` returns: a teacher that answers `ScoreRequest`s, and reads its stored replies."""

    def scores(self, raw: bytes) -> Scores: ...


class Place(NamedTuple):
    """What a server says of one token: its id and text, and the likeliest ones there as pairs of id and logprob."""

    id: int
    text: str | None
    likeliest: Sequence[tuple[int, float]]


class _Kept(msgspec.Struct, frozen=True):
    """What the store keeps of scores, an eighth of what the servers send: the arrays of `Scores`, row by row."""

    scored: int
    top: int
    ids: bytes
    logprobs: bytes
    texts: tuple[str | None, ...]
    model: str | None
    input_tokens: int | None
    output_tokens: int | None


@dataclass
class SdkScorer(SdkTeacher):
    """One of the servers that score tokens. A subclass says what is sent, and reads a place of the reply."""

    def start_with(self, top: int) -> str:
        """How to start the server where it refuses so many tokens a place."""
        raise NotImplementedError

    def remedy(self) -> str:
        """What to do where the server's memory does not suffice for scores."""
        raise NotImplementedError

    def places(self, reply: dict[str, Any], request: ScoreRequest) -> list[Place]:
        """What the reply says of the tokens from `request.start` on. Raises BadReplyError where it says nothing."""
        raise NotImplementedError

    def usage(self, reply: dict[str, Any]) -> Usage:
        raise NotImplementedError

    async def ask(self, request: Request, idempotency_key: str) -> Reply:
        assert isinstance(request, ScoreRequest)
        reply = await self.send(self.body(request), idempotency_key)
        places = self._read(document(reply.raw, "list of scores"), request, reply.usage)
        wanted = list(request.ids[request.start :])
        if [place.id for place in places] != wanted:
            raise BadReplyError(
                f"the server scored other tokens than it was sent: expected {len(wanted)} from {wanted[:4]}, got "
                f"{len(places)} from {[place.id for place in places[:4]]}",
                final=True,
                usage=reply.usage,
            )
        for number, place in enumerate(places):
            if why := _no_distribution(place):
                raise BadReplyError(f"at token {request.start + number} {why}", final=True, usage=reply.usage)
        return msgspec.structs.replace(reply, raw=_packed(places, request.top, reply))

    def _read(self, reply: dict[str, Any], request: ScoreRequest, usage: Usage) -> list[Place]:
        try:
            return self.places(reply, request)
        except (TypeError, ValueError, OverflowError) as error:
            words = f"the scores cannot be read ({error}): {excerpt(msgspec.json.encode(reply))}"
            raise BadReplyError(words, final=True, usage=usage) from None

    def extract(self, raw: bytes) -> Reply:
        """Of what the server sends, and of what the store keeps of that."""
        found = document(raw, "list of scores")
        if "scored" in found:
            kept = msgspec.convert(found, _Kept)
            usage, model = Usage(input_tokens=kept.input_tokens, output_tokens=kept.output_tokens), kept.model
        elif error := error_in(found.get("error")):
            raise error
        else:
            usage, model = self.usage(found), found.get("model")
        return Reply(
            raw=raw,
            text="",
            reasoning=None,
            reasoning_kind="none",
            stop_reason="stop",
            served_model=model if isinstance(model, str) else None,
            usage=usage,
        )

    def scores(self, raw: bytes) -> Scores:
        """What a reply of `ask` holds, also one out of the store."""
        kept = msgspec.json.decode(raw, type=_Kept)
        shape = kept.scored, kept.top
        return Scores(
            np.frombuffer(kept.ids, np.int32).reshape(shape),
            np.frombuffer(kept.logprobs, np.float32).reshape(shape),
            kept.texts,
        )

    def classify(self, error: Exception) -> Failure:
        failure = super().classify(error)
        words = failure.message.lower()
        if any(sign in words for sign in _OUT_OF_MEMORY):
            return replace(failure, message=f"{failure.message}. {self.remedy()}")
        if "logprobs" in words and any(sign in words for sign in _TOO_MANY):
            return replace(failure, kind="account", address=True, message=f"{failure.message}. {self.start_with(TOP)}")
        if failure.push_back == "lost":
            return replace(failure, message=f"{failure.message} (where its log speaks of memory: {self.remedy()})")
        return failure


_OUT_OF_MEMORY = ("out of memory", "outofmemory", "enginedead", "engine core", "enginecore", "cuda error")

_TOO_MANY = ("greater than", "at most", "maximum", "max allowed", "exceed", "less than or equal")


NEVER = -9999.0

MOST_MASS = 1.05
"""Of the tokens that are listed at one place: 1, and what rounding may add."""


def empty(what: str, raw: dict[str, Any], usage: Usage) -> BadReplyError:
    """A reply that holds nothing at all, which a server under load may give once."""
    return BadReplyError(f"the reply holds no {what}: {excerpt(msgspec.json.encode(raw))}", usage=usage)


def missing(what: str, raw: dict[str, Any], usage: Usage) -> BadReplyError:
    """A reply of a server that does not know what it was asked for."""
    return BadReplyError(
        f"the server answers without {what}: {excerpt(msgspec.json.encode(raw))}. Only a server that scores tokens can "
        "teach on-policy: vLLM and SGLang do; others can with --teacher local:DIR or --teacher self",
        final=True,
        usage=usage,
    )


def finite(value: Any) -> float:
    """A log-probability; null, or one that is no number, is that of what cannot come."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else NEVER


def _no_distribution(place: Place) -> str:
    """Why what is listed at one token is no part of a distribution over the next token; empty where it is."""
    if all(logprob <= NEVER for _, logprob in place.likeliest):
        return "no log-probability is a number that says something; expected some above -9999"
    if any(not 0 <= token < 2**31 for token, _ in place.likeliest):
        return f"a token has no id of a vocabulary: {[token for token, _ in place.likeliest][:4]}"
    highest = max(logprob for _, logprob in place.likeliest)
    mass = math.fsum(math.exp(min(logprob, 1.0)) for _, logprob in place.likeliest)
    if mass > MOST_MASS:
        return (
            f"the probabilities add up to {mass:.2f} or more; expected 1 at most (the highest logarithm is {highest:g})"
        )
    return ""


def _packed(places: Sequence[Place], top: int, reply: Reply) -> bytes:
    ids = np.full((len(places), top), -1, np.int32)
    logprobs = np.full((len(places), top), -9999.0, np.float32)
    for row, place in enumerate(places):
        best = sorted(place.likeliest, key=lambda pair: -pair[1])[:top]
        ids[row, : len(best)] = [token for token, _ in best]
        logprobs[row, : len(best)] = [logprob for _, logprob in best]
    kept = _Kept(
        scored=len(places),
        top=top,
        ids=ids.tobytes(),
        logprobs=logprobs.tobytes(),
        texts=tuple(place.text if isinstance(place.text, str) else None for place in places),
        model=reply.served_model,
        input_tokens=reply.usage.input_tokens,
        output_tokens=reply.usage.output_tokens,
    )
    return msgspec.json.encode(kept)
