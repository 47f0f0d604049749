"""Prompts -> responses: ask the teacher for what the store does not hold yet, then write all in prompt order."""

from collections.abc import Container
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from cotdistill import artifacts
from cotdistill.artifacts import Manifest
from cotdistill.artifacts.files import try_room
from cotdistill.artifacts.json_lines import BadLines
from cotdistill.config import GenerateConfig, check, idle_notes
from cotdistill.dispatch.asking import Asked, Job
from cotdistill.dispatch.budget import Budget, Tariff
from cotdistill.dispatch.session import Session
from cotdistill.inputs import hub, templates
from cotdistill.inputs.prompt_files import PromptFile
from cotdistill.pricing import Prices
from cotdistill.progress import Progress
from cotdistill.stages.generate import stores
from cotdistill.stages.generate.asking import ask
from cotdistill.stages.generate.estimate import Survey
from cotdistill.stages.generate.output import Output
from cotdistill.stages.generate.plan import Answers, Plan
from cotdistill.stages.generate.publish import notes_on_samples, publish
from cotdistill.stages.generate.settings import (
    PACKAGES,
    options_of,
    prices_of,
    read_besides,
    siblings,
    teacher_of,
)
from cotdistill.stages.generate.spool import Spool
from cotdistill.stages.generate.totals import Tally
from cotdistill.store.batches import BatchState, Endpoint
from cotdistill.wording import amount

if TYPE_CHECKING:
    from cotdistill.stages.verification import Judge


def run(
    prompts: Path,
    output: Path,
    config: GenerateConfig,
    progress: Progress,
    *,
    month: Budget | None = None,
    asked_by: str = "generate",
) -> Manifest:
    """Ask for `config.samples` answers to each prompt; pay only for what the store does not hold.

    `month` is what a recipe's month has left, for this stage and those after it. `asked_by` is the stage in whose name
    the spending is recorded: answers for another stage than generate are not trained on, so none is warned of for
    having no trace.

    Raises UsageError for options that do not fit, AccountError when the provider refuses the account,
    StoppedError after a signal. In each case what was answered is in the store.
    """
    check(config)
    if config.then:
        from cotdistill.stages.generate import cascade

        return cascade.run(_run, prompts, output, config, progress, month=month, asked_by=asked_by)
    return _run(prompts, output, config, progress, month=month, asked_by=asked_by)


def _run(
    prompts: Path,
    output: Path,
    config: GenerateConfig,
    progress: Progress,
    *,
    month: Budget | None,
    asked_by: str,
    only: Container[str] | None = None,
) -> Manifest:
    """Ask one teacher. `only` holds the ids of the prompts that it is asked; None for all of them."""
    check(config)
    prompts = hub.fetch(prompts, progress.note)
    teacher = teacher_of(config)
    prices = prices_of(teacher, config)
    budget = Budget.within(month, config.max_cost)
    tariff = Tariff(prices) if budget else None  # raises for a price that is not known
    judge = None
    if config.until_accepted:
        from cotdistill.stages.verification import Judge

        judge = Judge(config.verify)
    with (
        artifacts.run(
            "generate",
            output,
            options_of(config),
            PACKAGES,
            siblings=siblings(config, output),
            also=stores.work_places(config, output),
            stores=[] if config.no_cache else [stores.path_of(config)],
            inputs=[prompts],
        ) as current,
        stores.opened(config, output) as store,
        closing(Spool()) as spool,
        BadLines(artifacts.sibling(output, "bad.jsonl") if config.skip_bad else None) as bad,
        Session(store, budget=budget, progress=progress, stage=asked_by) as session,
    ):
        if judge is not None:
            judge.join(session)
        current.read(prompts)
        current.notes += idle_notes(config) if asked_by == "generate" else []
        current.read_named(read_besides(config))
        taken = templates.fields(templates.load(config.template)) if config.template else frozenset()
        file = PromptFile.chosen(prompts, config, fields=taken, bad=bad)
        plan = Plan(teacher, config, file, store, judge, spool, to_learn=asked_by == "generate", only=only)
        if config.dry_run:
            return _dry_run(current, plan, prices, bad, progress, tariff)
        with BatchState(store.path) as batches, Output(output, plan, Tally(prices, batches.bought)) as written:
            asked = _answer(written, session, tariff, progress)
            current.notes += bad.notes()
            return publish(current, written, bad, asked, session)


def _answer(written: Output, session: Session, tariff: Tariff | None, progress: Progress) -> Asked:
    """Write every prompt of the plan in order: those that the store has answers to at once, those from the first
    missing answer on as they are asked."""
    plan, budget = written.plan, session.budget
    progress.begin("read the store", None)

    def add(answers: Answers) -> None:
        written.add(answers)
        progress.update(written.records)

    survey = Survey.of(plan, written.tally.prices, add)
    if plan.only is None:  # a second teacher is asked about the same file
        _say_columns(plan.file, progress)
    if budget and tariff and survey.first:
        budget.check(tariff, survey.first.request)
        _check_judge(budget, plan.judge, survey.first)
    asked, first = Asked(), written.prompts
    if survey.open and not plan.config.reextract:
        _warn_of_batches(plan, progress)
        try_room(written.path)
        plan.store.try_room()
        asked = ask(written, session, survey, progress)
    if survey.open:
        _write_rest(written, asked, first, survey.wanted, progress)
    return asked


def _check_judge(budget: Budget, judge: "Judge | None", first: Job) -> None:
    """Raises UsageError for a cap that no verdict fits in: answers without one would be bought for nothing."""
    most = judge.most_usd(first.prompt, 0) if judge is not None and judge.asks else None
    if most is not None:
        budget.check_usd(most, "one verdict of the judge", "judge:…,max_output_tokens=N with a smaller N")


def _dry_run(
    current: artifacts.Run, plan: Plan, prices: Prices, bad: BadLines, progress: Progress, tariff: Tariff | None
) -> Manifest:
    survey = Survey.of(plan, prices)
    _say_columns(plan.file, progress)
    current.notes += [f"{bad.count:,} of the records cannot be read and would be set aside"] * bool(bad.count)
    current.notes += notes_on_samples(plan)
    results = survey.estimate()
    current.notes += survey.notes_on_cap(plan.config.max_cost, tariff, results)
    if plan.judge is not None and plan.judge.asks and survey.open:
        most = survey.judge_usd
        results["judge_usd_at_most"] = "unknown" if most is None else amount(most)
        current.notes.append("each answer is judged by a paid model too, which costs up to judge_usd_at_most more")
    return current.summary(counts=survey.counts(), results=results)


def _say_columns(file: PromptFile, progress: Progress) -> None:
    progress.note(f"{file.path}: {file.describe()}")


def _write_rest(written: Output, asked: Asked, first: int, wanted: int, progress: Progress) -> None:
    """Write the prompts that were not written while they were asked. The first `first` prompts of the output needed no
    request."""
    progress.begin("write", wanted)
    for jobs in written.plan.rest(written.prompts - first):
        written.add(list(written.plan.answered(jobs)), asked.failures)
        progress.update(written.records)


def _warn_of_batches(plan: Plan, progress: Progress) -> None:
    teacher = plan.teacher
    with BatchState(plan.store.path) as batches:
        under_way = batches.under_way(Endpoint(teacher.provider, teacher.base_url, teacher.model))
    if under_way and not plan.config.batch:
        progress.note(
            f"WARNING: {under_way} requests to this teacher are under way in batches. --batch collects them; "
            f"without it, those of this run are bought again"
        )
