"""Think tags that a student would learn to write wrongly."""

import re
from dataclasses import dataclass

from cotdistill.records import Judged

_TAG = re.compile(r"</?think(?:ing)?>|◁/?think▷")


@dataclass
class Filter:
    """Drops traces and answers that hold think tags: their own are taken off already, so these are stray."""

    def reason_to_drop(self, judged: Judged) -> str | None:
        if _TAG.search(judged.response.reasoning or ""):
            return "think tag inside the reasoning"
        if _TAG.search(judged.response.text):
            return "think tag inside the answer"
        return None
