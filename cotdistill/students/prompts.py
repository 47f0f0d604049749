"""What a student reads before it answers, and what ends its answer, the same in this process and on a server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cotdistill.chat.apply import generation_prompt, template_kwargs
from cotdistill.chat.template import encode, opens_think, read_back


@dataclass(frozen=True)
class Prompt:
    """A prompt's tokens. `opened`: the template has already begun the trace, so the answer starts inside it. `goes_on`:
    the conversation holds an earlier answer of the student."""

    ids: list[int]
    opened: bool
    goes_on: bool = False


class Prompter:
    """A student's tokenizer and limits: `context` is in tokens, prompt and answer together."""

    def __init__(self, tokenizer: Any, config: Any, generation_config: Any) -> None:
        self.tokenizer = tokenizer
        self.context = int(getattr(config.get_text_config(), "max_position_embeddings", 1 << 30))
        configured = generation_config.eos_token_id
        configured = configured if isinstance(configured, list) else [configured]
        self.end_tokens: list[int] = sorted({*configured, tokenizer.eos_token_id} - {None})
        pad = tokenizer.pad_token_id
        self.padding = int(self.end_tokens[0] if pad is None else pad)

    def prompt(self, messages: Sequence[Mapping[str, str]]) -> Prompt:
        """The tokens of a conversation. Raises ValueError when the chat template refuses it."""
        text = generation_prompt(self.tokenizer, messages)
        return Prompt(encode(self.tokenizer, text), opens_think(text), _goes_on(messages))

    def answer(self, text: str) -> str:
        """The text that was written, with its trace between `<think>` tags."""
        return read_back(self.tokenizer, text)

    def template_kwargs(self) -> dict[str, Any]:
        """The arguments that a server which renders the prompt itself must give the chat template."""
        thinks = {"enable_thinking": True} if "enable_thinking" in str(self.tokenizer.chat_template) else {}
        return thinks | template_kwargs(self.tokenizer)

    def special_marks(self) -> list[str]:
        """Marks of a trace that this tokenizer calls special: a decoder that leaves special tokens out loses the
        trace."""
        return [token for token in self.tokenizer.all_special_tokens if "think" in str(token).lower()]


def _goes_on(messages: Sequence[Mapping[str, str]]) -> bool:
    return any(turn["role"] == "assistant" for turn in messages)
