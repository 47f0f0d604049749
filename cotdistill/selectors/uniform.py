"""The same number of right answers for every prompt, so that easy prompts do not crowd out hard ones."""

from collections.abc import Sequence
from dataclasses import dataclass

from cotdistill.plugins import Count
from cotdistill.records import Judged


@dataclass
class Selector:
    """Keeps up to k of each prompt, and none of a prompt with fewer than `at_least` (DART-Uniform, arXiv 2407.13690).

    To reach k for hard prompts, generate many samples: `--samples 32 --until-accepted k`.
    """

    k: Count = 4
    at_least: Count = 1

    def choose(self, judged: Sequence[Judged]) -> Sequence[Judged]:
        return judged[: self.k] if len(judged) >= self.at_least else []
