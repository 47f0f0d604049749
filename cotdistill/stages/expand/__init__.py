"""Seeds -> new prompts: a teacher writes them, the filters look at them, several answers must agree on each.

One request is one line of a seeded plan, and goes through generate: what is paid for is in its store, so a run that was
killed, or that asks for more, pays for what is missing only.
"""

import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path

from cotdistill import artifacts, plugins, teachers
from cotdistill.artifacts import ArtifactWriter, Manifest, outputs
from cotdistill.artifacts.json_lines import BadLines
from cotdistill.artifacts.outputs import Place
from cotdistill.config import ExpandConfig, GenerateConfig, check
from cotdistill.config.expand import name_of_method, split_methods
from cotdistill.dispatch.budget import Budget, Tariff
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.expanders import Expander
from cotdistill.inputs import hub, templates
from cotdistill.inputs.documents import Documents, is_document
from cotdistill.progress import Progress
from cotdistill.providers.batch_apis import open_batches
from cotdistill.providers.types import Request
from cotdistill.records import Message, Prompt, Response, money
from cotdistill.stages.expand import sources as of
from cotdistill.stages.expand.answerable import Answerable
from cotdistill.stages.expand.asking import Asker, as_generate, for_answers
from cotdistill.stages.expand.estimate import estimate
from cotdistill.stages.expand.majority import Majority
from cotdistill.stages.expand.plan import Plan
from cotdistill.stages.expand.rounds import Rounds
from cotdistill.stages.expand.sieve import Sieve
from cotdistill.stages.expand.sources import Source
from cotdistill.stages.expand.trust import measure
from cotdistill.stages.generate import prices_of, stores
from cotdistill.students import recorded_files

SAMPLES = 4
"""Answers to each new prompt, where the seeds have short references and nothing else is said."""

PACKAGES = ("anthropic", "openai", "aiohttp", "genai-prices", "msgspec", "rensa", "math-verify", "pypdf")


def run(
    seeds: Path, output: Path, config: ExpandConfig, progress: Progress, *, month: Budget | None = None
) -> Manifest:
    """Write `config.count` new prompts to `output`, and what was left out with its reason to `<stem>.dropped.jsonl`.
    `month` is what a recipe's month has left.

    Raises UsageError for options that do not fit, AccountError when the provider refuses the account,
    StoppedError after a signal. In each case what was answered is in the store.
    """
    check(config)
    seeds = hub.fetch(seeds, progress.note)
    expanders = _expanders(config)
    reads_documents = _reads_documents(expanders)
    writing = as_generate(config)
    budget = Budget(Decimal(str(config.max_cost)), parent=month) if config.max_cost is not None else month
    work = output.with_name(f"{output.name}.partial.work")
    dropped = artifacts.sibling(output, "dropped.jsonl")
    bad_path = artifacts.sibling(output, "bad.jsonl") if config.skip_bad else None
    with (
        artifacts.run(
            "expand",
            output,
            _options(config),
            PACKAGES,
            siblings=[dropped, *([bad_path] if bad_path else [])],
            also=[Place(work, outputs.always, f"-o {output}", directory=True), *stores.work_places(writing, output)],
            stores=[] if config.no_cache else [stores.path_of(writing)],
            inputs=[] if reads_documents else [seeds],
        ) as current,
        ExitStack() as held,
        BadLines(bad_path) as bad,
    ):
        sources = _sources(seeds, config, expanders, current, bad, progress)
        for option, path in _read_besides(config):
            current.read(path, allow_modified=config.allow_modified, option=option)
        samples = _samples(config, sources, reads_documents, current)
        store = held.enter_context(stores.opened(dataclasses.replace(writing, no_cache=config.no_cache), output))
        writing = dataclasses.replace(writing, cache=str(store.path), no_cache=False)
        solving = for_answers(config, writing, samples) if samples else None
        for asked in filter(None, (writing, solving)):
            _check_teacher(asked, budget)
        folder = held.enter_context(_work(work, config.dry_run))
        writer = Asker("write prompts", writing, folder, progress, budget, stored_only=config.dry_run)
        solver = None
        if solving is not None:
            solver = Asker("answer them", solving, folder, progress, budget, stored_only=config.dry_run)
        surveys = _survey(expanders, sources, writer)
        answerable = None
        if solver is not None:
            majority = Majority(samples, config.agreement)
            trust = measure(sources, config.seed, solver, majority)
            answerable = Answerable(majority, trust, config.min_accuracy, config.weight)
        rounds = Rounds(
            Plan(sources, expanders, config.seed),
            Sieve.build(config, sources, expanders),
            writer,
            solver,
            answerable,
            config.count,
            progress.note,
            config.batch,
        )
        for name, answers in surveys.items():
            rounds.figures.methods[name].cost.add(answers)
        rounds.run()
        current.notes += bad.notes()
        if config.dry_run:
            return estimate(current, rounds, sources)
        with ArtifactWriter(output) as keeping, ArtifactWriter(dropped) as dropping:
            for source in sources if config.include_seeds and not reads_documents else ():
                keeping.write(source.prompt)
            for prompt in rounds.kept:
                keeping.write(prompt)
            for left in rounds.left:
                dropping.write(left)
            return _publish(current, rounds, sources, [keeping, dropping, *bad.writers()])


def _publish(
    current: artifacts.Run, rounds: Rounds, sources: Sequence[Source], writers: Sequence[ArtifactWriter]
) -> Manifest:
    figures, kept = rounds.figures, len(rounds.kept)
    askers = [asker for asker in (rounds.writer, rounds.solver) if asker is not None]
    current.notes += dict.fromkeys(note for asker in askers for note in asker.notes)
    current.notes += rounds.said
    if kept < rounds.count and not rounds.exhausted:
        why = "no method is left" if rounds.said else "every seed was asked about in every way"
        current.notes.append(
            f"{kept:,} of {rounds.count:,} prompts, for {why}: more seeds, another --method or a smaller --count"
        )
    if rounds.answerable is not None and kept:
        current.notes.append(
            f"the references are what most of {rounds.answerable.samples} answers say, which nobody has verified: they "
            f"carry the tag reference_by=majority, and their rows weigh less"
        )
    spent = [asker.spent for asker in askers]
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
            **_of_trust(rounds.answerable),
            **(
                {}
                if None in spent
                else {"spent_usd": money(sum((one for one in spent if one is not None), Decimal(0)))}
            ),
        },
        cost_usd=money(figures.cost),
    )


def _of_trust(answerable: Answerable | None) -> dict[str, object]:
    return {} if answerable is None else {"majority_on_seeds": answerable.trust.results(answerable.samples)}


def _expanders(config: ExpandConfig) -> dict[str, Expander]:
    """Each method by its name. Raises UsageError for one that there is not."""
    return {name_of_method(spec): plugins.build("expanders", spec) for spec in split_methods(config.method)}


def _reads_documents(expanders: dict[str, Expander]) -> bool:
    return any(getattr(one, "reads_documents", False) for one in expanders.values())


def _sources(
    seeds: Path,
    config: ExpandConfig,
    expanders: dict[str, Expander],
    current: artifacts.Run,
    bad: BadLines,
    progress: Progress,
) -> list[Source]:
    if _reads_documents(expanders):
        return _passages(seeds, config, expanders, current, progress)
    if is_document(seeds):
        raise UsageError(f"{seeds}: expected a file of prompts; for questions about documents --method document")
    current.read(seeds, allow_modified=config.allow_modified)
    return of.of_prompts(seeds, config, bad, progress)


def _passages(
    path: Path, config: ExpandConfig, expanders: dict[str, Expander], current: artifacts.Run, progress: Progress
) -> list[Source]:
    letters = next(getattr(one, "letters", 2_000) for one in expanders.values())
    documents = Documents(path, letters)
    found = []
    for passage in documents.passages():
        prompt = Prompt(id=f"{passage.file}#{passage.number}", messages=(Message(role="user", content=passage.text),))
        found.append(Source(prompt.id, passage.text, prompt, {"file": passage.file, "place": passage.place}))
    for file in documents.read:
        current.read(file, allow_modified=config.allow_modified)
    progress.note(f"{path}: {documents.describe()}, {len(found):,} {'passage' if len(found) == 1 else 'passages'}")
    current.notes += documents.notes()
    if not found:
        raise CotDistillError(
            f"{path}: expected a document with some sentences of text, found none; {documents.describe()}"
        )
    return found[: config.limit]


def _samples(config: ExpandConfig, sources: Sequence[Source], reads_documents: bool, current: artifacts.Run) -> int:
    """How often each new prompt is answered. Raises UsageError where that could not tell anything."""
    is_open = True if reads_documents else of.are_open(sources)
    if config.samples and is_open:
        what = "questions about documents have" if reads_documents else "most seeds have long references, so they have"
        raise UsageError(
            f"--samples {config.samples}: {what} no short answer that several samples could agree on; leave it out and "
            f"verify the answers later (filter --verify judge:…)"
        )
    if config.samples is not None:
        return config.samples
    if is_open is False:
        return SAMPLES
    current.notes.append(
        "the new prompts have no reference: "
        + (
            "their questions are open"
            if is_open
            else "no seed has one to say what an answer looks like; --samples 4 asks"
        )
    )
    return 0


def _check_teacher(asked: GenerateConfig, budget: Budget | None) -> None:
    """Raises for a teacher that there is not, without a Batch API where one is wanted, or with no known price where a
    cap is set, before the first is asked."""
    teacher = teachers.build(asked.teacher, asked.base_url, asked.concurrency, asked.timeout_s, engine=asked.engine)
    if asked.batch:
        open_batches(teacher)
    if budget is not None:
        nothing = Request(messages=(), max_output_tokens=asked.max_output_tokens)
        budget.check(Tariff(prices_of(teacher, asked)), nothing)


def _survey(expanders: dict[str, Expander], sources: Sequence[Source], writer: Asker) -> dict[str, list[Response]]:
    """Requests that come before the plan, for methods that have to look at the seeds first; gives the answers. Raises
    CotDistillError for a method that has nothing to ask about then."""
    found = {}
    for name, expander in expanders.items():
        if survey := getattr(expander, "survey", None):
            requests: list[str] = survey([source.text for source in sources])
            prompts = [
                Prompt(id=f"survey-{name}-{number}", messages=(Message(role="user", content=text),))
                for number, text in enumerate(requests)
            ]
            answers = writer.ask(prompts).answers
            found[name] = [answers[one.id][0] for one in prompts if one.id in answers]
            if requests:
                expander.learn([one.text for one in found[name]])  # type: ignore[attr-defined]
        if not expander.facets() and not writer.stored_only:
            raise CotDistillError(
                f"method {name}: the teacher named nothing to write about; give a list of your own ({name}:topics=FILE)"
            )
    return found


@contextmanager
def _work(beside: Path, dry_run: bool) -> Iterator[Path]:
    """Where generate's files of one round stand; a dry run leaves the output's folder alone."""
    if not dry_run:
        yield beside
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "work"


def _options(config: ExpandConfig) -> dict[str, object]:
    template = templates.load(config.template) if config.template else None
    hashed = {} if template is None else {"template_sha256": templates.fingerprint(template)}
    return {**dataclasses.asdict(config), **hashed}


def _read_besides(config: ExpandConfig) -> Iterator[tuple[str, Path]]:
    """Files that options name."""
    for name in filter(None, (config.teacher, config.solver)):
        yield from (("teacher", path) for path in recorded_files(name))
    if config.template:
        yield "template", templates.path_of(config.template)
    yield from (("against", Path(one)) for one in config.against)
    for spec in split_methods(config.method):
        yield from (("method", path) for path in plugins.files("expanders", spec))
