"""The accuracy of blind guessing: the level that a score must be compared with."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from cotdistill.answers.options import read_options
from cotdistill.records import Judged, question_of
from cotdistill.stages.evaluate import guard
from cotdistill.stages.evaluate.scores import is_not_judged


class Guess(NamedTuple):
    """`accuracy` of the best blind guess, and what that is, in words."""

    accuracy: float
    how: str

    def entry(self) -> dict[str, Any]:
        return {"guessing": {"accuracy": round(self.accuracy, 4), "how": self.how}}


def guess(judged: Sequence[Judged]) -> Guess | None:
    """For labels always the most frequent one, for options one of them at random; None where most prompts have neither:
    then no guess is right."""
    greedy = [one for one in judged if one.response.sample == 0 and not is_not_judged(one)]
    labels = Counter(one.verdict.reference for one in greedy if one.verdict.method == "label" and one.verdict.reference)
    if greedy and labels.total() > len(greedy) / 2:
        label, count = labels.most_common(1)[0]
        return Guess(count / labels.total(), f"always {label!r}")
    options = [
        len(read_options(question_of(one.response.prompt)))
        for one in greedy
        if (one.verdict.reference or "").isalpha() and len(one.verdict.reference or "") == 1
    ]
    shares = [1 / count for count in options if count > 1]
    if greedy and len(shares) > len(greedy) / 2:
        return Guess(sum(shares) / len(shares), "one of the options at random")
    return None


def note(entry: dict[str, Any], found: Guess) -> str:
    """A student's score beside the guess; a warning where its interval does not exclude that it guesses."""
    level = f"{found.how} would be right on {found.accuracy:.1%}"
    if entry["interval"][0] > found.accuracy:
        return f"guessing {level} of these prompts; {entry['student']} is clearly above it"
    low, high = entry["interval"]
    return (
        f"WARNING: guessing {level} of these prompts, and {entry['student']} gets {entry['accuracy']:.1%} "
        f"[{low:.1%}, {high:.1%}]: it may have learnt the form of the answers and no more; "
        f"{guard.what_may_help(guard.base_of(entry['student']))}"
    )
