"""OpenAI Responses, for hosted models: here they give a summary of their reasoning; the chain itself they keep."""

from dataclasses import dataclass
from typing import Any, ClassVar

from cotdistill.providers.lenient import document, error_in, excerpt, items, mapping, text, word
from cotdistill.providers.sdk_teacher import SdkTeacher
from cotdistill.providers.types import BadReplyError, Reply, Request, kind_of_visible
from cotdistill.providers.usage import billed, chat_usage
from cotdistill.records import ReasoningKind, StopReason, Usage

HOSTED = "https://api.openai.com/v1"

_CUT: dict[str, StopReason] = {"max_output_tokens": "length", "content_filter": "content_filter"}


@dataclass
class Teacher(SdkTeacher):
    """Reasoning models hosted by OpenAI, with a summary of their reasoning. Key: OPENAI_API_KEY."""

    base_url: str = HOSTED

    provider: ClassVar[str] = "openai_responses"
    key: ClassVar[str] = "OPENAI_API_KEY"
    path: ClassVar[str] = "/responses"

    def body(self, request: Request) -> dict[str, Any]:
        body = {
            "model": self.model,
            "input": [{"role": turn.role, "content": turn.content} for turn in request.messages],
            "max_output_tokens": request.max_output_tokens,
            "reasoning": {"summary": "auto", **({"effort": request.effort} if request.effort else {})},
            "store": False,  # the default keeps prompt and answer at the provider for 30 days
            "temperature": request.temperature,
        }
        return {name: value for name, value in body.items() if value is not None}

    def extract(self, raw: bytes) -> Reply:
        response = document(raw, "response")
        if error := error_in(response.get("error")):
            raise error
        if not isinstance(response.get("output"), list):
            raise BadReplyError(f"the reply holds no output: {excerpt(raw)}")
        output, counts = items(response["output"]), mapping(response.get("usage"))
        usage = chat_usage(counts, empty=not output)
        # An item of a type that is not known yet is passed over; the store keeps it.
        parts = [part for item in output if item.get("type") == "message" for part in items(item.get("content"))]
        visible = text([part for part in parts if part.get("type") != "refusal"])
        refusal = "".join(text(part.get("refusal")) for part in parts if part.get("type") == "refusal")
        stop_reason, detail = _stop_reason(response, refusal)
        if not (visible or refusal or output or usage.output_tokens) and stop_reason == "stop":
            raise BadReplyError(f"the reply holds an empty response: {excerpt(raw)}")
        reasoning, kind, rule = _trace(output, visible, usage)
        return Reply(
            raw=raw,
            text=refusal or visible,
            reasoning=reasoning,
            reasoning_kind=kind,
            reasoning_rule=rule,
            stop_reason=stop_reason,
            stop_detail=detail,
            served_model=word(response.get("model")),
            usage=usage,
            cost_usd=billed(counts),
        )


def _stop_reason(response: dict[str, Any], refusal: str) -> tuple[StopReason, str | None]:
    status = word(response.get("status")) or "completed"
    if refusal:
        return "refusal", None
    if status == "completed":
        return "stop", None
    reason = word(mapping(response.get("incomplete_details")).get("reason")) or status
    known = _CUT.get(reason)
    return (known, None) if known else ("other", reason)


def _trace(output: list[dict[str, Any]], visible: str, usage: Usage) -> tuple[str | None, ReasoningKind, str | None]:
    """Open-weight servers fill `content` with the chain, OpenAI only `summary`."""
    thoughts = [item for item in output if item.get("type") == "reasoning"]
    for rule, kind in (("content", "raw"), ("summary", "summary")):
        parts = [text(part) for item in thoughts for part in items(item.get(rule))]
        if trace := "\n\n".join(part for part in parts if part):
            return trace, "raw" if kind == "raw" else "summary", rule
    return None, "omitted" if usage.reasoning_tokens else kind_of_visible(visible), None
