"""Finds options that are given and have no effect beside the others. They are reported, and the run goes on: a script
may give them to many students, and a rehearsal keeps the options of the real teacher."""

from collections.abc import Iterable, Iterator
from functools import singledispatch
from typing import Any

from cotdistill.config.embedded import has_no_address
from cotdistill.config.evaluate import EvaluateConfig
from cotdistill.config.expand import ExpandConfig
from cotdistill.config.filter import FilterConfig
from cotdistill.config.finetune import FinetuneConfig
from cotdistill.config.format import FormatConfig
from cotdistill.config.generate import GenerateConfig
from cotdistill.pricing import FREE

Idle = Iterator[tuple[str, str]]


@singledispatch
def idle_options(config: Any) -> Idle:
    """Yields pairs of an option and why it has no effect."""
    yield from ()


@idle_options.register
def _generate(config: GenerateConfig) -> Idle:
    yield from _address("base_url", config.base_url, config.teacher)
    yield from _address("then_base_url", config.then_base_url, config.then)
    yield from _store(config)
    if config.reextract:
        given = ("batch", "max_cost", *_PACE)
        yield from ((name, "--reextract asks nothing") for name in given if getattr(config, name))
        return
    prices = (config.price_in, config.then_price_in if config.then else None)
    yield from _cap(config, (config.teacher, config.then), prices, config.verify)
    yield from _batch(config)


@idle_options.register
def _expand(config: ExpandConfig) -> Idle:
    yield from _address("base_url", config.base_url, config.teacher)
    yield from _address("solver_base_url", config.solver_base_url, config.solver)
    yield from _store(config)
    yield from _cap(config, (config.teacher, config.solver), (config.price_in, config.solver_price_in), None)
    yield from _batch(config)


@idle_options.register
def _filter(config: FilterConfig) -> Idle:
    if config.keep_incorrect and config.verify == "none":
        yield "keep_incorrect", "--verify none calls no answer wrong, and keeps all of them"


@idle_options.register
def _format(config: FormatConfig) -> Idle:
    if config.cut_long and not config.can_cut:
        yield "cut_long", f"it cuts the trace of a row, and no row of --format {config.format} can be cut"


@idle_options.register
def _finetune(config: FinetuneConfig) -> Idle:
    if config.epochs is not None and config.max_steps is not None:
        yield "epochs", "--max-steps says how many steps there are"
    if not config.adapts:
        why = "tiny is always trained in full" if config.student == "tiny" else "--method full trains the weights"
        for name in ("lora_rank", "lora_alpha"):
            if getattr(config, name) != getattr(FinetuneConfig, name):
                yield name, f"it is about an adapter, and {why}"
    if config.method == "qlora" and config.precision != FinetuneConfig.precision:
        yield "precision", "--method qlora multiplies its 4-bit weights in bfloat16 and trains an adapter of 32 bits"


@idle_options.register
def _evaluate(config: EvaluateConfig) -> Idle:
    for name in ("temperature", "seed"):
        if config.samples == 1 and getattr(config, name) != getattr(EvaluateConfig, name):
            yield name, "it is about sampled answers, and --samples 1 asks for the greedy one alone"


def _address(name: str, url: str | None, teacher: str | None) -> Idle:
    if url is not None and teacher and has_no_address(teacher):
        yield name, f"{teacher} needs no address"


_PACE = ("concurrency", "rpm", "input_tpm", "output_tpm")


def _batch(config: GenerateConfig | ExpandConfig) -> Idle:
    for name in _PACE:
        if config.batch and getattr(config, name) is not None:
            yield name, "a --batch is sent as files, whose pace the provider decides"


def _cap(
    config: GenerateConfig | ExpandConfig,
    teachers: Iterable[str | None],
    prices: Iterable[float | None],
    judge: str | None,
) -> Idle:
    """A cost cap has no effect for teachers that cost nothing, without prices for a rehearsal, and without a judge that
    may cost something."""
    asked = [one for one in teachers if one]
    free = all(one.partition(":")[0] in FREE for one in asked) and all(price is None for price in prices)
    if config.max_cost is not None and free and judge is None:
        yield "max_cost", f"{' and '.join(asked)} cost{'s' * (len(asked) == 1)} nothing; prices make it a rehearsal"


def _store(config: GenerateConfig | ExpandConfig) -> Idle:
    if config.no_cache and config.cache is not None:
        yield "cache", "--no-cache takes a store of its own"
