"""Which prompts one teacher has solved, and which it has not, by the verifier."""

from collections.abc import Iterator
from itertools import groupby, islice

from cotdistill.artifacts import sibling
from cotdistill.artifacts.json_lines import read_records
from cotdistill.progress import Progress
from cotdistill.records import Response, Verdict
from cotdistill.stages.generate.cascade.parts import Part, Verdicts
from cotdistill.stages.generate.output import Failed
from cotdistill.stages.verification import Judge

AT_ONCE = 64
"""Prompts whose answers are judged together."""


def read_verdicts(part: Part, judge: Judge, progress: Progress, *, pay: bool = True) -> Verdicts:
    """Of the answers of one teacher; without `pay` only what costs nothing. Memory grows with the prompts that are not
    solved."""
    found = Verdicts()
    final, later = _failed(part)
    progress.begin("verify", None)
    prompts = (
        list(samples) for _, samples in groupby(read_records(part.path, Response), key=lambda one: one.prompt.id)
    )
    seen: set[str] = set()
    for some in iter(lambda: list(islice(prompts, AT_ONCE)), []):
        for samples, verdicts in zip(some, _verdicts(some, judge, pay), strict=True):
            name = samples[0].prompt.id
            seen.update({name} & (final | later))
            _add(found, name, samples, verdicts, name in later, judge)
        progress.update(found.solved + found.unverified + len(found.unsolved) + len(found.open))
    found.unsolved |= final - later - seen
    found.open |= later - seen
    return found


def _add(
    found: Verdicts,
    name: str,
    samples: list[Response],
    verdicts: list[Verdict | None],
    lacks_one: bool,
    judge: Judge,
) -> None:
    """One prompt. A truncated answer is no right one, whatever stands in it."""
    whole = [one for response, one in zip(samples, verdicts, strict=True) if response.stop_reason == "stop"]
    statuses = {one.status if one else "open" for one in whole}
    if "correct" in statuses:
        found.solved += 1
    elif statuses & {"unverified", "bad_reference"}:  # no further answer would tell
        found.unverified += 1
    elif lacks_one or "open" in statuses or ("error" in statuses and judge.exhausted):
        found.open.add(name)
    else:
        found.unsolved.add(name)


def _verdicts(prompts: list[list[Response]], judge: Judge, pay: bool) -> list[list[Verdict | None]]:
    if pay:
        return [list(some) for some in judge.judge_all(prompts)]
    return [[judge.known(response) for response in samples] for samples in prompts]


def _failed(part: Part) -> tuple[set[str], set[str]]:
    """Prompts that the teacher refused for good, and those that the same command asks again."""
    path = sibling(part.path, "failed.jsonl")
    lines: Iterator[Failed] = read_records(path, Failed) if path.is_file() else iter(())
    final, later = set[str](), set[str]()
    for line in lines:
        (final if line.final else later).add(line.id)
    return final, later
