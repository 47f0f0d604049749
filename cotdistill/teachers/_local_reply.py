"""What the store keeps of a local model's answer, and how it is read again."""

from typing import Literal

import msgspec

from cotdistill.artifacts.logprobs import Position, Token
from cotdistill.providers.logprobs import TokenLogprobs, confidence_of
from cotdistill.providers.types import BadReplyError, Reply, kind_of_visible
from cotdistill.reasoning import split
from cotdistill.reasoning.marks import Tags
from cotdistill.records import ReasoningKind, Usage


class Scored(msgspec.Struct):
    """The tokens of an answer, their log-probabilities, and the likeliest ones in the place of each."""

    ids: list[int]
    logprobs: list[float]
    top: list[list[tuple[int, float]]]


class StoredReply(msgspec.Struct):
    """All that was generated, and the counts. `opened`: the prompt ended with the mark that opens the trace."""

    model: str
    text: str
    opened: bool
    stop_reason: Literal["stop", "length"]
    input_tokens: int
    output_tokens: int
    scored: Scored | None = None


def reply_of(raw: bytes, think_tags: Tags = ()) -> Reply:
    """Raises BadReplyError for what no local model has said."""
    try:
        stored = msgspec.json.decode(raw, type=StoredReply)
    except msgspec.DecodeError as error:
        raise BadReplyError(f"the stored reply is none of a local model: {error}") from None
    opener = "<think>" if stored.opened and not stored.text.lstrip().startswith("<think>") else ""
    parts = split(opener + stored.text, think_tags)
    kind: ReasoningKind = "raw" if parts.reasoning is not None else kind_of_visible(parts.answer)
    return Reply(
        raw=raw,
        text=parts.answer,
        reasoning=parts.reasoning,
        reasoning_kind=kind,
        stop_reason=stored.stop_reason,
        served_model=stored.model,
        usage=Usage(input_tokens=stored.input_tokens, output_tokens=stored.output_tokens),
        confidence=confidence_of(stored.scored.logprobs) if stored.scored else None,
    )


def logprobs_of(raw: bytes) -> TokenLogprobs | None:
    """Tokens by the model's own ids, the end token among them."""
    found = msgspec.json.decode(raw, type=StoredReply).scored
    if found is None:
        return None
    tops = found.top or [[]] * len(found.ids)
    return TokenLogprobs(
        [
            Position(Token(id=id), logprob, tuple((Token(id=one), other) for one, other in top))
            for id, logprob, top in zip(found.ids, found.logprobs, tops, strict=True)
        ]
    )
