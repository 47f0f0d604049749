"""Traces that do not reason: they state the answer, or quote a reference that the teacher was shown."""

import re
from dataclasses import dataclass

from cotdistill.answers.extract import final_answer
from cotdistill.filters._texts import problem, trace, words
from cotdistill.plugins import Count
from cotdistill.records import Judged

_SHORT = 400
"""Characters of a trace that can be without a step."""

_STEP = re.compile(r"\d[^\n]{0,40}[-+*/×÷·=<>^][^\n]{0,40}\d|\\(?:frac|cdot|times|sqrt|div)")
_FILLERS = frozenset(
    [
        *("a", "an", "the", "so", "thus", "hence", "therefore", "then", "and", "ok", "okay", "well", "sure", "final"),
        *("correct", "right", "answer", "result", "solution", "is", "are", "was", "be", "equals", "equal", "to", "it"),
        *("that", "this", "here", "we", "i", "get", "have", "boxed", "text", "option", "choice", "number", "value"),
        *("of", "in", "step", "think", "let", "me", "see"),
    ]
)
_REFERENCE = re.compile(
    r"\b(?:reference|official|ground[- ]truth|gold(?:en)?|provided|model) (?:answer|solution)\b(?! choice| option)"
    r"|\b(?:according to|per|match(?:es|ing)?|consistent with|agrees? with|as stated in|as shown in|based on) "
    r"the (?:given|known|expected|correct|supplied) (?:final )?(?:answer|solution)\b(?! choice| option)"
    r"|\bexpected (?:final )?answer (?:is|was|of|says|should|must|being|:)"
    r"|\bthe given (?:final )?(?:answer|solution) (?:is|was|says|states|gives|of)\b"
    r"|\b(?:answer|solution) key\b|\bground[- ]truth\b"
    r"|\banswer (?:is|was) (?:given|provided) (?:as|to be|in the|by the)\b|\banswer is supposed to be\b"
    r"|\b(?:we(?: are|'re)|i(?: am| was|'m)|we were) (?:told|given) (?:that )?the (?:final |correct )?answer\b"
)


@dataclass
class Filter:
    """Drops traces that merely state the answer, and responses that refer to a reference answer.

    A trace that states is one with no calculation, no other number, and fewer than `min_words` words beside the
    answer's own and those that announce it. A response without any trace is left to length:min_reasoning=1.
    The phrases are English.
    """

    min_words: Count = 4

    def reason_to_drop(self, judged: Judged) -> str | None:
        response = judged.response
        if self._states(judged):
            return "the trace merely states the answer"
        text = f"{response.reasoning or ''}\n{response.text}".lower().replace("’", "'")
        if _REFERENCE.search(text) and not _REFERENCE.search(problem(response.prompt).lower()):
            return "refers to the reference answer"
        return None

    def _states(self, judged: Judged) -> bool:
        said = trace(judged.response)
        if not said or len(said) > _SHORT or _STEP.search(said):
            return False
        found = final_answer(said)
        answer = {*words(judged.verdict.answer or ""), *words(found.answer if found else "")}
        others = [word for word in words(said) if word not in _FILLERS and word not in answer]
        return len(others) < self.min_words and not any(word.isdecimal() for word in others)
