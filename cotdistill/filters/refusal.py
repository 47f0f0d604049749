"""Answers that decline, or that guess."""

import re
from dataclasses import dataclass

from cotdistill.filters._texts import problem
from cotdistill.records import Judged

_HEAD, _TAIL = 300, 400
"""A refusal opens an answer or closes it; what stands between is reasoning, where doubt is part of the work."""

_REFUSES = re.compile(
    r"\bi(?: cannot| can't| can not| will not| won't| must decline to| (?:am|was) (?:not able|unable) to"
    r"|'m (?:not able|unable) to) "
    r"(?:help|assist|comply|fulfill?|provide|answer|discuss|engage|complete (?:this|your))\b"
    r"|\bi(?:'m| am) (?:very |truly )?sorry,? but i (?:can|won|am not|'m not|do not|don't)"
    r"|\bi apologi[sz]e,? but i (?:can|won|am not|do not|don't)"
    r"|\b(?:against|violates?) (?:my|our) (?:guidelines|programming|(?:content|usage) polic)"
)
_AS_AN_AI = re.compile(r"\b(?:as|i am|i'm) (?:just |only )?an ai\b|\bas a (?:large )?language model\b")
_GUESSES = re.compile(
    r"\bi(?:'m| am) not (?:entirely |completely |quite |really |fully |very |100% )?(?:sure|certain|confident)\b"
    r"|\bi (?:do not|don't) know (?:the (?:answer|solution)|how to (?:solve|answer|do))\b"
    r"|\bi (?:do not|don't) know[.,;!]"
    r"|\bmy (?:best|rough|wild|educated) guess\b|\bmy guess (?:is|would be)\b|\ba (?:wild|random|rough) guess\b"
    r"|\bi(?:'ll| will| would|'d)?(?: just| have to| must)? guess (?:that|it|the|this|so|\d)"
    r"|\bit(?:'s| is) (?:hard|difficult|impossible) for me to (?:say|tell|know)\b"
)


@dataclass
class Filter:
    """Drops answers that refuse, speak as an AI, or guess (hedging=false lets guesses pass). English only.

    Looks at the first 300 and the last 400 characters of the answer; a phrase of the problem itself is no sign.
    """

    hedging: bool = True

    def reason_to_drop(self, judged: Judged) -> str | None:
        text = _plain(judged.response.text)
        ends = text if len(text) <= _HEAD + _TAIL else f"{text[:_HEAD]}\n{text[-_TAIL:]}"
        for pattern, reason in (
            (_REFUSES, "the answer refuses"),
            (_AS_AN_AI, "the answer speaks as an AI"),
            (_GUESSES, "the answer is a guess"),
        ):
            if pattern is _GUESSES and not self.hedging:
                continue
            found = pattern.search(ends)
            if found and found[0] not in _plain(problem(judged.response.prompt)):
                return reason
        return None


def _plain(text: str) -> str:
    return text.lower().replace("’", "'")
