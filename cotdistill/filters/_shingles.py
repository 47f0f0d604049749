"""A text as the set of its words and word pairs, hashed: what near duplicates are compared by."""

import re
from array import array
from hashlib import blake2b
from heapq import nsmallest
from itertools import pairwise
from typing import NamedTuple

import rensa

from cotdistill.filters._texts import folded, words

MOST = 1024
"""Hashes that are kept of one text: 8 kB. Of a longer text the smallest hashes, which are a fair sample of all."""

LONG, WINDOW, LEAST_AT_THE_ENDS = 60, 20, 0.3
"""In words. Two questions about one long passage are no duplicates, though nearly all of the text is the same: so
long texts must be alike in their first and in their last words too."""

SLACK = 0.1
"""How much less similarity suffices for two texts that share two digits or more, in the same order."""

SHORT = 10
"""Words. A shorter problem without a number is its words: "the capital of France" is not "the capital of Spain"."""

_DIGITS_OR_SIGN = re.compile(
    r"""[\d+=<>^×·≤≥≠√*−-](?:             # one class first: three times as fast as alternatives
        (?<=\d)\d*
        |(?<=[+=<>^×·≤≥≠√])
        |(?<=\*)(?<!\*\*)(?!\*)          # a product, not Markdown's bold
        |(?<=[−-])(?=\s?(?:\d|\(|\\|[A-Za-z]\b)))  # a minus, not a hyphen""",
    re.VERBOSE,
)
_LABEL = re.compile(r"\s{0,9}[*#]{0,4} ?(?:(?:question|problem|exercise|q) ?)?\d{1,5}[.):]+(?=[\s*])", re.IGNORECASE)
"""Of a list: `12. ` or `Question 7:`."""

_SPELT = {
    word: place
    for place, word in enumerate(
        [
            *("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen"),
            *("fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty", "thirty", "forty"),
            *("fifty", "sixty", "seventy", "eighty", "ninety", "hundred", "thousand", "million", "dozen", "once"),
            *("twice", "thrice", "double", "triple", "half", "third", "quarter", "fifth", "tenth", "more", "less"),
            *("fewer", "increase", "increased", "decrease", "decreased", "largest", "smallest", "maximum", "minimum"),
        ]
    )
}
"""Words that decide a calculation. Another word in the same place makes another problem; a missing one does not."""
_ANY_SPELT = frozenset(_SPELT)


def digits_and_signs(text: str) -> str:
    """The digits and the operators of a text, in order: `1/2 + 1,000` -> `12+1000`. Points, commas and strokes are left
    out, for 1,000, 1 000 and 1000 are one number, and a copy that lost its punctuation is still a copy."""
    label = _LABEL.match(text)
    return "".join(_DIGITS_OR_SIGN.findall(text, label.end() if label else 0))


class Sketch(NamedTuple):
    """What is remembered of a text. `guard` stands for its digits and operators: texts with others are not alike.
    `ends` are those of a long text, `digits` counts the digits, `spelt` are its number words by their places in the
    list, `strict` is set for a short text without numbers."""

    guard: str
    whole: "array[int]"
    ends: "tuple[array[int], array[int]] | None"
    digits: int
    spelt: bytes
    strict: bool


def sketch(text: str, guarded: bool) -> tuple[list[str], Sketch]:
    """The tokens by which candidates are looked up, and the sketch that decides. With `guarded` numbers count more than
    other words."""
    text = folded(text)
    guard = digits_and_signs(text) if guarded else ""
    found = words(text)
    tokens = _tokens(found)
    ends = None
    if len(found) > LONG:
        ends = _hashes(_tokens(found[:WINDOW])), _hashes(_tokens(found[-WINDOW:]))
    return tokens, Sketch(
        guard=_short(guard),
        whole=_hashes(tokens),
        ends=ends,
        digits=sum(map(str.isdigit, guard)),
        spelt=_spelt(found[:MOST]) if guarded else b"",
        strict=guarded and not guard and len(found) < SHORT,
    )


def numbers(text: str) -> str:
    """The guard of a text's sketch alone."""
    return _short(digits_and_signs(folded(text)))


def _short(guard: str) -> str:
    return guard if len(guard) <= 32 else blake2b(guard.encode(), digest_size=16).hexdigest()


def _spelt(found: list[str]) -> bytes:
    if _ANY_SPELT.isdisjoint(found):
        return b""
    return bytes(_SPELT[word] for word in found if word in _SPELT)


def alike(one: Sketch, other: Sketch, threshold: float) -> bool:
    least = threshold - (SLACK if one.digits > 1 else 0)
    shorter, longer = sorted((len(one.whole), len(other.whole)))
    if one.guard != other.guard or shorter < least * longer:
        return False
    if one.spelt != other.spelt and _others(one.spelt, other.spelt) and _others(other.spelt, one.spelt):
        return False
    if (one.strict or other.strict) and not _contains(one.whole, other.whole):
        return False
    if jaccard(one.whole, other.whole) < least:
        return False
    if one.ends and other.ends:
        return all(
            jaccard(ours, theirs) >= LEAST_AT_THE_ENDS for ours, theirs in zip(one.ends, other.ends, strict=True)
        )
    return True


def jaccard(one: "array[int]", other: "array[int]") -> float:
    """The similarity of two sketches: exact up to MOST hashes, beyond that estimated from the MOST smallest of both."""
    ours = set(one)
    if max(len(one), len(other)) < MOST:
        shared = len(ours.intersection(other))
        return shared / ((len(one) + len(other) - shared) or 1)
    theirs = set(other)
    smallest = nsmallest(MOST, ours | theirs)
    return sum(hash in ours and hash in theirs for hash in smallest) / len(smallest)


def _contains(one: "array[int]", other: "array[int]") -> bool:
    return len(set(one).intersection(other)) >= 0.95 * min(len(one), len(other))


def _others(one: bytes, other: bytes) -> bool:
    """Whether one text has number words that the other lacks or has less often."""
    return any(one.count(word) > other.count(word) for word in set(one))


def _tokens(found: list[str]) -> list[str]:
    """Each word and each pair of words once."""
    pairs = [f"{first} {second}" for first, second in pairwise(found)]
    return [*dict.fromkeys(found), *dict.fromkeys(pairs)]


def _hashes(tokens: list[str]) -> "array[int]":
    hashes = rensa.RMinHash.hash_token_sets([tokens])[0]
    return array("Q", hashes if len(hashes) <= MOST else nsmallest(MOST, hashes))
