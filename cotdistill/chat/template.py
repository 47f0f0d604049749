"""A training row -> the student's own tokens, with the boundary between what it reads and what it must write.

Many chat templates drop the reasoning of an assistant turn, and some corrupt one that stands inside the content,
both without an error. So nothing here trusts a template: each way of writing is proven on the row, or not taken.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import msgspec

from cotdistill.artifacts.json_lines import explain
from cotdistill.chat.apply import generation_prompt, whole_text
from cotdistill.errors import CotDistillError
from cotdistill.reasoning import split

How = Literal["native", "prefilled", "inline"]

_THINK, _THINK_END = "<think>", "</think>"
_TRACE, _ANSWER = "TRACEoverhere", "ANSWERoverhere"
"""Stand-ins that show where a template puts the trace and the answer."""


class Turn(msgspec.Struct, frozen=True, omit_defaults=True):
    role: Literal["system", "user", "assistant"]
    content: str
    reasoning_content: str | None = None


class Row(msgspec.Struct, frozen=True):
    """A line of a training file: prompt and completion, or messages of which the last is the completion."""

    id: str = "without id"
    prompt: tuple[Turn, ...] = ()
    completion: tuple[Turn, ...] = ()
    messages: tuple[Turn, ...] = ()


@dataclass(frozen=True)
class Rendered:
    """A row as tokens. `input_ids[:n_prompt]` is, token for token, what inference will read; the rest is trained.

    how: native, the template itself writes the trace. prefilled: the template opens `<think>` for every answer, so the
    completion begins inside it. inline: `<think>` and the trace stand before the answer as text.
    """

    input_ids: list[int]
    n_prompt: int
    how: How
    goes_on: bool = False
    """Whether the student has answered before in this conversation."""


def render(tokenizer: Any, row: Row | Mapping[str, Any]) -> Rendered:
    """Write one row with the student's chat template.

    Raises CotDistillError, naming the row's id, for a row that is no conversation with an assistant's turn at
    its end, that holds the student's control tokens as text, or that no way of writing is proven for.
    """
    row = row if isinstance(row, Row) else _read(row)
    try:
        history, last = conversation(row)
        _check_text(tokenizer, [*history, last])
        prompt = generation_prompt(tokenizer, [_message(turn) for turn in history])
        completion, how = _completion(tokenizer, prompt, history, last)
        ids, n_prompt = _tokens(tokenizer, prompt, completion)
        return Rendered(ids, n_prompt, how, goes_on=any(turn.role == "assistant" for turn in history))
    except ValueError as error:
        raise CotDistillError(f"row {row.id}: {error}") from None


def opens_think(prompt: str) -> bool:
    """Whether the template has opened the trace already, so that the student begins inside it."""
    return prompt.rstrip().endswith(_THINK)


def read_back(tokenizer: Any, text: str) -> str:
    """What a student wrote, with its trace between `<think>` tags even where its template uses other marks for it."""
    frame = _frame(tokenizer, tokenizer.chat_template, True)
    if not frame.proven or not frame.before or _THINK_END in frame.between or not text.startswith(frame.before):
        return text
    trace, closed, answer = text.removeprefix(frame.before).partition(frame.between)
    return f"{_THINK}{trace}{_THINK_END}{answer}" if closed else f"{_THINK}{trace}"


def conversation(row: Row) -> tuple[list[Turn], Turn]:
    """The turns before the trained one, and the trained one, each with its trace separated from its answer."""
    turns = [_apart(turn) for turn in (*row.prompt, *row.completion, *row.messages)]
    if not (row.messages or (row.prompt and row.completion)):
        raise ValueError("expected prompt and completion, or messages; found neither")
    if len(row.completion) > 1 or (row.messages and row.prompt):
        raise ValueError("expected one assistant turn as completion, found more")
    if len(turns) < 2 or turns[-1].role != "assistant":
        raise ValueError("expected the last turn to be the assistant's, after at least one other turn")
    if not turns[-1].content and not turns[-1].reasoning_content:
        raise ValueError("the completion is empty")
    return turns[:-1], turns[-1]


def _read(row: Mapping[str, Any]) -> Row:
    try:
        return msgspec.convert(row, Row)
    except msgspec.ValidationError as error:
        raise CotDistillError(f"row {row.get('id', 'without id')}: {explain(error)}") from None


def _apart(turn: Turn) -> Turn:
    """The turn in the one form that rows of every format take: the trace in its own field, space around the parts
    removed."""
    reasoning, content = turn.reasoning_content, turn.content
    if turn.role == "assistant" and not reasoning and content.lstrip().startswith(_THINK):
        parts = split(content)
        if not parts.closed:
            raise ValueError(f"the trace is not closed by {_THINK_END}")
        reasoning, content = parts.reasoning, parts.answer
    if turn.role == "assistant":
        content = content.strip()
    return Turn(turn.role, content, (reasoning or "").strip() or None)


def _message(turn: Turn) -> dict[str, str]:
    trace = {"reasoning_content": turn.reasoning_content} if turn.reasoning_content else {}
    return {"role": turn.role, "content": turn.content, **trace}


def _check_text(tokenizer: Any, turns: Sequence[Turn]) -> None:
    """Raises ValueError for text that spells a control token: it would end the turn, or open another, within a row."""
    pattern = _control_pattern(tokenizer)
    for turn in turns:
        for text in (turn.content, turn.reasoning_content or ""):
            if pattern and (found := pattern.search(text)):
                raise ValueError(f"the {turn.role}'s text holds {found[0]!r}, a control token of this student")
            if turn.role == "assistant" and (_THINK in text or _THINK_END in text):
                raise ValueError(f"the assistant's text holds {_THINK} or {_THINK_END} inside trace or answer")


def _completion(tokenizer: Any, prompt: str, history: Sequence[Turn], last: Turn) -> tuple[str, How]:
    """What the student must write after `prompt`, and the way it is written."""
    trace, answer = last.reasoning_content or "", last.content
    frame = _frame(tokenizer, tokenizer.chat_template, bool(trace))
    if frame.proven:
        written = frame.before + trace + frame.between + answer
        whole = whole_text(tokenizer, [_message(turn) for turn in (*history, last)])
        if whole == prompt + written + frame.after:
            return written + frame.end, "native"
    if opens_think(prompt):
        newline = "" if prompt.endswith("\n") else "\n"
        return f"{newline}{trace}\n{_THINK_END}\n\n{answer}{frame.end}", "prefilled"
    if trace:
        return f"{_THINK}\n{trace}\n{_THINK_END}\n\n{answer}{frame.end}", "inline"
    raise ValueError("this student's chat template does not write the answer after its own generation prompt")


@dataclass(frozen=True)
class _Frame:
    """What a template writes around trace and answer. `end` is the part of `after` that the student must write: up to
    its first control token."""

    before: str
    between: str
    after: str
    end: str
    proven: bool


@lru_cache(maxsize=16)
def _frame(tokenizer: Any, template: str, reasoned: bool) -> _Frame:
    """Learn a template's frame from a conversation of stand-ins; each row then proves that it fits."""
    question = {"role": "user", "content": "question"}
    turn = {"role": "assistant", "content": _ANSWER, **({"reasoning_content": _TRACE} if reasoned else {})}
    prompt, whole = generation_prompt(tokenizer, [question]), whole_text(tokenizer, [question, turn])
    head, found, after = whole.rpartition(_ANSWER)
    if not found:
        raise ValueError("this student's chat template drops the answer of an assistant turn")
    before, traced, between = head.removeprefix(prompt).rpartition(_TRACE)
    if not reasoned:
        before, between = "", between
    once = whole.count(_ANSWER) == 1 and whole.count(_TRACE) == reasoned and bool(traced) == reasoned
    return _Frame(before, between, after, _end_of_turn(tokenizer, after), once and whole.startswith(prompt))


def _end_of_turn(tokenizer: Any, after: str) -> str:
    """The template's own mark, which need not be the tokenizer's end-of-text; that one where the template writes
    none."""
    pattern = _control_pattern(tokenizer)
    if pattern and (mark := pattern.search(after)):
        return after[: mark.end()]
    if not tokenizer.eos_token:
        raise ValueError("this student has no end token: neither its chat template nor its tokenizer names one")
    return str(tokenizer.eos_token)


def _control_pattern(tokenizer: Any) -> re.Pattern[str] | None:
    return _pattern(tokenizer, len(tokenizer))


@lru_cache(maxsize=16)
def _pattern(tokenizer: Any, size: int) -> re.Pattern[str] | None:
    """The tokenizer's special tokens, and its think tags where it has such tokens. `size` tells its states apart."""
    added = tokenizer.added_tokens_decoder.values()
    marks = {token.content for token in added if token.special or token.content in (_THINK, _THINK_END)}
    longest_first = sorted((mark for mark in marks if mark.strip()), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first))) if longest_first else None


def _tokens(tokenizer: Any, prompt: str, completion: str) -> tuple[list[int], int]:
    """The tokens of prompt and completion, and how many are the prompt's. Both are tokenised together where that keeps
    the boundary (a sentencepiece tokenizer puts a space before text that stands alone), else apart, as in inference."""
    before = encode(tokenizer, prompt)
    whole = encode(tokenizer, prompt + completion)
    if whole[: len(before)] != before:
        whole = before + encode(tokenizer, completion)
    trained = whole[len(before) :]
    if trained.count(trained[-1]) != 1:
        raise ValueError("the end token stands inside the completion too")
    return whole, len(before)


def encode(tokenizer: Any, text: str) -> list[int]:
    """Tokens of text that a template wrote: the special tokens are in it already."""
    ids: list[int] = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return ids
