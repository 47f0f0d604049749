"""A text as a person sees it: without HTML tags, struck words, a chat template's marks, fences and quoted answers."""

import re
from collections.abc import Callable
from html import unescape

from cotdistill.answers.hedges import without_quoted

_TEMPLATE_MARKS = re.compile(
    r"<\|(?:im_end|eot_id|endoftext|end|return|eom_id|end_of_text|eos|END_OF_TURN_TOKEN)\|>"
    r"|</s>|^<s>|<eos>|<end_of_turn>|<｜end▁of▁sentence｜>|\[\|endofturn\|\]"
)
_TAG = re.compile(
    r"</?(?:b|strong|i|em|u|mark|p|span|div|big|small|font|center|code|ins|html|body|h[1-6])(?:\s[^<>\n]{0,80})?/?>",
    re.IGNORECASE,
)
_BREAK = re.compile(r"<br\s{0,2}/?>", re.IGNORECASE)
_RAISED = re.compile(r"<(sup|sub)>([^<>\n]{1,20})</\1>", re.IGNORECASE)
_STRUCK = re.compile(r"~~[^~\n]{1,200}~~|<(del|s|strike)>[^<>\n]{1,200}</\1>", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:nbsp|lt|gt|amp|quot|times|minus|radic|pi|deg|frac1[24]|le|ge|ne|#\d{2,6});")
_FENCED = re.compile(r"\s*(```+|~~~+)[\w+-]{0,20}[ \t]{0,4}\n(.{0,8192}?)\n?[ \t]{0,4}\1\s*", re.DOTALL)
_PLUS_OR_MINUS = re.compile(r"\bplus(?: or | and |/|-)minus ", re.IGNORECASE)
_NEGATIVE = re.compile(
    r"(?<![\d)}$%] )(?:\bnegative |(?:^|(?<=[:=(]) ?|(?<=\bis )|(?<=\bequals )|(?<=\bget )|(?<=\{))minus )(?=\$?\d)",
    re.IGNORECASE,
)
_BOLD_QUOTATION = re.compile(r"^[ \t]{0,4}> (?=\*\*)", re.MULTILINE)
_ARROW_MARK = re.compile(r"^[ \t]{0,4}(?:=>|⇒|→|➜|➡)[ \t]{1,4}(?=\S)", re.MULTILINE)


_REWRITES: tuple[tuple[str, re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    ("negative ", _NEGATIVE, "-"),
    ("minus ", _NEGATIVE, "-"),
    ("minus", _PLUS_OR_MINUS, "±"),
    ("~~", _STRUCK, ""),
    ("&", _ENTITY, lambda found: unescape(found[0])),
    ("> **", _BOLD_QUOTATION, ""),
    *((arrow, _ARROW_MARK, "") for arrow in ("=>", "⇒", "→", "➜", "➡")),
)
"""What must stand in a text for a pattern to be tried, which is cheap; the pattern; what is seen instead."""


def as_seen(text: str) -> str:
    """What a page would show of a text: `<b>12</b>`, `~~11~~ 12`, `12</s>` and a fenced `12` all say 12.

    Only marks that say nothing go: an `<answer>` tag, a box or a table stays for the rules that read it.
    """
    if "<" in text:
        if "</" in text and not text.rstrip().endswith(
            "</s>"
        ):  # there it is the end of the text, elsewhere that of struck words
            text = _STRUCK.sub("", text)
        text = _TEMPLATE_MARKS.sub("", text)
        if "</" in text or "<br" in text.lower():
            text = _STRUCK.sub("", text)
            text = _RAISED.sub(lambda found: ("^" if found[1].lower() == "sup" else "_") + f"{{{found[2]}}}", text)
            text = _BREAK.sub("\n", _TAG.sub("", text))
    for hint, pattern, instead in _REWRITES:
        if hint in text:
            text = pattern.sub(instead, text)
    if text.lstrip()[:3] in ("```", "~~~") and (fenced := _FENCED.fullmatch(text)):
        text = fenced[2]
    return without_quoted(text)
