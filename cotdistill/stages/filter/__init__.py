"""Responses -> kept | dropped: verify, filter in order, select per prompt. Every dropped one has a reason."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cotdistill import artifacts, plugins
from cotdistill.artifacts import ArtifactWriter, Manifest
from cotdistill.artifacts.json_lines import BadLines
from cotdistill.config import FilterConfig, check
from cotdistill.filters import Filter
from cotdistill.parallel.processes import cores, in_order
from cotdistill.progress import Progress
from cotdistill.records import Dropped, Judged
from cotdistill.selectors import Selector
from cotdistill.stages.filter.funnel import Funnel
from cotdistill.stages.filter.look_ahead import look_ahead
from cotdistill.stages.filter.screen import Chunk, Result, Screen, Screened, ask, chunks, named_filters, remembers

PACKAGES = ("math-verify", "latex2sympy2_extended", "sympy", "rensa")

RESPONSES_AT_ONCE = 2_000
"""For a verifier that asks a server: many questions in flight, few enough to hold."""

SMALL_BYTES = 4_000_000
"""A file that one process is done with before a second one has started."""


def run(responses: Path, kept: Path, config: FilterConfig, progress: Progress) -> Manifest:
    """Write the kept to `kept`, the others with their reasons to `<stem>.dropped.jsonl`, and prompts whose samples
    agree against the reference to `<stem>.suspects.jsonl`.

    `pass_rate` is the share of a prompt's samples that are correct, counted before anything is dropped. The output
    is the same for any number of workers.
    """
    check(config)
    screen = Screen.build(config)  # also: a wrong spec ends the run before it begins
    siblings = [artifacts.sibling(kept, ending) for ending in ("dropped.jsonl", "suspects.jsonl")]
    siblings += [artifacts.sibling(kept, "bad.jsonl")] if config.skip_bad else []
    with artifacts.run("filter", kept, _options(config), PACKAGES, siblings=siblings) as current:
        current.read(responses, allow_modified=config.allow_modified, written_by="generate")
        for evaluation in config.against:
            current.read(Path(evaluation), allow_modified=config.allow_modified, option="against")
        progress.begin("filter", current.inputs[0].records)
        sieve = Sieve.build(config)
        said: list[str] = []
        with (
            BadLines(artifacts.sibling(kept, "bad.jsonl") if config.skip_bad else None) as bad,
            ArtifactWriter(kept) as keeping,
            ArtifactWriter(artifacts.sibling(kept, "dropped.jsonl")) as dropping,
            ArtifactWriter(artifacts.sibling(kept, "suspects.jsonl")) as suspecting,
        ):

            def screened() -> Iterator[list[list[Screened]]]:
                nonlocal said
                for result in _results(config, screen, responses):
                    for line in result.bad:
                        bad.add(responses, line.number, line.line, line.problem)
                    sieve.funnel.used.update(result.used)
                    said = result.notes
                    yield result.prompts

            for prompts in look_ahead(screened(), sieve.filters, kept.parent, progress):
                for samples in prompts:
                    if suspect := sieve.funnel.suspect([one.judged for one in samples]):
                        suspecting.write(suspect)
                    for outcome in sieve.sift(samples):
                        (keeping if isinstance(outcome, Judged) else dropping).write(outcome)
                progress.update(keeping.records + dropping.records, f"{keeping.records} kept")
            current.notes += [*sieve.funnel.notes(), *said]
            current.notes += bad.notes()
            if suspecting.records:
                current.notes.append(
                    f"{suspecting.records} references are suspect: nearly all samples agree on another answer; "
                    f"see {suspecting.path}"
                )
            return current.publish(
                [keeping, dropping, *([suspecting] if suspecting.records else []), *bad.writers()],
                counts=sieve.funnel.counts(),
                results=sieve.funnel.results(),
            )


def _results(config: FilterConfig, screen: Screen, responses: Path) -> Iterator[Result]:
    """Every chunk of the file, screened, in order."""
    if screen.judge.alone:
        return in_order(_screener, (config,), chunks(responses, RESPONSES_AT_ONCE), Result, 1)
    if config.engine == "ray":
        from cotdistill.parallel import ray_data

        return ray_data.in_order(_screener, (config,), chunks(responses.resolve()), Result, config.workers)
    return in_order(_screener, (config,), chunks(responses), Result, _workers(config, responses))


def _screener(config: FilterConfig) -> Callable[[Chunk], Result]:
    """What each worker process makes for itself."""
    return Screen.build(config).screen


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
        chosen = survivors if self.selector is None else self.selector.choose(survivors)
        chosen_ones = {id(one) for one in chosen}  # not sample numbers: joined files may repeat them
        for one in looked:
            if not one.filter and id(one.judged) not in chosen_ones:
                one = Screened(one.judged, "select", f"not chosen by {self.select_spec}")
            if one.filter:
                self.funnel.drop(one.filter, one.reason)
                yield Dropped(judged=one.judged, filter=one.filter, reason=one.reason)
            else:
                yield one.judged
        self.funnel.kept(len(chosen))

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
    return {name: value for name, value in options.items() if name not in ("workers", "engine", "explain")}
