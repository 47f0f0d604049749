"""OpenAI Chat Completions, and every server that speaks it (DeepSeek, vLLM, SGLang, OpenRouter, Ollama …).

Hosted OpenAI models return no reasoning on this API; open-weight servers do, in one of several fields.
"""

from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

import msgspec

from cotdistill.reasoning import split
from cotdistill.records import ReasoningKind, StopReason, Usage
from cotdistill.teachers import MOST_IN_FLIGHT, BadReplyError, Failure, Reply, Request, kind_of_visible
from cotdistill.teachers._limits import rate_limits
from cotdistill.teachers._sdk import api_key, classify, clean, http_client

HOSTED = "https://api.openai.com/v1"

_STOP_REASONS: dict[str | None, StopReason] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
}


@dataclass
class Teacher:
    """OpenAI and any OpenAI-compatible server (--base-url http://host/v1). Key: OPENAI_API_KEY."""

    model: str
    base_url: str = HOSTED
    concurrency: int = MOST_IN_FLIGHT
    timeout_s: float = 600.0
    provider: str = field(default="openai", init=False)
    _client: Any = field(default=None, init=False, repr=False)

    async def __aenter__(self) -> Self:
        import openai

        self._client = openai.AsyncOpenAI(
            api_key=api_key("OPENAI_API_KEY", self.provider, self.base_url),
            base_url=self.base_url,  # always explicit: a stray OPENAI_BASE_URL must not redirect paid traffic
            max_retries=0,
            http_client=http_client(openai, concurrency=self.concurrency, timeout_s=self.timeout_s),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    def body(self, request: Request) -> dict[str, Any]:
        # Reasoning models of OpenAI refuse `max_tokens`; many compatible servers ignore its successor,
        # and an ignored cap is an unbounded bill.
        cap = "max_completion_tokens" if self.base_url.rstrip("/") == HOSTED else "max_tokens"
        body = {
            "model": self.model,
            "messages": [{"role": turn.role, "content": turn.content} for turn in request.messages],
            cap: request.max_output_tokens,
            "temperature": request.temperature,
            "reasoning_effort": request.effort,
        }
        return {name: value for name, value in body.items() if value is not None}

    async def ask(self, request: Request, idempotency_key: str) -> Reply:
        import httpx2

        # The SDK's low-level call: its auth, URLs and errors, without 28 % of its CPU in walking the types
        # of a body we built and a reply of which we read five fields.
        response = await self._client.post(
            "/chat/completions",
            body=self.body(request),
            cast_to=httpx2.Response,
            options={"headers": {"Idempotency-Key": idempotency_key}},
        )
        return replace(self.read(response.content), limits=rate_limits(response.headers.raw))

    def read(self, raw: bytes) -> Reply:
        try:
            completion = msgspec.json.decode(raw, type=_Completion)
        except msgspec.DecodeError as error:
            raise BadReplyError(f"the reply is no chat completion: {error}") from None
        if completion.error or not completion.choices:
            raise BadReplyError(f"the reply holds no choices: {clean(str(completion.error or raw[:200]))}")
        choice = completion.choices[0]
        reasoning, kind, text = _trace(choice.message)
        refused = choice.message.refusal
        return Reply(
            raw=raw,
            text=refused or text,
            reasoning=reasoning,
            reasoning_kind=kind,
            stop_reason="refusal" if refused else _STOP_REASONS.get(choice.finish_reason, "other"),
            served_model=completion.model,
            usage=_usage(completion.usage),
        )

    def classify(self, error: Exception) -> Failure:
        import openai

        return classify(openai, error)


class _Detail(msgspec.Struct):
    type: str = ""
    text: str | None = None


class _Message(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    reasoning_details: list[_Detail] | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Tokens(msgspec.Struct):
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    completion_tokens_details: _Tokens | None = None
    prompt_tokens_details: _Tokens | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice] | None = None
    model: str | None = None
    usage: _Usage | None = None
    error: Any = None


def _trace(message: _Message) -> tuple[str | None, ReasoningKind, str]:
    """Reasoning, its kind and the visible text. Servers name the field differently; an inline `<think>` is
    what a server without a reasoning parser leaves in the content."""
    text = message.content or ""
    details = "".join(part.text or "" for part in message.reasoning_details or [] if part.type == "reasoning.text")
    if trace := details or message.reasoning or message.reasoning_content:
        return trace, "raw", text
    parts = split(text)
    if parts.reasoning is not None:
        return parts.reasoning, "raw", parts.answer
    return None, kind_of_visible(text), text


def _usage(usage: _Usage | None) -> Usage:
    usage = usage or _Usage()
    output, prompt = usage.completion_tokens_details, usage.prompt_tokens_details
    return Usage(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        reasoning_tokens=output.reasoning_tokens if output else None,
        cached_tokens=prompt.cached_tokens if prompt else None,
    )
