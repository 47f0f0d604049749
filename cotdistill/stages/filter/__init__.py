"""Responses -> kept | dropped: verify, filter in order, select per prompt. Every dropped one has a reason."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cotdistill import artifacts, plugins
from cotdistill.artifacts import ArtifactWriter, Manifest, manifest_path, outputs, remote
from cotdistill.artifacts.files import is_remote
from cotdistill.artifacts.json_lines import BadLines
from cotdistill.artifacts.logprobs import carrying, logprobs_path
from cotdistill.artifacts.outputs import Place
from cotdistill.artifacts.together import OfResponse, together, working_path
from cotdistill.config import FilterConfig, check
from cotdistill.dispatch.budget import Budget
from cotdistill.dispatch.session import Session
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.filters import Filter
from cotdistill.parallel.processes import cores, in_order
from cotdistill.progress import Progress
from cotdistill.records import Dropped, Judged
from cotdistill.selectors import Selector
from cotdistill.stages.filter.chunks import Chunk, Range, chunks, ranges
from cotdistill.stages.filter.funnel import Funnel
from cotdistill.stages.filter.look_ahead import look_ahead
from cotdistill.stages.filter.screen import Result, Screen, Screened, ask, named_filters, remembers
from cotdistill.stages.filter.suspects import Suspects
from cotdistill.stages.verification import NOTHING, check_some_decided
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
        staged.check([path.name for path in (kept, *_siblings(kept, config), manifest_path(staged.local))])
        return staged.upload(_run(responses, staged.local, config, progress, month))


def _siblings(kept: Path, config: FilterConfig) -> list[Path]:
    endings = ("dropped.jsonl", "suspects.jsonl", *(("bad.jsonl",) if config.skip_bad else ()))
    return [*(artifacts.sibling(kept, ending) for ending in endings), logprobs_path(kept)]


def _run(responses: Path, kept: Path, config: FilterConfig, progress: Progress, month: Budget | None) -> Manifest:
    screen = Screen.build(config)  # also: a wrong spec ends the run before it begins
    siblings = _siblings(kept, config)
    work = working_path(kept)
    places = outputs.replaced(Place(work, outputs.never, f"-o {kept}"))
    store = store_path(config.cache) if screen.judge.asks else None
    with (
        artifacts.run(
            "filter",
            kept,
            _options(config),
            PACKAGES,
            siblings=siblings,
            also=places,
            stores=[store_path(config.cache)],
            inputs=[responses, *map(Path, config.against)],
        ) as current,
        Session.on(store, None, month, progress, "filter") as session,
    ):
        screen.judge.join(session)
        current.read(responses, allow_modified=config.allow_modified, written_by="generate")
        _record(current, config, _named(config))
        progress.begin("filter", current.inputs[0].records)
        sieve = Sieve.build(config)
        said: list[str] = []
        with (
            together(responses, OfResponse, work) as ordered,
            BadLines(artifacts.sibling(kept, "bad.jsonl") if config.skip_bad else None) as bad,
            ArtifactWriter(kept) as keeping,
            ArtifactWriter(artifacts.sibling(kept, "dropped.jsonl")) as dropping,
            Suspects(artifacts.sibling(kept, "suspects.jsonl")) as suspecting,
            carrying(current, responses, kept, allow_modified=config.allow_modified) as (logprobs,),
        ):

            def screened() -> Iterator[list[list[Screened]]]:
                nonlocal said
                before = 0
                for result in _results(config, screen, ordered.path):
                    for line in result.bad:
                        bad.add(responses, ordered.line(before + line.number), line.line, line.problem)
                    before += result.lines
                    sieve.funnel.used.update(result.used)
                    said = result.notes
                    yield result.prompts

            for prompts in look_ahead(screened(), sieve.filters, kept.parent, progress):
                for samples in prompts:
                    if suspect := sieve.funnel.suspect([one.judged for one in samples]):
                        suspecting.add(suspect)
                    for outcome in sieve.sift(samples):
                        if isinstance(outcome, Judged):
                            keeping.write(outcome)
                            logprobs.take(outcome.response)
                        else:
                            dropping.write(outcome)
                progress.update(keeping.records + dropping.records, f"{keeping.records} kept")
            _record(current, config, _chosen_by_prompts(config, sieve.funnel.used))
            check_some_decided(sieve.funnel.statuses, sieve.funnel.first_error, str(responses))
            current.notes += [*ordered.notes(), *sieve.funnel.notes(), *said]
            current.notes += [*bad.notes(), *logprobs.missing_notes(responses)]
            if len(suspecting):
                current.notes.append(
                    f"{len(suspecting)} references are suspect: nearly all samples agree on another answer; "
                    f"see {suspecting.path}"
                )
            return current.publish(
                [keeping, dropping, *logprobs.writers(), *suspecting.writers(), *bad.writers()],
                counts=sieve.funnel.counts(),
                results=sieve.funnel.results(),
            )


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


def _record(current: artifacts.Run, config: FilterConfig, files: Iterable[tuple[str, Path]]) -> None:
    for option, path in files:
        current.read(path, allow_modified=config.allow_modified, option=option)


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


@dataclass
class Sieve:
    """What must see the prompts in order: the filters that remember, and the choice among what is left."""

    filters: Sequence[tuple[str, Filter]]
    selector: Selector | None
    select_spec: str
    funnel: Funnel = field(default_factory=Funnel)

    @classmethod
    def build(cls, config: FilterConfig) -> "Sieve":
        return cls(
            filters=[(name, one) for name, one in named_filters(config) if remembers(one)],
            selector=plugins.build("selectors", config.select) if config.select else None,
            select_spec=config.select or "",
        )

    def sift(self, samples: Sequence[Screened]) -> Iterator[Judged | Dropped]:
        """One prompt's samples, in their order."""
        self.funnel.judged([one.judged for one in samples])
        looked = [self._look(one) for one in samples]
        survivors = [one.judged for one in looked if not one.filter]
        chosen = self._choose(survivors)  # by identity, not by sample number: joined files may repeat those
        for one in looked:
            if not one.filter and id(one.judged) not in chosen:
                one = Screened(one.judged, "select", f"not chosen by {self.select_spec}")
            if one.filter:
                self.funnel.drop(one.filter, one.reason)
                yield Dropped(judged=one.judged, filter=one.filter, reason=one.reason)
            else:
                yield one.judged
        self.funnel.kept(len(chosen))

    def _choose(self, survivors: list[Judged]) -> set[int]:
        """Raises CotDistillError for a selector that fails, or that returns what it was not given."""
        if self.selector is None or not survivors:
            return {id(one) for one in survivors}
        name, place = f"selector {self.select_spec!r}", f"prompt {survivors[0].response.prompt.id!r}"
        try:
            chosen = list(self.selector.choose(list(survivors)))  # a copy: it may sort or empty its own
        except plugins.FAILURES as error:
            raise plugins.failure(error, name, place) from error
        given = {id(one) for one in survivors}
        if any(id(one) not in given for one in chosen) or len({id(one) for one in chosen}) < len(chosen):
            raise CotDistillError(
                f"{name}: expected some of the responses it was given, each at most once and as it is, for {place}; "
                f"got {len(chosen)} of {len(survivors)}, with copies or other things among them"
            )
        return {id(one) for one in chosen}

    def _look(self, one: Screened) -> Screened:
        if one.filter:
            return one
        for name, filter in self.filters:
            if reason := ask(name, filter, one.judged):
                return Screened(one.judged, name, reason)
        return one


def _workers(config: FilterConfig, responses: Path) -> int:
    if config.workers is not None:
        return config.workers
    return 1 if responses.stat().st_size < SMALL_BYTES else cores()


def _options(config: FilterConfig) -> dict[str, object]:
    """What decides the output; the number of processes does not."""
    options = dataclasses.asdict(config)
    return {name: value for name, value in options.items() if name not in ("workers", "engine", "explain", "cache")}
