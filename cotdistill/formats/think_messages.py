"""For trainers that know no field for the trace: it stands in the content, between think tags."""

from dataclasses import dataclass
from typing import Any

from cotdistill.formats import turns
from cotdistill.reasoning import join
from cotdistill.records import Judged


@dataclass
class Format:
    """The whole conversation, the trace within the content: <think>…</think>."""

    def row(self, judged: Judged) -> dict[str, Any]:
        response = judged.response
        content = join(response.reasoning, response.text) if response.reasoning else response.text
        return {"messages": [*turns(response.prompt), {"role": "assistant", "content": content}]}
