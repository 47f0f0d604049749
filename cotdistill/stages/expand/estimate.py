"""What a run would ask and cost, as far as the answers that the store has say how long they are and how many prompts
are kept."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import ceil
from typing import Any

from cotdistill import artifacts, teachers
from cotdistill.artifacts import Manifest
from cotdistill.config import GenerateConfig
from cotdistill.inputs import templates
from cotdistill.pricing import FREE, Prices
from cotdistill.records import Prompt, Usage
from cotdistill.stages.expand.asking import Asker, estimated_tokens
from cotdistill.stages.expand.rounds import Rounds
from cotdistill.stages.expand.sources import Source
from cotdistill.stages.expand.trust import asked_about
from cotdistill.stages.generate import prices_of

SAMPLED = 200
"""Lines of the plan, and seeds, that the mean length of a request is taken from."""


@dataclass(frozen=True)
class Bill:
    """Some requests to one model. `input` and `output` are their tokens, `output` None where no answer is known yet."""

    requests: int
    input: int
    output: int | None
    output_at_most: int
    prices: Prices
    batch: bool

    def usd(self, output: int) -> Decimal | None:
        return self.prices.cost(Usage(input_tokens=self.input, output_tokens=output), batch=self.batch)


def estimate(current: artifacts.Run, rounds: Rounds, sources: Sequence[Source]) -> Manifest:
    """The manifest of a dry run."""
    bills = list(_bills(rounds, sources))
    figures, kept = rounds.figures, len(rounds.kept)
    known = sum(asker.known for asker in (rounds.writer, rounds.solver) if asker)
    results: dict[str, Any] = {"kept_share": round(figures.share_kept(rounds.plan.expanders), 4)}
    if sum(bill.requests for bill in bills):
        results |= _tokens(bills) | _costs(bills)
        if any(bill.requests and bill.output is None for bill in bills):
            current.notes.append(
                "no answer is stored yet, so how long they are is not known, and that 3 of 4 prompts are kept is a "
                "guess: a first run with --count 20 tells, and what it buys is not bought again"
            )
    if without := [name for name, one in rounds.plan.expanders.items() if not one.facets()]:
        current.notes.append(
            f"{', '.join(without)}: what it will write about is asked first, so it is not in this estimate yet"
        )
    counts = {
        "seeds": len(sources),
        "new_prompts": kept,
        "in_store": known,
        "to_ask": sum(bill.requests for bill in bills),
    }
    return current.summary(counts, results=results)


def _bills(rounds: Rounds, sources: Sequence[Source]) -> Iterator[Bill]:
    """What is still to be asked of the teacher that writes, and of the solver."""
    figures, plan, writer, solver = rounds.figures, rounds.plan, rounds.writer, rounds.solver
    tries = figures.decided + ceil((rounds.count - len(rounds.kept)) / figures.share_kept(plan.expanders))
    lines = [plan.request(line) for line in plan.take(SAMPLED)]
    yield _bill(writer, writer, max(0, tries - writer.known), lines, "")
    if solver is None or rounds.answerable is None:
        return
    candidates, asked = ceil(tries * figures.share_candidates), len(asked_about(sources, plan.seed))
    measured = solver
    if not solver.known:  # earlier answers to the seeds, by generate, say how long such answers are
        measured = solver.for_another(solver.label, solver.config)
        measured.ask([source.prompt for source in sources[:SAMPLED]])
    template = templates.load(solver.config.template).template if solver.config.template else ""
    missing = max(0, (candidates + asked) * rounds.answerable.samples - solver.known)
    yield _bill(solver, measured, missing, [source.prompt for source in sources[:SAMPLED]], template)


def _bill(asker: Asker, measured: Asker, requests: int, like: Sequence[Prompt], around: str) -> Bill:
    """So many requests, as long as those `like` them, with a template `around` each; corrected by what the model
    billed for others."""
    config = asker.config
    mean = sum(estimated_tokens(one, around) for one in like) / max(1, len(like))
    estimated, billed, output = measured.totals
    if estimated and billed:
        mean *= billed / estimated
    return Bill(
        requests,
        round(requests * mean),
        round(requests * output / measured.known) if measured.known and output else None,
        requests * config.max_output_tokens,
        _prices(config),
        config.batch,
    )


def _prices(config: GenerateConfig) -> Prices:
    return prices_of(teachers.build(config.teacher, config.base_url), config)


def _tokens(bills: Sequence[Bill]) -> dict[str, Any]:
    names = ("to_write", "to_answer")
    found: dict[str, Any] = {name: bill.requests for name, bill in zip(names, bills, strict=False)}
    found["input_tokens"] = sum(bill.input for bill in bills)
    outputs = [bill.output for bill in bills if bill.requests]
    if None not in outputs:
        found["output_tokens"] = sum(one for one in outputs if one is not None)
    return {**found, "output_tokens_at_most": sum(bill.output_at_most for bill in bills)}


def _costs(bills: Sequence[Bill]) -> dict[str, Any]:
    most = [bill.usd(bill.output_at_most) for bill in bills]
    if None in most:
        provider = bills[most.index(None)].prices.provider
        return {"cost": FREE.get(provider, "unknown; give --price-in and --price-out")}
    found = {"cost_usd_at_most": f"{sum(one for one in most if one is not None):.4f}"}
    if all(bill.output is not None for bill in bills if bill.requests):
        guess = [bill.usd(bill.output or 0) or Decimal(0) for bill in bills]
        found["cost_usd"] = f"{sum(guess):.4f}"
    return found
