"""A Modelfile: Ollama reads the weights from the GGUF file, but has a template language of its own (Go's), and matches
only templates that it knows. So what the chat template does is learned from stand-ins, proven on conversations, and
written in Go. https://github.com/ollama/ollama/blob/main/docs/modelfile.md"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cotdistill.chat.apply import generation_prompt, whole_text

MOST_CONTEXT = 8192
"""Ollama reserves memory for all of it."""

_SYSTEM, _ASKED, _SAID, _AGAIN = "SYSTEMover", "ASKEDover", "SAIDover", "AGAINover"


@dataclass(frozen=True)
class Frame:
    """What stands around each turn: (before, after) by role; `default` where no system turn is first; `opening` before
    the answer."""

    turns: Mapping[str, tuple[str, str]]
    default: str
    opening: str

    def render(self, messages: Sequence[Mapping[str, str]]) -> str:
        """What the Go template gives, in Python."""
        start = "" if messages[0]["role"] == "system" else self.default
        turns = [self.turns[one["role"]][0] + one["content"] + self.turns[one["role"]][1] for one in messages]
        return start + "".join(turns) + self.opening


def modelfile(file: str, tokenizer: Any, ends: Sequence[str], context: int, adds_bos: bool) -> tuple[str, list[str]]:
    """The text, and notes where the template could not be written."""
    first = str(tokenizer.bos_token) if adds_bos else ""
    frame = _frame(tokenizer, first)
    lines = [f"# ollama create NAME -f {file.removesuffix('.gguf')}.Modelfile", f"FROM ./{file}"]
    notes = []
    if frame is None:
        notes.append("its chat template cannot be written in Ollama's language: the Modelfile leaves it to Ollama")
        lines.append("# TEMPLATE is left to Ollama, which must know the chat template in the file.")
    else:
        lines.append(f'TEMPLATE """{_go(frame)}"""')
    lines += [f"PARAMETER stop {_quoted(end)}" for end in ends]
    lines += [f"PARAMETER num_ctx {min(context, MOST_CONTEXT)}", "# Greedy, as `cotdistill evaluate` scores it."]
    return "\n".join([*lines, "PARAMETER temperature 0", ""]), notes


def _frame(tokenizer: Any, first: str) -> Frame | None:
    """None where it is not proven. `first` is the token that the runtime puts before all text by itself."""

    def text(messages: list[dict[str, str]]) -> str:
        return generation_prompt(tokenizer, messages).removeprefix(first)

    try:
        frame = _learned(tokenizer, text, first)
        proven = frame is not None and all(frame.render(one) == text(one) for one in _conversations(frame))
    except (ValueError, KeyError):
        return None
    return frame if proven and frame is not None and _fits_go(frame) else None


def _learned(tokenizer: Any, text: Any, first: str) -> Frame | None:
    user = {"role": "user", "content": _ASKED}
    long = [user, {"role": "assistant", "content": _SAID}, {"role": "user", "content": _AGAIN}]
    asked = text([user])
    opening = asked.removeprefix(whole_text(tokenizer, [user]).removeprefix(first))
    before_first, rest = text(long).split(_ASKED)
    between_1, rest = rest.split(_SAID)
    between_2, rest = rest.split(_AGAIN)
    after_user = rest.removesuffix(opening)
    if not between_1.startswith(after_user):
        return None
    before_user = _common_end(before_first, between_2)
    turns = {
        "user": (before_user, after_user),
        "assistant": (between_1.removeprefix(after_user), between_2.removesuffix(before_user)),
    }
    default = before_first.removesuffix(before_user)
    try:
        before_system, rest = text([{"role": "system", "content": _SYSTEM}, user]).split(_SYSTEM)
    except ValueError:  # a template that has no system turn
        return Frame(turns, default, opening)
    after_system = rest.split(before_user + _ASKED)[0]
    return Frame({"system": (before_system, after_system), **turns}, default, opening)


def _conversations(frame: Frame) -> list[list[dict[str, str]]]:
    def turn(role: str, content: str) -> dict[str, str]:
        return {"role": role, "content": content}

    short = [turn("user", "What is 6*7?")]
    long = [
        *short,
        turn("assistant", "42"),
        turn("user", "And é?"),
        turn("assistant", "43."),
        turn("user", "Why?\nSay."),
    ]
    system = [turn("system", "Be brief.")]
    return [short, long, *([[*system, *short], [*system, *long]] if "system" in frame.turns else [])]


def _go(frame: Frame) -> str:
    """No `{{-`: every space and line end of the template counts."""
    turns = "".join(
        f'{{{{ {"else " if number else ""}if eq .Role "{role}" }}}}{before}{{{{ .Content }}}}{after}'
        for number, (role, (before, after)) in enumerate(frame.turns.items())
    )
    start = f'{{{{ if ne (index .Messages 0).Role "system" }}}}{frame.default}{{{{ end }}}}' if frame.default else ""
    return f"{start}{{{{ range .Messages }}}}{turns}{{{{ end }}}}{{{{ end }}}}{frame.opening}"


def _fits_go(frame: Frame) -> bool:
    literals = [frame.default, frame.opening, *(part for both in frame.turns.values() for part in both)]
    return not any(mark in literal for literal in literals for mark in ('"""', "{{", "}}"))


def _common_end(one: str, other: str) -> str:
    length = 0
    while length < min(len(one), len(other)) and one[-1 - length] == other[-1 - length]:
        length += 1
    return one[len(one) - length :]


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
