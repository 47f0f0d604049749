"""Word problems of two to four steps with their worked solutions, as `real_student.py` and `gpu.py` teach them."""

import random
from dataclasses import dataclass

_NAMES = ("Ada", "Ben", "Chloe", "Dev", "Elif", "Femi", "Grace", "Hugo", "Ines", "Jonas", "Kemi", "Liam")
_THINGS = ("apples", "marbles", "stickers", "pencils", "cards", "shells", "coins", "beads", "buttons", "stamps")


@dataclass
class _Story:
    """A problem as it is told, its solution as it is worked, and what is held after the last step."""

    told: list[str]
    worked: list[str]
    held: int


def word_problem(source: random.Random) -> dict[str, str]:
    """{"question", "answer"}: the answer ends in GSM8K's `#### N`."""
    name, thing = source.choice(_NAMES), source.choice(_THINGS)
    start = source.randint(5, 40)
    story = _Story([f"{name} has {start} {thing}."], [], start)
    for _ in range(source.randint(2, 4)):
        source.choice((_gain, _lose, _bags, _share))(story, name, thing, source)
    question = " ".join([*story.told, f"How many {thing} does {name} have now?"])
    return {"question": question, "answer": "\n".join([*story.worked, f"#### {story.held}"])}


def _gain(story: _Story, name: str, thing: str, source: random.Random) -> None:
    more = source.randint(3, 30)
    story.told.append(source.choice((f"A friend gives {name} {more} more.", f"{name} finds {more} more {thing}.")))
    story.worked.append(f"{name} now has {story.held} + {more} = {story.held + more} {thing}.")
    story.held += more


def _lose(story: _Story, name: str, thing: str, source: random.Random) -> None:
    fewer = source.randint(1, max(1, story.held - 1))
    story.told.append(source.choice((f"{name} loses {fewer} of them.", f"{name} sells {fewer} {thing}.")))
    story.worked.append(f"That leaves {story.held} - {fewer} = {story.held - fewer} {thing}.")
    story.held -= fewer


def _bags(story: _Story, name: str, thing: str, source: random.Random) -> None:
    bags, each = source.randint(2, 6), source.randint(2, 9)
    story.told.append(f"{name} buys {bags} bags with {each} {thing} in each.")
    story.worked.append(f"The bags hold {bags} * {each} = {bags * each} {thing}.")
    story.worked.append(f"Together that is {story.held} + {bags * each} = {story.held + bags * each} {thing}.")
    story.held += bags * each


def _share(story: _Story, name: str, thing: str, source: random.Random) -> None:
    if story.held % 2:
        return _gain(story, name, thing, source)
    story.told.append(f"{name} gives half of the {thing} away.")
    story.worked.append(f"Half of {story.held} is {story.held // 2}, so {story.held // 2} {thing} are left.")
    story.held //= 2
    return None


def distinct(count: int, seed: int) -> list[dict[str, str]]:
    """So many problems, no two alike."""
    source = random.Random(seed)
    problems = {one["question"]: one for one in (word_problem(source) for _ in range(10 * count))}
    return list(problems.values())[:count]
