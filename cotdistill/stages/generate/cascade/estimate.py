"""What two teachers would be asked and cost: a bound, and what is to be expected of the second."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from cotdistill import artifacts
from cotdistill.artifacts import Manifest
from cotdistill.config import GenerateConfig
from cotdistill.progress import Progress, Silent
from cotdistill.stages.generate.cascade.configs import for_second, names_of, pair
from cotdistill.stages.generate.cascade.parts import Asker, Part, Verdicts
from cotdistill.stages.generate.cascade.verdicts import read_verdicts
from cotdistill.stages.verification import Judge
from cotdistill.wording import amount


def rehearse(
    ask: Asker, folder: Path, config: GenerateConfig, store: Path, current: artifacts.Run, progress: Progress
) -> Manifest:
    """Sends nothing. How often the second teacher would be asked is guessed from the prompts whose answers of the first
    one are stored."""
    first, second = pair(config, store)
    known = _stored(ask, folder, first, config)
    one = ask(folder / "first.jsonl", first, progress)
    possible = known.unsolved | known.open
    two = ask(folder / "then.jsonl", second, Silent(), only=possible) if possible else None
    share = known.share_unsolved
    expected = None if share is None else len(known.unsolved) + share * len(known.open)
    part = None if expected is None or not possible else expected / len(possible)
    current.notes += one.notes
    current.notes.append(_said(config, known, expected, len(possible), two))
    counts = dict(one.counts)
    if two is not None:
        counts["to_ask_at_most"] = _most(one) + _most(two)
    return current.summary(counts=counts, results=_results(config, one, two, part))


def _stored(ask: Asker, folder: Path, first: GenerateConfig, config: GenerateConfig) -> Verdicts:
    """What is known of the first teacher's answers without asking anything."""
    settings = replace(first, dry_run=False, reextract=True, retry_truncated=False)
    here = Part(config.teacher, settings, folder / "known.jsonl")
    here.manifest = ask(here.path, here.config, Silent())
    return read_verdicts(here, Judge(config.verify), Silent(), pay=False)


def _results(config: GenerateConfig, one: Manifest, two: Manifest | None, part: float | None) -> dict[str, Any]:
    """The first teacher's tokens as ever; costs are sums. `part` is the share of the possible prompts that the second
    one is to be expected to be asked."""
    results = {name: value for name, value in one.results.items() if not name.startswith("cost")}
    names = names_of(config)
    found: dict[str, Any] = {names[0]: _of(one, 1.0)}
    if two is not None:
        found[names[1]] = _of(two, part)
    results["teachers_asked"] = found
    for name in ("cost_usd_at_most", "cost_usd"):
        costs = [entry[name] for entry in found.values() if name in entry]
        if len(costs) == len(found):
            results[name] = amount(sum(map(Decimal, costs), Decimal(0)))
    if "cost" in found.get(names[1], {}):
        found[names[1]]["cost"] = for_second(found[names[1]]["cost"])
    said = dict.fromkeys(f"{name}: {entry['cost']}" for name, entry in found.items() if "cost" in entry)
    return {**results, **({"cost": "; ".join(said)} if said else {})}


def _of(manifest: Manifest, part: float | None) -> dict[str, Any]:
    found: dict[str, Any] = {"requests_at_most": _most(manifest)}
    if part is not None:
        found["requests"] = round(part * manifest.counts.get("to_ask", 0))
    results = manifest.results
    if "cost" in results:
        found["cost"] = results["cost"]
    if "cost_usd_at_most" in results or not _most(manifest):
        found["cost_usd_at_most"] = results.get("cost_usd_at_most", "0.00")
    if part is not None and ("cost_usd" in results or not _most(manifest)):
        found["cost_usd"] = amount(Decimal(results.get("cost_usd", "0")) * Decimal(str(part)))
    return found


def _most(manifest: Manifest) -> int:
    return manifest.counts.get("to_ask_at_most", manifest.counts.get("to_ask", 0))


def _said(config: GenerateConfig, known: Verdicts, expected: float | None, possible: int, two: Manifest | None) -> str:
    """How many prompts go on to the second teacher: more than its requests, where the store has answers of it."""
    if two is None:
        return f"{config.teacher} has a right answer to every prompt in the store; {config.then} would not be asked"
    if not _most(two):
        return (
            f"{config.then} would not be asked: the store has its answers to all {possible:,} prompts that "
            f"{config.teacher} has no right answer to yet"
        )
    if expected is None:
        return (
            f"{config.then} would be asked for at most {possible:,} prompts; how many is not known before the store "
            f"has answers of {config.teacher}"
        )
    decided = known.solved + len(known.unsolved)
    return (
        f"{round(expected):,} prompts are expected to go on to {config.then}, at most {possible:,}: "
        f"{config.teacher} has no right answer to {known.share_unsolved:.0%} of the {decided:,} that are in the store"
        + (f", which has {there:,} answers of {config.then} already" if (there := two.counts["in_store"]) else "")
    )
