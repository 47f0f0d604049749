"""Bytes of people's text files: compression by the file's last ending, and the encoding by what stands in it."""

import bz2
import codecs
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from cotdistill.artifacts.opening import PACKED, open_input
from cotdistill.errors import CotDistillError

_HEAD_BYTES = 4096
_BLOCK_BYTES = 1 << 20
_MARKS = (  # the longer ones first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
WORDS = {"utf-16": "UTF-16", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16", "utf-32": "UTF-32", "cp1252": "Windows-1252"}
"""What is said of a file in another encoding than UTF-8."""


def _zstandard(file: Any) -> Any:
    try:
        from pyarrow import CompressedInputStream
    except ImportError:
        raise CotDistillError("reading .zst files needs the extra train: pip install 'cotdistill[train]'") from None
    return io.BufferedReader(CompressedInputStream(file, "zstd"))


COMPRESSIONS: dict[str, Callable[[Any], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": _zstandard,
}


def _packed(file: Any) -> str | None:
    head = file.read(6)
    file.seek(0)
    return next((ending for magic, ending in PACKED.items() if head.startswith(magic)), None)


_WEB_PAGE = re.compile(rb"[\s\xef\xbb\xbf]*<(?:!doctype\s+html|html)\b", re.IGNORECASE)


_NOT_TEXT = {
    b"PAR1": "a Parquet file; name it .parquet",
    b"ARROW1": "an Arrow file; name it .arrow",
    b"PK\x03\x04": "a ZIP archive, or a workbook or document; unpack it, or export the sheet as CSV",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "a workbook or document of old Office; export the sheet as CSV",
    b"SQLite format 3\x00": "an SQLite database; export the table as CSV",
    b"%PDF-": "a PDF document; export its text",
}


def check_kind(path: Path, *, is_text: bool, is_table: bool = False) -> None:
    """Raises CotDistillError for what a download leaves in the place of the file: a pointer of Git LFS, or, where no
    text of any kind `is_text`, a web page; and for a file of another kind than its name says, unless it `is_table`, in
    Parquet or Arrow, whose reader knows better."""
    with open_input(path) as file:
        head = file.read(200)
    if head.startswith(b"version https://git-lfs.github.com/spec/"):
        raise CotDistillError(f"{path}: a pointer of Git LFS, not the file itself; fetch it with git lfs pull")
    if not is_text and _WEB_PAGE.match(head):
        raise CotDistillError(f"{path}: a web page, not the file itself; a link to download it is another one")
    if not is_table and (found := next((kind for magic, kind in _NOT_TEXT.items() if head.startswith(magic)), None)):
        raise CotDistillError(f"{path}: it is {found}")


def format_of(path: Path) -> str:
    """The ending that says the format, without a compression's: `.jsonl` of `p.JSONL.gz`."""
    endings = [ending.lower() for ending in path.suffixes]
    if endings and endings[-1] in COMPRESSIONS:
        endings.pop()
    return endings[-1] if endings else ""


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """The file's bytes, uncompressed. Raises CotDistillError for a file that cannot be read or is damaged."""
    opener = COMPRESSIONS.get(path.suffix.lower())
    with open_input(path) as file:
        if opener is None and (named := _packed(file)):  # downloads lose their last ending
            opener = COMPRESSIONS[named]
        if opener is None:
            yield file
            return
        try:
            with opener(file) as inner:
                yield inner
        except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
            problem = str(error).strip() or type(error).__name__
            raise CotDistillError(
                f"{path}: cannot be uncompressed: {problem}. The file is cut off or damaged"
            ) from None


@contextmanager
def open_text(path: Path, encoding: str, *, newline: str | None) -> Iterator[io.TextIOWrapper]:
    """The file as text. Bytes that are no UTF-8 come through as lone surrogates, so that their lines can be named."""
    errors = "surrogateescape" if encoding in ("utf-8", "utf-8-sig") else "strict"
    with open_bytes(path) as file, io.TextIOWrapper(file, encoding=encoding, errors=errors, newline=newline) as text:
        try:
            yield text
        except UnicodeError as error:
            raise CotDistillError(f"{path}: not valid {WORDS.get(encoding, encoding)}: {error}") from None


def is_broken(text: str) -> bool:
    """Whether a text from `open_text` holds bytes that are no UTF-8."""
    return not text.isascii() and any("\udc80" <= letter <= "\udcff" for letter in text)


def encoding_of(path: Path, *, by_letters: bool) -> str:
    """By the byte order mark, by UTF-16's zero bytes, and with `by_letters` by the rest of the file: one that is no
    UTF-8, and in which no letter at all is UTF-8, is Windows-1252. One with both is UTF-8 with damage."""
    with open_bytes(path) as file:
        head = file.read(_HEAD_BYTES)
        for mark, encoding in _MARKS:
            if head.startswith(mark):
                return encoding
        if wide := _without_mark(head):
            return wide
        return "cp1252" if by_letters and _no_utf8_in(head, file) else "utf-8"


def _without_mark(head: bytes) -> str | None:
    """UTF-16 of mostly Western text: every second byte is zero."""
    pairs = len(head) // 2
    first, second = head[: 2 * pairs : 2].count(0), head[1 : 2 * pairs : 2].count(0)
    if pairs and max(first, second) > 0.6 * pairs and min(first, second) < 0.1 * pairs:
        return "utf-16-le" if second > first else "utf-16-be"
    return None


def _no_utf8_in(head: bytes, file: IO[bytes]) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    broken = False
    block = head
    while block:
        text = decoder.decode(block)
        block = file.read(_BLOCK_BYTES)
        if text.isascii():
            continue
        if any(letter > "\x7f" and not "\udc80" <= letter <= "\udcff" for letter in text):
            return False
        broken = True
    return broken or bool(decoder.getstate()[0])
