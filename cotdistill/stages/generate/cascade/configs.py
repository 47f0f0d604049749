"""The options of two teachers as those of each."""

from dataclasses import replace
from pathlib import Path

from cotdistill import teachers
from cotdistill.config import GenerateConfig, check
from cotdistill.dispatch.budget import Budget, Tariff
from cotdistill.providers.types import Request
from cotdistill.records import Message
from cotdistill.stages.generate.settings import prices_of, teacher_of


def pair(config: GenerateConfig, store: Path | None = None) -> tuple[GenerateConfig, GenerateConfig]:
    """Generate's options for the first teacher and for the second. The cap on the cost is over both, so it is not among
    them; how fast the second may be asked is measured."""
    verify = config.verify if config.until_accepted else None
    alone = replace(
        config,
        then=None,
        then_base_url=None,
        then_samples=None,
        then_effort=None,
        then_license=None,
        then_price_in=None,
        then_price_out=None,
        verify=verify,
        max_cost=None,
    )
    if store is not None:
        alone = replace(alone, cache=str(store), no_cache=False)
    second = replace(
        alone,
        teacher=config.then or "",
        base_url=config.then_base_url,
        samples=config.then_samples or config.samples,
        effort=config.then_effort,
        license=config.then_license,
        price_in=config.then_price_in,
        price_out=config.then_price_out,
        engine=config.engine if (config.then or "").startswith("local:") else "local",
        concurrency=None,
        rpm=None,
        input_tpm=None,
        output_tpm=None,
    )
    return replace(alone, engine=config.engine if config.teacher.startswith("local:") else "local"), second


def names_of(config: GenerateConfig) -> tuple[str, str]:
    """What the two are called: one model on two servers has one name otherwise."""
    then = config.then or ""
    return config.teacher, then if then != config.teacher else f"{then} (second)"


def check_teachers(config: GenerateConfig, budget: Budget | None) -> None:
    """Both, before either is paid. Raises UsageError for one that there is not, that cannot be asked so, or whose price
    is not known where there is a budget; BudgetError or its like for a cap that one short question would not fit in."""
    for one in pair(config):
        check(one)
        teacher = teacher_of(one)
        teachers.check_ready(teacher, (one.prompt_field, one.reference_field))
        request = Request((Message(role="user", content="?"),), one.max_output_tokens, one.temperature, one.effort)
        teacher.body(request)
        if budget is not None:
            advice = f"--max-cost: the price of {{model!r}} ({one.teacher}) is not known; {_PRICES}"
            budget.check(Tariff(prices_of(teacher, one), advice), request)


def for_second(text: str) -> str:
    """What is said of a teacher's options, where it is the second one."""
    return text.replace("--price-", "--then-price-")


_PRICES = "give --price-in and --price-out, or --then-price-in and --then-price-out for the second teacher"
