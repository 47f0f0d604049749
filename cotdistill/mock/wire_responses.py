"""OpenAI Responses: the trace comes as the summary of a reasoning item, when one is asked for."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from cotdistill.mock import likely, wire_common
from cotdistill.mock.sources import question_of
from cotdistill.mock.wire_common import Billed, Cut, Reply, Sampler, cap_of, fresh_id, tokens_of, turns, within
from cotdistill.mock.wire_openai import AXES, REQUEST_ID, key, limit_headers, overload_event, refusal, spent

__all__ = [
    "AXES", "NAME", "REQUEST_ID", "events", "key", "limit_headers", "overload_event", "refusal", "reply", "spent",
    "spoilt",
]  # fmt: skip

NAME = "responses"


def reply(body: dict[str, Any], headers: Mapping[str, str], sample: Sampler, truncate: bool) -> Reply:
    if body.get("stream"):
        raise ValueError("stream: the simulated teacher does not stream this API")
    if isinstance(body.get("input"), str):
        body = {**body, "input": [{"role": "user", "content": body["input"]}]}
    messages = turns(body, "input")
    cut = within(sample(question_of(messages), 0), cap_of(body, "max_output_tokens"), truncate)
    billed = wire_common.billed(tokens_of(body.get("instructions"), messages), [cut])
    reasoning = body.get("reasoning") or {}
    content = {
        "id": fresh_id("resp_"),
        "object": "response",
        "created_at": int(time.time()),
        "completed_at": int(time.time()) if cut.whole else None,
        "status": "completed" if cut.whole else "incomplete",
        "error": None,
        "incomplete_details": None if cut.whole else {"reason": "max_output_tokens"},
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": body["model"],
        "output": _items(cut, summarized=reasoning.get("summary") is not None, alternatives=_alternatives(body)),
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": reasoning.get("effort"), "summary": reasoning.get("summary")},
        "store": body.get("store", True),
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": _usage(billed),
        "metadata": {},
    }
    return Reply(200, content, billed=billed)


def events(content: dict[str, Any]) -> Iterator[bytes]:
    raise NotImplementedError("a request to stream is refused before")


def spoilt(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    if kind == "null":
        return {**content, "output": None}
    if kind == "empty":
        return {**content, "output": []}
    return {**content, "output": [{"id": fresh_id("hg_"), "type": "hologram", "shape": "sphere"}, *content["output"]]}


def _alternatives(body: dict[str, Any]) -> int | None:
    """None where no log-probabilities are asked for."""
    wanted = "message.output_text.logprobs" in (body.get("include") or ())
    return body.get("top_logprobs") or 0 if wanted else None


def _items(cut: Cut, *, summarized: bool, alternatives: int | None) -> list[dict[str, Any]]:
    """A model that was cut while it reasoned leaves no message."""
    items: list[dict[str, Any]] = []
    status = "completed" if cut.whole else "incomplete"
    if cut.reasoning is not None:
        summary = [{"type": "summary_text", "text": cut.reasoning}] if summarized and cut.reasoning else []
        items.append({"id": fresh_id("rs_"), "type": "reasoning", "summary": summary})
    if cut.text or cut.whole:
        entries = [] if alternatives is None else likely.entries(cut.text, alternatives)
        text = {"type": "output_text", "text": cut.text, "annotations": [], "logprobs": entries}
        message = {"id": fresh_id("msg_"), "type": "message", "status": status, "role": "assistant", "content": [text]}
        items.append(message)
    return items


def _usage(billed: Billed) -> dict[str, Any]:
    return {
        "input_tokens": billed.input_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": billed.output_tokens,
        "output_tokens_details": {"reasoning_tokens": billed.reasoning_tokens},
        "total_tokens": billed.input_tokens + billed.output_tokens,
    }
