"""TRL's conversational prompt-completion rows: the loss falls on the completion alone."""

from dataclasses import dataclass
from typing import Any

from cotdistill.formats import turns
from cotdistill.records import Judged


@dataclass
class Format:
    """Problem, trace and answer: {"prompt": [turns], "completion": [assistant turn with reasoning_content]}."""

    def row(self, judged: Judged) -> dict[str, Any]:
        response = judged.response
        turn = {"role": "assistant", "content": response.text}
        if response.reasoning:
            turn = {"role": "assistant", "reasoning_content": response.reasoning, "content": response.text}
        return {"prompt": turns(response.prompt), "completion": [turn]}
