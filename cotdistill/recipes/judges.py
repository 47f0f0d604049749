"""Names paid judges in a plan: what they will judge is not there yet, so no estimate includes their cost."""

from collections.abc import Mapping

from cotdistill import plugins
from cotdistill.pricing import FREE
from cotdistill.recipes.steps import Step
from cotdistill.stages.verification import Judge


def in_words(step: Step) -> list[str]:
    """The paid judges of a step, in words; empty for generate, whose estimate includes its judge."""
    spec = getattr(step.options, "verify", None)
    if step.stage == "generate" or not spec or not Judge(spec).asks:
        return []
    given = plugins.parse(spec)[1]
    teacher = given.get("teacher", spec)
    if teacher.partition(":")[0] in FREE or _costs_nothing(given):
        return []
    return [f"{teacher} judges each new answer, which is paid for and in no estimate here"]


def _costs_nothing(given: Mapping[str, str]) -> bool:
    """Whether the judge is free, by the prices that the user gave."""
    prices = [given.get("price_in"), given.get("price_out")]
    return all(price is not None and not float(price) for price in prices)
