"""What the store knows about a request: its answer, or the answer to the same request with another output cap."""

from decimal import Decimal
from typing import NamedTuple

import msgspec

from cotdistill.dispatch.asking import Job
from cotdistill.providers.types import BadReplyError, Reply, Request, Teacher
from cotdistill.providers.usage import with_proven_input
from cotdistill.records import Response, TeacherInfo, money
from cotdistill.store.answers import Store, request_key


class Answer(NamedTuple):
    """A reply, and the key it was asked under: the job's own, or that of the same request with another output cap."""

    key: str
    reply: Reply


class Keys(NamedTuple):
    """A request's key, and its `family`: the key without the output cap."""

    key: str
    family: str


def keys_of(teacher: Teacher, request: Request) -> Keys:
    return Keys(
        request_key(teacher.base_url, teacher.body(request)),
        request_key(teacher.base_url, teacher.body(msgspec.structs.replace(request, max_output_tokens=0))),
    )


def find(store: Store, teacher: Teacher, job: Job, *, retry_truncated: bool = False) -> Answer | None:
    """The stored answer to this request, or to the same request with another output cap: an answer that ended by itself
    within this cap serves as well. A truncated answer counts only where none is complete, and with `retry_truncated`
    only if it was asked under this very cap."""
    cut: Answer | None = None
    for key, raw in store.find(job.key, job.family, job.sample):
        reply, exact = read(teacher, raw, job.request), key == job.key
        if reply is None or not (exact or _within(reply, job.request.max_output_tokens)):
            continue
        if reply.stop_reason != "length":
            return Answer(key, reply)
        if cut is None and (exact or not retry_truncated):
            cut = Answer(key, reply)
    return cut


def read(teacher: Teacher, raw: bytes, request: Request | None = None) -> Reply | None:
    """Extract a stored reply. None for a stored body that is no answer, such as a reply that its server broke off, kept
    by a version that did not recognise it; such a request is asked again."""
    try:
        reply = teacher.read(raw)
        return reply if request is None else with_proven_input(reply, request)
    except BadReplyError:
        return None


def _within(reply: Reply, cap: int) -> bool:
    """Whether this answer could have come under the cap: no token is shorter than a byte."""
    tokens = reply.usage.output_tokens
    if tokens is None:
        tokens = len(f"{reply.reasoning or ''}{reply.text}".encode("utf-8", "replace"))
    return tokens <= cap


def as_response(
    job: Job, answer: Answer, teacher: Teacher, *, cost: Decimal | None = None, license: str | None = None
) -> Response:
    """The Response record of an answer, whichever stage asked."""
    reply = answer.reply
    served = reply.served_model if reply.served_model != teacher.model else None
    return Response(
        prompt=job.prompt,
        sample=job.sample,
        reasoning=reply.reasoning,
        reasoning_kind=reply.reasoning_kind,
        reasoning_rule=reply.reasoning_rule,
        text=reply.text,
        stop_reason=reply.stop_reason,
        stop_detail=reply.stop_detail,
        teacher=TeacherInfo(
            provider=teacher.provider, model=teacher.model, served_model=served, base_url=teacher.base_url
        ),
        usage=reply.usage,
        cost_usd=money(cost),
        request_key=answer.key,
        license=license,
        confidence=reply.confidence,
    )
