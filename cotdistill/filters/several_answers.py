"""Responses that announce one final answer and then another."""

import re
from dataclasses import dataclass, field

from cotdistill.answers.equality import Equality
from cotdistill.answers.extract import ANSWER_WINDOW, final_answer
from cotdistill.answers.numbers import read_number
from cotdistill.answers.spelling import LETTER, folded, plain
from cotdistill.reasoning import split
from cotdistill.records import Judged

MOST = 20
"""So many spellings of an answer are compared; who has more has several."""

_MARK = re.compile(
    r"\\(?:boxed|fbox)\s{0,3}\{|^[ \t]{0,3}####[ \t]{0,8}(?=[-\d$\\(])"
    r"|^[ \t>*_#-]{0,8}(?:the )?(?:final |correct )?(?:answer|ans)[ \t*_]{0,4}[:=]"
    r"|\bthe (?:final |correct )?answer(?: here)? (?:is|must be|should be|equals)\b"
    r"|<(?:final[_ -]?)?answer>|(?:最终)?答案(?:是|[:：])|(?:정답|답)(?:은|[:：])|答え(?:は|[:：])"
    r"|^[ \t>*_#-]{0,8}(?:antwort|réponse|respuesta|resposta|risposta|ответ)[ \t*_]{0,4}:"
    r"|\b(?:die antwort (?:ist|lautet)|la réponse est|la respuesta es|a resposta é|la risposta è)\b",
    re.IGNORECASE | re.MULTILINE,
)
_JOINED = re.compile(
    r"[\s$,;&*\\()\[\]}]{0,20}(?:(?:and|or)(?![a-z])|\\text\{ ?(?:and|or) ?\})?[\s$,;&*\\()\[\]}]{0,20}"
    r"(?:[a-z](?:_?\w)?\s?=\s?)?"
)
"""Two boxes with no more than this between them are one answer in two parts."""

_PART = re.compile(
    r"^[ \t*]{0,8}\(?(?:[a-h]|i{1,3}|iv|v)[).]|\((?:[a-h]|i{1,3}|iv|v)\)"
    r"|\b(?:part|question|problem|case) \(?(?:[a-h]|\d|i+)\b",
    re.IGNORECASE | re.MULTILINE,
)
_PART_WITHIN = 60
_SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s|\n")
"""What follows may take the answer back, "No: the answer is 7", and yet it was announced."""


@dataclass
class Filter:
    """Drops answers that announce two different final answers: two boxes, or "Answer: 5" and then "Answer: 7".

    Different in value, not in spelling: what is equal by value is one answer, and so are
    boxes in one enumeration. Answers to parts (a), (b) are left alone, and so are announcements in words.
    """

    _equality: Equality = field(default_factory=lambda: Equality(deadline_s=1), init=False, repr=False)

    def reason_to_drop(self, judged: Judged) -> str | None:
        text = split(judged.response.text).answer[-ANSWER_WINDOW:]
        answers = _announced(text)
        if len(answers) < 2:
            return None
        *others, last = answers
        if len(others) >= MOST or any(self._differ(other, last) for other in others):
            return "several different final answers"
        return None

    def _differ(self, one: str, other: str) -> bool:
        """Only where that is certain; what cannot be read may well be the same."""
        ruling = self._equality.rule(one, other, self._equality.budget())
        return ruling.status == "incorrect" and ruling.detail is None


def _announced(text: str) -> list[str]:
    """The announced answers, one spelling of each, the last announced last. An answer in parts counts as one."""
    marks = list(_MARK.finditer(text))
    if len(marks) < 2:
        return []
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    groups: list[list[str]] = []
    between = ""
    for mark, end in zip(marks, ends, strict=True):
        if _PART.search(text, max(0, mark.start() - _PART_WITHIN), mark.start()):
            return []
        announced = text[mark.start() : end]
        found = final_answer(announced) or final_answer(_SENTENCE_END.split(announced, 1)[0])
        if found is None or found.rule not in ("tag", "boxed", "hashes", "answer_line"):
            continue
        answer = plain(found.answer)
        if found.rule != "boxed" and not (read_number(answer) or LETTER.fullmatch(answer)):
            continue
        if groups and found.rule == "boxed" and _JOINED.fullmatch(between):
            groups[-1].append(answer)
        else:
            groups.append([answer])
        between = text[mark.start() : end].partition(found.answer)[2] if found.rule == "boxed" else "…"
    by_spelling = {folded(", ".join(group)): ", ".join(group) for group in reversed(groups)}
    return list(reversed(by_spelling.values()))
