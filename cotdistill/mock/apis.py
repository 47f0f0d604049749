"""The APIs the embedded teacher speaks, by path."""

from cotdistill.mock import wire_anthropic, wire_openai, wire_responses, wire_scores
from cotdistill.mock.wire_common import Wire

WIRES: dict[str, Wire] = {
    "/v1/chat/completions": wire_openai,
    "/v1/responses": wire_responses,
    "/v1/messages": wire_anthropic,
}


def wires(scorer: wire_scores.Scorer | None) -> dict[str, Wire]:
    """All of them, and with a `scorer` those that score given tokens."""
    if scorer is None:
        return WIRES
    return {**WIRES, "/v1/completions": wire_scores.Vllm(scorer), "/generate": wire_scores.Sglang(scorer)}
