"""The embedded teacher as one who reads: asks for words of a passage, and finds such words again."""

import random
import re

GAP = "___"
WRONG = 0.15
"""Share of its answers that are other words of the passage."""

_ASKED = re.compile(r"What is missing: (?P<before>[^\n]*?)___(?P<after>[^\n]*?)\?\s*(?:\n|\Z)")
_KINDS = {
    "number": r"\d+(?:[.,]\d+)?",
    "time": r"\b1\d{3}\b|\b20\d{2}\b|\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?\b",
    "name": r"(?<=[a-z,] )[A-Z]\w+(?: [A-Z]\w+)*",
    "thing": r"(?<=[a-z,] )\w{5,}",
}
_WISHES = (("a number", "number"), ("a year", "time"), ("a name", "name"))
_SENTENCE = re.compile(r"[^.!?]+")


def question(passage: str, wish: str, lots: random.Random) -> str:
    """A sentence of the passage with a gap, and what stood in the gap on the last line."""
    wanted = next((kind for words, kind in _WISHES if words in wish), "thing")
    sentences = [" ".join(one.split()) for one in _SENTENCE.findall(passage)]
    for kind in (wanted, *_KINDS):
        holding = [one for one in sentences if re.search(_KINDS[kind], one)]
        if not holding:
            continue
        sentence = lots.choice(holding)
        found = lots.choice(list(re.finditer(_KINDS[kind], sentence)))
        asked = f"{sentence[: found.start()]}{GAP}{sentence[found.end() :]}"
        return f"What is missing: {asked}?\n\nAnswer: {found[0]}"
    return f"What is missing: {GAP}?"


def answer(text: str, lots: random.Random) -> tuple[str, str] | None:
    """The trace and the answer to such a question below its passage; None for any other text."""
    asked = _ASKED.search(text)
    if asked is None:
        return None
    passage = " ".join(text[: asked.start()].split())
    around = f"{re.escape(asked['before'].strip())} ?(?P<gap>[^.!?]+?) ?{re.escape(asked['after'].strip())}(?!\\w)"
    found = re.search(around, passage)
    if found is None:
        return "The passage does not say it.", "Answer: none"
    others = [one for kind in _KINDS.values() for one in re.findall(kind, passage) if one != found["gap"]]
    said = lots.choice(others) if others and lots.random() < WRONG else found["gap"]
    return f"{asked['before'].strip()} {said}", f"Answer: {said}"
