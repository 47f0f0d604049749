"""Rows a second of `format --student`: each rendered by the student's chat template, tokenized and proven.

    python -m tests.benchmarks.format_check [ROWS] [STUDENT]

The baseline renders and tokenizes the same rows by the tokenizer's own `apply_chat_template` and checks nothing.
Loading the tokenizer is timed apart: a GGUF file's takes seconds, whatever the number of rows.
"""

import random
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from cotdistill import students
from cotdistill.config import FormatConfig
from cotdistill.progress import Silent
from cotdistill.records import Judged
from cotdistill.stages import format as stage
from cotdistill.students import load
from tests.conftest import make_judged, make_prompt


def _judged(number: int, source: random.Random) -> Judged:
    lines = [f"Step {n}: {source.randint(1, 999)} + {source.randint(1, 999)} is worked out." for n in range(8)]
    prompt = make_prompt(f"p{number}", f"Problem {number}: what comes out?")
    return make_judged("The answer is 4.", prompt=prompt, reasoning="\n".join(lines))


def run(count: int, student: str) -> None:
    source = random.Random(0)
    with students.quiet():
        tokenizer = load.tokenizer(student)
    judged = [_judged(number, source) for number in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        kept, train = Path(folder) / "kept.jsonl", Path(folder) / "train.jsonl"
        kept.write_bytes(msgspec.json.Encoder().encode_lines(judged))
        began = time.perf_counter()
        plain = stage.run(kept, train, FormatConfig(), Silent())
        unproven = time.perf_counter() - began
        began = time.perf_counter()
        with students.quiet():
            load.tokenizer(student)
        loading = time.perf_counter() - began
        began = time.perf_counter()
        proven = stage.run(kept, train, FormatConfig(student=student), Silent())
        checked = time.perf_counter() - began - loading
        rows = [msgspec.json.decode(line) for line in train.read_bytes().splitlines()]
    began = time.perf_counter()
    for row in rows:
        tokenizer.apply_chat_template([*row["prompt"], *row["completion"]], return_dict=True)
    bare = time.perf_counter() - began
    assert plain.counts["rows"] == proven.counts["rows"] == count
    print(
        f"{student}: {count} rows, {proven.results['tokens_trained']['median']} trained tokens in the middle\n"
        f"  format without a student     {count / unproven:9,.0f} rows/s\n"
        f"  apply_chat_template, no file {count / bare:9,.0f} rows/s\n"
        f"  format --student             {count / checked:9,.0f} rows/s, {bare / checked:.2f} x the line above, after "
        f"{loading:.1f} s to load the tokenizer"
    )


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000, sys.argv[2] if len(sys.argv) > 2 else "tiny")
