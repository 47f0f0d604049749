"""Maps a teacher's tokens to a student's: by id, or by the bytes that both stand for; proven on each answer."""

import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from cotdistill.artifacts.logprobs import Token
from cotdistill.students.byte_letters import byte_letters

UNKNOWN = -1
"""The id of a token that the student does not have, or that the teacher did not name."""


class Aligner:
    """Maps tokens for the tokenizer of one student."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._ends = {*tokenizer.all_special_ids}
        self._known: dict[Token, int] = {}

    def ids(self, tokens: Sequence[Token | None]) -> list[int]:
        """The student's id of each token; UNKNOWN where it has none."""
        return [UNKNOWN if one is None else self._id(one) for one in tokens]

    def places(self, input_ids: Sequence[int], start: int, ids: Sequence[int], reasoning: int) -> list[int] | None:
        """Where an answer's tokens stand in a row that was rendered for the student, from `start` on; the first
        `reasoning` of them are the trace, between which and the rest the student's own marks stand. An end token that
        the row does not have is left out. None where the row, cut into tokens by the student, has not the same ones:
        then the teacher cuts text in another way."""
        at, found = start, list[int]()
        for part in (ids[:reasoning], ids[reasoning:]):
            place = _find(input_ids, part, at)
            if place is None and part and part[-1] in self._ends and len(found) + len(part) == len(ids):
                part = part[:-1]
                place = _find(input_ids, part, at)
            if place is None:
                return None
            found += range(place, place + len(part))
            at = place + len(part)
        return found

    def _id(self, token: Token) -> int:
        found = self._known.get(token)
        if found is None:
            named = token.id if token.id is not None else self._by_bytes.get(token.raw or b"", UNKNOWN)
            found = self._known[token] = named if named < len(self._tokenizer) else UNKNOWN
        return found

    @cached_property
    def _by_bytes(self) -> dict[bytes, int]:
        """The first id for each meaning, marks included."""
        found: dict[bytes, int] = {}
        for id, meaning in sorted(token_bytes(self._tokenizer).items()):
            found.setdefault(meaning, id)
        return found


def token_bytes(tokenizer: Any) -> dict[int, bytes]:
    """What each token means: byte-level vocabularies write a letter for each byte, others `▁` for a space and <0x0A>
    for a byte that has no token. Marks mean their own text."""
    backend = json.loads(tokenizer.backend_tokenizer.to_str())
    letters = (
        byte_letters() if "ByteLevel" in json.dumps([backend.get("pre_tokenizer"), backend.get("decoder")]) else None
    )
    added = tokenizer.added_tokens_decoder
    return {
        id: added[id].content.encode() if id in added else _meaning(text, letters)
        for text, id in tokenizer.get_vocab().items()
    }


def _meaning(text: str, letters: dict[str, int] | None) -> bytes:
    if letters is not None:
        return bytes(letters[one] for one in text) if all(one in letters for one in text) else text.encode()
    if len(text) == 6 and text.startswith("<0x") and text.endswith(">"):
        return bytes.fromhex(text[3:5])
    return text.replace("▁", " ").encode()


def _find(whole: Sequence[int], part: Sequence[int], start: int) -> int | None:
    """Where `part` begins in `whole`, from `start` on; `start` itself for an empty one."""
    part = list(part)
    if not part:
        return start
    for place in range(start, len(whole) - len(part) + 1):
        if whole[place] == part[0] and list(whole[place : place + len(part)]) == part:
            return place
    return None
