"""Response distillation: the answer without the way to it, the baseline that a trace has to beat."""

from dataclasses import dataclass
from typing import Any

from cotdistill.answers.extract import final_answer
from cotdistill.formats import turns
from cotdistill.records import Judged


@dataclass
class Format:
    """Problem and answer, no trace. A worked solution is cut down to its final answer."""

    def row(self, judged: Judged) -> dict[str, Any]:
        response = judged.response
        content = response.text
        if response.reasoning_kind == "worked":
            found = final_answer(content)
            content = judged.verdict.answer or (found.answer if found else content)
        return {
            "prompt": turns(response.prompt),
            "completion": [{"role": "assistant", "content": content}],
        }
