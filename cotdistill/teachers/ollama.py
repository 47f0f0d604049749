"""Ollama's server. https://docs.ollama.com/api/openai-compatibility

It cuts prompts to its own context length without a word: set OLLAMA_CONTEXT_LENGTH where it runs.
"""

from dataclasses import dataclass
from typing import ClassVar

from cotdistill.providers.chat_completions import ChatTeacher


@dataclass
class Teacher(ChatTeacher):
    """An Ollama server. Key, if it wants one: OLLAMA_API_KEY."""

    base_url: str = "http://localhost:11434/v1"

    provider: ClassVar[str] = "ollama"
    key: ClassVar[str] = "OLLAMA_API_KEY"
