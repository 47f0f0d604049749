"""What a run would ask and cost, as far as the answers that the store has say how long they are and how many prompts
are kept."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from cotdistill import artifacts, teachers
from cotdistill.artifacts import Manifest
from cotdistill.config import GenerateConfig
from cotdistill.inputs import templates
from cotdistill.pricing import Prices
from cotdistill.records import Prompt, Usage
from cotdistill.stages.expand.asking import Asker, Measured
from cotdistill.stages.expand.needed import Needed, needed
from cotdistill.stages.expand.rounds import Rounds
from cotdistill.stages.expand.sources import Source
from cotdistill.stages.generate.estimate import estimated_tokens
from cotdistill.stages.generate.settings import prices_of
from cotdistill.wording import amount

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


def estimate(
    current: artifacts.Run, rounds: Rounds, sources: Sequence[Source], exam: Sequence[Source], of_seeds: Measured
) -> Manifest:
    """The manifest of a dry run. `exam` are the seeds that are asked about, `of_seeds` the answers to them."""
    more = _needed(rounds)
    bills = list(_bills(rounds, exam or sources, len(exam), of_seeds, more))
    figures, kept, methods = rounds.figures, len(rounds.kept), rounds.plan.expanders
    known = sum(asker.measured.answers for asker in (rounds.writer, rounds.solver) if asker) + of_seeds.answers
    results: dict[str, Any] = {"kept_share": round(figures.share_kept(methods), 4)}
    if sum(bill.requests for bill in bills):
        results |= _tokens(bills) | _costs(bills)
        if "cost_usd" in results and more.margin is not None:
            results["margin_share"] = round(more.margin, 3)
        if any(bill.requests and bill.output is None for bill in bills):
            current.notes.append(
                "no answer is stored yet, so how long they are is not known, and that 3 of 4 prompts are kept is a "
                "guess: a first run with --count 20 tells, and what it buys is not bought again"
            )
    if without := [name for name, one in methods.items() if not one.facets()]:
        current.notes.append(
            f"{', '.join(without)}: what it will write about is asked first, so it is not in this estimate yet"
        )
    counts = {
        "seeds": len(sources),
        "new_prompts": kept,
        "in_store": known,
        "to_ask": sum(bill.requests for bill in bills),
    }
    return current.summary(counts=counts, results=results)


def _needed(rounds: Rounds) -> Needed:
    """Of the methods that are not stopped. What a method can ask is not known before its survey."""
    plan = rounds.plan
    own = {name: rounds.figures.methods[name] for name in plan.active}
    lines = [plan.lines_of(name) for name in own]
    left = sum(lines) - sum(one.decided for one in own.values()) if all(lines) else None
    return needed(rounds.count - len(rounds.kept), own.values(), left)


def _bills(rounds: Rounds, sources: Sequence[Source], exam: int, of_seeds: Measured, more: Needed) -> Iterator[Bill]:
    """What is still to be asked of the teacher that writes; and of the solver, about new prompts and about seeds."""
    figures, plan, writer, solver = rounds.figures.methods.values(), rounds.plan, rounds.writer, rounds.solver
    lines = [plan.request(line) for line in rounds.unwritten[:SAMPLED] or plan.take(SAMPLED)]
    to_write = max(0, more.requests - sum(one.undecided for one in figures))
    yield _bill(writer, writer.measured, to_write, _estimated(lines))
    if solver is None or rounds.answerable is None:
        return
    known, samples = solver.measured, rounds.answerable.samples
    if not (known.answers or of_seeds.answers):  # earlier answers to the seeds, by generate, say how long they are
        asker = solver.for_another(solver.label, solver.config)
        asker.ask([source.prompt for source in sources[:SAMPLED]])
        of_seeds = replace(asker.measured, answers=0)
    template = "" if of_seeds.billed or not solver.config.template else templates.load(solver.config.template).template
    like_seeds = _estimated([source.prompt for source in sources[:SAMPLED]], template)  # a bill has the template in it
    decided = sum(one.candidates - one.undecided for one in figures)
    to_answer = max(0, (decided + more.candidates) * samples - known.answers)
    like_new = known.estimated / known.billed if known.billed else like_seeds
    yield _bill(solver, known if known.billed else of_seeds, to_answer, like_new)
    about_seeds = max(0, exam * samples - of_seeds.answers)
    yield _bill(solver, of_seeds if of_seeds.billed else known, about_seeds, like_seeds)


def _estimated(requests: Sequence[Prompt], around: str = "") -> float:
    """Input tokens of one, in the mean, by their bytes."""
    return sum(estimated_tokens(one.messages, around) for one in requests) / max(1, len(requests))


def _bill(asker: Asker, measured: Measured, requests: int, tokens: float) -> Bill:
    """So many requests of `tokens` by their bytes each, corrected by what the model billed for others."""
    config = asker.config
    if measured.estimated and measured.input:
        tokens *= measured.input / measured.estimated
    return Bill(
        requests,
        round(requests * tokens),
        round(requests * measured.output / measured.billed) if measured.output else None,
        requests * config.max_output_tokens,
        _prices(config),
        config.batch,
    )


def _prices(config: GenerateConfig) -> Prices:
    return prices_of(teachers.build(config.teacher, config.base_url), config)


def _tokens(bills: Sequence[Bill]) -> dict[str, Any]:
    found: dict[str, Any] = {"to_write": bills[0].requests}
    if bills[1:]:
        found["to_answer"] = sum(bill.requests for bill in bills[1:])
    found["input_tokens"] = sum(bill.input for bill in bills)
    outputs = [bill.output for bill in bills if bill.requests]
    if None not in outputs:
        found["output_tokens"] = sum(one for one in outputs if one is not None)
    return {**found, "output_tokens_at_most": sum(bill.output_at_most for bill in bills)}


def _costs(bills: Sequence[Bill]) -> dict[str, Any]:
    most = [bill.usd(bill.output_at_most) for bill in bills]
    if None in most:
        return {"cost": bills[most.index(None)].prices.why_unknown}
    found = {"cost_usd_at_most": amount(sum((one for one in most if one is not None), Decimal(0)))}
    if all(bill.output is not None for bill in bills if bill.requests):
        guess = [bill.usd(bill.output or 0) or Decimal(0) for bill in bills]
        found["cost_usd"] = amount(sum(guess, Decimal(0)))
    return found
