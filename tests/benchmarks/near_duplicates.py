"""Near duplicates among short texts: what is found, what is lost, how long it takes.

    python -m tests.benchmarks.near_duplicates [--texts 100000] [--alone]

First GSM8K's questions (../shared), then in random order: of each a light variant (case, punctuation, a phrase before
or after), a medium one (about 5 % of the words changed) and a heavy one (names and about 12 % of the words changed);
and, to fill up, variants with other numbers, which are other problems. `--alone` shows rensa's and datasketch's own
deduplication beside it, at the similarity of 0.7 that both suggest; datasketch takes a minute at full size. Seconds are
of the processor.

Apart from that, with the real references: of each question a copy with its own words and another one's reference, which
must stay, and one with the same reference in another spelling, which must go.
"""

import argparse
import json
import random
import re
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import pairwise
from typing import NamedTuple

import msgspec
import rensa

from cotdistill.answers.worked import cut_reference
from cotdistill.filters._texts import words
from cotdistill.filters.near_duplicate import Filter
from cotdistill.records import Judged
from tests.conftest import SHARED, make_judged, make_prompt

GSM8K = SHARED / "data" / "gsm8k"
GOALS = {
    "light": "98 or more",
    "medium": "99 or more",
    "heavy": "90 or more",
    "numbers": "1.5 or less",
    "original": "-",
}
GOAL_S = 8.0
BEFORE = ("Question: ", "Solve the following problem. ", "Problem: ", "Please answer: ")
AFTER = (" Explain your reasoning.", " Think step by step.", " Give the answer as a number.", " Thanks!")
OTHER_NAMES = ("Amara", "Bjorn", "Chen", "Dilnoza", "Elif", "Farouk", "Guadalupe", "Hiro", "Ingrid", "Joaquin")
OTHER_WORDS = ("really", "nearby", "usual", "whole", "today", "again", "small", "later", "simply", "always", "there")
NUMBER = re.compile(r"\d+")
WORD = re.compile(r"[A-Za-z]+(?:['’][a-z]+)?")
NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{2,}")


class Text(NamedTuple):
    kind: str
    text: str


def texts(count: int, lots: random.Random) -> list[Text]:
    questions = [
        json.loads(line)["question"]
        for part in ("train", "test")
        for line in (GSM8K / f"{part}.jsonl").read_bytes().splitlines()
    ]
    questions = list(dict.fromkeys(questions))[: count // 6]
    variants = [Text(kind, make(question, lots)) for question in questions for kind, make in EDITS.items()]
    countable = [question for question in questions if NUMBER.search(question)]
    taken = {(NUMBER.sub("0", question), *NUMBER.findall(question)) for question in questions}
    while len(questions) + len(variants) < count:
        changed = other_numbers(lots.choice(countable), lots)
        key = (NUMBER.sub("0", changed), *NUMBER.findall(changed))
        if key not in taken:
            taken.add(key)
            variants.append(Text("numbers", changed))
    lots.shuffle(variants)
    return [Text("original", question) for question in questions] + variants


def light(text: str, lots: random.Random) -> str:
    edits: list[Callable[[str], str]] = [
        str.lower,
        str.upper,
        lambda text: text.replace(",", "") if not re.search(r"\d,\d", text) else text.replace("?", " ?"),
        lambda text: text.rstrip("?.") + lots.choice((" ?", "...", "??", "")),
        lambda text: lots.choice(BEFORE) + text,
        lambda text: text + lots.choice(AFTER),
        lambda text: text.replace(". ", ".  ").replace("'", "’"),
    ]
    for edit in lots.sample(edits, 2):
        text = edit(text)
    return text


def medium(text: str, lots: random.Random) -> str:
    return edit_words(text, 0.05, lots)


def heavy(text: str, lots: random.Random) -> str:
    for name in sorted(set(NAME.findall(text))):
        text = re.sub(rf"\b{name}\b", lots.choice(OTHER_NAMES), text)
    return edit_words(text, 0.12, lots)


def edit_words(text: str, share: float, lots: random.Random) -> str:
    """Replace, drop or double words; numbers in digits stay."""
    places = [found.span() for found in WORD.finditer(text)]
    chosen = lots.sample(places, max(1, round(share * len(places))))
    for start, end in sorted(chosen, reverse=True):
        word = text[start:end]
        new = lots.choice(
            (lots.choice(OTHER_WORDS), lots.choice(OTHER_WORDS), "", f"{word} {lots.choice(OTHER_WORDS)}")
        )
        text = text[:start] + new + text[end:]
    return text


def other_numbers(text: str, lots: random.Random) -> str:
    """Each number another one of about the same size."""
    return NUMBER.sub(lambda found: str(int(found[0]) + lots.randint(1, max(3, int(found[0])))), text)


EDITS = {"light": light, "medium": medium, "heavy": heavy}


def as_records(given: list[Text]) -> list[Judged]:
    answer = make_judged()
    prompts = (make_prompt(str(number), text) for number, (_, text) in enumerate(given))
    responses = (msgspec.structs.replace(answer.response, prompt=prompt) for prompt in prompts)
    return [msgspec.structs.replace(answer, response=response) for response in responses]


def ours(records: list[Judged]) -> Iterator[bool]:
    near = Filter()
    for one in records:
        yield near.reason_to_drop(one) is not None


def rensa_alone(given: list[Text]) -> Iterator[bool]:
    known = rensa.RMinHashDeduplicator(threshold=0.7, num_perm=128, use_lsh=True, num_bands=16)
    for number, (_, text) in enumerate(given):
        signature = rensa.RMinHash(128, 42)
        signature.update(shingles(text))
        yield not known.add(str(number), signature)


def datasketch_alone(given: list[Text]) -> Iterator[bool]:
    from datasketch import MinHash, MinHashLSH  # type: ignore[import-not-found, import-untyped, unused-ignore]

    known = MinHashLSH(threshold=0.7, num_perm=128)
    for number, (_, text) in enumerate(given):
        signature = MinHash(128)
        signature.update_batch([shingle.encode() for shingle in shingles(text)])
        found = known.query(signature)
        yield bool(found)
        if not found:
            known.insert(str(number), signature)


def shingles(text: str) -> list[str]:
    found = words(text)
    return list({*found, *map(" ".join, pairwise(found))})


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--texts", type=int, default=100_000)
    options.add_argument("--alone", action="store_true")
    chosen = options.parse_args()
    if not GSM8K.is_dir():
        sys.exit(f"{GSM8K}: not there; the texts are made from GSM8K's questions")
    given = texts(chosen.texts, random.Random(0))
    totals = Counter(kind for kind, _ in given)
    print(
        f"{len(given):,} texts, {sum(len(text) for _, text in given) / len(given):.0f} characters on average: ", end=""
    )
    print(", ".join(f"{count:,} {kind}" for kind, count in totals.items()))
    print(f"{'% removed':<20}" + "".join(f"{kind:>13}" for kind in GOALS) + f"{'s':>8}{'MB more':>9}")
    print(f"{'goal':<20}" + "".join(f"{goal:>13}" for goal in GOALS.values()) + f"{GOAL_S * len(given) / 1e5:>8.1f}")
    records = as_records(given)
    ways: dict[str, Callable[[list[Text]], Iterator[bool]]] = {"near_duplicate": lambda _: ours(records)}
    if chosen.alone:
        ways |= {"rensa alone": rensa_alone}
        ways |= {"datasketch alone": datasketch_alone} if find_spec("datasketch") else {}
    for name, way in ways.items():
        before = resident_mb()
        began = time.process_time()
        removed = Counter(one.kind for one, gone in zip(given, way(given), strict=True) if gone)
        seconds = time.process_time() - began
        shares = "".join(f"{100 * removed[kind] / (totals[kind] or 1):>13.2f}" for kind in GOALS)
        print(f"{name:<20}{shares}{seconds:>8.1f}{resident_mb() - before:>9.0f}", flush=True)
    different, same, of = by_references(2_000, random.Random(2))
    print(f"copies with another reference removed: {different} of {of}; with the same, spelt otherwise: {same} of {of}")


def by_references(count: int, lots: random.Random) -> tuple[int, int, int]:
    """How many copies with another reference are removed, how many with the same in other letters, of how many."""
    lines = [json.loads(line) for line in (GSM8K / "train.jsonl").read_bytes().splitlines()[:count]]
    pairs = [(line["question"], cut_reference(line["answer"])) for line in lines]
    near = Filter()
    given = [make_prompt(f"o{number}", *pair) for number, pair in enumerate(pairs)]
    given += [make_prompt(f"d{number}", medium(one, lots), f"{gold}1") for number, (one, gold) in enumerate(pairs)]
    given += [make_prompt(f"s{number}", medium(one, lots), f"${gold}.00") for number, (one, gold) in enumerate(pairs)]
    removed = Counter(prompt.id[0] for prompt in given if near.reason_to_drop(make_judged(prompt=prompt)))
    return removed["d"], removed["s"], len(pairs)


def resident_mb() -> float:
    """The peak so far: what the first way needs is its own, what a later one needs may be hidden by it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
