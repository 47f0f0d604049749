"""Preference pairs (Rafailov et al. 2023, arXiv 2305.18290) from the samples of one prompt: right against wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cotdistill.formats import answer, turns
from cotdistill.plugins import Count
from cotdistill.records import Judged, is_right


@dataclass
class Format:
    """{"prompt", "chosen", "rejected"}: a verified answer and a wrong one; needs filter's --keep-incorrect."""

    pairs: Count = 1

    def rows(self, samples: Sequence[Judged]) -> list[tuple[str, dict[str, Any]]]:
        right = [one for one in samples if is_right(one.response, one.verdict)]
        wrong = [one for one in samples if one.verdict.status == "incorrect"]
        return [
            (
                f"{chosen.response.sample}-{rejected.response.sample}",
                {"prompt": turns(chosen.response.prompt), "chosen": [answer(chosen)], "rejected": [answer(rejected)]},
            )
            for chosen, rejected in list(zip(right, wrong, strict=False))[: self.pairs]
        ]
