"""SGLang's server. https://docs.sglang.io/docs/advanced_features/separate_reasoning

Start it with --reasoning-parser; without one the trace is cut out of the text by its tags.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from cotdistill.providers.chat_completions import ChatTeacher, thinking_switch

if TYPE_CHECKING:
    from cotdistill.teachers._sglang_scorer import SglangScorer


@dataclass
class Teacher(ChatTeacher):
    """An SGLang server; --effort high or none turns thinking on or off. Key, if it wants one: SGLANG_API_KEY."""

    base_url: str = "http://localhost:30000/v1"

    provider: ClassVar[str] = "sglang"
    key: ClassVar[str] = "SGLANG_API_KEY"

    def reasoning(self, effort: str | None) -> dict[str, Any]:
        return thinking_switch(effort)

    def scorer(self) -> "SglangScorer":
        """The same server, asked to score tokens."""
        from cotdistill.teachers._sglang_scorer import SglangScorer

        return SglangScorer(self.model, self.base_url, self.concurrency, self.timeout_s)
