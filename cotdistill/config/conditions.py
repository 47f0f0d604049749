"""Conditions between options of one stage. Each is written once, with the option that it is about."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

from cotdistill.config.embedded import whole_name
from cotdistill.config.evaluate import EvaluateConfig
from cotdistill.config.expand import OF_DOCUMENTS, ExpandConfig, name_of_method, split_methods
from cotdistill.config.filter import FilterConfig
from cotdistill.config.finetune import FinetuneConfig
from cotdistill.config.format import FormatConfig
from cotdistill.config.generate import GenerateConfig
from cotdistill.config.loss import loss_conditions
from cotdistill.config.on_policy import on_policy_conditions

Problems = Iterator[tuple[str, str]]

MOST_REPEATS = 100
"""The most times that a row may be repeated in a mix."""


@dataclass(frozen=True)
class MixShare:
    """Write rows of prompts with this tag `times` times; the fraction is a share of the rows."""

    tag: str
    value: str
    times: float

    @classmethod
    def parse(cls, spec: str) -> "MixShare":
        """`task=code:0.5`. Raises ValueError for anything else."""
        place, _, times = spec.rpartition(":")
        tag, equals, value = place.partition("=")
        try:
            share = cls(tag, value, float(times))
        except ValueError:
            equals = ""
        if not equals or not tag or not 0 <= share.times <= MOST_REPEATS:
            raise ValueError(
                f"expected TAG=VALUE:TIMES, such as task=code:0.5, TIMES from 0 to {MOST_REPEATS}; got {spec!r}"
            )
        return share


@singledispatch
def broken_conditions(config: Any) -> Problems:
    """Yields pairs of an option and why it does not go with the others. Each value is within its own limits already."""
    yield from ()


@broken_conditions.register
def _generate(config: GenerateConfig) -> Problems:
    from cotdistill.reasoning.marks import own_tags  # not for --help

    try:
        own_tags(config.think_tags)
    except ValueError as error:
        yield "think_tags", str(error)
    yield from _prices(config)
    if config.batch and config.until_accepted:
        yield "until_accepted", "asks on as answers come in; in a --batch each round takes a day. Leave one of them out"
    if config.verify and not config.until_accepted and not config.then:
        yield "verify", "here it goes with --until-accepted or --then; otherwise it is an option of filter"
    yield from _then(config)
    if config.until_accepted and config.until_accepted > config.samples:
        yield (
            "until_accepted",
            (f"{config.until_accepted} correct answers need as many --samples to choose from, got {config.samples}"),
        )
    if config.engine != "local" and not config.teacher.startswith("local:"):
        yield "engine", f"{config.engine} answers for --teacher local:DIR; got {config.teacher!r}"
    if config.reextract and config.retry_truncated:
        yield "reextract", "asks nothing, and --retry-truncated asks again. Leave one of them out"


_OF_THEN = ("base_url", "samples", "effort", "license", "price_in", "price_out")


def _then(config: GenerateConfig) -> Problems:
    """Conditions on the second teacher."""
    given = {name: getattr(config, f"then_{name}") for name in _OF_THEN}
    if not config.then:
        yield from ((f"then_{name}", "goes with --then") for name, value in given.items() if value is not None)
        return
    if not config.verify:
        yield "then", "needs --verify, which says whether the first teacher has a right answer; such as --verify math"
    first = whole_name(config.teacher), config.base_url, config.effort
    if (whole_name(config.then), config.then_base_url, config.then_effort) == first:
        yield "then", "is --teacher itself; more answers of one teacher are --samples"
    if config.until_accepted and config.then_samples and config.until_accepted > config.then_samples:
        yield "then_samples", f"{config.until_accepted} correct answers need as many, got {config.then_samples}"
    if (given["price_in"] is None) != (given["price_out"] is None):
        named, other = ("in", "out") if given["price_out"] is None else ("out", "in")
        yield f"then_price_{named}", f"goes with --then-price-{other}: input and output are billed apart"


@broken_conditions.register
def _filter(config: FilterConfig) -> Problems:
    if config.incorrect_weight is not None and not config.keep_incorrect:
        yield "incorrect_weight", "goes with --keep-incorrect; without it no wrong answer is kept"
    if config.weight != "none" and config.verify == "none":
        yield "weight", f"{config.weight} is computed from pass rates, and --verify none gives none"


@broken_conditions.register
def _format(config: FormatConfig) -> Problems:
    if not config.student:
        for name, changed in (
            ("cut_long", config.cut_long),
            ("show", config.show),
            ("max_length", config.max_length != FormatConfig.max_length),
        ):
            if changed:
                yield name, "goes with --student, whose tokens it counts"
    for spec in config.mix:
        try:
            MixShare.parse(spec)
        except ValueError as error:
            yield "mix", str(error)
    yield from _repeated("mix", [spec.rpartition(":")[0] for spec in config.mix])
    yield from _repeated("export", config.export)


@broken_conditions.register
def _finetune(config: FinetuneConfig) -> Problems:
    if config.patience is not None and not config.eval_data:
        yield "patience", "needs --eval-data, the rows whose loss decides when to stop"
    if config.order == "file" and config.packing == "bfd":
        yield "order", "file keeps the rows in their order, and --packing bfd puts them where they fit. Leave one out"
    if config.batch_size and config.rows_at_once and config.batch_size % config.rows_at_once:
        yield "rows_at_once", f"expected a divisor of --batch-size {config.batch_size}, got {config.rows_at_once}"
    yield from loss_conditions(config)
    yield from _quant_aware(config)
    if config.method == "qlora" and (config.student == "tiny" or config.student.endswith(".gguf")):
        yield "method", f"qlora needs a hub id or a model directory, got student {config.student!r}; take lora"
    yield from on_policy_conditions(config)


def _quant_aware(config: FinetuneConfig) -> Problems:
    if config.quant_aware is None:
        if config.quant_aware_share != FinetuneConfig.quant_aware_share:
            yield "quant_aware_share", "goes with --quant-aware"
        return
    if config.adapts:
        yield "quant_aware", f"needs --method full: a file holds whole weights, and {config.method} trains an adapter"
    if config.on_policy or config.on_pairs:
        yield "quant_aware", "is for training on rows. Train so first, and with --quant-aware on rows last"
    if config.precision == "bfloat16":
        yield "precision", "--quant-aware needs weights of 32 bits: bfloat16 would round the rounded ones again"
    if config.patience is not None:
        yield "patience", "keeps the best weights, which may be of a step before --quant-aware begins. Leave one out"
    if config.quant_aware_share == 0:
        yield "quant_aware_share", "0 steps are none; give a share above 0, or leave --quant-aware out"


@broken_conditions.register
def _evaluate(config: EvaluateConfig) -> Problems:
    yield from _prices(config)
    yield from _repeated("baseline", [config.student, *config.baseline])
    if config.guard_against and not config.guard:
        yield "guard_against", "goes with --guard, the prompts on which the student must not be worse"
    if config.guard_against == config.student:
        yield "guard_against", "is the student itself; name another, such as the one in use now"
    for name in (config.student, config.draft_for) if config.draft_for else ():
        if (provider := whole_name(name).partition(":")[0]) not in (name, "local"):
            yield "draft_for", f"compares models of this machine and recorded answers; {provider}: answers over an API"
    if config.verify == "none":
        yield "verify", "none says of no answer whether it is right, so there would be no score; leave it out"
    if config.samples > 1 and config.temperature == 0:
        yield "temperature", f"0 makes all {config.samples} samples alike; give more, or leave --samples out"
    if config.engine != "local" and config.batch_size is not None:
        yield "batch_size", f"goes with --engine local; {config.engine} makes its own batches of --concurrency requests"
    if config.engine != "local" and config.precision != "auto":
        yield "precision", f"goes with --engine local; {config.engine} computes in the format of the weights"


@broken_conditions.register
def _expand(config: ExpandConfig) -> Problems:
    yield from _prices(config)
    methods = [name_of_method(spec) for spec in split_methods(config.method)]
    yield from _repeated("method", methods)
    if not all(methods):
        yield "method", f"expected names such as evolve,vary; got {', '.join(config.method)!r}"
    documents = [name for name in methods if name in OF_DOCUMENTS]
    if documents and len(documents) < len(methods):
        why = "reads its seeds from documents, the others from prompts: give it a run of its own"
        yield "method", f"{documents[0]} {why}"
    if config.count is not None and config.per_seed is not None:
        yield "per_seed", "says how many new prompts there are, as --count does. Leave one of them out"
    if documents:
        yield from _changed(config, _OF_PROMPTS, f"is about seeds with answers, and {documents[0]} reads documents")
    elif config.samples == 0:
        yield from _changed(config, _OF_VOTES, "is about the answers to the new prompts, and --samples 0 asks for none")
    yield from _answers(config)
    if config.engine != "local" and not config.teacher.startswith("local:"):
        yield "engine", f"{config.engine} answers for --teacher local:DIR; got {config.teacher!r}"


def _answers(config: ExpandConfig) -> Problems:
    """Conditions on the answers to new prompts."""
    given = [name for name in _ABOUT_ANSWERS if getattr(config, name) is not None]
    for name in given:
        if config.samples == 0:
            yield name, "is about the answers to the new prompts, and --samples 0 asks for none"
        elif name.startswith("solver_") and config.solver is None:
            yield name, "goes with --solver; without one the teacher answers"
    if (config.solver_price_in is None) != (config.solver_price_out is None):
        yield "solver_price_in", "goes with --solver-price-out: input and output are billed apart"
    if config.samples == 1:
        yield "samples", "one answer agrees with itself: give 2 or more, or 0 for none"


_OF_VOTES = ("agreement", "min_accuracy", "weight")
_OF_PROMPTS = (*_OF_VOTES, "include_seeds", "holdout", "prompt_field", "reference_field", "id_field")


def _changed(config: ExpandConfig, names: Sequence[str], why: str) -> Problems:
    yield from ((name, why) for name in names if getattr(config, name) != getattr(ExpandConfig, name))


_ABOUT_ANSWERS = ("solver", "template", "solver_base_url", "solver_price_in", "solver_price_out")


def _prices(config: GenerateConfig | EvaluateConfig | ExpandConfig) -> Problems:
    if (config.price_in is None) != (config.price_out is None):
        given, other = ("price_in", "price-out") if config.price_out is None else ("price_out", "price-in")
        yield given, f"goes with --{other}: input and output are billed apart"


def _repeated(name: str, values: Sequence[str]) -> Problems:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            yield name, f"{value!r} is given twice"
        seen.add(value)
