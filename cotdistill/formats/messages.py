"""One conversation a row, as OpenAI's fine-tuning, axolotl and TRL's language-modelling type read it."""

from dataclasses import dataclass
from typing import Any

from cotdistill.formats import answer, turns
from cotdistill.records import Judged


@dataclass
class Format:
    """The whole conversation: {"messages": [turns, the last with reasoning_content]}."""

    def row(self, judged: Judged) -> dict[str, Any]:
        return {"messages": [*turns(judged.response.prompt), answer(judged)]}
