"""Answers that are right when they say the same words."""

import re
from dataclasses import dataclass

from cotdistill.reasoning import final_answer, split
from cotdistill.records import Response, Verdict

_EDGES = " \t\n.,;:!?\"'`*_$"


@dataclass
class Verifier:
    """The final answer, or the whole text, equals the reference; case and space are folded."""

    case_sensitive: bool = False

    def judge(self, response: Response) -> Verdict:
        reference = response.prompt.reference
        if reference is None:
            return Verdict(status="bad_reference", method="none", detail="the prompt has no reference")
        visible = split(response.text)
        if not visible.closed or not visible.answer.strip():
            return Verdict(status="no_answer", reference=reference, method="none")
        found = final_answer(visible.answer)
        candidates = [("whole", visible.answer.strip()), *([(found.rule, found.answer)] if found else [])]
        for rule, text in candidates:
            if self._folded(text) == self._folded(reference):
                return Verdict(status="correct", answer=text, reference=reference, method=f"exact/{rule}")
        rule, text = candidates[-1]
        return Verdict(status="incorrect", answer=text[:200], reference=reference, method=f"exact/{rule}")

    def _folded(self, text: str) -> str:
        folded = re.sub(r"\s+", " ", text).strip(_EDGES)
        return folded if self.case_sensitive else folded.casefold()
