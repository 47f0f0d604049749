"""Scores of given tokens, as vLLM (`/v1/completions` with `prompt_logprobs`) and SGLang (`/generate` with
`return_logprob`) serve them: a student of this machine stands in for their model."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cotdistill.mock import wire_openai
from cotdistill.mock.wire_common import Billed, Level, Reply, Sampler, cap_of, fresh_id

MOST = 20
"""Log-probabilities a token, as with vLLM's own default."""


class Likeliest(Protocol):
    """As `students.next_tokens` has it."""

    @property
    def own(self) -> tuple[int, float, str]: ...

    @property
    def top(self) -> Sequence[tuple[int, float, str]]: ...


class Scorer(Protocol):
    def likeliest(self, ids: Sequence[int], start: int, top: int) -> Sequence[Likeliest]:
        """As `students.next_tokens.NextTokens` has it."""


@dataclass
class _Scoring:
    """What both APIs share with OpenAI's wire format: keys, limits, errors."""

    scorer: Scorer

    NAME = "scores"
    AXES = wire_openai.AXES
    REQUEST_ID = wire_openai.REQUEST_ID

    def key(self, headers: Mapping[str, str]) -> str | None:
        return wire_openai.key(headers)

    def refusal(self, status: int, message: str, code: str | None = None) -> Reply:
        return wire_openai.refusal(status, message, code)

    def spent(self) -> Reply:
        return wire_openai.spent()

    def limit_headers(self, levels: Mapping[str, Level]) -> dict[str, str]:
        return wire_openai.limit_headers(levels)

    def events(self, content: dict[str, Any]) -> Iterator[bytes]:
        raise ValueError("scores are not streamed")

    def overload_event(self) -> bytes:
        return wire_openai.overload_event()

    def spoilt(self, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        return {name: None if name in ("choices", "meta_info") else value for name, value in content.items()}


class Vllm(_Scoring):
    def reply(self, body: dict[str, Any], headers: Mapping[str, str], sample: Sampler, truncate: bool) -> Reply:
        ids, top = _ids(body.get("prompt"), "prompt"), cap_of(body, "prompt_logprobs")
        if top is None:
            raise ValueError("prompt_logprobs: this stand-in for vLLM scores tokens and writes none")
        if top > MOST:
            raise ValueError(f"Requested prompt logprobs of {top}, which is greater than max allowed: {MOST}")
        listed: list[dict[str, Any] | None] = [None]
        for place in self.scorer.likeliest(ids, 1, top):
            ranked = {
                str(token): {"logprob": logprob, "rank": rank, "decoded_token": text}
                for rank, (token, logprob, text) in enumerate(place.top, 1)
            }
            token, logprob, text = place.own
            listed.append({str(token): {"logprob": logprob, "rank": top + 1, "decoded_token": text}, **ranked})
        choice = {"index": 0, "text": "", "logprobs": None, "finish_reason": "length", "prompt_logprobs": listed}
        usage = {"prompt_tokens": len(ids), "completion_tokens": 1, "total_tokens": len(ids) + 1}
        content = {
            "id": fresh_id("cmpl-"),
            "object": "text_completion",
            "model": body["model"],
            "choices": [choice],
            "usage": usage,
        }
        return Reply(200, content, billed=Billed(len(ids), 1, 0))


class Sglang(_Scoring):
    def reply(self, body: dict[str, Any], headers: Mapping[str, str], sample: Sampler, truncate: bool) -> Reply:
        """The first place that is asked for has no score."""
        ids, top = _ids(body.get("input_ids"), "input_ids"), cap_of(body, "top_logprobs_num")
        start = body.get("logprob_start_len")
        if body.get("return_logprob") is not True or top is None or not isinstance(start, int) or start < 0:
            raise ValueError("return_logprob, logprob_start_len and top_logprobs_num: this stand-in for SGLang scores")
        places = self.scorer.likeliest(ids, start + 1, top)
        meta = {
            "id": fresh_id(""),
            "finish_reason": {"type": "length", "length": 0},
            "prompt_tokens": len(ids),
            "completion_tokens": 0,
            "input_token_logprobs": [[None, ids[start], None], *([p, token, text] for token, p, text in _own(places))],
            "input_top_logprobs": [None, *([[p, token, text] for token, p, text in place.top] for place in places)],
        }
        content = {"id": meta["id"], "model": "", "text": "", "meta_info": meta}
        return Reply(200, content, billed=Billed(len(ids), 0, 0))


def _own(places: Sequence[Likeliest]) -> list[tuple[int, float, str]]:
    return [place.own for place in places]


def _ids(value: Any, name: str) -> list[int]:
    if not isinstance(value, list) or len(value) < 2 or not all(type(one) is int for one in value):
        raise ValueError(f"{name}: a list of two token ids or more is required")
    return value
