"""Chat Completions, as OpenAI made it and as most other servers speak it: what its teachers have in common."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from cotdistill.providers import logprobs
from cotdistill.providers.assembled import Body, assembled
from cotdistill.providers.chat_stream import collect
from cotdistill.providers.error_body import Problem
from cotdistill.providers.lenient import document, error_in, excerpt, items, mapping, problem_of, text, word
from cotdistill.providers.logprobs import TokenLogprobs
from cotdistill.providers.sdk_teacher import SdkTeacher
from cotdistill.providers.thoughts import Thoughts, parts, summarised, thoughts
from cotdistill.providers.types import BadReplyError, Reply, Request
from cotdistill.providers.usage import billed, chat_usage, usage_in
from cotdistill.records import as_dicts

_CAPS = ("max_tokens", "max_completion_tokens")

_WANTS_A_STREAM = re.compile(
    r"only\b.{0,40}\bstream|stream(?:ing)?\b.{0,60}\b(?:only|is required|must be (?:set to )?true)"
    r"|(?:enable|use|set|requires?|must)\b.{0,40}\bstream(?:ing)?\b(?!_)"
    r"|non-?stream\w*.{0,40}\bnot (?:be )?(?:supported|allowed)"
    r"|not support\w*.{0,40}\bnon-?stream",
    re.IGNORECASE,
)
_UNKNOWN_FIELD = (
    r"unsupported|not supported|unrecognized|unknown|unexpected|extra (?:inputs|fields)|not permitted|not allowed"
    r"|no longer|deprecated|invalid (?:parameter|argument)|does not (?:support|accept)"
)


def _refuses(cap: str, words: str) -> bool:
    """Whether the field itself is refused, and not its value."""
    named = re.search(rf"\b{cap}\b", words)
    other = next(name for name in _CAPS if name != cap)
    if not named or re.search(
        r"too (?:large|small|high)|at (?:most|least)|less than|exceed|maximum|range", words, re.I
    ):
        return False
    return bool(re.search(rf"\b{other}\b", words) or re.search(_UNKNOWN_FIELD, words, re.IGNORECASE))


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
    _other_cap: str = field(default="", init=False, repr=False)
    """What that field is called here, where the server refuses its usual name."""

    path: str = field(default="/chat/completions", init=False, repr=False)
    _streams: bool = field(default=False, init=False, repr=False)
    """The server answers in streams only."""

    def reasoning(self, effort: str | None) -> dict[str, Any]:
        """What the body says of reasoning, by --effort: OpenAI's own field, which most servers know."""
        return {"reasoning_effort": effort} if effort else {}

    def ask_logprobs(self, alternatives: int) -> dict[str, Any]:
        """What the body says to have log-probabilities."""
        return {"logprobs": True, "top_logprobs": alternatives}

    def why_no_logprobs(self, request: Request) -> str:
        """By default the server decides: most that are compatible give them."""
        return ""

    def token_logprobs(self, raw: bytes) -> TokenLogprobs | None:
        choice = _choice(_unwrapped(document(raw, "chat completion")))
        return logprobs.read(logprobs.in_choice(choice))

    def body(self, request: Request) -> dict[str, Any]:
        whole = {
            "model": self.model,
            "messages": as_dicts(request.messages),
            self.cap: request.max_output_tokens,
            **self.reasoning(request.effort),
            **(self.ask_logprobs(request.logprobs) if request.logprobs else {}),
        }
        return whole if request.temperature is None else {**whole, "temperature": request.temperature}

    def wire(self, body: dict[str, Any]) -> dict[str, Any]:
        """In a stream, or with the cap under its other name, where the server wants that: the answer is the same, and
        so is its request key."""
        sent = {
            self._other_cap if name == self.cap and self._other_cap else name: value for name, value in body.items()
        }
        return {**sent, "stream": True, "stream_options": {"include_usage": True}} if self._streams else sent

    def adapted(self, error: Any, wire: dict[str, Any]) -> bool:
        """Found out from the first refusal, and remembered for the run."""
        words = f"{error.message} {error.body}"
        if error.status_code not in (400, 404, 405, 415, 422, 501):
            return False
        if _WANTS_A_STREAM.search(words) and not wire.get("stream"):
            self._streams = True
            return True
        cap = next((name for name in _CAPS if name in wire), "")
        if cap and _refuses(cap, words):
            self._other_cap = next(name for name in _CAPS if name != cap)
            return True
        return False

    async def collect(self, chunks: AsyncIterator[bytes]) -> bytes:
        return await collect(chunks)

    def extract(self, raw: bytes) -> Reply:
        completion = _unwrapped(document(raw, "chat completion"))
        choice = _choice(completion)
        if error := error_in(completion.get("error")) or error_in(choice.get("error")):  # OpenRouter has either
            raise error
        if not choice:
            counts = _counts(completion, choice)
            raise BadReplyError(
                f"the reply holds no choices: {excerpt(raw)}",
                _blocked(completion) or problem_of(completion),
                usage=chat_usage(counts, empty=True),
                cost_usd=billed(counts, zero=self.provider == "openrouter"),
            )
        message, served = _message(choice), word(completion.get("model"))
        content, counts = parts(message.get("content")), _counts(completion, choice)
        refusal = text(message.get("refusal")) or content.refusal
        trace, rule = _trace(message, content.thoughts)
        if not (trace.there or trace.sealed):  # some gateways put it beside the message
            trace, rule = _trace({**choice, "content": None}, [])
        if trace.text and (summarised(self.model) or summarised(served)):
            trace = trace._replace(summary=True)
        found = Body(
            text=content.text,
            thoughts=trace,
            rule=rule,
            refusal=refusal,
            tags="summary" if "gemini" in f"{self.model} {served}".lower() else "raw",
            finish=_finish(choice),
            served_model=served,
            usage=chat_usage(counts, empty=not (content.text or trace.text or refusal)),
            cost_usd=billed(counts, zero=self.provider == "openrouter"),
            logprobs=logprobs.written(logprobs.in_choice(choice)),
        )
        return assembled(raw, found, self.think_tags)


_WRAPPERS = ("data", "result", "response", "output", "body")


def _unwrapped(found: dict[str, Any]) -> dict[str, Any]:
    """The completion where a gateway puts it into an envelope of its own: {"code": 0, "data": {…}}. DashScope's has the
    usage beside it."""
    if "choices" in found:
        return found
    inner = next((mapping(found[name]) for name in _WRAPPERS if "choices" in mapping(found.get(name))), found)
    return {**inner, "usage": inner.get("usage") or found.get("usage")} if inner is not found else found


def _blocked(completion: dict[str, Any]) -> Problem | None:
    """What is wrong where a filter stopped the prompt and said so in a field of its own, as Azure and Gemini do."""
    results = items(completion.get("prompt_filter_results"))
    found = [mapping(one) for result in results for one in mapping(result.get("content_filter_results")).values()]
    feedback = mapping(completion.get("promptFeedback")) or mapping(completion.get("prompt_feedback"))
    reason = word(feedback.get("blockReason")) or word(feedback.get("block_reason"))
    if reason or any(one.get("filtered") is True for one in found):
        return Problem(("content_filter",), reason or "the server's filter stopped the prompt")
    return None


def _choice(completion: dict[str, Any]) -> dict[str, Any]:
    """The first by its own number: one is asked for, and servers that send more need not send them in order."""
    choices = completion.get("choices")
    found = [choices] if isinstance(choices, dict) else items(choices)
    return next((choice for choice in found if choice.get("index") == 0), found[0] if found else {})


def _message(choice: dict[str, Any]) -> dict[str, Any]:
    """Also of a choice in the shape of a stream, of one that holds a list of messages, and of Completions."""
    if isinstance(said := choice.get("message"), str):
        return {"content": said}
    turns = items(choice.get("messages"))
    return mapping(said) or mapping(choice.get("delta")) or (turns[-1] if turns else {"content": choice.get("text")})


def _counts(completion: dict[str, Any], choice: dict[str, Any]) -> dict[str, Any]:
    """The usage, which Groq's streams (`x_groq`) and Moonshot's (in the choice) have elsewhere, and gateways to Gemini
    under its own name."""
    places = (completion, mapping(completion.get("x_groq")), choice)
    found = next((counts for place in places if (counts := usage_in(place.get("usage")))), {})
    return found or mapping(completion.get("usageMetadata"))


def _finish(choice: dict[str, Any]) -> str | None:
    """The server's word for the end; where it has none, that of the provider behind it, as OpenRouter repeats it."""
    given = choice.get("finish_reason")
    given = given.get("type") if isinstance(given, dict) else given
    return word(given) or word(choice.get("native_finish_reason"))


_FIELDS = (
    "reasoning_details", "reasoning", "reasoning_content", "thinking", "thinking_blocks", "reasoning_text",
    "thinking_content", "thoughts", "thought",
)  # fmt: skip
"""OpenRouter has the first two, vLLM and Ollama `reasoning`, DeepSeek and SGLang `reasoning_content`, LiteLLM
`thinking_blocks`."""

_NESTED = ("provider_specific_fields", "additional_kwargs", "model_extra")
"""Where gateways put what their own format has no field for."""


def _trace(message: dict[str, Any], in_content: list[Any]) -> tuple[Thoughts, str | None]:
    """The first field that holds a trace, and its name; a tag inside the content is what a server leaves that was
    started without a reasoning parser, and not looked for here. What others say of the kind holds for all."""
    found = {name: thoughts(message[name], _APART.get(name, "")) for name in _FIELDS if name in message}
    if in_content:
        found["thinking part"] = thoughts(in_content, "\n\n")
    for name in _NESTED:
        if nested := name in message and mapping(message[name]):
            inside, rule = _trace(nested, [])
            found[f"{name}.{rule}"] = inside
    if not found:
        return Thoughts(sealed=bool(message.get("reasoning_opaque"))), None
    if len(found) == 1 and not message.get("reasoning_opaque"):  # as nearly all servers send it
        rule, one = next(iter(found.items()))
        return one, rule if one.text else None
    rule = next((name for name, one in found.items() if one.text), None)
    whole = Thoughts(
        text=found[rule].text if rule else "",
        summary=any(one.summary for one in found.values()),
        sealed=any(one.sealed for one in found.values()) or bool(message.get("reasoning_opaque")),
        there=any(one.there for one in found.values()),
    )
    return whole, rule


_APART = {"thinking_blocks": "\n\n"}
