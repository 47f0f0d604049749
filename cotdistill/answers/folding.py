"""One spelling of the same words: case, articles, punctuation, accents that a keyboard lacks, and lists of names."""

import re
import unicodedata

from cotdistill.answers.spelling import plain

_LEFT_EDGE = " \"'`*_$“”‘’「『«„‹"
_RIGHT_EDGE = _LEFT_EDGE + ".,;:?。」』»›"  # not on the left, where .5 is not 5; and 5! is not 5
_ARTICLE = re.compile(r"(?:the|an?) (?=\w{2})", re.IGNORECASE)
_ATTACHED = re.compile(r"\s*([^\w\s'’-])\s*")
_SUBSCRIPT = re.compile(r"_\{?(\d{1,3})\}?")
_FUNCTION = re.compile(r"\\([A-Za-z]{2,10})(?![A-Za-z])")

_PLAIN_WORDS = re.compile(r"[\w\s.,;:!?'’\"“”«»&/–‑-]*")
_HYPHEN = re.compile(r"(?<=[^\W\d_])[-–‑](?=[^\W\d_])")
_PIECES = re.compile(r"\d+(?:[.,:/]\d+)*|[^\W\d_]+|[&/–‑-]")
_INITIALS = re.compile(r"(?<![^\W\d_])([^\W\d_])\.? ?(?=[^\W\d_](?:\.|$| ))")
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "oe", "å": "aa", "æ": "ae", "œ": "oe"})
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "ß": "ss"})
_AND = re.compile(r",? (?:and|und|et|y|e|и) |,? ?& ?|,? ?[和与と및]", re.IGNORECASE)
_ROMAN = {"ii": "2", "iii": "3", "iv": "4", "vi": "6", "vii": "7", "viii": "8", "ix": "9", "xi": "11", "xii": "12"}
_BULLET = re.compile(r"\s*(?:^|\n)\s*(?:[-*•]|\d{1,2}[.)])\s+")
_MAX_ITEMS = 40


def fold(text: str, case_sensitive: bool = False) -> str:
    """One spelling of the same words: no LaTeX dress, no article at the head, no space around signs, no final point."""
    folded = " ".join(unicodedata.normalize("NFC", plain(text)).split()).lstrip(_LEFT_EDGE).rstrip(_RIGHT_EDGE)
    folded = re.sub(r"(?<=[^\W\d])!+$", "", folded)
    folded = re.sub(r"^\(([^(),\[\]]{1,40})\)$", r"\1", folded)
    folded = _SUBSCRIPT.sub(r"\1", _FUNCTION.sub(r"\1", folded))
    if folded.startswith("["):  # a list of strings, in Python's quotes or in JSON's
        folded = folded.replace("'", '"')
    folded = _ATTACHED.sub(r"\1", _ARTICLE.sub("", folded, count=1) if _ARTICLE.match(folded) else folded).strip()
    return folded if case_sensitive else folded.casefold()


def same_words(reference: str, said: str, case_sensitive: bool = False) -> bool:
    """Whether two texts are the same words: as `fold` spells them; or with other punctuation, "U.S.A." and "USA",
    "well-known" and "well known"; or without accents on one side; or as a list, which has no order where it has an
    "and"."""
    wanted, given = fold(reference, case_sensitive), fold(said, case_sensitive)
    if wanted == given:
        return True
    if len(given) > 2 * len(wanted) + 40:
        return False
    loose, other = _loose(wanted), _loose(given)
    joined = {_loose(_HYPHEN.sub("", side)) for side in (wanted, given)}
    if loose and other and (loose == other or len(joined) == 1 or _same_but_for_accents(loose, other)):
        return True
    return _same_list(reference, said, case_sensitive)


def _loose(folded: str) -> str:
    """Without punctuation within and between words; "" where signs may mean something, as in `C++` or `f(x)`."""
    if not _PLAIN_WORDS.fullmatch(folded) or not re.search(r"[^\W\d_]{2}|[^\W\d_]\.[^\W\d_]", folded) or "_" in folded:
        return ""
    words = re.sub(r"['’\"“”«»]", "", _HYPHEN.sub(" ", _INITIALS.sub(r"\1", folded)))
    pieces = ["and" if piece == "&" else piece for piece in _PIECES.findall(words)]
    return " ".join([*pieces[:1], *(_ROMAN.get(piece, piece) for piece in pieces[1:])])


def _same_but_for_accents(one: str, other: str) -> bool:
    """Whether one side is the other in the letters of an English keyboard: "Sao Paulo", "Mueller"."""
    if one.isascii() == other.isascii():
        return False
    accented, bare = (other, one) if one.isascii() else (one, other)
    return bare in (without_accents(accented), accented.translate(UMLAUTS))


def without_accents(text: str) -> str:
    """`São` -> `Sao`, `naïve` -> `naive`."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_LETTERS))
    return "".join(one for one in decomposed if not unicodedata.combining(one))


def _same_list(reference: str, said: str, case_sensitive: bool) -> bool:
    """Whether both list the same, in the same order, or in any where the reference joins them by "and"."""
    brackets = {side.strip()[:1] for side in (reference, said)} & set("[{(")
    wanted, given = _items(reference), _items(said)
    if len(brackets) > 1:
        return False
    if not 1 < len(wanted) <= _MAX_ITEMS or len(wanted) != len(given):
        return False
    ours, theirs = ([fold(item, case_sensitive) for item in side] for side in (wanted, given))
    if ours == theirs:
        return True
    return bool(_AND.search(reference)) and reference.lstrip()[:1] not in "[{" and sorted(ours) == sorted(theirs)


def _items(text: str) -> list[str]:
    text = plain(text) if "\n" not in text.strip() else text.strip()
    if text[:1] + text[-1:] in ("[]", "{}", "()"):
        text = text[1:-1]
    if _BULLET.match(text):
        return [item.strip() for item in _BULLET.split(text) if item.strip()]
    if "\n" in text:
        return []
    return [item for item in re.split(r"[,;]", _AND.sub(", ", text)) if item.strip()]
