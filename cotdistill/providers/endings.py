"""How an answer ended, in the words of every server: one meaning each."""

import re
from functools import lru_cache

from cotdistill.records import StopReason

_WORDS: dict[StopReason, str] = {
    "stop": """stop stopped stop_sequence stop_token eos eos_token eos_token_id end end_turn end_of_turn end_of_text
        end_of_sequence endoftext eot eot_id im_end complete completed finish finished done success normal natural
        stop_word model_stop""",
    "length": """length limit truncated max_token max_tokens max_output_tokens max_new_tokens max_completion_tokens
        max_tokens_reached max_length model_length token_limit length_limit length_exceeded error_limit context_window
        context_length context_length_exceeded model_context_window_exceeded
        length_capped token_limit_reached out_of_context""",
    "content_filter": """content_filter content_filtered safety recitation blocklist blocked prohibited_content spii
        image_safety language sensitive error_toxic moderation moderated flagged violation policy_violation
        guardrail_intervened censored""",
    "refusal": "refusal refused",
}
_MEANINGS = {name: meaning for meaning, names in _WORDS.items() for name in names.split()}

_BROKEN = """abort aborted cancel cancelled canceled error errored failed failure insufficient_system_resource load
    loading unload network_error timeout timed_out in_progress queued pending preempted shutdown interrupted
    server_error internal_error internal_server_error engine_error upstream_error overloaded service_unavailable
    disconnect disconnected"""
BROKEN = frozenset(_BROKEN.split())
"""The server, not the model, ended it: vLLM's abort, DeepSeek's insufficient_system_resource, Ollama's load, Zhipu's
network_error, the Responses API's in_progress."""

_SAID_NOTHING = frozenset({"", "null", "none", "unknown", "unspecified", "not_finished"})

_CUT = re.compile(
    r"(?:[,;:(\[{=+\-*/\\<&|]|\b(?:a|an|the|and|or|but|of|to|in|on|at|so|is|are|was|were|be|that|which|with|for|from"
    r"|if|then|than|as|because|let|let me|we|i|it|this|these|by|have|has|would|wait))\s*\Z",
    re.IGNORECASE,
)
"""What no text ends on that was finished."""


def ending(given: str | None, text: str) -> tuple[StopReason, str | None]:
    """The stop reason, and the server's own word where that is none of those. Where it says nothing, a `text` that is
    whole has stopped. Asks no BROKEN word: such a reply is no answer."""
    word = _plain(given)
    if word in _MEANINGS:
        return _MEANINGS[word], None
    for part in re.split(r"[^a-z_]+", word):  # "content_filter: RECITATION"
        if part.strip("_") in _MEANINGS:
            return _MEANINGS[part.strip("_")], None
    if word in _SAID_NOTHING:
        whole = bool(text.strip()) and not _CUT.search(text[-40:])
        return ("stop", None) if whole else ("other", given)
    return "other", given


def broke_off(given: str | None) -> bool:
    word = _plain(given)
    return word in BROKEN or word.endswith("_error")


@lru_cache(1024)
def _plain(given: str | None) -> str:
    """In lower case, without the prefixes of enumerations, such as Gemini's FINISH_REASON_."""
    word = (given or "").strip().lower().replace("-", "_").replace(" ", "_")
    return word.rpartition(".")[2].removeprefix("finish_reason_").removeprefix("stop_reason_")
