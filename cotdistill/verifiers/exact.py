"""Answers that are right when they say the same words."""

import re
import unicodedata
from dataclasses import dataclass

from cotdistill.answers.extract import final_answer
from cotdistill.reasoning import split
from cotdistill.records import Response, Verdict

_LEFT_EDGE = " \"'`*_$"
_RIGHT_EDGE = _LEFT_EDGE + ".,;:?"  # not on the left, where .5 is not 5; and 5! is not 5
_MAX_SHOWN = 200


@dataclass
class Verifier:
    """The final answer, or the whole text, equals the reference; case and space are folded."""

    case_sensitive: bool = False

    def judge(self, response: Response) -> Verdict:
        reference = (response.prompt.reference or "").strip()
        if not self._folded(reference):
            detail = "the reference has no words" if reference else "the prompt has no reference"
            return Verdict(status="bad_reference", reference=reference or None, method="none", detail=detail)
        visible = split(response.text)
        whole = visible.answer.strip()
        if not whole:
            detail = "the answer is empty" if visible.closed else "the reasoning does not end"
            return Verdict(status="no_answer", reference=reference, method="none", detail=detail)
        found = final_answer(whole)
        candidates = [("whole", whole), *([(found.rule, found.answer)] if found else [])]
        for rule, text in candidates:
            if self._folded(text) == self._folded(reference):
                return Verdict(status="correct", answer=text, reference=reference, method=f"exact/{rule}")
        rule, text = candidates[-1]
        return Verdict(status="incorrect", answer=text[:_MAX_SHOWN], reference=reference, method=f"exact/{rule}")

    def _folded(self, text: str) -> str:
        folded = " ".join(unicodedata.normalize("NFC", text).split()).lstrip(_LEFT_EDGE).rstrip(_RIGHT_EDGE)
        folded = re.sub(r"(?<=[^\W\d])!+$", "", folded)
        folded = re.sub(r"^\(([^(),\[\]]{1,40})\)$", r"\1", folded)
        return folded if self.case_sensitive else folded.casefold()
