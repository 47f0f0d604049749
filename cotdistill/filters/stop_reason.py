"""Answers that did not end by themselves."""

from dataclasses import dataclass

from cotdistill.records import Judged

_REASONS = {
    "length": "truncated at the output cap",
    "refusal": "refused",
    "content_filter": "cut by the provider's content filter",
    "other": "did not end normally",
}


@dataclass
class Filter:
    """Drops truncated, refused and cut answers."""

    def reason_to_drop(self, judged: Judged) -> str | None:
        return _REASONS.get(judged.response.stop_reason)
