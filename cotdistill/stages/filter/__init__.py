"""Responses -> kept | dropped: verify, filter in order, select per prompt. Every dropped one has a reason."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from cotdistill import artifacts, plugins
from cotdistill.artifacts import Manifest, manifest_path, outputs, remote
from cotdistill.artifacts.json_lines import BadLines
from cotdistill.artifacts.opening import is_remote
from cotdistill.artifacts.outputs import Place
from cotdistill.artifacts.together import OfResponse, Together, together, working_path
from cotdistill.config import FilterConfig, check, idle_notes
from cotdistill.dispatch.budget import Budget
from cotdistill.dispatch.session import Session
from cotdistill.errors import UsageError
from cotdistill.parallel.processes import cores, in_order
from cotdistill.progress import Progress
from cotdistill.records import money
from cotdistill.stages.filter.chunks import Chunk, Range, chunks, ranges
from cotdistill.stages.filter.funnel import Funnel
from cotdistill.stages.filter.look_ahead import look_ahead
from cotdistill.stages.filter.needs import check_logprobs
from cotdistill.stages.filter.output import Output, siblings
from cotdistill.stages.filter.screen import Result, Screen, Screened
from cotdistill.stages.filter.sieve import Sieve
from cotdistill.stages.verification import NOTHING, Judge, check_some_decided
from cotdistill.store.location import store_path

PACKAGES = ("math-verify", "latex2sympy2_extended", "sympy", "rensa")

RESPONSES_AT_ONCE = 2_000
"""For a verifier that asks a server: many questions in flight, few enough to hold."""

SMALL_BYTES = 4_000_000
"""A file that one process is done with before a second one has started."""


def run(
    responses: Path, kept: Path, config: FilterConfig, progress: Progress, *, month: Budget | None = None
) -> Manifest:
    """Write the kept to `kept`, the others with their reasons to `<stem>.dropped.jsonl`, and prompts whose samples
    agree against the reference to `<stem>.suspects.jsonl`.

    `pass_rate` is the share of a prompt's samples that are correct, counted before anything is dropped. The output
    is the same for any number of workers. `month` is what a recipe's month has left for a judge.
    """
    check(config)
    remote.check_input(responses)
    if not is_remote(kept):
        return _run(responses, kept, config, progress, month)
    with remote.staged("filter", kept) as staged:
        if str(responses) == str(kept):
            raise UsageError(f"{kept}: is both input and output; give another path")
        staged.check([path.name for path in (kept, *siblings(kept, config), manifest_path(staged.local))])
        return staged.upload(_run(responses, staged.local, config, progress, month))


def unheeded(config: FilterConfig, screen: Screen) -> Iterator[tuple[str, str]]:
    """Pairs of an option and why it changes nothing, which only the built verifiers say."""
    if config.cache is not None and not screen.judge.asks:
        yield "cache", "no judge is asked, so nothing is paid for"


def _run(responses: Path, kept: Path, config: FilterConfig, progress: Progress, month: Budget | None) -> Manifest:
    screen = Screen.build(config)  # also: a wrong spec ends the run before it begins
    work = working_path(kept)
    places = outputs.replaced(Place(work, outputs.never, f"-o {kept}"))
    store = store_path(config.cache) if screen.judge.asks else None
    with (
        artifacts.run(
            "filter",
            kept,
            _options(config),
            PACKAGES,
            siblings=siblings(kept, config),
            also=places,
            stores=[store_path(config.cache)],
            inputs=[responses, *map(Path, config.against)],
        ) as current,
        Session.on(store, None, month, progress, "filter") as session,
    ):
        screen.judge.join(session)
        current.read(responses, written_by="generate")
        current.notes += idle_notes(config, unheeded(config, screen))
        current.read_named(_named(config))
        progress.begin("filter", current.inputs[0].records)
        sieve = Sieve.build(config)
        check_logprobs(config.filter, responses)
        with together(responses, OfResponse, work) as ordered, Output(current, responses, kept, config) as written:
            results = _noted(_results(config, screen, ordered.path), ordered, written.bad, sieve.funnel)
            for prompts in look_ahead(results, sieve.filters, kept.parent, progress):
                for samples in prompts:
                    written.add(sieve.sift(samples), sieve.funnel.suspect([one.judged for one in samples]))
                progress.update(written.records, f"{written.kept} kept")
            current.read_named(_chosen_by_prompts(config, sieve.funnel.used))
            check_some_decided(sieve.funnel.statuses, sieve.funnel.first_error, str(responses), screen.judge)
            current.notes += [*ordered.notes(), *sieve.funnel.notes(), *sieve.funnel.judge_notes, *written.notes()]
            return _publish(current, written, sieve.funnel, screen.judge, session)


def _publish(current: artifacts.Run, written: Output, funnel: Funnel, judge: Judge, session: Session) -> Manifest:
    return current.publish(
        written.writers(),
        complete=not judge.unanswered,
        stopped_by="budget" if "not_asked" in judge.unanswered else None,
        counts=funnel.counts() | judge.unanswered,
        results=funnel.results() | ({"spent_usd": money(session.spent)} if session.spent else {}),
    )


def _noted(
    results: Iterable[Result], ordered: Together, bad: BadLines, funnel: Funnel
) -> Iterator[list[list[Screened]]]:
    """Yields the prompts of each result, and notes its bad lines and what the judge says on the way."""
    before = 0
    for result in results:
        for line in result.bad:
            bad.add(ordered.source, ordered.line(before + line.number), line.line, line.problem)
        before += result.lines
        funnel.used.update(result.used)
        funnel.judge_notes = result.notes
        yield result.prompts


def _named(config: FilterConfig) -> Iterator[tuple[str, Path]]:
    """The files that options name, also those of plug-ins, with the option of filter."""
    yield from (("against", Path(one)) for one in config.against)
    specs = [("verifiers", "verify", config.verify), ("selectors", "select", config.select)]
    for folder, option, spec in [*specs, *(("filters", "filter", spec) for spec in config.filter)]:
        if spec is not None and spec != NOTHING:
            yield from ((option, path) for path in plugins.files(folder, spec))


def _chosen_by_prompts(config: FilterConfig, used: Iterable[str]) -> Iterator[tuple[str, Path]]:
    """The files of verifiers that prompts asked for themselves."""
    specs = [spec for spec in used if spec not in (config.verify, NOTHING)]
    yield from (
        ("verify", path) for path in dict.fromkeys(p for spec in specs for p in plugins.files("verifiers", spec))
    )


def _results(config: FilterConfig, screen: Screen, responses: Path) -> Iterator[Result]:
    """Every chunk of the file, screened, in order."""
    if screen.judge.alone:
        return map(screen.screen, chunks(responses, RESPONSES_AT_ONCE))
    if config.engine == "ray":
        from cotdistill.parallel import ray_data

        return ray_data.in_order(_range_screener, (config,), ranges(responses.resolve()), Result, config.workers)
    return in_order(_screener, (config,), chunks(responses), Result, _workers(config, responses))


def _screener(config: FilterConfig) -> Callable[[Chunk], Result]:
    """What each worker process makes for itself."""
    return Screen.build(config).screen


def _range_screener(config: FilterConfig) -> Callable[[Range], Iterator[Result]]:
    """The same, for a range of a file."""
    return Screen.build(config).screen_range


def _workers(config: FilterConfig, responses: Path) -> int:
    if config.workers is not None:
        return config.workers
    return 1 if responses.stat().st_size < SMALL_BYTES else cores()


def _options(config: FilterConfig) -> dict[str, object]:
    """What decides the output; the number of processes does not."""
    options = dataclasses.asdict(config)
    return {name: value for name, value in options.items() if name not in ("workers", "engine", "explain", "cache")}
