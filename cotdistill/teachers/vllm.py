"""vLLM's server. https://docs.vllm.ai/en/stable/features/reasoning_outputs/

Start it with --reasoning-parser; without one the trace is cut out of the text by its tags.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from cotdistill.providers.chat_completions import ChatTeacher, thinking_switch

if TYPE_CHECKING:
    from cotdistill.teachers._vllm_scorer import VllmScorer


@dataclass
class Teacher(ChatTeacher):
    """A vLLM server; --effort high or none turns thinking on or off. Key, if it wants one: VLLM_API_KEY."""

    base_url: str = "http://localhost:8000/v1"

    provider: ClassVar[str] = "vllm"
    key: ClassVar[str] = "VLLM_API_KEY"

    def reasoning(self, effort: str | None) -> dict[str, Any]:
        return thinking_switch(effort)

    def scorer(self) -> "VllmScorer":
        """The same server, asked to score tokens."""
        from cotdistill.teachers._vllm_scorer import VllmScorer

        return VllmScorer(self.model, self.base_url, self.concurrency, self.timeout_s)

    def wire(self, body: dict[str, Any]) -> dict[str, Any]:
        """With log-probabilities, tokens by their ids: strings are no names."""
        ids = {"return_tokens_as_token_ids": True} if "logprobs" in body else {}
        return {**super().wire(body), **ids}
