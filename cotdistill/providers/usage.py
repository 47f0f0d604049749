"""How many tokens an answer took, as each API says it; and what it cost, where the provider says that.

A count that is missing, null, an impossible 0 or far too small for the text is None: a server that does not count is
not one that charges nothing.
"""

from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from cotdistill.providers.lenient import count, mapping
from cotdistill.providers.types import Reply, Request
from cotdistill.records import Usage

LEAST_HIDDEN = 16
"""Tokens between the total and what is named; fewer are a server's way of counting, no chain of thought."""

WORDS_A_TOKEN = 4
"""No vocabulary in use joins so many words in a token: a text with more of them was not counted, whatever is said."""


def without_understated(usage: Usage, text: str) -> Usage:
    """The usage, its output unknown where it is too little for the visible text: some gateways fill in a constant."""
    said = usage.output_tokens
    if not said or len(text) < said * WORDS_A_TOKEN or len(text.split()) <= said * WORDS_A_TOKEN:
        return usage
    return msgspec.structs.replace(usage, output_tokens=None)


def with_proven_input(reply: Reply, request: Request) -> Reply:
    """The reply with at least the input tokens that the text of its request must have taken."""
    said = reply.usage.input_tokens
    if said is None or sum(len(turn.content) for turn in request.messages) < said * WORDS_A_TOKEN:
        return reply
    proven = sum(len(turn.content.split()) for turn in request.messages) // WORDS_A_TOKEN
    if said >= proven:
        return reply
    return msgspec.structs.replace(reply, usage=msgspec.structs.replace(reply.usage, input_tokens=proven))


def chat_usage(usage: dict[str, Any], *, empty: bool) -> Usage:
    """Of Chat Completions and of Responses, which differ in the names; `empty` is an answer that holds nothing, the
    only kind that may have taken no tokens.

    Reasoning stands inside `completion_tokens` (OpenAI, DeepSeek) or beside it (xAI, Gemini); the total decides:
    https://docs.x.ai/docs/guides/reasoning, https://ai.google.dev/gemini-api/docs/openai. Without a total, reasoning
    that is longer than the completion cannot stand inside it.
    """
    prompt = _first(usage, "prompt_tokens", "input_tokens", "promptTokens", "promptTokenCount")
    completion = _first(usage, "completion_tokens", "output_tokens", "completionTokens", "candidatesTokenCount")
    total = _first(usage, "total_tokens", "totalTokens", "totalTokenCount")
    if prompt is None and completion and total is not None and total > completion:
        prompt = total - completion
    inside = _details(usage, "completion_tokens_details", "output_tokens_details")
    cached = _details(usage, "prompt_tokens_details", "input_tokens_details")
    reasoning = _first(inside, "reasoning_tokens")
    if reasoning is None:  # Perplexity, SGLang
        reasoning = _first(usage, "reasoning_tokens", "reasoningTokens", "thoughtsTokenCount")
    hit = _first(cached, "cached_tokens")
    if hit is None:  # DeepSeek, Moonshot
        hit = _first(usage, "prompt_cache_hit_tokens", "cached_tokens")
    output = completion
    if total is not None and prompt:
        output = max(completion or 0, total - prompt, reasoning or 0)
        if reasoning is None and completion and output - completion >= LEAST_HIDDEN:
            reasoning = output - completion  # Gemini gives no number for it
    elif reasoning and reasoning > (completion or 0):
        output = (completion or 0) + reasoning
    return _usage(prompt, output, reasoning, hit, empty=empty)


def usage_in(value: Any) -> dict[str, Any]:
    """The counts, also where a gateway wraps them once more."""
    found = mapping(value[0] if value and isinstance(value, list) else value)
    return mapping(found.get("usage")) or mapping(found.get("billed_units")) or found  # Cohere's


def messages_usage(usage: dict[str, Any], *, empty: bool) -> Usage:
    """Of Anthropic Messages, which counts what it reads from its cache and writes there apart from the input."""
    fresh = count(usage.get("input_tokens"))
    cached = count(usage.get("cache_read_input_tokens")) or 0
    written = count(usage.get("cache_creation_input_tokens")) or 0
    prompt = None if fresh is None else fresh + cached + written
    reasoning = count(mapping(usage.get("output_tokens_details")).get("thinking_tokens"))
    return _usage(prompt, count(usage.get("output_tokens")), reasoning, cached or None, empty=empty)


def billed(usage: dict[str, Any], *, zero: bool = False) -> Decimal | None:
    """USD, as OpenRouter (`cost`), Perplexity (an object with a total) and xAI (in ticks of 1e-10 USD) say it.

    With a key of one's own, OpenRouter's `cost` is its fee, and what the provider behind it takes stands apart. A 0 is
    a price only where `zero` says that this provider has free models: a gateway's 0 is a field that was not filled.
    """
    cost = usage.get("cost")
    amount = _money(mapping(cost).get("total_cost") if isinstance(cost, dict) else cost)
    if amount is None and (ticks := count(usage.get("cost_in_usd_ticks"))):
        amount = Decimal(ticks).scaleb(-10)
    if usage.get("is_byok") is True:
        behind = _money(mapping(usage.get("cost_details")).get("upstream_inference_cost"))
        amount = None if amount is None or behind is None else amount + behind
    return amount if amount or zero else None


def _usage(prompt: int | None, output: int | None, reasoning: int | None, cached: int | None, *, empty: bool) -> Usage:
    return Usage(
        input_tokens=prompt or None,  # no prompt has no tokens
        output_tokens=output if output or (empty and prompt) else None,
        reasoning_tokens=reasoning,
        cached_tokens=None if cached is None or prompt is None else min(cached, prompt),
    )


def _first(counts: dict[str, Any], *names: str) -> int | None:
    """The first of these that holds a number."""
    for name in names:
        value = counts.get(name)
        if value is not None and (found := count(value)) is not None:
            return found
    return None


def _details(usage: dict[str, Any], *names: str) -> dict[str, Any]:
    for name in names:
        value = usage.get(name)
        if value and isinstance(value, dict):
            return value
    return {}


def _money(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount >= 0 else None
