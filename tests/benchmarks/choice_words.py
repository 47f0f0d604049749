"""Multiple choice for a small student: answers that end with the option's letter, or with its words.

    python -m tests.benchmarks.choice_words [TRAIN] [HELD_OUT] [STEPS] [SEED]

Questions of four kinds with four options, written here, are answered by a simulated teacher that replays one worked
answer to each, with the same reasoning for both. The student is SmolLM2-135M-Instruct (`make smollm2`), LoRA with the
defaults. Printed are the held-out questions whose answer is right, by the verifier `choice`, and those whose reasoning
names the right option.
"""

import json
import random
import sys
import tempfile
from pathlib import Path

from cotdistill import evaluate, filter, finetune, format, generate, show_progress

_CAPITALS = {
    "France": "Paris",
    "Spain": "Madrid",
    "Italy": "Rome",
    "Poland": "Warsaw",
    "Austria": "Vienna",
    "Norway": "Oslo",
    "Greece": "Athens",
    "Portugal": "Lisbon",
    "Finland": "Helsinki",
    "Japan": "Tokyo",
    "Egypt": "Cairo",
    "Peru": "Lima",
    "Kenya": "Nairobi",
    "Cuba": "Havana",
    "Chile": "Santiago",
}
_KINDS = {"Eagle": "bird", "Trout": "fish", "Oak": "tree", "Rose": "flower", "Ant": "insect", "Copper": "metal"}


def question(source: random.Random) -> tuple[str, str, list[str], str]:
    """A question, its right option, three wrong ones, and why."""
    kind = source.randrange(4)
    if kind == 0:
        country, city = source.choice(list(_CAPITALS.items()))
        wrong = source.sample([one for one in _CAPITALS.values() if one != city], 3)
        return f"What is the capital of {country}?", city, wrong, f"The capital of {country} is {city}."
    if kind == 1:
        numbers = list(map(str, source.sample(range(2, 99), 4)))
        most = max(numbers, key=int)
        why = f"The largest of {', '.join(numbers)} is {most}."
        return "Which of these numbers is the largest?", most, [one for one in numbers if one != most], why
    if kind == 2:
        a, b = source.randint(2, 9), source.randint(2, 9)
        wrong = list(map(str, source.sample([one for one in range(4, 82) if one != a * b], 3)))
        return f"How much is {a} x {b}?", str(a * b), wrong, f"{a} x {b} = {a * b}."
    thing, right = source.choice(list(_KINDS.items()))
    wrong = source.sample([one for one in _KINDS.values() if one != right], 3)
    return f"What kind of thing is this: {thing}?", right, wrong, f"{thing} is a kind of {right}."


def write(folder: Path, train: int, held_out: int, seed: int) -> dict[str, str]:
    """The files of both arms; returns the right option's words by question."""
    source = random.Random(seed)
    asked: dict[str, dict[str, str]] = {}
    while len(asked) < train + held_out:
        told, right, wrong, why = question(source)
        options = source.sample([right, *wrong], 4)
        letter = "ABCD"[options.index(right)]
        listed = "\n".join(f"{name}) {one}" for name, one in zip("ABCD", options, strict=True))
        asked[f"{told}\n\n{listed}"] = {"letters": letter, "words": right, "why": why}
    lines = list(asked.items())
    for name, part in (("train", lines[:train]), ("heldout", lines[train:])):
        prompts = [{"question": text, "answer": one["letters"], "verifier": "choice"} for text, one in part]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in prompts))
    for arm, end in (("letters", " That is {}."), ("words", "")):
        said = [
            {"question": text, "reasoning": one["why"] + end.format(one["letters"]), "answer": f"Answer: {one[arm]}"}
            for text, one in lines
        ]
        (folder / f"{arm}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in said))
    return {text: one["words"] for text, one in lines}


def main(train: int = 160, held_out: int = 60, steps: int = 30, seed: int = 0) -> None:
    show_progress()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        right = write(folder, train, held_out, seed)
        for arm in ("letters", "words"):
            responses = generate(
                folder / "train.jsonl", folder / f"{arm}.r.jsonl", teacher=f"mock:{folder / arm}.jsonl", no_cache=True
            )
            kept = filter(responses, folder / f"{arm}.kept.jsonl", verify="choice")
            rows = format(kept, folder / f"{arm}.rows.jsonl")
            finetune(rows, folder / arm, student="smollm2-135m", max_steps=steps, seed=seed)
            scores = evaluate(
                folder / "heldout.jsonl",
                folder / f"{arm}.json",
                student=str(folder / arm),
                verify="choice",
                max_output_tokens=96,
            )
            answers = map(json.loads, (folder / f"{arm}.answers.jsonl").read_text().splitlines())
            named = 0
            for one in answers:
                text = one["response"]["prompt"]["messages"][-1]["content"]
                why = (one["response"].get("reasoning") or "").split(" That is")[0].rstrip(".")
                named += why.endswith(f" {right[text]}")
            low, high = scores.students[0].interval
            print(
                f"{arm:<8} right {scores.accuracy:.1%} [{low:.1%}, {high:.1%}], reasoning names the right option "
                f"{named} of {held_out}",
                flush=True,
            )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
