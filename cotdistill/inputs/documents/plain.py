"""Plain text: one section."""

from pathlib import Path

from cotdistill.errors import CotDistillError
from cotdistill.inputs.documents.sections import Section
from cotdistill.inputs.encodings import encoding_of, open_bytes

_SHARE_OF_CONTROLS = 0.01
"""Of all letters: text has line ends and tabs, and a program or a picture has others."""


def sections(path: Path, most_bytes: int) -> list[Section]:
    return [Section("text", read_text(path, most_bytes))]


def read_text(path: Path, most_bytes: int) -> str:
    """A text file in whatever encoding it has, compressed or not. Raises CotDistillError for one that is too large or
    no text."""
    encoding = encoding_of(path, by_letters=True)
    with open_bytes(path) as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise CotDistillError(f"{path}: holds more than {most_bytes / 1e6:.0f} MB; cut it into smaller documents")
    text = data.decode(encoding, "replace")
    controls = sum(text.count(chr(code)) for code in (*range(9), *range(14, 32))) + text.count("\ufffd")
    if controls > max(2, _SHARE_OF_CONTROLS * len(text)):
        raise CotDistillError(f"{path}: expected a text file, found other bytes")
    return text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
