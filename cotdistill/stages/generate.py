"""Prompts -> responses: ask the teacher for what the store does not hold yet, then write all in prompt order."""

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

from cotdistill import artifacts, extensions, prompting
from cotdistill.artifacts import ArtifactWriter, BadLines, Manifest
from cotdistill.config import GenerateConfig
from cotdistill.dispatch.asking import Asked, Job, ask_all
from cotdistill.dispatch.cache import Store, default_path, request_key
from cotdistill.errors import UsageError
from cotdistill.pricing import Prices
from cotdistill.progress import Progress
from cotdistill.prompt_files import PromptFile
from cotdistill.records import Response, TeacherInfo, Usage, money
from cotdistill.teachers import Reply, Request, Teacher

CLOSED = ("api.openai.com", "api.anthropic.com")
"""Hosts whose terms restrict training on outputs."""

PACKAGES = ("anthropic", "openai", "aiohttp", "genai-prices", "msgspec")


def run(prompts: Path, output: Path, config: GenerateConfig, progress: Progress) -> Manifest:
    """Ask for `config.samples` answers to each prompt; pays only for what the store does not hold.

    Raises UsageError for options that do not fit, AccountError when the provider refuses the account,
    StoppedError after a signal. In each case what was answered is in the store.
    """
    _check(config)
    teacher = build_teacher(config.teacher, config.base_url, config.concurrency, config.timeout_s)
    options = dataclasses.asdict(config)
    with (
        artifacts.run("generate", output, options, PACKAGES) as current,
        _store(config, output) as store,
        BadLines(artifacts.sibling(output, "bad.jsonl") if config.skip_bad else None) as bad,
    ):
        current.read(prompts, allow_modified=config.allow_modified)
        plan = Plan(
            teacher,
            config,
            PromptFile(
                prompts,
                prompt_field=config.prompt_field,
                reference_field=config.reference_field,
                limit=config.limit,
                bad=bad,
            ),
        )
        total, missing = plan.survey(store)
        if plan.file.columns:
            progress.note(f"{prompts}: {plan.file.columns.describe()}")
        if config.dry_run:
            return _dry_run(current, config, total, missing)
        progress.begin("generate", missing)
        asked = asyncio.run(_ask_missing(plan, store, progress)) if missing else Asked()
        return _write(current, plan, store, total, asked, progress)


def build_teacher(spec: str, base_url: str | None, concurrency: int, timeout_s: float) -> Teacher:
    """`PROVIDER:MODEL` -> a teacher. Raises UsageError for anything else."""
    provider, colon, model = spec.partition(":")
    if not colon or not model:
        raise UsageError(f"--teacher {spec!r}: expected PROVIDER:MODEL, such as openai:gpt-6-luna or mock:digit-chains")
    kind = extensions.load("teachers", provider)
    given = {} if base_url is None else {"base_url": base_url.rstrip("/")}
    teacher: Teacher = kind(model=model, concurrency=concurrency, timeout_s=timeout_s, **given)
    return teacher


@dataclass
class Plan:
    """Every request of this run, in prompt order; can be walked again and again."""

    teacher: Teacher
    config: GenerateConfig
    file: PromptFile

    def __post_init__(self) -> None:
        self.template = prompting.load(self.config.template) if self.config.template else None

    def jobs(self) -> Iterator[Job]:
        for prompt in self.file:
            request = Request(
                messages=prompting.dress(prompt.messages, self.template, self.config.system),
                max_output_tokens=self.config.max_output_tokens,
                temperature=self.config.temperature,
                effort=self.config.effort,
            )
            key = request_key(self.teacher.base_url, self.teacher.body(request))
            for sample in range(self.config.samples):
                yield Job(prompt, sample, key, request)

    def survey(self, store: Store) -> tuple[int, int]:
        """Read the whole file once before a cent is spent: how many answers are wanted, how many are missing."""
        total = missing = 0
        for job in self.jobs():
            total += 1
            missing += not store.has(job.key, job.sample)
        return total, missing


async def _ask_missing(plan: Plan, store: Store, progress: Progress) -> Asked:
    in_flight: set[tuple[str, int]] = set()

    def missing() -> Iterator[Job]:
        """The same question under two ids is asked once."""
        for job in plan.jobs():
            if (job.key, job.sample) not in in_flight and not store.has(job.key, job.sample):
                in_flight.add((job.key, job.sample))
                yield job

    async def keep(job: Job, reply: Reply) -> None:
        await store.put(job.key, job.sample, plan.teacher.provider, plan.teacher.model, reply.raw)
        in_flight.discard((job.key, job.sample))

    return await ask_all(
        plan.teacher,
        missing(),
        keep,
        concurrency=plan.config.concurrency,
        timeout_s=plan.config.timeout_s,
        max_attempts=plan.config.max_attempts,
        progress=progress,
    )


def _write(
    current: artifacts.Run,
    plan: Plan,
    store: Store,
    total: int,
    asked: Asked,
    progress: Progress,
) -> Manifest:
    """Every stored answer, extracted afresh from the provider's JSON, in prompt order."""
    counts: Counter[str] = Counter(prompts=0, responses=0, bought=asked.answered, failed=0)
    tally = Tally(_prices(plan.teacher, plan.config))
    progress.begin("write", total)
    with (
        ArtifactWriter(current.output) as responses,
        ArtifactWriter(artifacts.sibling(current.output, "failed.jsonl")) as failed,
    ):
        for job in plan.jobs():
            counts["prompts"] += job.sample == 0
            raw = store.get(job.key, job.sample)
            if raw is None:
                failure = asked.failures.get((job.prompt.id, job.sample))
                reason = failure.message if failure else "not asked"
                failed.write({"id": job.prompt.id, "sample": job.sample, "reason": reason})
                continue
            responses.write(tally.add(job, plan.teacher, plan.teacher.read(raw), plan.config.license))
            progress.update(responses.records + failed.records)
        counts.update(responses=responses.records, failed=failed.records, **tally.stop_reasons)
        counts["from_store"] = responses.records - asked.answered
        _notes(current, plan, tally)
        if not failed.records:
            failed.path.unlink(missing_ok=True)
        return current.publish(
            [responses, failed] if failed.records else [responses],
            counts=counts,
            complete=not failed.records,
            results={"reasoning": dict(tally.reasoning_kinds)},
            usage=tally.usage(),
            cost_usd=money(tally.cost),
        )


@dataclass
class Tally:
    """Makes the records and adds up what they cost."""

    prices: Prices
    stop_reasons: Counter[str] = field(default_factory=Counter)
    reasoning_kinds: Counter[str] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)
    cost: Decimal | None = Decimal(0)

    def add(self, job: Job, teacher: Teacher, reply: Reply, license: str | None) -> Response:
        cost = self.prices.cost(reply.usage)
        self.cost = None if cost is None or self.cost is None else self.cost + cost
        self.stop_reasons[reply.stop_reason] += 1
        self.reasoning_kinds[reply.reasoning_kind] += 1
        self.tokens.update(
            input_tokens=reply.usage.input_tokens,
            output_tokens=reply.usage.output_tokens,
            reasoning_tokens=reply.usage.reasoning_tokens or 0,
        )
        served = reply.served_model if reply.served_model != teacher.model else None
        return Response(
            prompt=job.prompt,
            sample=job.sample,
            reasoning=reply.reasoning,
            reasoning_kind=reply.reasoning_kind,
            text=reply.text,
            stop_reason=reply.stop_reason,
            teacher=TeacherInfo(
                provider=teacher.provider, model=teacher.model, served_model=served, base_url=teacher.base_url
            ),
            usage=reply.usage,
            cost_usd=money(cost),
            request_key=job.key,
            license=license,
        )

    def usage(self) -> Usage:
        return Usage(
            input_tokens=self.tokens["input_tokens"],
            output_tokens=self.tokens["output_tokens"],
            reasoning_tokens=self.tokens["reasoning_tokens"] or None,
        )


def _notes(current: artifacts.Run, plan: Plan, tally: Tally) -> None:
    if plan.file.columns:
        current.notes.append(plan.file.columns.describe())
    if plan.file.repeated:
        current.notes.append(f"{plan.file.repeated} repeated prompts were asked once")
    if truncated := tally.stop_reasons["length"]:
        current.notes.append(f"{truncated} answers hit --max-output-tokens; filter drops them as truncated")
    if omitted := tally.reasoning_kinds["omitted"]:
        current.notes.append(f"{omitted} answers came without the reasoning they were billed for")
    if tally.cost is None and plan.teacher.provider not in ("mock", "local"):
        current.notes.append("the price of this model is not known; give --price-in and --price-out for a cost")
    if urlsplit(plan.teacher.base_url).hostname in CLOSED:
        current.notes.append(
            f"{plan.teacher.provider}'s terms restrict training on its outputs; see 'Rights' in the README"
        )


def _dry_run(current: artifacts.Run, config: GenerateConfig, total: int, missing: int) -> Manifest:
    counts = {"prompts": total // config.samples, "responses": total, "in_store": total - missing, "to_ask": missing}
    return current.summary(counts)


def _prices(teacher: Teacher, config: GenerateConfig) -> Prices:
    given = [None if price is None else Decimal(str(price)) for price in (config.price_in, config.price_out)]
    return Prices(teacher.provider, teacher.model, *given)


def _check(config: GenerateConfig) -> None:
    if (config.price_in is None) != (config.price_out is None):
        raise UsageError("--price-in and --price-out go together")
    for name in ("samples", "concurrency", "max_attempts", "max_output_tokens"):
        if getattr(config, name) < 1:
            raise UsageError(f"--{name.replace('_', '-')}: expected at least 1, got {getattr(config, name)}")


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
