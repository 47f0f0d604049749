"""Think tags that a student would learn to write wrongly."""

from dataclasses import dataclass

from cotdistill.reasoning import holds_tags
from cotdistill.records import Judged


@dataclass
class Filter:
    """Drops traces and answers that hold the marks of a trace: their own are taken off already, so these are stray."""

    def reason_to_drop(self, judged: Judged) -> str | None:
        if holds_tags(judged.response.reasoning or ""):
            return "think tag inside the reasoning"
        if holds_tags(judged.response.text):
            return "think tag inside the answer"
        return None
