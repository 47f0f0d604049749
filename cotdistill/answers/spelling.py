"""One spelling for texts that say the same."""

import re
from functools import lru_cache

from cotdistill.answers.characters import in_ascii, raised
from cotdistill.answers.numbers import SIMPLE, off_unit


def _raised_unit(found: re.Match[str]) -> str:
    """`\\text{ cm}^2` -> ` cm^2`: the exponent of a unit stays with it."""
    inner = found[1][found[1].index("{") + 1 : -1]
    return f" {inner.rstrip()}{found[2].replace(' ', '')} "


_UNICODE = str.maketrans(
    {
        "−": "-", "–": "-", "π": "\\pi ", "∞": "\\infty ", "≤": "\\le ", "≥": "\\ge ", "∪": "\\cup ", "∈": "\\in ",
        "≠": "\\ne ", "×": "\\times ", "·": "\\cdot ", "√": "\\sqrt ", "°": " degrees ", "÷": "/", "∅": "\\emptyset ",
        "⟨": "(", "⟩": ")", "±": "\\pm ", "ℝ": "\\mathbb{R}", "∩": "\\cap ",
    }
)  # fmt: skip
_DRESS = (
    "text|textbf|textit|textrm|textsf|texttt|textnormal|textup|textsc|emph|mathrm|mathbf|mathit|mathsf|mathtt|mathnormal"
    "|mbox|hbox|ce|fbox|framebox|operatorname|underline|boldsymbol|bm|bold|mathord"
)
"""Commands that say how something looks."""

_REWRITES = (
    (re.compile(r"\^\s?(?:\{\s?\\circ\s?\}|\\circ)"), " degrees "),
    (re.compile(r"\\mathrm\s?\{([ei])\}"), r"\1"),
    (re.compile(r"\\(?:text)?color\s?\{[A-Za-z!0-9]{1,20}\}"), ""),
    (re.compile(r"\{([:,=])\}"), r"\1"),
    (
        re.compile(
            rf"\\[tdc]?frac ?\{{ ?\\(?:{_DRESS}) ?\{{ ?([A-Za-z]{{1,10}}) ?\}} ?\}} ?"
            rf"\{{ ?\\(?:{_DRESS}) ?\{{ ?([A-Za-z]{{1,10}}(?:\^\d)?) ?\}} ?\}}"
        ),
        r" \1/\2 ",
    ),
    (re.compile(rf"(\\(?:{_DRESS}) ?\{{[^{{}}]{{0,40}})\^ ?\{{ ?(-?\d) ?\}}(?=[^{{}}]{{0,40}}\}})"), r"\1^\2"),
    (re.compile(rf"(\\(?:{_DRESS})\s?\{{[^{{}}]{{0,80}}\}})\s?(\^\s?(?:\{{\s?-?\d\s?\}}|-?\d))"), _raised_unit),
    (re.compile(rf"\\(?:{_DRESS})\s?\{{([^{{}}]*)\}}"), r" \1 "),
    (re.compile(r"\\(?:bf|rm|it|sf|tt)(?![A-Za-z])\s?"), " "),
    (
        re.compile(
            r"\\(?:left|right|displaystyle|limits|big|Big|bigg|Bigg|[bB]igg?[lr]"
            r"|huge|Huge|large|Large|LARGE|small|tiny|normalsize)(?![A-Za-z])"
        ),
        "",
    ),
    (re.compile(r"\\phantom ?\{[^{}]{0,20}\}"), ""),
    (re.compile(r"(?<=\d) ?(?:\\,|\\!|\{ ?, ?\}|\\!,|,\\!) ?(?=\d{3})"), ","),
    (re.compile(r"(?<!\\)\\[,!;: ]|~|\\q?quad|\s+"), " "),
    (re.compile(r"\\[dtc]frac(?![A-Za-z])"), r"\\frac"),
    (re.compile(r"\\langle(?![A-Za-z]) ?"), "("),
    (re.compile(r" ?\\rangle(?![A-Za-z])"), ")"),
    (re.compile(r"\\lbrace(?![A-Za-z])"), r"\\{"),
    (re.compile(r"\\rbrace(?![A-Za-z])"), r"\\}"),
    (re.compile(r"\\([lg])eq(?:slant)?(?![A-Za-z])"), r"\\\1e"),
    (re.compile(r"\\(?:checkmark|blacksquare|square|qed)(?![A-Za-z])"), ""),
    (re.compile(r"\\colon(?![A-Za-z])"), ":"),
    (re.compile(r"\\imath(?![A-Za-z])"), "i"),
    (re.compile(r"\{ ?(\w{1,8}) ?\\choose ?(\w{1,8}) ?\}"), r"\\binom{\1}{\2}"),
    (re.compile(r"\\lt(?![A-Za-z])"), "<"),
    (re.compile(r"\\gt(?![A-Za-z])"), ">"),
    (re.compile(r"<="), r"\\le "),
    (re.compile(r">="), r"\\ge "),
    (re.compile(r"\\neq(?![A-Za-z])| !="), r"\\ne "),
    (re.compile(r"\\(?:varnothing|O(?=$))(?![A-Za-z])"), r"\\emptyset"),
    (re.compile(r"\^(-\d{1,3})(?![\d.])"), r"^{\1}"),
    (re.compile(r"(?<=[\w)}\]])\*\*(?=[-\w(\\{])"), "^"),
    (re.compile(r"\\sqrt ?(\d{2,30})(?![\d.])"), r"\\sqrt{\1}"),  # TeX would take the first digit alone
    (re.compile(r"(?<![\\A-Za-z])sqrt ?\(([^()]{1,200})\)"), r"\\sqrt{\1}"),
    (re.compile(r"(?<![\\A-Za-z])pi(?![A-Za-z])"), r"\\pi "),
    (re.compile(r"\\log_\{?e\}?(?![A-Za-z])"), r"\\ln"),
    (re.compile(r"(?<![\\A-Za-z])(?:infinity|inf)(?![A-Za-z])"), r"\\infty "),
)

_CUBE_ROOT = re.compile(r"∛ ?(\d{1,12}|[a-z]|\([^()]{1,60}\))")
_QUOTED = re.compile(r"""\\?["“'`]{1,2}([^"“”]+?)\\?["”']{1,2}""")
_SPACES = re.compile(" {2,}")
_ESCAPED_TWICE = re.compile(r"\\\\(?=[A-Za-z])")


_SET = re.compile(r"\{[^{},]{1,40}(?:,[^{},]{1,40}){2,40}\}|\{[^{},]{1,40},(?!\d{3}\})[^{},]{1,40}\}")
"""`{2, 3}`: braces around one thing only group."""
_FORMULA_FIRST = re.compile(r"^\$([^$]*[^$\s])\$(\s?[A-Za-z%][^$]*)$")
"""`$28$ percent`: a formula and words after it."""


@lru_cache(1024)
def plain(text: str) -> str:
    """Without the dressing that says nothing: `$…$`, `\\text{…}`, thin spaces, bold stars, a final point."""
    text = text.strip()
    if SIMPLE.fullmatch(text):
        return text
    if not text.isascii():
        text = _CUBE_ROOT.sub(r"\\sqrt[3]{\1}", raised(in_ascii(text))).translate(_UNICODE).strip(" 。")
    text = text.replace("\\$", "$").replace("\\%", "%")
    if "{array" not in text and "matrix" not in text:  # where it ends a row
        text = _ESCAPED_TWICE.sub(r"\\", text)
    for pattern, instead in _REWRITES:
        text = pattern.sub(instead, text)
    text = _SPACES.sub(" ", text).strip("*` ").rstrip(".,;").strip()
    if text.endswith("\\") and not text.endswith("\\\\"):  # the half of a space, "18\ "
        text = text[:-1].rstrip()
    if quoted := _QUOTED.fullmatch(text):
        text = quoted[1].strip()
    text = _without_dollars(text)
    grouping = text.startswith("{") and one_bracket(text) and not _SET.fullmatch(text)
    return text[1:-1].strip() if grouping else text


def _without_dollars(text: str) -> str:
    """Without the signs that make a formula of a text, or of each of several."""
    for opens, closes in (("\\(", "\\)"), ("\\[", "\\]")):
        if text.rfind(opens) <= 0:  # not the end of a formula within a sentence
            text = text.removeprefix(opens).removesuffix(closes)
    text = _FORMULA_FIRST.sub(r"\1\2", text)
    while len(text) > 1 and text[0] == text[-1] == "$":
        if text.startswith("$$"):  # all pairs in one step: a megabyte of dollars has half a million
            ends = [len(text) - len(rest) for rest in (text.lstrip("$"), text.rstrip("$"))]
            pairs = min(ends[0] - 1, ends[1], len(text) // 2)
        else:
            pairs = int(text.count("$") == 2)
        text = text[pairs : len(text) - pairs] if pairs else text.replace("$", "")
    return (text[:-1] if text.count("$") == 1 and text.endswith("$") else text).strip().rstrip(".").strip()


def one_bracket(text: str) -> bool:
    """Whether the first bracket closes at the end, unlike in (a)(b)."""
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter in "[({") - (letter in "])}")
        if depth == 0 and letter in "])}":
            return place == len(text) - 1
    return False


WORDS = re.compile(r"[^\W\d_]{2,}(?:[ '-][^\W\d_]+)*")
LETTER = re.compile(r"\(?[A-Z]\)?")
_COMMAND = re.compile(
    r"\\(?:begin|end) ?\{[A-Za-z]+\}|\\[A-Za-z]+"
    r"|\b(?:sqrt|sin|cos|tan|cot|sec|csc|log|exp|mod|max|min|gcd|lcm|frac|and)\b"
)
_LONG_WORD = re.compile(r"[^\W\d_]{3,}")
_ATOM = r"""(?:[A-Za-z](?:_(?:\{\w{1,8}\}|\w{1,3}))?'?(?:\([A-Za-z]\))?|[A-Z]{2,5}|\\(?:angle|triangle)[ ]?[A-Z]{1,3}
    |\\(?:alpha|beta|gamma|delta|theta|lambda|mu|phi|rho|sigma|omega)(?:_\w)?|\|\\?[A-Za-z]{1,8}(?:\{[A-Z]{2}\})?\|)"""
_NAME = re.compile(
    rf"""(?:{_ATOM}(?:[ ]?[:/][ ]?{_ATOM})?|\\frac[ ]?\{{{_ATOM}\}}[ ]?\{{{_ATOM}\}}|\({_ATOM}(?:,[ ]?{_ATOM}){{1,5}}\)
    |[A-Za-z][A-Za-z ]{{3,30}})[ ]?(?:=|\\in(?![a-z])|is\b)[ ]?(?=\S)""",
    re.VERBOSE,
)
"""What an answer may be called: x, x_1, f(x), AB, |AB|, \\angle ABC, A:B, \\frac{NO}{BO}, (p, q), the total."""
_SUM = re.compile(r"(?=[^=]*[\d)] ?(?:[(+*/!^-]|\\[tcd]))(?:[\d+*/. ()$!^{}-]|\\times|\\cdot|\\div){1,100}= ?(?=\S)")
_SEVERAL = re.compile(r"[,;<>!]|\\(?:[lg]e|ne)(?![a-z])|\b(?:and|or)\b")
_EQUATION = re.compile(r"=.*[A-Za-z]|[A-Za-z].*=")


def folded(text: str) -> str:
    """One spelling of equal texts: no space but between digits, no braces around one letter, no case in words."""
    if text.isdecimal():
        return text
    if WORDS.fullmatch(text):
        words = " ".join(text.split())
        return words.casefold() if len(words) > 2 or words.lower() == "no" else words
    if LETTER.fullmatch(text):
        return text.strip("()")
    return _SPACE_WITHIN.sub("", _ONE_LETTER.sub(r"\1\2", text))


_SPACE_WITHIN = re.compile(r"(?<!\d) | (?!\d)")
_ONE_LETTER = re.compile(r"([_^])\{(\w)\}")


def words_of(text: str) -> list[str]:
    """The words of a text, but for a unit at its end; `2\\sin x` has none."""
    return _LONG_WORD.findall(_COMMAND.sub(" ", off_unit(text)[0]))


def right_side(text: str, other: str) -> str:
    """`x = 3` and `1 + 2 = 3` answer 3; where the other side has a name too, they keep theirs."""
    if not _NAME.match(other) and not _EQUATION.search(other):
        while name := _NAME.match(text):
            text = text[name.end() :]
    while result := _SUM.match(text):
        text = text[result.end() :]
    if text.count("=") > 1 and "=" not in other and not _SEVERAL.search(text):  # 1 = f(0) = 3: all the same
        text = text.rpartition("=")[2]
    return text.strip()


def same_letters(gold: str, given: str) -> bool:
    """Algebra folds A to a, and takes words for products; neither may decide."""
    ours, theirs = (set(re.findall(r"[A-Za-z]", _COMMAND.sub(" ", side))) for side in (gold, given))
    shared = {letter.lower() for letter in ours} & {letter.lower() for letter in theirs}
    same_case = {letter for letter in ours if letter.lower() in shared} == {
        letter for letter in theirs if letter.lower() in shared
    }
    same_primes = gold.count("'") == given.count("'")
    return same_case and same_primes and sorted(words_of(gold)) == sorted(words_of(given))
