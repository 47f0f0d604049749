"""Anthropic Messages. Thinking arrives as a summary of the model's chain; the raw chain is billed, not shown."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from cotdistill.errors import UsageError
from cotdistill.providers.anthropic_stream import collect
from cotdistill.providers.assembled import Body, assembled
from cotdistill.providers.errors import clean
from cotdistill.providers.http import without_foreign_headers
from cotdistill.providers.keys import api_key
from cotdistill.providers.lenient import document, error_in, excerpt, items, mapping, text, word
from cotdistill.providers.sdk_teacher import SdkTeacher
from cotdistill.providers.thoughts import parts, summarised, thoughts
from cotdistill.providers.types import BadReplyError, Reply, Request
from cotdistill.providers.usage import billed, messages_usage

HOSTED = "https://api.anthropic.com"

API_VERSION = "2026-10-21"
"""Of the Messages API, as the SDK sends it; what is read and sent here is of this version."""

MOST_UNSTREAMED = 21_333
"""Output tokens: for more, the API wants a stream, lest the connection be idle for more than ten minutes."""

LEAST_BUDGET = 1_024

_ADAPTIVE = re.compile(r"claude-((fable|mythos)-|(opus|sonnet)-4-[678]|(opus|sonnet|haiku)-5(-|$))")
_BUDGETED = re.compile(r"claude-(3-|(opus|sonnet|haiku)-4(-[015])?(-20\d{6})?$)")


@dataclass
class Teacher(SdkTeacher):
    """Claude, and servers that speak the Messages API (--base-url http://host). Key: ANTHROPIC_API_KEY."""

    base_url: str = HOSTED
    _budgeted: bool | None = field(default=None, init=False, repr=False)

    provider: ClassVar[str] = "anthropic"
    sdk: ClassVar[Literal["openai", "anthropic"]] = "anthropic"
    key: ClassVar[str] = "ANTHROPIC_API_KEY"
    path: str = field(default="/v1/messages", init=False, repr=False)
    wire_version: ClassVar[str] = ""
    """Of a cloud that hosts Claude, where the body says the version and the path names the model."""

    def __post_init__(self) -> None:
        name = self.claude()
        if _ADAPTIVE.match(name) or not name.startswith("claude-"):
            self._budgeted = False
        elif _BUDGETED.match(name):
            self._budgeted = True

    def headers(self) -> dict[str, str] | None:
        known = super().headers()
        return None if known is None else {**known, "anthropic-version": API_VERSION}

    def claude(self) -> str:
        """The model by Anthropic's own name."""
        return self.model

    def body(self, request: Request) -> dict[str, Any]:
        if request.temperature is not None:
            raise UsageError(
                f"--temperature: the Anthropic API takes no sampling parameters (version {API_VERSION}). Leave it out; "
                "repeated samples of one prompt differ by themselves"
            )
        system = "\n\n".join(turn.content for turn in request.messages if turn.role == "system")
        body = {
            "model": self.model,
            "max_tokens": request.max_output_tokens,
            "system": system or None,
            "messages": [
                {"role": turn.role, "content": turn.content} for turn in request.messages if turn.role != "system"
            ],
            "thinking": self._thinking(request.max_output_tokens),
            "output_config": {"effort": request.effort} if request.effort else None,
            "stream": True if request.max_output_tokens > MOST_UNSTREAMED else None,
        }
        return {name: value for name, value in body.items() if value is not None}

    def wire(self, body: dict[str, Any]) -> dict[str, Any]:
        """In a cloud the path names the model. Nothing is streamed there: Bedrock's streams are of another format."""
        if not self.wire_version:
            return body
        kept = {name: value for name, value in body.items() if name not in ("model", "stream")}
        return {"anthropic_version": self.wire_version, **kept}

    async def collect(self, chunks: AsyncIterator[bytes]) -> bytes:
        return await collect(chunks)

    def extract(self, raw: bytes) -> Reply:
        message = document(raw, "message")
        if error := error_in(message.get("error")):
            raise error
        if message.get("content") is None and message.get("stop_reason") == "refusal":
            message["content"] = []  # as some gateways write that there is none
        if not isinstance(message.get("content"), list | str):
            raise BadReplyError(f"the reply holds no content: {excerpt(raw)}")
        content, counts = parts(message["content"]), mapping(message.get("usage"))
        given, served = word(message.get("stop_reason")), word(message.get("model"))
        trace = thoughts(content.thoughts, "\n\n")  # the signatures beside the thoughts stay out of the data
        found = Body(
            text=content.text,
            thoughts=trace._replace(summary=trace.summary or _is_summary(content.thoughts, self.model, served)),
            rule="thinking",
            finish=given,
            stop_detail=_category(message) if given == "refusal" else None,
            served_model=served,
            usage=messages_usage(counts, empty=not message["content"]),
            cost_usd=billed(counts),
            answers=bool(items(message["content"])),
        )
        return assembled(raw, found, self.think_tags)

    def _thinking(self, cap: int) -> dict[str, Any]:
        """Without `display` the current models return an empty thinking text and bill for it."""
        if not self._takes_a_budget():
            return {"type": "adaptive", "display": "summarized"}
        if 0 < cap <= LEAST_BUDGET:
            raise UsageError(
                f"--max-output-tokens {cap}: {self.model} thinks with a budget of at least {LEAST_BUDGET} tokens, and "
                f"the answer comes on top; give 4,000 or more"
            )
        return {"type": "enabled", "budget_tokens": max(LEAST_BUDGET, cap * 3 // 4), "display": "summarized"}

    def _takes_a_budget(self) -> bool:
        """Whether the model knows no adaptive thinking. The name says so of every model there was in November 2026;
        of a later one Anthropic's own API is asked, once, when the first body is built.

        The answer is part of request keys, and yet a wrong one, such as when the API cannot be reached, loses
        nothing: a model refuses the kind of thinking it does not know, so nothing is ever paid for under that key.
        """
        if self._budgeted is None:
            self._budgeted = self.provider == "anthropic" and _needs_a_budget(self.model, self.base_url)
        return self._budgeted


def _needs_a_budget(model: str, base_url: str) -> bool:
    import anthropic

    try:
        key = api_key("ANTHROPIC_API_KEY", "anthropic", base_url)
        with anthropic.Anthropic(api_key=key, base_url=base_url, max_retries=0, timeout=10.0) as client:
            without_foreign_headers(client, base_url)
            types = client.models.retrieve(model).capabilities.thinking.types  # type: ignore[union-attr]
        return types.enabled.supported and not types.adaptive.supported
    except Exception:  # no key in a dry run, no such endpoint, fields in another shape: all say nothing
        return False


def _is_summary(blocks: list[Any], *models: str | None) -> bool:
    """Anthropic signs its thoughts, which are summaries; a server of an open-weight model shows the chain."""
    return any(map(summarised, models)) or any(mapping(block).get("signature") for block in blocks)


def _category(message: dict[str, Any]) -> str | None:
    details = mapping(message.get("stop_details"))
    return ": ".join(part for name in ("category", "explanation") if (part := clean(text(details.get(name))))) or None
