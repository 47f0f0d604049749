"""How far off expand's dry run is in the number of requests, over many seeds, and whether it leans to one side.

    python -m tests.benchmarks.expand_spread [--rounds 40] [--seeds 200] [--count 1000]

The rounds of expand with the embedded teacher's answers made in this process, so that one seed takes a second. After a
tenth and after a fifth of the prompts, what `needed` says of the rest is added to what was asked and set beside what it
was in the end; beside it what a constant rate would say.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any
from unittest.mock import patch

from cotdistill.config import ExpandConfig
from cotdistill.mock import problems, solver, writer
from cotdistill.progress import Silent
from cotdistill.records import DroppedPrompt, Prompt, Response, TeacherInfo, Usage, question_of
from cotdistill.stages import expand
from cotdistill.stages.expand.asking import Asker, Round
from cotdistill.stages.expand.figures import OfMethod
from cotdistill.stages.expand.needed import needed
from cotdistill.stages.expand.plan import Line
from cotdistill.stages.expand.rounds import Rounds
from cotdistill.stages.expand.sieve import Candidate
from tests.benchmarks.expand import KINDS, TEACHER, write

TEACHER_INFO = TeacherInfo(provider="mock", model="digit-chains", base_url="mock")
Fate = str
"""Of one line of the plan: kept, new (but not kept), repeat, or left."""


def answered(asker: Asker, prompts: Sequence[Prompt], seed: int) -> Round:
    samples = range(asker.config.samples or 1)
    return Round({one.id: [answer(one, sample, seed) for sample in samples] for one in prompts}, {}, 0)


def answer(prompt: Prompt, sample: int, seed: int) -> Response:
    question = question_of(prompt)
    reasoning, text = None, writer.written(question, sample, seed)
    if text is None:
        chain = problems.parse(question)
        reasoning, text = ("", "cannot be determined") if chain is None else solver.solve(chain, sample, seed)
    return Response(
        prompt=prompt,
        sample=sample,
        reasoning=reasoning or None,
        reasoning_kind="raw" if reasoning else "none",
        text=text,
        stop_reason="stop",
        teacher=TEACHER_INFO,
        usage=Usage(input_tokens=1, output_tokens=1),
        request_key=f"{prompt.id}{sample}",
    )


def fates(folder: Path, seed: int, seeds: int, count: int, steps: Sequence[int], method: str) -> list[Fate]:
    """Of each request, in the plan's order."""
    order: list[str] = []
    found: dict[str, Fate] = {}

    class Watched(Rounds):
        def _one(self, lines: list[Line]) -> None:
            order.extend(line.id for line in lines)
            super()._one(lines)

        def _keep(self, candidate: Candidate, prompt: Prompt) -> None:
            found[candidate.line.id] = "new" if len(self.kept) == self.count else "kept"
            super()._keep(candidate, prompt)

        def _leave(self, left: DroppedPrompt) -> None:
            fate = "new" if left.filter == "answerable" else "repeat" if self.sieve.is_repeat(left) else "left"
            found.setdefault(left.id, fate)
            super()._leave(left)

    chosen = problems.generate(seeds, seed=seed, steps=steps)
    path = write(folder / "seeds.jsonl", [one.as_prompt(f"p{number}") for number, one in enumerate(chosen)])
    config = ExpandConfig(teacher=TEACHER, count=count, method=(method,), seed=seed, no_cache=True)
    instead = patch.object(Asker, "ask", lambda asker, prompts: answered(asker, prompts, seed))
    with instead, patch.object(expand, "Rounds", Watched):
        expand.run(path, folder / "new.jsonl", config, Silent())
    return [found[id] for id in order]


def said(fates: Sequence[Fate], kept: int, count: int) -> tuple[float, float, bool]:
    """By needed, and by a constant rate, once `kept` are kept: how far off the requests in the end, as a share; and
    whether the rest is within the margin that needed names."""
    asked, whole = _until(fates, kept), _until(fates, count)
    part = fates[:asked]
    new = part.count("kept") + part.count("new")
    method = OfMethod(tries=asked, candidates=new, repeats=part.count("repeat"), kept=kept)
    more = needed(count - kept, [method], None)
    within = abs(more.requests / (whole - asked) - 1) <= (more.margin or 0)
    return (asked + more.requests) / whole - 1, count / kept * asked / whole - 1, within


def _until(fates: Sequence[Fate], kept: int) -> int:
    places = [place for place, fate in enumerate(fates, 1) if fate == "kept"]
    return places[kept - 1]


def shown(errors: Sequence[float]) -> str:
    near = sum(abs(one) <= 0.1 for one in errors)
    sure = stdev(errors) / len(errors) ** 0.5
    return f"{mean(errors):+.1%} ± {sure:.1%} | {stdev(errors):.1%} | {near} of {len(errors)}"


def main() -> None:
    options = argparse.ArgumentParser()
    for name, value in (("rounds", 40), ("seeds", 200), ("count", 1_000)):
        options.add_argument(f"--{name}", type=int, default=value)
    chosen = options.parse_args()
    columns = ("seeds, methods", "once", "says", "mean error ± its standard error", "standard deviation", "within 10 %")
    print(f"| {' | '.join(columns)} | within its margin |")
    print("|---" * 7 + "|")
    for kind, steps in KINDS.items():
        method = "vary,evolve,persona" if kind == "six steps" else "vary"
        runs: list[Any] = []
        for seed in range(chosen.rounds):
            with tempfile.TemporaryDirectory() as folder:
                runs.append(fates(Path(folder), seed, chosen.seeds, chosen.count, steps, method))
        for name, part in (("a tenth", 10), ("a fifth", 5)):
            both = [said(one, chosen.count // part, chosen.count) for one in runs]
            held = f"{sum(one[2] for one in both)} of {len(both)}"
            print(f"| {kind}, {method} | {name} | constant rate | {shown([one[1] for one in both])} | |", flush=True)
            print(f"| {kind}, {method} | {name} | now | {shown([one[0] for one in both])} | {held} |", flush=True)


if __name__ == "__main__":
    main()
