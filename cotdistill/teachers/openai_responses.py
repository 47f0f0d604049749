"""OpenAI Responses, for hosted models: here they give a summary of their reasoning; the chain itself they keep."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from cotdistill.providers import logprobs
from cotdistill.providers.assembled import Body, assembled
from cotdistill.providers.endings import BROKEN
from cotdistill.providers.lenient import document, error_in, excerpt, items, mapping, word
from cotdistill.providers.logprobs import TokenLogprobs
from cotdistill.providers.responses_stream import collect
from cotdistill.providers.sdk_teacher import SdkTeacher
from cotdistill.providers.thoughts import parts, thoughts
from cotdistill.providers.types import BadReplyError, Reply, Request
from cotdistill.providers.usage import billed, chat_usage
from cotdistill.records import as_dicts
from cotdistill.teachers.openai import without_effort_none

HOSTED = "https://api.openai.com/v1"


@dataclass
class Teacher(SdkTeacher):
    """Reasoning models hosted by OpenAI, with a summary of their reasoning. Key: OPENAI_API_KEY."""

    base_url: str = HOSTED

    provider: ClassVar[str] = "openai_responses"
    key: ClassVar[str] = "OPENAI_API_KEY"
    path: str = field(default="/responses", init=False, repr=False)

    def body(self, request: Request) -> dict[str, Any]:
        asked = {"include": ["message.output_text.logprobs"], "top_logprobs": request.logprobs}
        body = {
            "model": self.model,
            "input": as_dicts(request.messages),
            "max_output_tokens": request.max_output_tokens,
            "reasoning": {"summary": "auto", **({"effort": request.effort} if request.effort else {})},
            "store": False,  # the default keeps prompt and answer at the provider for 30 days
            "temperature": request.temperature,
            **(asked if request.logprobs else {}),
        }
        return {name: value for name, value in body.items() if value is not None}

    def why_no_logprobs(self, request: Request) -> str:
        return without_effort_none(self.model, request)

    def token_logprobs(self, raw: bytes) -> TokenLogprobs | None:
        output = items(document(raw, "response").get("output"))
        return logprobs.read(logprobs.in_output(_answering(output)))

    async def collect(self, chunks: AsyncIterator[bytes]) -> bytes:
        return await collect(chunks)

    def extract(self, raw: bytes) -> Reply:
        response = document(raw, "response")
        if error := error_in(response.get("error")):
            raise error
        if not isinstance(response.get("output"), list):
            raise BadReplyError(f"the reply holds no output: {excerpt(raw)}")
        output, counts = items(response["output"]), mapping(response.get("usage"))
        # An item of a type that is not known yet is passed over; the store keeps it.
        content = parts([part for item in _answering(output) for part in _content(item)] or response.get("output_text"))
        trace = thoughts([item for item in output if item.get("type") == "reasoning"], "\n\n")
        found = Body(
            text=content.text,
            thoughts=trace,
            rule="summary" if trace.summary else "content",
            refusal=content.refusal,
            finish=_finish(response),
            served_model=word(response.get("model")),
            usage=chat_usage(counts, empty=not output),
            cost_usd=billed(counts),
            answers=bool(output or content.text),
            logprobs=logprobs.written(logprobs.in_output(_answering(output))),
        )
        return assembled(raw, found, self.think_tags)


def _content(message: dict[str, Any]) -> list[Any]:
    """The parts of a message; some gateways write one text instead."""
    content = message.get("content")
    return [content] if isinstance(content, str) else items(content)


def _answering(output: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages that are the answer: of a model that comments on its way, those of the final phase."""
    messages = [item for item in output if item.get("type") == "message"]
    return [item for item in messages if item.get("phase") == "final_answer"] or messages


def _finish(response: dict[str, Any]) -> str:
    """The reason where the answer is incomplete, else the status; a server that has none is done."""
    status = word(response.get("status")) or "completed"
    reason = word(mapping(response.get("incomplete_details")).get("reason"))
    return reason if reason and status not in BROKEN else status
