"""Servers that lie about what an answer costs, one way each: what they say, and what they bill for it.

A dollar a token everywhere. `bill` is what the provider's invoice will hold, whatever the reply says.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.scripted_server import Scripted, completion

CAP_TOKENS = 10
"""The output cap of every request."""


@dataclass(frozen=True)
class Lie:
    name: str
    answer: Callable[[int], tuple[Scripted, int]]
    """From the number of the request: the reply, and the tokens that are billed for it."""
    told: bool = True
    """Whether the replies say what is billed: only then can a run know."""


def usage(input_tokens: Any, output_tokens: Any, **more: Any) -> Scripted:
    reply = completion("4")
    reply["usage"] = {"prompt_tokens": input_tokens, "completion_tokens": output_tokens, **more}
    return Scripted(reply)


def _without(*names: str) -> Scripted:
    reply = completion("4")
    for name in names:
        reply.pop(name)
    return Scripted(reply)


def _null_usage() -> Scripted:
    reply = completion("4")
    reply["usage"] = None
    return Scripted(reply)


def _understated() -> Scripted:
    reply = completion("so it is " * 20)
    reply["usage"] = {"prompt_tokens": 7, "completion_tokens": 1}
    return Scripted(reply)


def _no_choices() -> Scripted:
    reply = completion("4")
    reply["choices"] = []
    return Scripted(reply)


LIES = (
    Lie("honest", lambda n: (usage(7, 5), 12)),
    Lie("no usage", lambda n: (_without("usage"), 80), told=False),
    Lie("usage is null", lambda n: (_null_usage(), 80), told=False),
    Lie("all zeros", lambda n: (usage(0, 0), 80), told=False),
    Lie("negative", lambda n: (usage(-7, -5), 80), told=False),
    Lie("output is null", lambda n: (usage(7, None), 80), told=False),
    Lie("output far too small for its text", lambda n: (_understated(), 80), told=False),
    Lie("three times the output cap", lambda n: (usage(7, 3 * CAP_TOKENS), 7 + 3 * CAP_TOKENS)),
    Lie("forty times the output cap", lambda n: (usage(7, 40 * CAP_TOKENS), 7 + 40 * CAP_TOKENS)),
    Lie("input far beyond its bytes", lambda n: (usage(1_000, 5), 1_005)),
    Lie(
        "one in ten costs twenty times as much",
        lambda n: (usage(7, 200 if n % 10 == 9 else 5), 207 if n % 10 == 9 else 12),
    ),
    Lie("reasoning beside the output", lambda n: (usage(7, 5, total_tokens=400), 400)),
    Lie("an answer without choices, billed", lambda n: (_no_choices(), 12), told=False),
    Lie("the body is cut", lambda n: (Scripted(b'{"id": "x", "choices": [{"index": 0, "mess'), 12), told=False),
    Lie("the connection breaks", lambda n: (Scripted(cut=True), 12), told=False),
)
