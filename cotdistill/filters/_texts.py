"""What the filters look at: the trace and the answer of a response, the problem, and texts as words."""

import re

from cotdistill.records import Prompt, Response

_ONE_BY_ONE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Chinese and Japanese are written without spaces: each character counts as a word."""

_WORD = re.compile(r"\w+")
_ANY_WORD = re.compile(f"[{_ONE_BY_ONE}]|[^\\W{_ONE_BY_ONE}]+")


def trace(response: Response) -> str:
    """The reasoning, or the whole text where the answer is a worked solution; "" for none."""
    return response.reasoning or (response.text if response.reasoning_kind == "worked" else "")


def problem(prompt: Prompt) -> str:
    """What is asked, without the system's part, which many problems share."""
    if len(prompt.messages) == 1:
        return prompt.messages[0].content
    return "\n".join(turn.content for turn in prompt.messages if turn.role != "system")


def words(text: str) -> list[str]:
    """Words and numbers in lower case, without any sign."""
    text = text.lower()
    return (_WORD if text.isascii() else _ANY_WORD).findall(text)
