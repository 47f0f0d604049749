"""Every extractor, filter and verifier on every nasty text: processor seconds, and how they grow with the text.

    python -m tests.benchmarks.hangs [--sizes 65536,262144,1048576] [--only WORD] [--limit-s 30]

An extractor is any function of `cotdistill.answers` and `cotdistill.reasoning` that takes one text. Each subject runs
in a process of its own; one that needs more than the limit for a text is ended and named. The exponent is the growth
between the two largest sizes that took at least 0.05 s: 1 is linear, 2 is quadratic. A verdict `timeout` is the
deadline's work.
"""

import argparse
import importlib
import inspect
import itertools
import json
import math
import multiprocessing
import pkgutil
import re
import resource
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import cotdistill.answers
import cotdistill.reasoning
from cotdistill.plugins import build, describe, names
from tests.conftest import make_judged, make_prompt, make_response
from tests.nasty import SHAPES

SEEN_S = 0.05
"""Less than this is noise."""
REFERENCES = {
    "any_of": '["B", "a lamp", "no"]',  # a choice, a text and a label, whose verifiers read in this process
    "choice": "B",
    "json_schema": '{"type": "object", "required": ["a"]}',
    "regex": r"^(\w+\s?)+$",
}
NEEDED = {"pass_rate": "low=0.1"}
"""Filters that need one of several options."""
LEFT_OUT = {"judge", "code"}
"""A judge asks a server, and `code` has limits of the kernel's own; its reading of the text is measured."""

Subject = Callable[[str], object]


class Measured(NamedTuple):
    subject: str
    shape: str
    seconds: dict[int, float]
    ended: bool = False

    @property
    def exponent(self) -> float | None:
        seen = [(size, took) for size, took in sorted(self.seconds.items()) if took >= SEEN_S]
        if len(seen) < 2:
            return None
        (small, before), (large, after) = seen[-2:]
        return math.log(after / before) / math.log(large / small)


def subjects() -> Iterator[str]:
    for room in (cotdistill.answers, cotdistill.reasoning):
        for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            yield from _functions(module.name)
        yield from _functions(room.__name__)
    yield from ("cotdistill.verifiers.code:_program", "cotdistill.verifiers._json:find")
    yield from (f"filter {name}" for name in names("filters"))
    yield from (f"verifier {name}" for name in names("verifiers") if name not in LEFT_OUT)
    yield from (f"reference of {name}" for name in names("verifiers") if name not in LEFT_OUT | {"regex", "majority"})


_PATTERN = re.Pattern[str]


def _functions(module: str) -> Iterator[str]:
    """Those that need one text and nothing more; what makes a pattern of it is given no text of a model."""
    for name, value in vars(importlib.import_module(module)).items():
        if _is_function(value) and value.__module__ == module and not name.startswith("_"):
            signature = inspect.signature(value)
            needed = [one for one in signature.parameters.values() if one.default is one.empty]
            if len(needed) == 1 and needed[0].annotation in (str, "str") and signature.return_annotation != _PATTERN:
                yield f"{module}:{name}"


def _is_function(value: object) -> bool:
    """Also one that `lru_cache` holds."""
    return inspect.isfunction(getattr(value, "__wrapped__", value)) and not isinstance(value, type)


def made(subject: str, directory: str) -> Subject:
    if ":" in subject:
        module, _, name = subject.partition(":")
        function: Subject = getattr(importlib.import_module(module), name)
        return function
    name = subject.rpartition(" ")[2]
    if subject.startswith("filter"):
        held_out = Path(directory, "held_out.jsonl")
        held_out.write_text('{"question": "What is 2+2?", "answer": "4"}\n')
        required = [option for option in describe("filters", name)[1] if "=" not in option]
        ids = itertools.count()  # a filter may look at a prompt once
        options = NEEDED.get(name) or ",".join(f"{option}={held_out}" for option in required)
        one = build("filters", f"{name}:{options}")
        return lambda text: one.reason_to_drop(
            make_judged(text, reasoning=text, prompt=make_prompt(f"p{next(ids)}", text))
        )
    verifier = build("verifiers", name)
    if subject.startswith("reference"):
        return lambda text: verifier.judge(make_response("Answer: 4", make_prompt(reference=text)))
    prompt = make_prompt("p", "Which?\nA) one\nB) two", REFERENCES.get(name, "18"))
    if hasattr(verifier, "judge_prompt"):
        return lambda text: verifier.judge_prompt([make_response(text, prompt, sample=n) for n in range(2)])
    return lambda text: verifier.judge(make_response(text, prompt))


def _measure(subject: str, shapes: list[str], sizes: list[int], limit_s: int, line: Connection) -> None:
    """Runs in a child. Before each text its name is sent: where the child is ended there, that was too much."""
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    with tempfile.TemporaryDirectory() as directory:
        run = made(subject, directory)
        run("Answer: 4")  # what is loaded once is no part of it
        for shape in shapes:
            seconds: dict[int, float] = {}
            for size in sizes:
                text = SHAPES[shape](size)
                line.send((shape, size, None))
                resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time()) + limit_s, -1))
                began = time.process_time()
                run(text)
                seconds[size] = time.process_time() - began
                line.send((shape, size, seconds[size]))
                if seconds[size] > limit_s / 8:
                    break  # the next size would be ended


def measure(subject: str, sizes: list[int], limit_s: int) -> list[Measured]:
    left = list(SHAPES)
    found: dict[str, Measured] = {}
    fork = multiprocessing.get_context("spawn")
    while left:
        here, there = fork.Pipe(duplex=False)
        child = fork.Process(target=_measure, args=(subject, left, sizes, limit_s, there))
        child.start()
        there.close()
        last = None
        try:
            while True:
                shape, size, seconds = last = here.recv()
                one = found.setdefault(shape, Measured(subject, shape, {}))
                if seconds is not None:
                    one.seconds[size] = seconds
        except EOFError:
            child.join()
        if child.exitcode == 0:
            break
        if last is None:
            raise SystemExit(f"{subject}: the process ended with {child.exitcode} before it began")
        found[last[0]] = found[last[0]]._replace(ended=True)
        left = left[left.index(last[0]) + 1 :]
    return list(found.values())


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--sizes", default="65536,262144,1048576")
    options.add_argument("--only", default="")
    options.add_argument("--limit-s", type=int, default=30)
    options.add_argument("--show", type=int, default=25)
    options.add_argument("--json", type=Path)
    chosen = options.parse_args()
    sizes = [int(one) for one in chosen.sizes.split(",")]
    rows: list[Measured] = []
    for subject in subjects():
        if chosen.only in subject:
            mine = measure(subject, sizes, chosen.limit_s)
            rows += mine
            slowest = max(mine, key=lambda one: max(one.seconds.values(), default=chosen.limit_s))
            ended = [one.shape for one in mine if one.ended]
            print(f"{subject:50} {max(slowest.seconds.values(), default=math.inf):7.2f} s  {slowest.shape}"
                  + (f"  ENDED: {', '.join(ended)}" if ended else ""), flush=True)  # fmt: skip
    if chosen.json:
        chosen.json.write_text(json.dumps([one._asdict() for one in rows], indent=1))
    report(rows, chosen.show)


def report(rows: list[Measured], show: int) -> None:
    grown = sorted((one for one in rows if one.exponent is not None), key=lambda one: -(one.exponent or 0))
    print("\nexponent  seconds at each size")
    for one in grown[:show]:
        took = "  ".join(f"{size}: {seconds:.2f}" for size, seconds in one.seconds.items())
        print(f"{one.exponent:8.2f}  {took}   {one.subject}, {one.shape}")
    ended = [f"{one.subject}, {one.shape}" for one in rows if one.ended]
    print(f"\n{len(rows)} pairs; ended by the limit: {len(ended)} {'; '.join(ended)}")
    worst = grown[0].exponent if grown else None
    print(f"worst exponent: {worst:.2f}" if worst is not None else "worst exponent: all too quick to see")


if __name__ == "__main__":
    main()
