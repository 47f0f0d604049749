"""Alpaca's layout (Taori et al. 2023): one instruction and its output."""

from dataclasses import dataclass
from typing import Any

from cotdistill.formats import think_messages
from cotdistill.records import Judged


@dataclass
class Format:
    """{"instruction", "input", "output"}, the trace within the output; earlier turns stand in "history"."""

    def row(self, judged: Judged) -> dict[str, Any]:
        *before, question, last = think_messages.Format().row(judged)["messages"]
        system = [turn["content"] for turn in before if turn["role"] == "system"]
        said = [turn["content"] for turn in before if turn["role"] != "system"]
        history = [list(pair) for pair in zip(said[::2], said[1::2], strict=False)]
        return {
            "instruction": question["content"],
            "input": "",
            "output": last["content"],
            **({"system": "\n\n".join(system)} if system else {}),
            **({"history": history} if history else {}),
        }
