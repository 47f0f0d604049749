"""A reply out of what was found in a body, by the rules that hold for every wire format."""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from cotdistill.providers.endings import broke_off, ending
from cotdistill.providers.lenient import excerpt
from cotdistill.providers.logprobs import confidence_of
from cotdistill.providers.thoughts import Thoughts
from cotdistill.providers.types import BadReplyError, Reply, kind_of_visible
from cotdistill.providers.usage import without_understated
from cotdistill.reasoning import split
from cotdistill.reasoning.marks import Tags
from cotdistill.records import ReasoningKind, Usage


class Body(NamedTuple):
    """What a provider's JSON says: the visible text and a refusal; the trace outside that text and the `rule` that
    found it; the server's word for the end and what it adds to it."""

    text: str
    thoughts: Thoughts
    rule: str | None
    finish: str | None
    served_model: str | None
    usage: Usage
    cost_usd: Decimal | None = None
    refusal: str = ""
    stop_detail: str | None = None
    tags: ReasoningKind = "raw"
    """What kind of trace stands between tags inside the text."""
    logprobs: Sequence[float] = ()
    """The log-probability of each token."""
    answers: bool = False
    """It holds something, such as a block of an unknown type, though neither text nor trace."""


class _Trace(NamedTuple):
    text: str | None
    kind: ReasoningKind
    rule: str | None


def assembled(raw: bytes, body: Body, own: Tags) -> Reply:
    """Raises BadReplyError, with what it may have cost, where the server broke the answer off, and for an empty reply
    that says it stopped."""
    if broke_off(body.finish):
        raise BadReplyError(
            f"the server broke the answer off ({body.finish})", usage=body.usage, cost_usd=body.cost_usd
        )
    inside = split(body.text, own)
    trace = _trace(body, _Trace(inside.reasoning, body.tags, inside.rule), inside.answer)
    answer = body.refusal or inside.answer
    stop_reason, detail = ending(body.finish, answer)
    if not (answer.strip() or trace.text or body.answers or body.usage.output_tokens) and stop_reason in (
        "stop",
        "other",
    ):
        raise BadReplyError(
            f"the reply holds an empty message: {excerpt(raw)}", usage=body.usage, cost_usd=body.cost_usd
        )
    return Reply(
        raw=raw,
        text=answer,
        reasoning=trace.text,
        reasoning_kind=trace.kind,
        reasoning_rule=trace.rule,
        stop_reason="refusal" if body.refusal else stop_reason,
        stop_detail=None if body.refusal and not body.stop_detail else body.stop_detail or detail,
        served_model=body.served_model,
        usage=without_understated(body.usage, body.text),
        cost_usd=body.cost_usd,
        confidence=confidence_of(body.logprobs),
    )


def _trace(body: Body, tagged: _Trace, answer: str) -> _Trace:
    """Once, where a server fills a field and leaves the tags in the text too."""
    apart = body.thoughts.text.strip()
    kind: ReasoningKind = "summary" if body.thoughts.summary else "raw"
    if not apart:
        return tagged if tagged.text else _Trace(None, _missing(body, answer), None)
    if not tagged.text:
        return _Trace(body.thoughts.text, kind, body.rule)
    one, other = " ".join(apart.split()), " ".join(tagged.text.split())
    if other in one:
        return _Trace(body.thoughts.text, kind, body.rule)
    if one in other:
        return tagged
    return _Trace(f"{apart}\n\n{tagged.text}", kind, body.rule)


def _missing(body: Body, answer: str) -> ReasoningKind:
    if body.thoughts.sealed:
        return "redacted"
    if body.usage.reasoning_tokens or body.thoughts.there:
        return "omitted"
    return kind_of_visible(answer)
