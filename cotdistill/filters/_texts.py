"""The texts that filters look at: the trace and the answer of a response, the problem, and texts as words."""

import html
import re
import unicodedata

from cotdistill.records import Prompt, Response

_ONE_BY_ONE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Chinese and Japanese are written without spaces: each character counts as a word."""

_ASCII = "".join(letter if letter.isalnum() or letter == "_" else " " for letter in map(chr, range(128)))
"""A table for `translate` with a space for each sign: twice as fast as a pattern."""
_ANY_WORD = re.compile(f"[{_ONE_BY_ONE}]|[^\\W{_ONE_BY_ONE}]+")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_UNSEEN = re.compile("[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
                     "\ufe00-\ufe0f\ufeff\U000e0000-\U000e01ef]")  # fmt: skip
"""Characters that no reader sees: letters of no width, marks of direction, soft hyphens, variants."""
_RAISED = re.compile("[⁰¹²³⁴-⁹]+")
_FOREIGN = re.compile("[\u0131\u0261\u0370-\u03ff\u0400-\u052f\u0561-\u0587]")
_GREEK_IN_A_WORD = re.compile("(?<=[a-zA-Z])[αβεικνορτυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧ]|[αβεικνορτυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧ](?=[a-zA-Z])")
_LOOKS_LIKE = str.maketrans(
    "авекмнорстухіїјѕһԁԛԝӏгпь" "АВЕКМНОРСТУХІЇЈЅҺԀԚԜӀЬ" "օոսհցք" "ıɡ" "οΟ",
    "abekmhopctyxiijshdqwlrnb" "ABEKMHOPCTYXIIJSHDQWLB" "onuhgp" "ig" "oO",
)  # fmt: skip
_GREEK = str.maketrans("αβεικνορτυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "abeikvoptuxABEZHIKMNOPTYX")


def trace(response: Response) -> str:
    """The reasoning, or the whole text of a worked solution; "" where there is neither."""
    return response.reasoning or (response.text if response.reasoning_kind == "worked" else "")


def problem(prompt: Prompt) -> str:
    """The question without the system prompt, which many problems share."""
    if len(prompt.messages) == 1:
        return prompt.messages[0].content
    return "\n".join(turn.content for turn in prompt.messages if turn.role != "system")


def every_turn(prompt: Prompt) -> str:
    """The text of all turns, the system prompt included."""
    return "\n".join(turn.content for turn in prompt.messages)


def folded(text: str) -> str:
    """The text as a reader sees it, in one spelling: without HTML entities, letters of no width, full-width and other
    compatibility forms (NFKC), and with Latin letters for their Cyrillic, Armenian and Greek look-alikes. Russian is
    no longer Russian then, but the same for both sides of a comparison. Greek letters of formulas stay."""
    if "&" in text and _ENTITY.search(text):
        text = html.unescape(html.unescape(text))
    if text.isascii():
        return text
    text = _UNSEEN.sub("", text)
    text = _RAISED.sub(lambda found: f"^{found[0]}", text)  # NFKC makes 102 of 10²
    if not unicodedata.is_normalized("NFKC", text):
        text = unicodedata.normalize("NFKC", text)
    if _FOREIGN.search(text):
        text = text.translate(_LOOKS_LIKE)
        text = _GREEK_IN_A_WORD.sub(lambda found: found[0].translate(_GREEK), text)
    return text


_ANY_SIGN = re.compile("[-+*/=^<>\u00d7\u00b7\u00f7\u2212]")
_FOLDED_SIGNS = str.maketrans("\u00d7\u00b7\u00f7\u2212", "**/-")
_SIGN = r"""[-+*/=^<>](?:  # one class first: a pattern that begins with it is found twice as fast
    (?<=[+=^])             # of nothing but formulas
    |(?<!\*\*)(?!\*)       # a product, no bold; a minus, no hyphen; a quotient, not and/or; less than, no tag
     (?=\s{0,4}[\d({\[\\$]|\s{0,4}[a-z]\b)
    )[\s({\[\\$]*+"""
_SIGNED = re.compile(f"{_SIGN}(?:{_SIGN}){{,7}}(?:[{_ONE_BY_ONE}]|[^\\W{_ONE_BY_ONE}]+)", re.VERBOSE)
"""A word and up to eight operators before it: with any number of them, a line of a thousand `=` would be read as many
times."""
_NOT_OF_A_SIGNED = re.compile(r"[^\w+=^*/<>-]")


def signed_words(text: str) -> list[str]:
    """Words, each with the operators right before it: `a = 6 b = a * 3` -> a =6 b =a *3. Without its operators one
    formula is like another."""
    text = text.lower()
    if not _ANY_SIGN.search(text):
        return words(text)
    found: list[str] = []
    place = 0
    text = text.translate(_FOLDED_SIGNS)
    for one in _SIGNED.finditer(text):
        found += words(text[place : one.start()])
        found.append(_NOT_OF_A_SIGNED.sub("", one[0]))
        place = one.end()
    return found + words(text[place:])


def is_of_formulas(found: list[str]) -> bool:
    """Whether more than half of the signed words are numbers, single letters or have an operator: another number or
    sign makes another problem of such a text."""
    return 2 * sum(one.isascii() and (len(one) == 1 or not one.isalpha()) for one in found) > len(found)


def words(text: str) -> list[str]:
    """Words and numbers in lower case, without signs."""
    text = text.lower()
    return text.translate(_ASCII).split() if text.isascii() else _ANY_WORD.findall(text)
