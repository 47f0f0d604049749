"""The part of filter that must see the prompts in order: the filters with a memory, and the selector."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from cotdistill import plugins
from cotdistill.config import FilterConfig
from cotdistill.errors import CotDistillError
from cotdistill.filters import Filter
from cotdistill.records import Dropped, Judged
from cotdistill.selectors import Selector
from cotdistill.stages.filter.funnel import Funnel
from cotdistill.stages.filter.screen import Screened, ask, named_filters, remembers


@dataclass
class Sieve:
    """Sifts prompt by prompt, and counts in `funnel`."""

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
        """Yields one prompt's samples in their order, each kept or dropped."""
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
        """The identities of the samples that the selector chooses. Raises CotDistillError for a selector that fails, or
        that returns something it was not given."""
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
