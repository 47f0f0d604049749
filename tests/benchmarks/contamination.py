"""Contamination: what of an evaluation set is found among training problems, what is flagged wrongly, how fast.

    python -m tests.benchmarks.contamination [--rows 100000] [--items 8000] [--rule any8]

The evaluation set: GSM8K's 1,319 test questions (../shared), and as many of its train questions as make up the number
of items. The rows: each item as it is and with a light edit (case, punctuation, a phrase before or after), the train
questions that are left over, and, to fill up, problems made of single sentences of those. And apart from that, GSM8K's
train questions, and its train solutions as answers, against its test set alone: a match there is wrong, or a question
that is nearly in both. At last, items spelt in other letters, and where else a response may hold them. Seconds are of
the processor.
"""

import argparse
import json
import random
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Literal

import msgspec

from cotdistill.filters.contamination import Filter
from cotdistill.mock import problems
from cotdistill.records import Judged, Message, Prompt
from tests.benchmarks.near_duplicates import GSM8K, light
from tests.conftest import make_judged, make_prompt
from tests.test_filter_contamination import SPELLINGS

SENTENCE = re.compile(r"(?<=[.?!])\s+")


def judged(questions: list[str]) -> list[Judged]:
    one = make_judged()
    return [
        msgspec.structs.replace(
            one, response=msgspec.structs.replace(one.response, prompt=make_prompt(str(number), question))
        )
        for number, question in enumerate(questions)
    ]


def evaluation(path: Path, questions: list[str]) -> Path:
    path.write_text(
        "".join(json.dumps({"id": str(number), "question": one}) + "\n" for number, one in enumerate(questions))
    )
    return path


def recombined(questions: list[str], lots: random.Random) -> str:
    """One sentence each of four questions."""
    return " ".join(lots.choice(SENTENCE.split(question)) for question in lots.sample(questions, 4))


def elsewhere(question: str) -> dict[str, Judged]:
    """The question where a student would be trained on it too."""
    asked = make_prompt("x", "Write a new problem for me.")
    system = Prompt(
        id="x", messages=(Message(role="system", content=f"Example:\n{question}"), *asked.messages), reference="1"
    )
    return {
        "in the system turn": make_judged(prompt=system),
        "in the trace": make_judged(reasoning=f"Let me think. {question} So we begin.", prompt=asked),
        "in the answer": make_judged(f"Here it is.\n\n{question}\n\nHave fun!", prompt=asked),
    }


def spelt(questions: list[str], filter: Filter) -> dict[str, float]:
    """The share of the questions that are found, in per cent, by spelling and place."""
    found: Counter[str] = Counter()
    for question in questions:
        ways = {name: judged([spell(question)])[0] for name, spell in SPELLINGS.items()} | elsewhere(question)
        found.update(name for name, one in ways.items() if filter.reason_to_drop(one))
    return {name: 100 * found[name] / len(questions) for name in [*SPELLINGS, *elsewhere("")]}


def chains(folder: Path, rule: Literal["containment", "any8"]) -> tuple[int, int, int]:
    """Of 2,000 chains of two to six operations that are none of 300 items, how many are flagged; of the items how many
    are found; and of the 2,000 how many hold a whole item, such as a longer chain its beginning."""
    steps = (2, 3, 4, 5, 6)
    items = problems.generate(300, 99, steps=steps)
    others = problems.generate(2_000, 0, frozenset(one.text for one in items), steps)
    one = Filter(str(evaluation(folder / "chains.jsonl", [item.text for item in items])), rule=rule)
    flagged, found = (
        sum(one.reason_to_drop(row) is not None for row in judged([problem.text for problem in some]))
        for some in (others, items)
    )
    begun = tuple(item.text.rpartition(" ")[0] for item in items)
    return flagged, found, sum(other.text.startswith(begun) for other in others)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--rows", type=int, default=100_000)
    options.add_argument("--items", type=int, default=8_000)
    options.add_argument("--rule", choices=["containment", "any8"], default="containment")
    chosen = options.parse_args()
    if not GSM8K.is_dir():
        sys.exit(f"{GSM8K}: not there; the evaluation set is made from GSM8K's questions")
    lots = random.Random(0)
    train, test = (
        [json.loads(line)["question"] for line in (GSM8K / f"{part}.jsonl").read_bytes().splitlines()]
        for part in ("train", "test")
    )
    solutions = [json.loads(line)["answer"] for line in (GSM8K / "train.jsonl").read_bytes().splitlines()]
    items = (test + train)[: chosen.items]
    rest = train[max(0, chosen.items - len(test)) :]
    rows = [("exact", one) for one in items] + [("light edit", light(one, lots)) for one in items]
    rows += [("in no set", one) for one in rest]
    rows += [("recombined", recombined(rest, lots)) for _ in range(chosen.rows - len(rows))]
    lots.shuffle(rows)
    with tempfile.TemporaryDirectory() as directory:
        path = evaluation(Path(directory) / "items.jsonl", items)
        filter = Filter(str(path), rule=chosen.rule)
        given = judged([text for _, text in rows])
        began = time.process_time()
        filter.reason_to_drop(make_judged())
        built = time.process_time()
        reasons = [filter.reason_to_drop(one) for one in given]
        seconds = time.process_time() - built
        alone = Filter(str(evaluation(Path(directory) / "test.jsonl", test)), rule=chosen.rule)
        wrong = sum(alone.reason_to_drop(one) is not None for one in judged(train))
        answers = [make_judged(text, prompt=make_prompt("x", "Go on.")) for text in solutions]
        wrong_answers = sum(alone.reason_to_drop(one) is not None for one in answers)
        ways = spelt(test, alone)
        flagged_chains, found_chains, begun = chains(Path(directory), chosen.rule)
    totals = Counter(kind for kind, _ in rows)
    flagged = Counter(kind for (kind, _), reason in zip(rows, reasons, strict=True) if reason)
    print(f"{len(rows):,} rows against {len(items):,} items, rule {chosen.rule}")
    print(f"{'':<34}{'goal':>18}{'seen':>12}")
    print(f"{'exact items found, %':<34}{'100':>18}{100 * flagged['exact'] / totals['exact']:>12.2f}")
    print(f"{'light edits found, %':<34}{'99 or more':>18}{100 * flagged['light edit'] / totals['light edit']:>12.2f}")
    print(f"{'other questions flagged':<34}{'-':>18}{flagged['in no set']:>12,} of {totals['in no set']:,}")
    print(f"{'recombined ones flagged':<34}{'-':>18}{flagged['recombined']:>12,} of {totals['recombined']:,}")
    print(f"{'train flagged against test':<34}{'5 or fewer':>18}{wrong:>12,} of {len(train):,}")
    print(f"{'train solutions flagged as answers':<34}{'0':>18}{wrong_answers:>12,} of {len(train):,}")
    for way, share in ways.items():
        print(f"{f'items found {way}, %':<34}{'98 or more':>18}{share:>12.2f}")
    print(f"{'chains flagged, those that begin so':<34}{'-':>18}{flagged_chains:>12,} of 2,000; {begun:,}")
    print(f"{'chains found, of 300':<34}{'300':>18}{found_chains:>12,}")
    print(f"{'rows/s, one core':<34}{'25,000 or more':>18}{len(rows) / seconds:>12,.0f}")
    print(f"{'index built, s':<34}{'-':>18}{built - began:>12.2f}")


if __name__ == "__main__":
    main()
