"""The final answer of a text, by which rule it was found, and the answer at the end of a worked reference."""

import re
from typing import NamedTuple

ANSWER_WINDOW = 64_000
"""The final answer is looked for in the last so many characters."""


MAX_ANSWER = 4_096
"""A longer text is no final answer; it is cut."""


class Extracted(NamedTuple):
    """A final answer as it is written, and the rule that found it."""

    answer: str
    rule: str


def final_answer(text: str) -> Extracted | None:
    """The final answer of a text without its trace, by the first rule that finds one; None when none does.

    The rules, in order: "The final answer is x. I hope it is correct."; the last `\\boxed{}`; the last `#### x`; the
    last line or sentence that announces an answer; a text that is nothing but an answer; the equation that ends the
    text; the formula that ends it; the last number.
    So what stands after an announced answer does not win over it.
    """
    text = text[-ANSWER_WINDOW:]
    for rule, find in _RULES:
        if found := find(text):
            return Extracted(found[:MAX_ANSWER], rule)
    return None


def cut_reference(text: str) -> str:
    """The answer in a worked reference: the last `\\boxed{}`, GSM8K's `#### 18`, Minerva's closing words, or the last
    line `A: 18` of GSM8K's other release; any other text is the answer itself."""
    text = text.strip()
    above, _, last = text.rpartition("\n")
    label = _REFERENCE_LINE.match(last) if above else None
    return last_boxed(text) or _hashes(text) or _concluded(text) or (label[1].strip() if label else text)


def last_boxed(text: str) -> str | None:
    """What stands in the last `\\boxed{…}` or `\\fbox{…}` that is not empty, braces balanced; up to the line's end
    where the brace is never closed. Boxes with nothing but commas, "and" or "or" between them are one answer."""
    answer, begins = "", len(text)
    for box in reversed(list(_BOXED.finditer(text))):
        content, end = _boxed(text, box)
        if not content:
            continue
        joint = _JOINT.fullmatch(text, end, begins) if answer else None
        if answer and not joint:
            break
        answer = f"{content}{' and ' if joint['word'] else ', '}{answer}" if joint else content
        begins = box.start()
    return answer or None


def all_boxed(text: str) -> list[str]:
    """What stands in each box that is not empty, in order."""
    return [
        content for box in _BOXED.finditer(text[-ANSWER_WINDOW:]) if (content := _boxed(text[-ANSWER_WINDOW:], box)[0])
    ]


def _boxed(text: str, box: re.Match[str]) -> tuple[str, int]:
    """The content of a box, and where the box ends."""
    if box[0].endswith("{"):
        content = _braced(text, box.end())
        return content, text.find("}", box.end() + len(content)) + 1
    word = _WORD.match(text, box.end() - 1)
    return (word[0].rstrip("$.,;"), word.end()) if word else ("", box.end())


NUMBER = re.compile(
    r"""(?<![\w.])(?:(?<![\d)\]}][ ])[-−+])?[$€£]?
    (?:\d{1,3}(?:(?:,|\\,|\\!,|\{,\})\d{3})+(?!\d)|\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?!\d)|\d+|(?=\.\d))
    (?:\.\d+)?(?:[eE][-+]?\d{1,4})?
    (?:[ ]?/[ ]?\d+)?(?:[ ]?\\?%)?""",
    re.VERBOSE,
)
"""A number in prose, with its currency sign before and its percent sign after it."""


_BOXED = re.compile(r"\\(?:boxed|fbox)(?:\s{0,3}\{|\s\S)")


_JOINT = re.compile(
    r"""(?:[\s$,;}]|\\[()\[\] ,;]|\\q?quad|\\text\{(?=\s*(?:and|or)\s*\})
    |(?<![A-Za-z])(?P<word>and|or)(?![A-Za-z])){0,40}""",
    re.VERBOSE,
)
"""What may stand between two boxes that make one answer."""


_WORD = re.compile(r"\S{1,100}")


_BRACES = re.compile(r"\\.|[{}]", re.DOTALL)


_HASHES = re.compile(r"^[ \t]{0,3}####[ \t]{0,8}(\S[^\n]{0,4096})", re.MULTILINE)


_LIST_HEADING = re.compile(r"\d{1,2}[.):][ \t]+\S")


_REFERENCE_LINE = re.compile(r"(?:A|Answer|Final answer)[ \t]{0,8}:[ \t]{0,8}(\S.*)", re.IGNORECASE)


_ANNOUNCED = re.compile(
    r"""(?:^[ \t>*_#-]{0,8}                                           # Answer: 18 · **Final Answer** · A: 18
        (?:the[ ])?(?:(?:final|correct)[ ])?(?P<label>answer|ans|a)[ \t*_]{0,4}(?:[:=]|(?=\n))
    |\b(?:answer|ans)(?:[ ]to[ ][^.:\n]{1,60}?)?[ \t*_]{1,4}         # so the answer to (a) is 18
        (?:is|was|equals|would[ ]be|will[ ]be|should[ ]be|must[ ]be)\b[ \t*_]{0,4}:?[ ]?
        (?:(?:therefore|thus|then|simply|just|clearly|indeed)\b)?)
    [ \t*_]{0,4}(?P<gap>\s{0,4})(?:\$\$|\\\[)?\s{0,4}(?=\S)""",
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)


_CONCLUSION = re.compile(r"final answer is:? ?([^\n]{1,200}?)\.? I hope it is correct", re.IGNORECASE)


_SENTENCE_END = re.compile(r"[.?](?=[\s*\")]|$)|(?<=[a-z])!(?=\s|$)|;(?=\s+[a-z]{2})")


_PROSE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,30}[,:;]? +[A-Za-z]{2}")


_FORMULA = re.compile(
    r"\$\$([^$]{1,1000})\$\$|(?<!\\)\$([^$\n]{1,400})(?<!\\)\$|\\\(([^\n]{1,400}?)\\\)|\\\[(.{1,400}?)\\\]", re.DOTALL
)


def _braced(text: str, start: int) -> str:
    depth = 1
    for token in _BRACES.finditer(text, start, start + MAX_ANSWER):
        depth += (token[0] == "{") - (token[0] == "}")
        if not depth:
            return text[start : token.start()].strip()
    line = text[start : start + MAX_ANSWER].partition("\n")[0]
    return line.removesuffix("\\)").removesuffix("\\]").strip(" $.")


def _hashes(text: str) -> str | None:
    """`#### 18`, but not the Markdown heading `#### Step 2` or `#### 2. Add up`. Words count on the last line only."""
    end = len(text.rstrip())
    for found in reversed(list(_HASHES.finditer(text))):
        payload = _tidy(found[1])
        heading = _LIST_HEADING.match(payload) or payload.endswith(":") or not payload
        if not heading and (not payload[0].isalpha() or found.end() >= end):
            return payload
    return None


def _concluded(text: str) -> str | None:
    """The closing words of Minerva's prompt (Lewkowycz et al. 2022), which many models still end with."""
    found = list(_CONCLUSION.finditer(text))
    return _tidy(found[-1][1]) or None if found else None


def _announced(text: str) -> str | None:
    """The last announced answer, up to the end of its sentence. Where a label stands alone, what follows it is the
    answer only if it is no prose: `A:` also begins a worked solution."""
    for match in reversed(list(_ANNOUNCED.finditer(text))):
        said = text[match.end() : match.end() + MAX_ANSWER].partition("\n")[0]
        apart = "\n" in match["gap"] and match["label"] is not None
        if apart and (match["label"].lower() == "a" or _PROSE.search(said)):
            continue
        if sentence := _first_sentence(said):
            return sentence
    return None


def _first_sentence(text: str) -> str:
    text = _tidy(text)
    end = _SENTENCE_END.search(text)
    return _tidy(text[: end.start()]) if end else text


def _tidy(text: str) -> str:
    """Without Markdown's stars and the punctuation of the sentence around it."""
    if "**" in text and not re.search(r"\w\*\*\w", text):
        text = text.replace("**", "")
    text = text.strip("*_` \t\r").rstrip(".,;:").strip("*_` \t\r")
    return text.removesuffix("$$") if text.count("$$") == 1 else text


def _last_line(text: str) -> str:
    return text.rstrip().rpartition("\n")[2][-2000:]


def _whole(text: str) -> str | None:
    """A short single line that is no sentence is the answer itself: `\\frac{1}{2}`, `Paris`, `x = 3`."""
    line = text.strip()
    if "\n" in line or len(line) > 200 or ":" in line or "<<" in line or _PROSE.search(line):
        return None
    return None if "=" in line and re.match(r"[A-Za-z]{2,30} ", line) else _tidy(line)


def _last_equation(text: str) -> str | None:
    left, equals, right = _last_line(text).rpartition("=")
    if left.endswith(("!", "<", ">")):
        return None
    right = _tidy(right).strip("$ ") if right.count("$") == 1 and right.strip(" .*").endswith("$") else _tidy(right)
    wrong = not equals or len(right) > 200 or "<<" in right or ">>" in right or "\\]" in right or "\\)" in right
    return None if wrong or _PROSE.search(right) else right


def _last_formula(text: str) -> str | None:
    """The formula that ends the text, with no number after it. Dollars that enclose words are currency signs."""
    tail = text[-2000:]
    found = list(_FORMULA.finditer(tail))
    if not found or any(letter.isdigit() for letter in tail[found[-1].end() :]):
        return None
    formula = next(group for group in found[-1].groups() if group is not None).strip()
    words = re.search(r"[A-Za-z]{3}", re.sub(r"\\(?:begin|end)\{[a-zA-Z]{1,10}\}|\\[A-Za-z]+", "", formula))
    return None if words or formula.endswith(("=", "+", "-")) else _tidy(formula)


def _last_number(text: str) -> str | None:
    found = list(NUMBER.finditer(text))
    return found[-1][0].strip() if found else None


_RULES = (
    ("conclusion", _concluded),
    ("boxed", last_boxed),
    ("hashes", _hashes),
    ("answer_line", _announced),
    ("whole", _whole),
    ("equation", _last_equation),
    ("last_formula", _last_formula),
    ("last_number", _last_number),
)
