"""The embedded teacher as one who writes new problems: asked for one like a given chain, it writes another chain, with
the slips that a real one makes now and then."""

import random
import re
from collections.abc import Callable

from cotdistill.mock import problems, quoting
from cotdistill.mock.problems import Problem

COPIES, ECHOES, WITHOUT_ANSWER = 0.05, 0.04, 0.04
"""Shares of its problems that are the given one again, that begin with the request's own words, or that cannot be
answered because a step stands on something that is nowhere given."""

_ASKED = re.compile(r"\bwrite (?:one|a) new (?:problem|question)\b", re.IGNORECASE)
_TOPICS = re.compile(r"\blist (\d{1,3}) topics\b", re.IGNORECASE)
_SEED = re.compile(r"<seed>\s*(.*?)\s*</seed>", re.DOTALL)
_WISHES: tuple[tuple[str, Callable[[int], int]], ...] = (
    ("two or three more steps", lambda steps: steps + 2),
    ("one more step", lambda steps: steps + 1),
    ("second thing", lambda steps: steps + 1),
)
_OF_STEPS = re.compile(r"chains of (\d{1,2}) steps")
_MOST_STEPS = 20


def written(question: str, sample: int, seed: int) -> str | None:
    """What a request for a new problem, or for topics, is answered; None for any other question."""
    lots = random.Random(f"{seed}/{sample}/write/{question}")
    if found := _TOPICS.search(question):
        return _topics(question, int(found[1]))
    if not _ASKED.search(question) or not (shown := _SEED.search(question)):
        return None
    given = problems.parse(shown[1])
    if given is None and "word for word" in question[shown.end() :]:
        return quoting.question(shown[1], question[shown.end() :], lots)
    if given is None:
        return _about(shown[1], question, lots)
    wish = question[shown.end() :]
    new = problems.generate(1, seed=lots.getrandbits(40), steps=(_steps(wish, len(given.steps)),))[0]
    slip = lots.random()
    if slip < COPIES:
        return given.text
    if slip < COPIES + ECHOES:
        return f"{' '.join(wish.split())}\n\n{new.text}"
    return _without_answer(new) if slip < COPIES + ECHOES + WITHOUT_ANSWER else new.text


def _steps(wish: str, given: int) -> int:
    if found := _OF_STEPS.search(wish):
        return min(_MOST_STEPS, max(1, int(found[1])))
    return min(_MOST_STEPS, next((more(given) for words, more in _WISHES if words in wish), given))


def _topics(question: str, count: int) -> str:
    """Kinds of chains: of some steps less or more than the given ones."""
    given = [problem for text in _SEED.findall(question) if (problem := problems.parse(text))]
    steps = max((len(problem.steps) for problem in given), default=problems.STEPS)
    kinds = ("any operations", "large operands", "small operands")
    lengths = range(max(1, steps - 1), max(1, steps - 1) + min(count, 3))
    return "\n".join(f"chains of {length} steps > {kind}" for length in lengths for kind in kinds)


def _without_answer(problem: Problem) -> str:
    """Its second step stands on a letter that is nowhere given."""
    parts = problem.text.split(" ")
    parts[1] = re.sub(r"=[a-z]", "=z", parts[1])
    return " ".join(parts)


def _about(passage: str, question: str, lots: random.Random) -> str:
    """A question about a passage of plain text."""
    words = [word for word in re.findall(r"[^\W\d_]{5,}", passage)] or ["this"]
    one, other = lots.choice(words), lots.choice(words)
    forms = (
        f"What is said about {one}?",
        f"How does {one} relate to {other}?",
        f"Why is {one} mentioned together with {other}?",
        f"What follows for {other} from what is said about {one}?",
    )
    return lots.choice(forms)
