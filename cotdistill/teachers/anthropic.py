"""Anthropic Messages. Thinking arrives as a summary of the model's chain; the raw chain is billed, not shown."""

from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

import msgspec

from cotdistill.errors import UsageError
from cotdistill.records import ReasoningKind, StopReason, Usage
from cotdistill.teachers import MOST_IN_FLIGHT, BadReplyError, Failure, Reply, Request, kind_of_visible
from cotdistill.teachers._limits import rate_limits
from cotdistill.teachers._sdk import api_key, classify, clean, http_client

HOSTED = "https://api.anthropic.com"

_STOP_REASONS: dict[str | None, StopReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refusal",
}


@dataclass
class Teacher:
    """Claude, and servers that speak the Messages API (--base-url http://host). Key: ANTHROPIC_API_KEY."""

    model: str
    base_url: str = HOSTED
    concurrency: int = MOST_IN_FLIGHT
    timeout_s: float = 600.0
    provider: str = field(default="anthropic", init=False)
    _client: Any = field(default=None, init=False, repr=False)

    async def __aenter__(self) -> Self:
        import anthropic

        self._client = anthropic.AsyncAnthropic(
            api_key=api_key("ANTHROPIC_API_KEY", self.provider, self.base_url),
            base_url=self.base_url,  # always explicit: a stray ANTHROPIC_BASE_URL must not redirect paid traffic
            max_retries=0,
            http_client=http_client(anthropic, concurrency=self.concurrency, timeout_s=self.timeout_s),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    def body(self, request: Request) -> dict[str, Any]:
        if request.temperature is not None:
            raise UsageError(
                "--temperature: the Anthropic API takes no sampling parameters (version 2026-10-21). Leave it out; "
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
            # Without `display` the current models return an empty thinking text and bill for it.
            "thinking": {"type": "adaptive", "display": "summarized"},
            "output_config": {"effort": request.effort} if request.effort else None,
        }
        return {name: value for name, value in body.items() if value is not None}

    async def ask(self, request: Request, idempotency_key: str) -> Reply:
        import httpx2

        response = await self._client.post(
            "/v1/messages",
            body=self.body(request),
            cast_to=httpx2.Response,
            options={"headers": {"Idempotency-Key": idempotency_key}},
        )
        return replace(self.read(response.content), limits=rate_limits(response.headers.raw))

    def read(self, raw: bytes) -> Reply:
        try:
            message = msgspec.json.decode(raw, type=_Message)
        except msgspec.DecodeError as error:
            raise BadReplyError(f"the reply is no message: {error}") from None
        if message.type != "message" or message.content is None:
            raise BadReplyError(f"the reply is no message: {clean(raw[:200].decode('utf-8', 'replace'))}")
        text = "".join(block.text or "" for block in message.content if block.type == "text")
        reasoning, kind = _trace(message.content, text)
        return Reply(
            raw=raw,
            text=text,
            reasoning=reasoning,
            reasoning_kind=kind,
            stop_reason=_STOP_REASONS.get(message.stop_reason, "other"),
            served_model=message.model,
            usage=_usage(message.usage),
        )

    def classify(self, error: Exception) -> Failure:
        import anthropic

        return classify(anthropic, error)


class _Block(msgspec.Struct):
    type: str
    text: str | None = None
    thinking: str | None = None


class _Details(msgspec.Struct):
    thinking_tokens: int | None = None


class _Usage(msgspec.Struct):
    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens_details: _Details | None = None


class _Message(msgspec.Struct):
    type: str = ""
    content: list[_Block] | None = None
    model: str | None = None
    stop_reason: str | None = None
    usage: _Usage | None = None


def _trace(blocks: list[_Block], text: str) -> tuple[str | None, ReasoningKind]:
    thoughts = [block.thinking or "" for block in blocks if block.type == "thinking"]
    if trace := "\n\n".join(thought for thought in thoughts if thought):
        return trace, "summary"
    if any(block.type == "redacted_thinking" for block in blocks):
        return None, "redacted"
    if thoughts:
        return None, "omitted"
    return None, kind_of_visible(text)


def _usage(usage: _Usage | None) -> Usage:
    usage = usage or _Usage()
    cached = usage.cache_read_input_tokens or 0
    return Usage(
        input_tokens=usage.input_tokens + cached + (usage.cache_creation_input_tokens or 0),
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.output_tokens_details.thinking_tokens if usage.output_tokens_details else None,
        cached_tokens=cached or None,
    )
