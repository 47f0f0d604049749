"""The text of a document under its headings, and passages of it that fit into a prompt."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from cotdistill.answers.characters import without_controls

LEAST_WORDS = 25
"""A shorter passage has nothing to ask about: a heading, a page number, a caption."""

LETTERS_OF_A_WORD = 12
"""A passage of at most so many letters for each of these words may have fewer words."""

_SENTENCE = re.compile(r"(?<=[.!?。！？])\s+")
_BLANK = re.compile(r"\n[ \t]*\n+")
_ONE_BY_ONE = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")


@dataclass(frozen=True)
class Section:
    """`place` is where a person finds it: a heading, a page."""

    place: str
    text: str


class Passage(NamedTuple):
    """`file` is the document's name, `number` the passage's place in it, from 1."""

    file: str
    number: int
    place: str
    text: str


def passages_of(file: str, sections: Iterable[Section], letters: int) -> tuple[list[Passage], int]:
    """Each section, whole or cut between paragraphs, then between sentences; and how many were left out, because they
    are too short for a question."""
    texts = [(section.place, text) for section in sections for text in _pieces(section.text, letters)]
    said = [(place, text) for place, text in texts if count_words(text) >= least_words(letters)]
    passages = [Passage(file, number, place, text) for number, (place, text) in enumerate(said, 1)]
    return passages, len(texts) - len(passages)


def least_words(letters: int) -> int:
    """Of a passage, where the longest may have so many letters: else short ones would be cut, and then left out."""
    return min(LEAST_WORDS, letters // LETTERS_OF_A_WORD)


def longest_words(sections: Iterable[Section], letters: int) -> int:
    """The words of the longest passage, also of one that is too short."""
    return max((count_words(text) for section in sections for text in _pieces(section.text, letters)), default=0)


def count_words(text: str) -> int:
    """Words; where a language has no spaces, two characters are one."""
    return len(text.split()) + len(_ONE_BY_ONE.findall(text)) // 2


def tidy(text: str) -> str:
    """Without control characters, trailing spaces and runs of empty lines; each kind of space is a plain one."""
    text = re.sub(r"[\u2028\u2029]", "\n", re.sub(r"[^\S\n\t\u2028\u2029]", " ", text))
    text = without_controls(text).replace("\ufffd", "")
    return _BLANK.sub("\n\n", re.sub(r"[ \t]+(?=\n)|[ \t]{2,}", " ", text)).strip()


def _pieces(text: str, letters: int) -> Iterator[str]:
    """Paragraphs, joined as long as they fit."""
    piece = ""
    for part in _parts(tidy(text), letters):
        if piece and len(piece) + 2 + len(part) > letters:
            yield piece
            piece = ""
        piece = f"{piece}\n\n{part}" if piece else part
    if piece:
        yield piece


def _parts(text: str, letters: int) -> Iterator[str]:
    """Paragraphs; of one that is too long its sentences, joined as long as they fit; of such a sentence pieces."""
    for paragraph in filter(None, (one.strip() for one in _BLANK.split(text))):
        if len(paragraph) <= letters:
            yield paragraph
            continue
        piece = ""
        for sentence in _SENTENCE.split(paragraph):
            for start in range(0, len(sentence), letters):
                part = sentence[start : start + letters]
                if piece and len(piece) + 1 + len(part) > letters:
                    yield piece
                    piece = ""
                piece = f"{piece} {part}" if piece else part
        if piece:
            yield piece
