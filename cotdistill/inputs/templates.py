"""Everything that is put around a question for the teacher: a template (`prompts/NAME.md` with `$question` and any
column of the prompt file), a system prompt, worked examples."""

import string
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from cotdistill import plugins
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.records import Message

_PACKAGED = Path(__file__).parent.parent / "prompts"  # in a wheel
_CHECKOUT = _PACKAGED.parent.parent / "prompts"
FOLDER = _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT


def names() -> list[str]:
    return sorted(file.stem for file in FOLDER.glob("*.md"))


def path_of(name: str) -> Path:
    return Path(name) if "/" in name or Path(name).suffix else FOLDER / f"{name}.md"


def text(name: str) -> str:
    """The text of a template in the folder."""
    return path_of(name).read_text(encoding="utf-8").strip()


def load(name: str) -> string.Template:
    """A template by name, or by path when `name` ends in .md, .txt or holds a slash.

    Raises UsageError for an unknown name, CotDistillError for a template without a field.
    """
    path = path_of(name)
    try:
        template = string.Template(path.read_text(encoding="utf-8").strip())
    except FileNotFoundError:
        if path.parent == FOLDER:
            raise plugins.unknown("template", name, names()) from None
        raise UsageError(f"{path}: no such template file") from None
    except IsADirectoryError:
        raise UsageError(f"{path}: expected a template file, found a directory") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CotDistillError(f"{path}: cannot read the template: {error}") from None
    if not template.is_valid():
        raise CotDistillError(f"{path}: a lone $ in the template; write $$ for a dollar sign")
    if not template.get_identifiers():
        raise CotDistillError(f"{path}: expected $question, or columns of the prompt file such as $context, found none")
    return template


def fields(template: string.Template | None) -> frozenset[str]:
    """The columns that a template takes from each record, besides the question."""
    return frozenset() if template is None else frozenset(template.get_identifiers()) - {"question"}


def fingerprint(template: string.Template) -> str:
    """sha256 of the text: a template may change under one name, and the manifest must show it."""
    import hashlib  # not for --help: it loads OpenSSL

    return hashlib.sha256(template.template.encode()).hexdigest()


class Example(NamedTuple):
    """A worked example. `values` are the template's other fields, from the example's own columns."""

    question: str
    answer: str
    values: Mapping[str, str]


def examples(path: str, template: string.Template | None = None) -> tuple[Example, ...]:
    """Worked examples in any layout of a prompt file, with the answer as the teacher should write it.

    Raises CotDistillError for one without an answer, or without a column that the template takes."""
    from cotdistill.inputs.prompt_files import PromptFile  # not at the top: `--help` lists templates, and starts fast

    names = fields(template)
    found = []
    for entry in PromptFile.beside(Path(path), fields=names).entries():
        if entry.answer is None:
            raise CotDistillError(
                f"{path}:{entry.number}: an example without an answer; expected a question and an answer, "
                f"found {', '.join(entry.fields.raw)}"
            )
        question = entry.prompt.messages[-1].content
        found.append(Example(question, entry.answer, entry.filling(names)))
    return tuple(found)


def dress(
    messages: tuple[Message, ...],
    template: string.Template | None = None,
    system: str | None = None,
    shots: tuple[Example, ...] = (),
    values: Mapping[str, str] | None = None,
) -> tuple[Message, ...]:
    """The messages for the teacher: `system` first (none where it is empty), the examples as earlier turns, then the
    last user turn; the template is applied to that turn and to the examples' questions. `values` fill the template's
    fields (`Entry.filling`)."""
    if template is None and system is None and not shots:
        return messages

    def filled(text: str, values: Mapping[str, str]) -> str:
        return text if template is None else template.substitute({"question": text, **values})

    last = max(index for index, message in enumerate(messages) if message.role == "user")
    asked = Message(role="user", content=filled(messages[last].content, values or {}))
    dressed = (*messages[:last], asked, *messages[last + 1 :])
    first = next(index for index, message in enumerate(dressed) if message.role != "system")
    opening = dressed[:first] if system is None else (Message(role="system", content=system),) if system else ()
    taught = tuple(
        turn
        for shot in shots
        for turn in (
            Message(role="user", content=filled(shot.question, shot.values)),
            Message(role="assistant", content=shot.answer),
        )
    )
    rest = dressed[first:] if system is None else tuple(turn for turn in dressed[first:] if turn.role != "system")
    return (*opening, *taught, *rest)
