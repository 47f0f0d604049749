"""The same problem under two ids, or the same answer to one prompt twice."""

import hashlib
import re
from dataclasses import dataclass, field
from typing import ClassVar

from cotdistill.records import Judged

_WORDS = re.compile(r"[^\W_]+|[^\w\s.,;:!?'\"`]")
"""Words and numbers, and every sign that is not mere punctuation: in mathematics `a+b` is not `a-b`."""


@dataclass
class Filter:
    """Drops a problem that stands under another id already, and equal answers to one prompt.

    Case, space and punctuation are folded. Remembers 16 bytes a problem, and the current prompt's answers.
    """

    remembers: ClassVar[bool] = True

    _problems: dict[bytes, str] = field(default_factory=dict, init=False, repr=False)
    _current: str | None = field(default=None, init=False, repr=False)
    _answers: set[bytes] = field(default_factory=set, init=False, repr=False)

    def reason_to_drop(self, judged: Judged) -> str | None:
        response = judged.response
        prompt = response.prompt
        if prompt.id != self._current:
            self._current, self._answers = prompt.id, set()
        problem = _folded("\n".join(f"{turn.role}: {turn.content}" for turn in prompt.messages))
        if self._problems.setdefault(problem, prompt.id) != prompt.id:
            return "same problem under another id"
        answer = _folded(f"{response.reasoning or ''}\n{response.text}")
        if answer in self._answers:
            return "same answer to this prompt already"
        self._answers.add(answer)
        return None


def _folded(text: str) -> bytes:
    return hashlib.blake2b(" ".join(_WORDS.findall(text.lower())).encode("utf-8", "replace"), digest_size=16).digest()
