"""ShareGPT's layout, which LLaMA-Factory and axolotl read."""

from dataclasses import dataclass
from typing import Any

from cotdistill.formats import think_messages
from cotdistill.records import Judged

_FROM = {"system": "system", "user": "human", "assistant": "gpt"}


@dataclass
class Format:
    """{"conversations": [{"from": "human", "value": …}]}, the trace within the last value: <think>…</think>."""

    def row(self, judged: Judged) -> dict[str, Any]:
        messages = think_messages.Format().row(judged)["messages"]
        return {"conversations": [{"from": _FROM[turn["role"]], "value": turn["content"]} for turn in messages]}
