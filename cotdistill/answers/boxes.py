"""Final answers that a mark-up encloses: LaTeX boxes, `<answer>` tags, JSON objects, GSM8K's `####`."""

import json
import re
from typing import NamedTuple

MAX_ANSWER = 4_096
"""A longer text is no final answer; it is cut."""

_BOXED = re.compile(r"\\(?:boxed|fbox|framebox)(?:\s{0,3}\{|\s\S)")

_JOINT = re.compile(
    r"""(?:[\s$,;}]|\\[()\[\] ,;]|\\q?quad|\\text\{(?=\s*(?:and|or)\s*\})
    |(?<![A-Za-z])(?P<word>and|or)(?![A-Za-z])){0,40}""",
    re.VERBOSE,
)
"""What may stand between two boxes that make one answer."""

_ON_ITS_OWN = re.compile(r"\n\s{0,20}\n|\\\]|\$\$")
"""Between two boxes: each stands in a paragraph or a display of its own."""

_WORD = re.compile(r"\S{1,100}")
_BRACES = re.compile(r"\\.|[{}]", re.DOTALL)
_HASHES = re.compile(r"^[ \t]{0,3}####[ \t]{0,8}(\S[^\n]{0,4096})", re.MULTILINE)
_LIST_HEADING = re.compile(r"\d{1,2}[.):][ \t]+\S")
_TAG = re.compile(r"<(/?)(?:final[_ -]?)?answer>", re.IGNORECASE)
_KEY = re.compile(r'"(?:final[_ ]?answer|answer|result|solution|output)"\s{0,4}:', re.IGNORECASE)
_EMOJI = re.compile(
    "^[\u2600-\u27bf\u2b50-\u2b55\ufe0f\U0001f000-\U0001faff ]{1,20}|"
    "[\u2600-\u27bf\u2b50-\u2b55\ufe0f\U0001f000-\U0001faff ]{1,20}$"
)
_KEYS = ("final_answer", "final answer", "finalanswer", "answer", "result", "solution", "output")
_MAX_JSON = 16_384


class Box(NamedTuple):
    """What stands in one box, or in several that make one answer, and where the first begins and the last ends."""

    answer: str
    start: int
    end: int
    alone: bool


def last_box(text: str) -> Box | None:
    """The last `\\boxed{…}` or `\\fbox{…}` that is not empty, braces balanced; up to the line's end where the brace is
    never closed. Boxes with nothing but commas, "and" or "or" between them are one answer; a box that is repeated, or
    that stands in a paragraph of its own after another one, is an answer alone."""
    answers: list[str] = []
    joints: list[str] = []
    begins, ends = len(text), 0
    for box in reversed(list(_BOXED.finditer(text))):
        content, end = _boxed(text, box)
        if not content:
            continue
        joint = _JOINT.fullmatch(text, end, begins) if answers else None
        if answers and not joint:
            break
        if joint and not joint["word"] and "," not in joint[0] and _ON_ITS_OWN.search(joint[0]):
            break
        begins, ends = box.start(), ends or end
        if content in answers:
            continue
        joints.append(f" {joint['word']} " if joint and joint["word"] else ", ")
        answers.append(content)
    if not answers:
        return None
    whole = "".join(answer + joint for answer, joint in zip(reversed(answers), reversed(joints), strict=True))
    return Box(whole.removesuffix(joints[0]), begins, ends, len(answers) == 1)


def last_boxed(text: str) -> str | None:
    """What stands in the last box."""
    box = last_box(text)
    return box.answer if box else None


def first_marked(text: str) -> int | None:
    """Where the first box or `####` of a text ends, None without one."""
    found = [pattern.search(text) for pattern in (_BOXED, _HASHES)]
    return min((mark.end() for mark in found if mark), default=None)


def all_boxed(text: str) -> list[str]:
    """What stands in each box that is not empty, in order."""
    return [content for box in _BOXED.finditer(text) if (content := _boxed(text, box)[0])]


def last_hashes(text: str) -> str | None:
    """`#### 18`, but not the Markdown heading `#### Step 2` or `#### 2. Add up`. Words count on the last line only."""
    end = len(text.rstrip())
    for found in reversed(list(_HASHES.finditer(text))):
        payload = tidy(found[1])
        heading = _LIST_HEADING.match(payload) or payload.endswith(":") or not payload
        if not heading and (not payload[0].isalpha() or found.end() >= end):
            return payload
    return None


def last_tagged(text: str) -> str | None:
    """What stands in the last `<answer>…</answer>`, a box in it opened; a tag that is never closed runs to the end."""
    tags = list(_TAG.finditer(text))
    opened = next((tag for tag in reversed(tags) if not tag[1]), None)
    if opened is None:
        return None
    closed = next((tag for tag in tags if tag[1] and tag.start() >= opened.end()), None)
    content = text[opened.end() : closed.start() if closed else opened.end() + MAX_ANSWER].strip()
    return last_boxed(content) or tidy(content) or None


def in_json(text: str) -> str | None:
    """The value of "answer" in a JSON object that ends the text, in a fence or not; "" for null."""
    key = next(reversed(list(_KEY.finditer(text[-_MAX_JSON:]))), None)
    if key is None:
        return None
    tail = text[-_MAX_JSON:].rstrip().removesuffix("```").rstrip()
    start = tail.rfind("\n{") + 1 or tail.find("{")
    if start < 0 or not tail.endswith("}"):
        return None
    try:
        found = json.loads(tail[start:])
    except (ValueError, RecursionError):
        return None
    by_name = {str(name).lower(): value for name, value in found.items()} if isinstance(found, dict) else {}
    name = next((name for name in _KEYS if name in by_name), None)
    return None if name is None else _said_in(by_name[name])


def _said_in(value: object) -> str:
    """A JSON value as an answer: a list of numbers as `[1, 2]`, a value and its unit as both."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict) and isinstance(value.get("value"), str | int | float):
        return f"{_said_in(value['value'])} {value.get('unit') or ''}".strip()
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value).strip() if isinstance(value, str | int | float) else ""


def _boxed(text: str, box: re.Match[str]) -> tuple[str, int]:
    """The content of a box, and where the box ends."""
    if box[0].endswith("{"):
        content = _braced(text, box.end())
        return content, text.find("}", box.end() + len(content)) + 1
    word = _WORD.match(text, box.end() - 1)
    return (word[0].rstrip("$.,;"), word.end()) if word else ("", box.end())


def _braced(text: str, start: int) -> str:
    depth = 1
    for token in _BRACES.finditer(text, start, start + MAX_ANSWER):
        depth += (token[0] == "{") - (token[0] == "}")
        if not depth:
            return text[start : token.start()].strip()
    line = text[start : start + MAX_ANSWER].partition("\n")[0]
    return line.removesuffix("\\)").removesuffix("\\]").strip(" $.")


def tidy(text: str) -> str:
    """Without Markdown's stars and the punctuation of the sentence around it."""
    if "**" in text and not re.search(r"\w\*\*\w", text):
        text = text.replace("**", "")
    text = text.strip("*_` \t\r\n").rstrip(".,;:。、").strip("*_` \t\r\n")
    if not text.isascii():
        text = _EMOJI.sub("", text).strip()
    return text.removesuffix("$$") if text.count("$$") == 1 else text
