"""The answers of both teachers as one artifact, prompt by prompt, with cost and yield of each."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec

from cotdistill import artifacts
from cotdistill.artifacts import ArtifactWriter, Manifest, sibling
from cotdistill.artifacts.files import Publishable
from cotdistill.artifacts.json_lines import BadLines, read_records
from cotdistill.artifacts.logprobs import Carrier, LogprobsReader, LogprobsWriter, logprobs_path
from cotdistill.dispatch.budget import Budget
from cotdistill.inputs.prompt_files import PromptFile
from cotdistill.pricing import total
from cotdistill.records import Response, Usage, money
from cotdistill.stages.generate.cascade.configs import for_second
from cotdistill.stages.generate.cascade.parts import Part
from cotdistill.stages.generate.output import NOT_ASKED, Failed
from cotdistill.stages.verification import Judge
from cotdistill.wording import counted

_OWN = ("prompts", "responses", "bought", "from_store", "failed", "not_asked", "not_needed")
"""Counts that are not how answers ended."""


def publish(
    current: artifacts.Run,
    output: Path,
    prompts: Path,
    parts: Sequence[Part],
    judge: Judge,
    budget: Budget | None,
    judge_usd: Decimal | None,
) -> Manifest:
    """Write both and the manifest. The second teacher's samples are counted on from the first one's."""
    asked = [part for part in parts if part.manifest is not None]
    with ExitStack() as stack:
        responses = stack.enter_context(ArtifactWriter(output))
        failed = stack.enter_context(ArtifactWriter(sibling(output, "failed.jsonl")))
        bad_path = sibling(output, "bad.jsonl") if parts[0].config.skip_bad else None
        bad = stack.enter_context(BadLines(bad_path))
        logprobs, carriers = _logprobs(stack, output, asked)
        sources = [_Source(part, number) for number, part in enumerate(asked)]
        offsets = [0, parts[0].config.samples]
        not_asked = 0
        for prompt in PromptFile.chosen(prompts, parts[0].config, bad=bad):
            taken = [source.of(prompt.id) for source in sources]
            for (found, _), carrier, offset in zip(taken, carriers, offsets, strict=False):
                for response in found:
                    carrier.take(response, sample=response.sample + offset)
                    responses.write(msgspec.structs.replace(response, sample=response.sample + offset))
            for number, (_, missing) in enumerate(taken):
                if number == 0 and len(taken) > 1 and taken[1][0]:
                    continue  # what one teacher refused the other has answered
                for one in missing:
                    not_asked += one.reason == NOT_ASKED
                    failed.write(msgspec.structs.replace(one, sample=one.sample + offsets[number]))
        current.notes += [*bad.notes(), *_notes(asked, judge)]
        writers: list[Publishable] = [responses, *([logprobs] if logprobs and logprobs.records else [])]
        writers += [failed] if failed.records else []
        exhausted = any(part.manifest and part.manifest.stopped_by for part in asked) or judge.exhausted
        return current.publish(
            [*writers, *bad.writers()],
            counts=_counts(asked, responses.records, failed.records, not_asked),
            complete=not (failed.records or exhausted),
            stopped_by="budget" if exhausted or (budget and budget.exhausted) else None,
            results=_results(asked, judge_usd),
            usage=_usage(asked),
            cost_usd=money(total([_cost(part) for part in asked])) if responses.records else None,
        )


@dataclass
class _Source:
    """The answers of one part, and its failures, taken prompt by prompt in their order."""

    part: Part
    number: int
    _failures: dict[str, list[Failed]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._groups = groupby(read_records(self.part.path, Response), key=lambda one: one.prompt.id)
        self._next: tuple[str, Iterator[Response]] | None = next(self._groups, None)
        path = sibling(self.part.path, "failed.jsonl")
        for one in read_records(path, Failed) if path.is_file() else iter(()):
            self._failures.setdefault(one.id, []).append(one)

    def of(self, name: str) -> tuple[list[Response], list[Failed]]:
        found: list[Response] = []
        if self._next is not None and self._next[0] == name:
            found = list(self._next[1])
            self._next = next(self._groups, None)
        return found, self._failures.get(name, [])


def _logprobs(stack: ExitStack, output: Path, asked: Sequence[Part]) -> tuple[LogprobsWriter | None, list[Carrier]]:
    beside = [logprobs_path(part.path) for part in asked]
    if not any(path.is_file() for path in beside):
        return None, [Carrier(None, None) for _ in asked]
    writer = stack.enter_context(LogprobsWriter(logprobs_path(output)))
    return writer, [
        Carrier(stack.enter_context(LogprobsReader(path)) if path.is_file() else None, writer) for path in beside
    ]


def _counts(asked: Sequence[Part], responses: int, failed: int, not_asked: int) -> dict[str, int]:
    counts = [part.manifest.counts for part in asked if part.manifest]
    bought = sum(one["bought"] for one in counts)
    ended = sum((Counter({name: n for name, n in one.items() if name not in _OWN}) for one in counts), Counter[str]())
    not_needed = sum(one.get("not_needed", 0) for one in counts)
    return {
        "prompts": counts[0]["prompts"],
        "responses": responses,
        "bought": bought,
        "from_store": max(0, responses - bought),
        "failed": failed - not_asked,
        **({"not_asked": not_asked} if not_asked else {}),
        **ended,
        **({"not_needed": not_needed} if not_needed else {}),
    }


def _results(asked: Sequence[Part], judge_usd: Decimal | None) -> dict[str, Any]:
    results = [part.manifest.results for part in asked if part.manifest]
    spent = total([*(_money(one.get("spent_usd")) for one in results), judge_usd])
    kinds = sum((Counter(one["reasoning"]) for one in results), Counter[str]())
    return {
        "reasoning": dict(kinds),
        "teachers": {part.teacher: _yield(part) for part in asked},
        **({} if spent is None else {"spent_usd": money(spent)}),
        "columns": results[0]["columns"],
    }


def _yield(part: Part) -> dict[str, Any]:
    """What one teacher was asked, how many prompts it has a right answer to, and what its answers cost."""
    assert part.manifest is not None
    cost, solved = _cost(part), part.verdicts.solved
    found: dict[str, Any] = {
        "prompts": part.manifest.counts["prompts"],
        "responses": part.manifest.counts["responses"],
        "bought": part.manifest.counts["bought"],
        "prompts_right": solved,
    }
    if cost is not None:
        found["cost_usd"] = money(cost)
        if solved:
            found["cost_usd_per_prompt_right"] = money(round(cost / solved, 6))
    return found


def _notes(asked: Sequence[Part], judge: Judge) -> Iterator[str]:
    for number, part in enumerate(asked):
        if part.manifest:
            own = str(part.path.parent)  # gone when this is read
            notes = (for_second(note) if number else note for note in part.manifest.notes)
            yield from (f"{part.teacher}: {note}" for note in notes if own not in note)
    unverified = sum(part.verdicts.unverified for part in asked)
    if unverified:
        prompts = counted(unverified, "prompt has", "prompts have")
        yield f"{prompts} no reference that --verify can use: the first answers were taken unverified"
    if not asked[0].config.until_accepted:  # else each has said what its verdicts cost
        yield from judge.notes()


def _usage(asked: Sequence[Part]) -> Usage:
    usages = [part.manifest.usage for part in asked if part.manifest and part.manifest.usage]
    reasoning = sum(one.reasoning_tokens or 0 for one in usages)
    return Usage(
        input_tokens=sum(one.input_tokens or 0 for one in usages),
        output_tokens=sum(one.output_tokens or 0 for one in usages),
        reasoning_tokens=reasoning or None,
    )


def _cost(part: Part) -> Decimal | None:
    """None where a price is not known; nothing where it has no answer."""
    assert part.manifest is not None
    return Decimal(0) if not part.manifest.counts["responses"] else _money(part.manifest.cost_usd)


def _money(text: Any) -> Decimal | None:
    return None if text is None else Decimal(str(text))
