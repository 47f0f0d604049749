"""Applies a tokenizer's own chat template the same way in training and asking, today and tomorrow."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any


def generation_prompt(tokenizer: Any, messages: Sequence[Mapping[str, str]]) -> str:
    """The text that the student reads before it answers. Raises ValueError when its template refuses the
    conversation."""
    return _applied(tokenizer, messages, add_generation_prompt=True)


def whole_text(tokenizer: Any, messages: Sequence[Mapping[str, str]]) -> str:
    """The text of a conversation without a prompt for a next answer. Raises ValueError as `generation_prompt` does."""
    return _applied(tokenizer, messages)


def template_kwargs(tokenizer: Any) -> dict[str, Any]:
    """Arguments that a chat template needs besides the conversation: `enable_thinking` where its prompt would otherwise
    hold a closed, empty trace, and a fixed date where it would write today's, so that rows do not change from day to
    day. Training and asking use the same."""
    return dict(_kwargs(tokenizer, tokenizer.chat_template))


PINNED_DATE = "01 Jan 2025"


@lru_cache(maxsize=16)
def _kwargs(tokenizer: Any, template: str) -> tuple[tuple[str, Any], ...]:
    question = [{"role": "user", "content": "question"}]
    found: dict[str, Any] = {}
    if _EMPTY_TRACE.search(_apply(tokenizer, question, True, {})):
        thinking = {"enable_thinking": True}
        if not _EMPTY_TRACE.search(_apply(tokenizer, question, True, thinking)):
            found |= thinking
    if "strftime" in str(template):
        dated = {**found, "date_string": PINNED_DATE}
        if PINNED_DATE in _apply(tokenizer, question, True, dated):
            found = dated
    return tuple(found.items())


_EMPTY_TRACE = re.compile(r"<think>\s*</think>\s*$")


def _applied(tokenizer: Any, messages: Sequence[Mapping[str, str]], *, add_generation_prompt: bool = False) -> str:
    """Raises ValueError where the template refuses the conversation."""
    return _apply(tokenizer, messages, add_generation_prompt, template_kwargs(tokenizer))


def _apply(tokenizer: Any, messages: Sequence[Mapping[str, str]], add_prompt: bool, kwargs: Mapping[str, Any]) -> str:
    from jinja2 import TemplateError

    try:
        text: str = tokenizer.apply_chat_template(
            list(messages), tokenize=False, add_generation_prompt=add_prompt, **kwargs
        )
    except TemplateError as error:
        raise ValueError(f"this student's chat template refuses the conversation: {error}") from None
    return text
