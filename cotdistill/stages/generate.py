"""Prompts -> responses: ask the teacher for what the store does not hold yet, then write all in prompt order."""

import asyncio
import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

from cotdistill import artifacts, prompting, teachers
from cotdistill.artifacts import ArtifactWriter, BadLines, Manifest
from cotdistill.config import GenerateConfig, check
from cotdistill.dispatch.asking import Asked, Job, Limits, ask_all
from cotdistill.dispatch.batch import ask_in_batches
from cotdistill.dispatch.batch_state import BatchState, Endpoint
from cotdistill.dispatch.budget import Budget
from cotdistill.dispatch.cache import Store, default_path
from cotdistill.dispatch.claims import Claims
from cotdistill.dispatch.plan import Missing, Plan
from cotdistill.dispatch.survey import Survey
from cotdistill.dispatch.tally import Spending, Tally
from cotdistill.errors import UsageError
from cotdistill.judging import Judge
from cotdistill.pricing import Prices
from cotdistill.progress import Progress
from cotdistill.prompt_files import PromptFile
from cotdistill.records import money
from cotdistill.teachers import Reply, Teacher
from cotdistill.teachers._batches import open_batches

CLOSED = ("api.openai.com", "api.anthropic.com")
"""Hosts whose terms restrict training on outputs."""

PACKAGES = ("anthropic", "openai", "aiohttp", "genai-prices", "msgspec")


def run(prompts: Path, output: Path, config: GenerateConfig, progress: Progress) -> Manifest:
    """Ask for `config.samples` answers to each prompt; pays only for what the store does not hold.

    Raises UsageError for options that do not fit, AccountError when the provider refuses the account,
    StoppedError after a signal. In each case what was answered is in the store.
    """
    _check(config)
    teacher = teachers.build(config.teacher, config.base_url, config.concurrency, config.timeout_s)
    if config.batch:
        open_batches(teacher)  # raises for a teacher without a Batch API, also in a dry run
    prices = _prices(teacher, config)
    budget = None if config.max_cost is None else Budget(Decimal(str(config.max_cost)), prices)
    judge = Judge(config.verify) if config.until_accepted else None
    with (
        artifacts.run("generate", output, _options(config), PACKAGES) as current,
        _store(config, output) as store,
        BadLines(artifacts.sibling(output, "bad.jsonl") if config.skip_bad else None) as bad,
    ):
        current.read(prompts, allow_modified=config.allow_modified)
        file = PromptFile(
            prompts,
            prompt_field=config.prompt_field,
            reference_field=config.reference_field,
            limit=config.limit,
            bad=bad,
        )
        plan = Plan(teacher, config, file, store, judge)
        survey = Survey.of(plan, prices)
        if file.columns:
            progress.note(f"{prompts}: {file.columns.describe()}")
        if config.dry_run:
            return current.summary(survey.counts(), results=survey.estimate())
        if budget and survey.first:
            budget.check(survey.first.request)
        asked, spending = Asked(), Spending(prices, survey.missing)
        if survey.missing and not config.reextract:
            progress.begin("generate", survey.missing)
            ask = ask_in_batches if config.batch else _ask_missing
            _warn_of_batches(plan, progress)
            asked = asyncio.run(ask(plan, spending, budget, progress))
        return _write(current, plan, survey, asked, spending, budget, progress)


async def _ask_missing(plan: Plan, spending: Spending, budget: Budget | None, progress: Progress) -> Asked:
    missing = Missing(plan)

    async def keep(job: Job, reply: Reply) -> None:
        teacher = plan.teacher
        await plan.store.put(job.key, job.sample, plan.family(job), teacher.provider, teacher.model, reply.raw)
        spending.add(reply)
        if warning := spending.warning():
            progress.note(warning)

    async def follow(job: Job, reply: Reply) -> None:
        if plan.judge is not None:
            await asyncio.to_thread(plan.accepts, job, reply)  # a verdict may take seconds
        missing.follow(job, reply)

    def stored(key: str, sample: int) -> Reply | None:
        raw = plan.store.get(key, sample)
        return None if raw is None else plan.teacher.read(raw)

    # The store of --no-cache belongs to this output alone, and its lock is held.
    with nullcontext() if plan.config.no_cache else Claims(plan.store.path, stored) as claims:
        return await ask_all(
            plan.teacher,
            missing,
            keep,
            claims=claims,
            limits=Limits(
                plan.teacher.concurrency,
                plan.config.rpm,
                plan.config.input_tpm,
                plan.config.output_tpm,
                at_once=plan.teacher.provider == "local" or plan.config.concurrency is not None,
            ),
            timeout_s=plan.config.timeout_s,
            max_attempts=plan.config.max_attempts,
            budget=budget,
            progress=progress,
            follow=follow,
            detail=spending.describe,
        )


def _write(
    current: artifacts.Run,
    plan: Plan,
    survey: Survey,
    asked: Asked,
    spending: Spending,
    budget: Budget | None,
    progress: Progress,
) -> Manifest:
    """Every stored answer, extracted afresh from the provider's JSON, in prompt order."""
    prompts = not_asked = 0
    progress.begin("write", survey.wanted)
    with (
        BatchState(plan.store.path) as batches,
        ArtifactWriter(current.output) as responses,
        ArtifactWriter(artifacts.sibling(current.output, "failed.jsonl")) as failed,
    ):
        tally = Tally(spending.prices, batches.bought)
        for jobs in plan.prompts():
            prompts += 1
            for job, stored in plan.answered(jobs):
                if stored is not None:
                    reply = plan.teacher.read(stored.raw)
                    responses.write(tally.add(job, stored.key, plan.teacher, reply, plan.config.license))
                else:
                    failure = asked.failures.get((job.prompt.id, job.sample))
                    not_asked += failure is None
                    reason = failure.message if failure else "not asked"
                    failed.write({"id": job.prompt.id, "sample": job.sample, "reason": reason})
            progress.update(responses.records + failed.records)
        counts = {
            "prompts": prompts,
            "responses": responses.records,
            "bought": asked.answered,
            "from_store": max(0, responses.records - asked.answered),
            "failed": failed.records - not_asked,
            **({"not_asked": not_asked} if not_asked else {}),
            **tally.stop_reasons,
        }
        if plan.config.until_accepted:
            counts["not_needed"] = prompts * plan.config.samples - responses.records - failed.records
        _notes(current, plan, tally, budget)
        if not failed.records:
            failed.path.unlink(missing_ok=True)
        return current.publish(
            [responses, failed] if failed.records else [responses],
            counts=counts,
            complete=not failed.records,
            stopped_by="budget" if budget and budget.exhausted else None,
            results={
                "reasoning": dict(tally.reasoning_kinds),
                **({} if spending.cost is None else {"spent_usd": money(spending.cost)}),
                "columns": plan.file.columns.describe() if plan.file.columns else "",
            },
            usage=tally.usage(),
            cost_usd=money(tally.cost) if responses.records else None,
        )


def _warn_of_batches(plan: Plan, progress: Progress) -> None:
    teacher = plan.teacher
    with BatchState(plan.store.path) as batches:
        under_way = batches.under_way(Endpoint(teacher.provider, teacher.base_url, teacher.model))
    if under_way and not plan.config.batch:
        progress.note(
            f"WARNING: {under_way} requests to this teacher are under way in batches. --batch collects them; "
            f"without it, those of this run are bought again"
        )


def _notes(current: artifacts.Run, plan: Plan, tally: Tally, budget: Budget | None) -> None:
    notes = current.notes
    if plan.file.repeated:
        notes.append(f"{plan.file.repeated} repeated prompts were asked once")
    if budget and budget.exhausted:
        notes.append(f"stopped at --max-cost: {budget.spent:.4f} of {budget.limit} USD spent; the next might not fit")
    if truncated := tally.stop_reasons["length"]:
        notes.append(
            f"{truncated} answers were cut at --max-output-tokens; filter drops them. "
            f"--retry-truncated with a larger cap asks for these only"
        )
    if plan.unverified:
        notes.append(f"{len(plan.unverified)} prompts have no reference: their first answers were taken unverified")
    if omitted := tally.reasoning_kinds["omitted"]:
        notes.append(f"{omitted} answers came without the reasoning they were billed for")
    if tally.cost is None and plan.teacher.provider not in ("mock", "local"):
        notes.append("the price of this model is not known; give --price-in and --price-out for a cost")
    if urlsplit(plan.teacher.base_url).hostname in CLOSED:
        notes.append(f"{plan.teacher.provider}'s terms restrict training on its outputs; see 'Rights' in the README")


def _options(config: GenerateConfig) -> dict[str, object]:
    """The config as the manifest keeps it, with the template's content told by its hash."""
    template = prompting.load(config.template) if config.template else None
    hashed = {} if template is None else {"template_sha256": prompting.fingerprint(template)}
    return {**dataclasses.asdict(config), **hashed}


def _prices(teacher: Teacher, config: GenerateConfig) -> Prices:
    given = [None if price is None else Decimal(str(price)) for price in (config.price_in, config.price_out)]
    return Prices(teacher.provider, teacher.model, *given)


def _check(config: GenerateConfig) -> None:
    check(config)
    if (config.price_in is None) != (config.price_out is None):
        raise UsageError("--price-in and --price-out go together")
    if config.batch and config.until_accepted:
        raise UsageError("--until-accepted: asks on as answers come in, which in a --batch takes a day each")
    if config.verify and not config.until_accepted:
        raise UsageError("--verify: here it goes with --until-accepted; otherwise it is an option of filter")
    if config.until_accepted and config.until_accepted > config.samples:
        raise UsageError(f"--until-accepted {config.until_accepted}: needs at least as many --samples to choose from")


@contextmanager
def _store(config: GenerateConfig, output: Path) -> Iterator[Store]:
    """The user's store; with --no-cache one beside the output, which only a finished run removes."""
    own = output.with_name(output.name + ".partial.sqlite")
    path = own if config.no_cache else Path(config.cache) if config.cache else default_path()
    store = Store(path)
    try:
        yield store
    except BaseException:
        store.close()
        raise
    if config.no_cache and not config.dry_run:
        store.delete()
    else:
        store.close()
