"""Documents of a person's own -> passages: text, Markdown, HTML and PDF files, one or a folder of them.

What cannot be read is an error where it is the only document, and among others it is passed over by name.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cotdistill.artifacts.opening import open_input
from cotdistill.errors import CotDistillError
from cotdistill.inputs.documents import html, markdown, pdf, plain
from cotdistill.inputs.documents.sections import Passage, Section, least_words, longest_words, passages_of
from cotdistill.inputs.encodings import format_of
from cotdistill.wording import counted

MOST_BYTES = 50_000_000
"""Of one document, uncompressed: a book has one."""

_READERS: dict[str, Callable[[Path, int], list[Section]]] = {
    ".txt": plain.sections,
    ".text": plain.sections,
    ".md": markdown.sections,
    ".markdown": markdown.sections,
    ".html": html.sections,
    ".htm": html.sections,
    ".xhtml": html.sections,
    ".pdf": pdf.sections,
}
_SHOWN = 10


def is_document(path: Path) -> bool:
    """By its name; .txt may be a list of prompts too."""
    return path.is_dir() or (format_of(path) in _READERS and format_of(path) != ".txt")


@dataclass
class Documents:
    """One file, or all of a folder. Of a folder hidden files, links and other kinds of files are passed over; `letters`
    is the longest passage."""

    path: Path
    letters: int
    read: list[Path] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    """Files that were passed over, and why."""
    short: int = 0
    """Passages that were left out, because they have too few words."""

    @property
    def wanted(self) -> str:
        """What a document must hold, in words."""
        return f"passage of {counted(least_words(self.letters), 'word')} or more"

    def passages(self) -> Iterator[Passage]:
        """Each text once, wherever it stands. Raises CotDistillError for a single document that cannot be read."""
        seen: set[int] = set()
        for passage in self._all():
            if (identity := hash(passage.text)) not in seen:
                seen.add(identity)
                yield passage

    def _all(self) -> Iterator[Passage]:
        if not self.path.is_dir():
            yield from self._of(self.path, self.path.name)
            return
        for file in self._files():
            name = file.relative_to(self.path).as_posix()
            try:
                found = list(self._of(file, name))
            except CotDistillError as error:
                self.skipped[name] = str(error).removeprefix(f"{file}: ")
                continue
            yield from found

    def describe(self) -> str:
        """ "12 documents read, 2 passed over"."""
        passed_over = f", {len(self.skipped):,} passed over" if self.skipped else ""
        return f"{counted(len(self.read), 'document')} read{passed_over}"

    def notes(self) -> list[str]:
        """Each file that was passed over, as far as a person will read."""
        shown = [f"{name}: passed over: {why}" for name, why in list(self.skipped.items())[:_SHOWN]]
        more = [f"and {len(self.skipped) - _SHOWN:,} more files were passed over"]
        short = (
            f"{counted(self.short, 'passage')} left out for fewer than {least_words(self.letters)} words: a heading, or"
        )
        shown += [f"{short} a section too short to ask about"] * bool(self.short)
        return shown + (more if len(self.skipped) > _SHOWN else [])

    def _of(self, file: Path, name: str) -> list[Passage]:
        open_input(file).close()
        if (read := _READERS.get(format_of(file))) is None:
            raise CotDistillError(
                f"{file}: expected a document, with a name ending in {', '.join(_READERS)}; save another kind, such as "
                ".docx or .epub, as one of these"
            )
        sections = list(read(file, MOST_BYTES))
        found, short = passages_of(name, sections, self.letters)
        if not found:
            longest = longest_words(sections, self.letters)
            has = f"holds no {self.wanted}; the longest has {longest}" if longest else "holds no text"
            scan = "; a scan needs OCR first, such as ocrmypdf's" if format_of(file) == ".pdf" else ""
            raise CotDistillError(f"{file}: {has}{scan}")
        self.read.append(file)
        self.short += short
        return found

    def _files(self) -> Iterator[Path]:
        for folder, folders, names in os.walk(self.path, followlinks=False):
            folders[:] = sorted(one for one in folders if not one.startswith("."))
            for name in sorted([*names, *folders]):
                file = Path(folder) / name
                if name.startswith("."):
                    continue
                place = file.relative_to(self.path).as_posix()
                shown = place.encode("utf-8", "backslashreplace").decode()
                if file.is_symlink():
                    self.skipped[shown] = "a symbolic link"
                elif name in names and shown != place:  # it would come to stand in a tag, which is UTF-8
                    self.skipped[shown] = "its name is not UTF-8; rename it"
                elif name in names:
                    yield file
