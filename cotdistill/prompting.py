"""Templates that wrap a question before it goes to the teacher: `prompts/NAME.md` with `$question`."""

import string
from pathlib import Path

from cotdistill import extensions
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.records import Message

_PACKAGED = Path(__file__).parent / "prompts"  # in a wheel
_CHECKOUT = Path(__file__).parent.parent / "prompts"
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
            raise extensions.unknown("template", name, names()) from None
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


def dress(messages: tuple[Message, ...], template: string.Template | None, system: str | None) -> tuple[Message, ...]:
    """What the teacher is sent: the last user turn put through the template, `system` in front."""
    if template is not None:
        last = max(index for index, message in enumerate(messages) if message.role == "user")
        filled = Message(role="user", content=template.substitute(question=messages[last].content))
        messages = (*messages[:last], filled, *messages[last + 1 :])
    if system is not None:
        messages = (Message(role="system", content=system), *(turn for turn in messages if turn.role != "system"))
    return messages
