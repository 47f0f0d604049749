"""TRL's conversational prompt-completion rows: the loss falls on the completion alone."""

from dataclasses import dataclass
from typing import Any

from cotdistill.formats import answer, turns
from cotdistill.records import Judged


@dataclass
class Format:
    """Problem, trace and answer: {"prompt": [turns], "completion": [assistant turn with reasoning_content]}."""

    def row(self, judged: Judged) -> dict[str, Any]:
        return {"prompt": turns(judged.response.prompt), "completion": [answer(judged)]}
