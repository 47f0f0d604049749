"""Cerebras: open-weight models. https://inference-docs.cerebras.ai/capabilities/reasoning

The trace comes in `reasoning`, and the log-probabilities of its tokens in a list of their own, `reasoning_logprobs`.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from cotdistill.providers.chat_completions import ChatTeacher


@dataclass
class Teacher(ChatTeacher):
    """Cerebras, whose open-weight models show their chain. Key: CEREBRAS_API_KEY."""

    base_url: str = "https://api.cerebras.ai/v1"
    cap: str = field(default="max_completion_tokens", init=False, repr=False)

    provider: ClassVar[str] = "cerebras"
    key: ClassVar[str] = "CEREBRAS_API_KEY"
