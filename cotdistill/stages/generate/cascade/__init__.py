"""Two teachers, one after the other: the second is asked only where the first has no right answer.

Each is asked by generate as it is, so store, budget, batches and retries are the same, and what is stored of either
teacher alone is never bought again (FrugalGPT, Chen et al. 2023, calls such a chain a cascade).
"""

from decimal import Decimal
from pathlib import Path

from cotdistill import artifacts
from cotdistill.artifacts import Manifest, outputs
from cotdistill.artifacts.outputs import Place
from cotdistill.config import GenerateConfig
from cotdistill.dispatch.budget import Budget
from cotdistill.dispatch.session import Session
from cotdistill.inputs import hub
from cotdistill.pricing import plus
from cotdistill.progress import Progress
from cotdistill.stages.generate import settings, stores
from cotdistill.stages.generate.cascade import estimate, merge
from cotdistill.stages.generate.cascade.configs import check_teachers, names_of, pair
from cotdistill.stages.generate.cascade.parts import Ask, Asker, Part, Verdicts
from cotdistill.stages.generate.cascade.verdicts import read_verdicts
from cotdistill.stages.verification import Judge
from cotdistill.store.answers import Store


def run(
    ask: Ask,
    prompts: Path,
    output: Path,
    config: GenerateConfig,
    progress: Progress,
    *,
    month: Budget | None,
    asked_by: str,
) -> Manifest:
    """`ask` is generate with one teacher. Raises what it raises; then all that was paid for is in the store, and the
    same command goes on."""
    budget = Budget.within(month, config.max_cost)
    check_teachers(config, budget)
    prompts = hub.fetch(prompts, progress.note)
    work = output.with_name(f"{output.name}.partial.work")
    with (
        artifacts.run(
            "generate",
            output,
            settings.options_of(config),
            settings.PACKAGES,
            siblings=settings.siblings(config, output),
            also=[Place(work, outputs.always, f"-o {output}", directory=True), *stores.work_places(config, output)],
            stores=[] if config.no_cache else [stores.path_of(config)],
            inputs=[prompts],
        ) as current,
        stores.opened(config, output) as store,
        stores.work_folder(work, config.dry_run) as folder,
    ):
        current.read(prompts)
        current.read_named(settings.read_besides(config))
        asker = Asker(ask, prompts, asked_by)
        if config.dry_run:
            return estimate.rehearse(asker, folder, config, store.path, current, progress)
        first, second = pair(config, store.path)
        names = names_of(config)
        parts = [Part(names[0], first, folder / "first.jsonl"), Part(names[1], second, folder / "then.jsonl")]
        judge, only = Judge(config.verify), None
        spent: Decimal | None = Decimal(0)
        for part in parts:
            if only is not None:
                progress.note(f"prompts without a right answer of {names[0]}: {len(only):,}; now {names[1]} is asked")
            part.manifest = asker(part.path, part.config, progress, month=budget, only=only)
            part.verdicts, paid = _judged(part, judge, store, budget, progress, asked_by)
            spent = plus(spent, paid)
            only = part.verdicts.unsolved
            if not only or part.manifest.stopped_by:
                break
        return merge.publish(current, output, prompts, parts, judge, budget, spent)


def _judged(
    part: Part, judge: Judge, store: Store, budget: Budget | None, progress: Progress, asked_by: str
) -> tuple[Verdicts, Decimal | None]:
    """The verdicts on one teacher's answers, and what a judge of theirs cost; None where that is not known."""
    if not judge.asks:
        return read_verdicts(part, judge, progress), Decimal(0)
    with Session(store, budget=budget, progress=progress, stage=asked_by) as session:
        judge.join(session)
        return read_verdicts(part, judge, progress), session.spent
