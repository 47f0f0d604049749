"""What stands behind an answer and holds none: a check, an explanation, a remark, an offer to the reader."""

import re

_HEADINGS = (
    r"(?:(?:let(?:'s| us| me) )?(?:double[- ])?(?:check|verify)|checking|verification|explanation|proof|sources?)",
    "confidence|certainty|score|rating|difficulty|tokens?|time taken|steps(?: used| taken)?",  # of the answer itself
    "notes?|hope this|i hope|let me know|feel free",
    "probe|erklärung|begründung|vérification|explication|comprobación|verificación|explicación|verificação|explicação",
    "verifica|spiegazione|проверка|объяснение|验算|驗算|检验|解释|説明|検算|검산|설명",
)
_CHECK = re.compile(
    rf"(?:^|(?<=[.!] ))[ \t>*_#-]{{0,8}}(?:{'|'.join(_HEADINGS)})\b"
    r"[ \t*_]{0,4}(?:[:(!,]|if\b|you\b|used\b|taken\b|\d|[a-z ]{0,40}:|[^\n]{0,80}$)",
    re.IGNORECASE | re.MULTILINE,
)
"""A line or sentence that begins what stands behind an answer; "Step 2:" is a part of the solution."""

_WHOLLY_ASIDE = re.compile(r"\s*\([^()]{1,400}\)[.!]?\s*")
"""A sentence in brackets, that adds to the one before."""
_ASIDE_AT_END = re.compile(r"(?<=\S)[ \t]{0,8}\n\s{0,8}\([^()\n]{1,400}\)[.!]?\s*$")
_OFFERS = (
    "would you|do you|can i|shall i|if you (?:have|need|want|would|['’]d|like|wish|prefer|meant)|please",
    "note that|remember|keep in mind|by the way|fun fact|in other words",
    "möchten|soll ich|voulez|quieres|¿",
)
_ADDRESSES = re.compile(
    rf"^\W*(?:{'|'.join(_OFFERS)})\b|^\W*(?:would|do|shall|may|can|should) (?:you|i|we)\b.*\?\W*$", re.IGNORECASE
)
"""A sentence behind the answer that speaks to the reader: an offer, a remark."""


def without_check(text: str) -> str:
    """A text up to where it begins to check or to explain its answer, if there is a number before that."""
    text = _ASIDE_AT_END.sub("", text)
    for mark in _CHECK.finditer(text):
        if mark.start() and re.search(r"\d", text[: mark.start()]):
            return text[: mark.start()].rstrip()
        if mark.start():
            return text[: mark.start()].rstrip() or text
    return text


def is_afterword(sentence: str) -> bool:
    """Whether a sentence behind another one speaks to the reader, or stands in brackets."""
    return bool(_WHOLLY_ASIDE.fullmatch(sentence) or _ADDRESSES.search(sentence))
