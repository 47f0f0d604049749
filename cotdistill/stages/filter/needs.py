"""Checks what a filter needs of the responses before any is judged, because verdicts may cost money."""

import re
from collections.abc import Sequence
from pathlib import Path

from cotdistill import plugins
from cotdistill.artifacts.opening import open_input
from cotdistill.errors import UsageError
from cotdistill.stages.verification import NOTHING

_CONFIDENCE = re.compile(rb'"confidence"\s*:\s*\{')
"""Stands in every response with log-probabilities. A text that holds these letters lets a file pass; its responses are
dropped later."""


def check_logprobs(filters: Sequence[str], responses: Path) -> None:
    """Raises UsageError where a filter looks at log-probabilities and no response has any: it would keep nothing."""
    named = [plugins.parse(spec)[0] for spec in filters if spec != NOTHING]
    name = next((one for one in named if getattr(plugins.load("filters", one), "needs_logprobs", False)), None)
    if name is None:
        return
    count = 0
    with open_input(responses) as file:
        for line in file:
            if _CONFIDENCE.search(line):
                return
            count += bool(line.strip())
    if count:
        raise UsageError(
            f"--filter {name}: none of the {count:,} responses in {responses} has log-probabilities, so it would keep "
            f"none. Ask for them with generate --logprobs 5, or leave the filter out"
        )
