"""What a question is dressed in before it goes to the teacher: a template (`prompts/NAME.md` with `$question`), a
system prompt, worked examples."""

import hashlib
import string
from pathlib import Path
from typing import Any

from cotdistill import plugins
from cotdistill.artifacts.json_lines import read_records
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.records import Message

_PACKAGED = Path(__file__).parent.parent / "prompts"  # in a wheel
_CHECKOUT = _PACKAGED.parent.parent / "prompts"
FOLDER = _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT


def names() -> list[str]:
    return sorted(file.stem for file in FOLDER.glob("*.md"))


def load(name: str) -> string.Template:
    """A template by name, or by path when `name` ends in .md, .txt or holds a slash.

    Raises UsageError for an unknown name, CotDistillError for a template without exactly the field $question.
    """
    path = Path(name) if "/" in name or Path(name).suffix else FOLDER / f"{name}.md"
    try:
        template = string.Template(path.read_text(encoding="utf-8").strip())
    except FileNotFoundError:
        if path.parent == FOLDER:
            raise plugins.unknown("template", name, names()) from None
        raise UsageError(f"{path}: no such template file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CotDistillError(f"{path}: cannot read the template: {error}") from None
    if not template.is_valid():
        raise CotDistillError(f"{path}: a lone $ in the template; write $$ for a dollar sign")
    fields = set(template.get_identifiers())
    if fields != {"question"}:
        found = ", ".join(f"${field}" for field in sorted(fields)) or "none"
        raise CotDistillError(f"{path}: expected the one field $question, found {found}")
    return template


def fingerprint(template: string.Template) -> str:
    """sha256 of the text: a template may change under one name, and the manifest must tell."""
    return hashlib.sha256(template.template.encode()).hexdigest()


def examples(path: str) -> tuple[tuple[str, str], ...]:
    """Worked examples, one a line: `{"question": …, "answer": …}`, the answer as the teacher should write it.

    Raises CotDistillError for a line without the two."""
    pairs = []
    for number, line in enumerate(read_records(Path(path), dict[str, Any]), 1):
        question, answer = (next((line[name] for name in names if name in line), None) for names in _EXAMPLE_FIELDS)
        if not isinstance(question, str) or not isinstance(answer, str):
            raise CotDistillError(f"{path}: example {number}: expected the texts question and answer, found {[*line]}")
        pairs.append((question, answer))
    if not pairs:
        raise CotDistillError(f"{path}: no examples in it")
    return tuple(pairs)


_EXAMPLE_FIELDS = (("question", "prompt", "problem", "instruction"), ("answer", "solution", "completion", "output"))


def dress(
    messages: tuple[Message, ...],
    template: string.Template | None = None,
    system: str | None = None,
    shots: tuple[tuple[str, str], ...] = (),
) -> tuple[Message, ...]:
    """What the teacher is sent: `system` in front, the examples as earlier turns, the last user turn and the
    examples' questions put through the template."""
    if template is None and system is None and not shots:
        return messages
    fill = (lambda text: template.substitute(question=text)) if template is not None else (lambda text: text)
    last = max(index for index, message in enumerate(messages) if message.role == "user")
    dressed = (*messages[:last], Message(role="user", content=fill(messages[last].content)), *messages[last + 1 :])
    first = next(index for index, message in enumerate(dressed) if message.role != "system")
    opening = dressed[:first] if system is None else (Message(role="system", content=system),)
    taught = tuple(
        turn
        for question, answer in shots
        for turn in (Message(role="user", content=fill(question)), Message(role="assistant", content=answer))
    )
    rest = dressed[first:] if system is None else tuple(turn for turn in dressed[first:] if turn.role != "system")
    return (*opening, *taught, *rest)
