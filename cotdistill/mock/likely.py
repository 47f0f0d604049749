"""How likely the scripted teacher's tokens were to it: sure of all but the digit that its habit decides.

A token is a byte, as for the embedded student. Where a step needs a borrow, the distribution over the result is the one
that it draws from: the wrong digit and the right one, by the share of borrows it forgets.
"""

import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from cotdistill.mock.problems import Step
from cotdistill.mock.solver import FORGETS
from cotdistill.students.byte_letters import byte_letters

SURE = 0.9995
"""Of a token that nothing speaks against; the others share the rest."""

_STEP = re.compile(r"([a-z])=(\d)([-+*])(\d)=(\d)")
_OTHERS = b"0123456789 =+-*abcdefghijklmnopqrstuvwxyz\n"
"""What might have stood in a token's place, the likeliest first."""


class Likely(NamedTuple):
    """A byte, its log-probability, and the likeliest bytes there with theirs."""

    byte: int
    logprob: float
    top: list[tuple[int, float]]


def likely(text: str, alternatives: int) -> list[Likely]:
    """Of each byte of a text that the teacher wrote."""
    data = text.encode("utf-8", "replace")
    doubts = dict(_doubts(text)) if text.isascii() else {}
    return [_at(byte, doubts.get(place, {byte: 1.0}), alternatives) for place, byte in enumerate(data)]


def _doubts(text: str) -> Iterator[tuple[int, dict[int, float]]]:
    """The place of each digit that its habit decides, with the shares of both."""
    for step in _STEP.finditer(text):
        digit, operand = int(step[2]), int(step[4])
        right = Step(step[1], step[3], operand).apply(digit)
        if step[3] == "-" and digit < operand and right != operand - digit:
            yield step.start(5), {ord(str(operand - digit)): FORGETS, ord(str(right)): 1 - FORGETS}


def _at(byte: int, shares: dict[int, float], alternatives: int) -> Likely:
    others = [one for one in _OTHERS if one not in shares]
    rest = (1 - SURE) / 2 ** len(others)
    chances = {one: share * SURE for one, share in shares.items()}
    chances |= {one: rest * 2 ** (len(others) - place - 1) for place, one in enumerate(others)}
    chances.setdefault(byte, rest)
    best = sorted(chances.items(), key=lambda pair: -pair[1])[:alternatives]
    return Likely(byte, math.log(chances[byte]), [(one, math.log(chance)) for one, chance in best])


def entries(text: str, alternatives: int, *, by_id: bool = False) -> list[dict[str, Any]]:
    """As OpenAI's format lists them; `by_id` as vLLM does with `return_tokens_as_token_ids`, by the embedded student's
    ids."""
    return [
        {
            **_named(one.byte, one.logprob, by_id),
            "top_logprobs": [_named(byte, logprob, by_id) for byte, logprob in one.top],
        }
        for one in likely(text, alternatives)
    ]


def _named(byte: int, logprob: float, by_id: bool) -> dict[str, Any]:
    string = bytes([byte]).decode("utf-8", "replace")
    if by_id:
        return {"token": f"token_id:{IDS[byte]}", "logprob": logprob, "bytes": list(string.encode())}
    return {"token": string, "logprob": logprob, "bytes": [byte]}


IDS = {byte: place for place, (_, byte) in enumerate(sorted(byte_letters().items()))}
"""The embedded student's token of each byte: the alphabet in its order."""
