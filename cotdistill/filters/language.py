"""Traces and answers in another script than their problem: a Chinese aside in an English trace, for instance.

Scripts, not languages: a model that tells languages apart is misled by formulas, and the alphabet of a letter is
certain. So Dutch in an English trace is not seen.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from cotdistill.plugins import Count, Share
from cotdistill.records import Judged

_NO_PROSE = re.compile(
    r"```.{0,20000}?(?:```|\Z)|`[^`\n]{1,200}`|\$\$[^$]{1,2000}\$\$|\$[^$\n]{1,400}\$|\\[A-Za-z]+(?:\{[A-Za-z]{1,20}\})?"
    r"|https?://\S{1,200}|<\|?/?\w{1,30}\|?>",
    re.DOTALL,
)
_LETTERS = re.compile(r"[^\W\d_]+")

_SYLLABIC = {"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "YI", "BOPOMOFO"}
"""One character of these says about as much as three letters of an alphabet."""

_JAPANESE = {"CJK", "HIRAGANA", "KATAKANA"}
_NOTATION = {
    *("GREEK", "MATHEMATICAL", "MODIFIER", "DOUBLE", "SCRIPT", "BLACK", "MICRO", "OHM", "KELVIN", "ANGSTROM", "ALEF"),
    *("FEMININE", "MASCULINE", "SUPERSCRIPT", "SUBSCRIPT", "PLANCK", "ROMAN", "UNNAMED"),
}


@dataclass
class Filter:
    """Drops traces and answers that leave the script of their problem: in one stretch, or in too large a share.

    A name or a term may be foreign: up to `max_stretch` letters at a time (a Chinese character counts as three), and
    `max_share` of all letters. Code, formulas, Greek letters and, in any text, Latin words up to three letters or in
    capitals do not count.
    """

    max_share: Share = 0.05
    max_stretch: Count = 24

    def reason_to_drop(self, judged: Judged) -> str | None:
        response = judged.response
        home = _home("\n".join(turn.content for turn in response.prompt.messages if turn.role == "user"))
        if not home:
            return None
        if self._leaves(response.reasoning or "", home):
            return "another script in the reasoning"
        if self._leaves(response.text, home):
            return "another script in the answer"
        return None

    def _leaves(self, text: str, home: frozenset[str]) -> bool:
        if "LATIN" in home and text.isascii():
            return False
        total = foreign = stretch = longest = 0
        for script, size in _runs(text):
            total += size
            if script in home:
                stretch = 0
                continue
            foreign += size
            stretch += size
            longest = max(longest, stretch)
        return longest > self.max_stretch or (foreign > self.max_stretch and foreign > self.max_share * total)


@lru_cache(64)
def _home(asked: str) -> frozenset[str]:
    """The scripts a person asked in; Japanese asks in three."""
    scripts = {script for script, _ in _runs(asked)}
    return frozenset(scripts | _JAPANESE if scripts & {"HIRAGANA", "KATAKANA"} else scripts)


def _runs(text: str) -> Iterator[tuple[str, int]]:
    """Each word's script with its weight; a word of several scripts comes in pieces."""
    for word in _LETTERS.findall(_NO_PROSE.sub(" ", text)):
        if word.isascii():
            if len(word) > 3 and not word.isupper():
                yield "LATIN", len(word)
            continue
        yield from _pieces(word)


def _pieces(word: str) -> Iterable[tuple[str, int]]:
    sizes: dict[str, int] = {}
    for letter in word:
        script = _script(letter)
        if script not in _NOTATION:
            sizes[script] = sizes.get(script, 0) + (3 if script in _SYLLABIC else 1)
    return sizes.items()


@lru_cache(8192)
def _script(letter: str) -> str:
    """By Unicode's names, which begin with the script: CYRILLIC SMALL LETTER A, CJK UNIFIED IDEOGRAPH-4E2D."""
    name = unicodedata.name(letter, "UNNAMED").removeprefix("FULLWIDTH ").removeprefix("HALFWIDTH ")
    script = re.split("[ -]", name)[0]
    return "CJK" if script == "IDEOGRAPHIC" else script
