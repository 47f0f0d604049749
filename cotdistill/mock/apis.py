"""The APIs the embedded teacher speaks, by path."""

from cotdistill.mock import wire_anthropic, wire_openai, wire_responses
from cotdistill.mock.wire_common import Wire

WIRES: dict[str, Wire] = {
    "/v1/chat/completions": wire_openai,
    "/v1/responses": wire_responses,
    "/v1/messages": wire_anthropic,
}
