"""Chat Completions, as OpenAI made it and as most other servers speak it: what its teachers have in common."""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from cotdistill.providers.lenient import document, error_in, excerpt, items, mapping, text, word
from cotdistill.providers.sdk_teacher import SdkTeacher
from cotdistill.providers.types import BadReplyError, Reply, Request, kind_of_visible
from cotdistill.providers.usage import billed, chat_usage
from cotdistill.reasoning import split
from cotdistill.records import ReasoningKind, StopReason

_STOP_REASONS: dict[str | None, StopReason] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
}


def thinking_switch(effort: str | None) -> dict[str, Any]:
    """For servers that pass `chat_template_kwargs` on to the template, as vLLM and SGLang do. Only on request, for
    those with a Mistral tokenizer refuse it. Qwen3 and its like think unless told not to with `enable_thinking`;
    DeepSeek V3.1 and Granite only when told to with `thinking`."""
    if effort is None:
        return {}
    thinks = effort != "none"
    return {"reasoning_effort": effort, "chat_template_kwargs": {"enable_thinking": thinks, "thinking": thinks}}


@dataclass
class ChatTeacher(SdkTeacher):
    """A server that speaks Chat Completions. A preset sets `provider`, `key` and `base_url`, and overrides what its
    server does differently."""

    cap: str = field(default="max_tokens", init=False, repr=False)
    """The body's field that caps the output."""

    path: ClassVar[str] = "/chat/completions"

    def reasoning(self, effort: str | None) -> dict[str, Any]:
        """What the body says of reasoning, by --effort: OpenAI's own field, which most servers know."""
        return {"reasoning_effort": effort} if effort else {}

    def body(self, request: Request) -> dict[str, Any]:
        whole = {
            "model": self.model,
            "messages": [{"role": turn.role, "content": turn.content} for turn in request.messages],
            self.cap: request.max_output_tokens,
            **self.reasoning(request.effort),
        }
        return whole if request.temperature is None else {**whole, "temperature": request.temperature}

    def extract(self, raw: bytes) -> Reply:
        completion = document(raw, "chat completion")
        choice = next(iter(items(completion.get("choices"))), {})
        if error := error_in(completion.get("error")) or error_in(choice.get("error")):  # OpenRouter has either
            raise error
        if not choice:
            raise BadReplyError(f"the reply holds no choices: {excerpt(raw)}")
        message, finish, counts = (
            mapping(choice.get("message")),
            word(choice.get("finish_reason")),
            completion.get("usage"),
        )
        found = _trace(message)
        refusal = text(message.get("refusal"))
        usage = chat_usage(mapping(counts), empty=not (found.text or found.reasoning or refusal))
        if not (found.text or found.reasoning or refusal or usage.output_tokens) and finish in (None, "stop"):
            raise BadReplyError(f"the reply holds an empty message: {excerpt(raw)}")
        if found.reasoning is None and usage.reasoning_tokens:
            found = replace(found, kind="omitted")
        stop_reason: StopReason = "refusal" if refusal else _STOP_REASONS.get(finish, "other")
        return Reply(
            raw=raw,
            text=refusal or found.text,
            reasoning=found.reasoning,
            reasoning_kind=found.kind,
            reasoning_rule=found.rule,
            stop_reason=stop_reason,
            stop_detail=finish if stop_reason == "other" else None,
            served_model=word(completion.get("model")),
            usage=usage,
            cost_usd=billed(mapping(counts), zero=self.provider == "openrouter"),
        )


@dataclass(frozen=True)
class _Found:
    """A trace, how it was found, and what is left as the visible text."""

    reasoning: str | None
    kind: ReasoningKind
    rule: str | None
    text: str


def _trace(message: dict[str, Any]) -> _Found:
    """Servers name the field differently: OpenRouter `reasoning_details` and `reasoning`, vLLM and Ollama `reasoning`,
    DeepSeek and SGLang `reasoning_content`, Mistral a part of the content. A tag inside the content is what a server
    leaves that was started without a reasoning parser."""
    content = message.get("content")
    visible = text(content)
    fields = {
        "reasoning_details": [
            part for part in items(message.get("reasoning_details")) if part.get("type") == "reasoning.text"
        ],
        "reasoning": message.get("reasoning"),
        "reasoning_content": message.get("reasoning_content"),
        "thinking part": [part.get("thinking") for part in items(content) if part.get("type") == "thinking"],
    }
    for rule, value in fields.items():
        if trace := text(value):
            return _Found(trace, "raw", rule, visible)
    parts = split(visible)
    if parts.reasoning:
        return _Found(parts.reasoning, "raw", parts.rule, parts.answer)
    return _Found(None, kind_of_visible(parts.answer), None, parts.answer)
