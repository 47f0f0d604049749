"""Seeds -> new prompts: a teacher writes them, the filters look at them, several answers must agree on each.

One request is one line of a seeded plan, and goes through generate: what is paid for is in its store, so a run that was
killed, or that asks for more, pays for what is missing only.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from cotdistill import artifacts, plugins
from cotdistill.artifacts import ArtifactWriter, Manifest, outputs
from cotdistill.artifacts.json_lines import BadLines
from cotdistill.artifacts.outputs import Place
from cotdistill.config import ExpandConfig, check, idle_notes
from cotdistill.config.expand import name_of_method, split_methods
from cotdistill.dispatch.budget import Budget
from cotdistill.errors import UsageError
from cotdistill.expanders import Expander
from cotdistill.inputs import hub, templates
from cotdistill.pricing import total
from cotdistill.progress import Progress
from cotdistill.records import Record, money
from cotdistill.stages.expand.answerable import Answerable
from cotdistill.stages.expand.asking import (
    Asker,
    Measured,
    as_generate,
    check_teacher,
    for_answers,
    model_of_answers,
)
from cotdistill.stages.expand.estimate import estimate
from cotdistill.stages.expand.majority import Majority
from cotdistill.stages.expand.plan import Plan
from cotdistill.stages.expand.rounds import Rounds
from cotdistill.stages.expand.sieve import Sieve
from cotdistill.stages.expand.sources import Source, read_sources, reads_documents, samples_per_prompt
from cotdistill.stages.expand.survey import ask_first
from cotdistill.stages.expand.trust import asked_about, measure
from cotdistill.stages.format.sides import is_held_out
from cotdistill.stages.generate import stores
from cotdistill.stages.generate.settings import options_of
from cotdistill.students import recorded_files
from cotdistill.wording import counted

PACKAGES = ("anthropic", "openai", "aiohttp", "genai-prices", "msgspec", "rensa", "math-verify", "pypdf")


def run(
    seeds: Path, output: Path, config: ExpandConfig, progress: Progress, *, month: Budget | None = None
) -> Manifest:
    """Write the new prompts to `output`, and what was left out with its reason to `<stem>.dropped.jsonl`.
    `month` is what a recipe's month has left.

    Raises UsageError for options that do not fit, AccountError when the provider refuses the account,
    StoppedError after a signal. In each case what was answered is in the store.
    """
    check(config)
    seeds = hub.fetch(seeds, progress.note)
    expanders = expanders_of(config)
    from_documents = reads_documents(expanders)
    writing = as_generate(config)
    budget = Budget.within(month, config.max_cost)
    work = output.with_name(f"{output.name}.partial.work")
    dropped = artifacts.sibling(output, "dropped.jsonl")
    bad_path = artifacts.sibling(output, "bad.jsonl") if config.skip_bad else None
    with (
        artifacts.run(
            "expand",
            output,
            options_of(config),
            PACKAGES,
            siblings=[dropped, *([bad_path] if bad_path else [])],
            also=[Place(work, outputs.always, f"-o {output}", directory=True), *stores.work_places(writing, output)],
            stores=[] if config.no_cache else [stores.path_of(writing)],
            inputs=[] if from_documents else [seeds],
        ) as current,
        ExitStack() as held,
        BadLines(bad_path) as bad,
    ):
        current.notes += idle_notes(config)
        read = read_sources(seeds, config, expanders, current, bad, progress)
        held_out, sources = _split(read, config.holdout)
        current.read_named(_read_besides(config))
        samples = samples_per_prompt(config, sources, expanders, current)
        store = held.enter_context(
            stores.opened(replace(writing, no_cache=config.no_cache, dry_run=config.dry_run), output)
        )
        writing = replace(writing, cache=str(store.path), no_cache=False)
        solving = for_answers(config, writing, samples) if samples else None
        for asked in filter(None, (writing, solving)):
            check_teacher(asked, budget)
        folder = held.enter_context(stores.work_folder(work, config.dry_run))
        writer = Asker("write prompts", writing, folder, progress, budget, stored_only=config.dry_run)
        solver = writer.for_another("answer them", solving) if solving else None
        surveys = ask_first(expanders, sources, writer)
        exam = asked_about(sources, held_out, config.seed, model_of_answers(config))
        answerable = _answerable(config, samples, exam, solver) if solver else None
        of_seeds = solver.measured_until_now() if solver else Measured()
        rounds = Rounds(
            plan=Plan(sources, expanders, config.seed),
            sieve=Sieve.build(config, sources, expanders, held_out),
            writer=writer,
            solver=solver,
            answerable=answerable,
            count=config.wanted(len(sources)),
            note=progress.note,
            dear=config.batch or config.teacher.startswith("local:"),
        )
        for name, answers in surveys.items():
            rounds.figures.methods[name].cost.add(answers)
        rounds.run()
        current.notes += bad.notes()
        if config.dry_run:
            return estimate(current, rounds, sources, exam, of_seeds)
        if held_out:
            current.notes.append(
                counted(len(held_out), "seed is", "seeds are")
                + f" left alone, for format --holdout {config.holdout} will hold such out"
            )
        seeds_too = [one.prompt for one in read] if config.include_seeds and not from_documents else []
        with ArtifactWriter(output) as keeping, ArtifactWriter(dropped) as dropping:
            _write(keeping, [*seeds_too, *rounds.kept])
            _write(dropping, rounds.left)
            return _publish(current, rounds, sources, [keeping, dropping, *bad.writers()])


def _answerable(config: ExpandConfig, samples: int, exam: Sequence[Source], solver: Asker) -> Answerable:
    """What is asked of the answers to a new prompt, by what the solver's answers to the seeds in `exam` are worth."""
    majority = Majority(samples, config.agreement)
    return Answerable(majority, measure(exam, solver, majority), config.min_accuracy, config.weight)


def _split(read: Sequence[Source], holdout: float) -> tuple[list[Source], list[Source]]:
    """Those that format will hold out, and those to write about. Raises UsageError where the latter are none."""
    parts: tuple[list[Source], list[Source]] = ([], [])
    for one in read:
        parts[not is_held_out(one.prompt, holdout)].append(one)
    if not parts[1]:
        raise UsageError(
            f"--holdout {holdout:g}: holds out all of the {len(read):,} seeds, which leaves none to write about; give "
            f"more seeds or a smaller FRACTION"
        )
    return parts


def _write(writer: ArtifactWriter, records: Iterable[Record]) -> None:
    for record in records:
        writer.write(record)


def _publish(
    current: artifacts.Run, rounds: Rounds, sources: Sequence[Source], writers: Sequence[ArtifactWriter]
) -> Manifest:
    figures, kept = rounds.figures, len(rounds.kept)
    askers = [asker for asker in (rounds.writer, rounds.solver) if asker is not None]
    current.notes += dict.fromkeys(note for asker in askers for note in asker.notes)
    current.notes += rounds.said
    if kept < rounds.count and not rounds.exhausted:
        why = "every method is stopped" if rounds.said else "every seed was asked about in every way"
        current.notes.append(
            f"{kept:,} of {rounds.count:,} prompts, for {why}; give more seeds, another --method, or ask for fewer"
        )
    if rounds.answerable is not None:
        current.notes += rounds.answerable.notes(rounds.kept)
    spent = total(asker.spent for asker in askers)
    return current.publish(
        writers,
        counts={
            "seeds": len(sources),
            "written": figures.tries,
            "new_prompts": kept,
            "dropped": len(rounds.left),
            "bought": sum(asker.bought for asker in askers),
        },
        complete=kept >= rounds.count,
        stopped_by="budget" if rounds.exhausted and kept < rounds.count else None,
        results={
            **figures.results(rounds.kept, len(sources)),
            **_of_trust(rounds),
            **({} if spent is None else {"spent_usd": money(spent)}),
        },
        cost_usd=money(figures.cost),
    )


def _of_trust(rounds: Rounds) -> dict[str, object]:
    if (answerable := rounds.answerable) is None:
        return {}
    wrong = answerable.wrong_share(rounds.kept)
    expected = {} if wrong is None else {"wrong_references_expected_share": wrong}
    return {"majority_on_seeds": answerable.trust.results(answerable.samples), **expected}


def expanders_of(config: ExpandConfig) -> dict[str, Expander]:
    """Each method by its name. Raises UsageError for one that there is not."""
    return {name_of_method(spec): plugins.build("expanders", spec) for spec in split_methods(config.method)}


def _read_besides(config: ExpandConfig) -> Iterator[tuple[str, Path]]:
    """Files that options name."""
    for name in filter(None, (config.teacher, config.solver)):
        yield from (("teacher", path) for path in recorded_files(name))
    if config.template:
        yield "template", templates.path_of(config.template)
    yield from (("against", Path(one)) for one in config.against)
    for spec in split_methods(config.method):
        yield from (("method", path) for path in plugins.files("expanders", spec))
