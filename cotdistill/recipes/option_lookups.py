"""Everything that a stage's options name, each with the lookup that checks whether it is there."""

from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from cotdistill import config, exports, plugins, teachers
from cotdistill.config.expand import split_methods
from cotdistill.config.on_policy import TEACHES_ALONE, scores_over_api
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.inputs import templates
from cotdistill.providers.batch_apis import open_batches
from cotdistill.providers.logprobs import check_logprobs
from cotdistill.providers.types import Request
from cotdistill.recipes import lookups, references
from cotdistill.recipes.packages import starts_engine
from cotdistill.records import Message
from cotdistill.stages.evaluate import guard
from cotdistill.stages.evaluate.answers import check_calibrated, costs
from cotdistill.stages.expand.asking import as_generate
from cotdistill.stages.generate.cascade.configs import pair


def lookups_of(chosen: Any) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yields each name in a stage's options, with the call that raises CotDistillError where it is not there."""
    for one in fields(chosen):
        value, names = getattr(chosen, one.name), one.metadata["names"]
        for text in value if isinstance(value, tuple) else (value,) if value else ():
            if references.parse(text):
                continue
            if names in plugins.FOLDERS and text not in ("none", one.default):  # a default is there, and slow to load
                yield one.name, partial(lookups.plug_in, names, text)
            elif names in _LOOKS:
                yield one.name, partial(_LOOKS[names], text)
    yield from _of_stage(chosen)


def _of_stage(chosen: Any) -> Iterator[tuple[str, Callable[[], object]]]:
    """The lookups that only one stage has."""
    if isinstance(chosen, config.GenerateConfig) and chosen.teacher:
        first, second = pair(chosen)
        yield from _generate(first)
        if chosen.then:
            yield from (("then_effort" if name == "effort" else "then", look) for name, look in _generate(second))
    if isinstance(chosen, config.ExpandConfig):
        yield from _expand(chosen)
    if isinstance(chosen, config.GenerateConfig | config.ExpandConfig) and chosen.max_cost is not None:
        yield from (("max_cost", look) for _, look in priced(chosen))
    if isinstance(chosen, config.FilterConfig) and chosen.engine == "ray":
        yield "engine", partial(lookups.package, "ray", "ray")
    if isinstance(chosen, config.FormatConfig):
        yield "export", partial(exports.of_rows, chosen.export, chosen.format)
    if isinstance(chosen, config.FinetuneConfig):
        yield from _finetune(chosen)
    if isinstance(chosen, config.EvaluateConfig):
        yield from _evaluate(chosen)
    if starts_engine(chosen):
        yield "engine", partial(lookups.engine, chosen.engine)


def _generate(chosen: config.GenerateConfig) -> Iterator[tuple[str, Callable[[], object]]]:
    columns = chosen.prompt_field, chosen.reference_field
    if references.parse(chosen.teacher):
        if chosen.batch:
            yield "batch", partial(lookups.refuse, "asks a provider's Batch API, and this teacher is a student here")
        return
    yield "teacher", partial(lookups.teacher, chosen.teacher, chosen.base_url, columns)
    try:
        teacher = teachers.build(chosen.teacher, chosen.base_url, columns=columns)
    except CotDistillError:
        return  # said of the teacher already
    asked = (Message(role="user", content="?"),)
    cap = chosen.max_output_tokens
    if teacher.provider != "mock":  # it takes any; and of a recording that cannot be read is said already
        yield "temperature", partial(teacher.body, Request(asked, cap, chosen.temperature))
        yield "effort", partial(teacher.body, Request(asked, cap, effort=chosen.effort))
    yield "logprobs", partial(check_logprobs, teacher, Request(asked, cap, None, chosen.effort, chosen.logprobs))
    if chosen.batch:
        yield "batch", partial(open_batches, teacher)


def _expand(chosen: config.ExpandConfig) -> Iterator[tuple[str, Callable[[], object]]]:
    for spec in split_methods(chosen.method):
        yield "method", partial(lookups.plug_in, "expanders", spec)
    if chosen.teacher:
        yield from _generate(as_generate(chosen))
    if chosen.solver and not references.parse(chosen.solver):
        yield "solver", partial(lookups.teacher, chosen.solver, chosen.solver_base_url)


def _finetune(chosen: config.FinetuneConfig) -> Iterator[tuple[str, Callable[[], object]]]:
    if chosen.method == "qlora":
        yield "method", lookups.four_bits
    if chosen.teacher and chosen.teacher != TEACHES_ALONE and not references.parse(chosen.teacher):
        yield "teacher", partial(lookups.teacher, chosen.teacher, chosen.base_url)
    if chosen.max_cost is not None:
        yield from (("max_cost", look) for _, look in priced(chosen))


def _calibrated(student: str, base_url: str | None) -> None:
    check_calibrated(teachers.build(student, base_url))


def _evaluate(chosen: config.EvaluateConfig) -> Iterator[tuple[str, Callable[[], object]]]:
    if chosen.export:
        yield "export", partial(exports.build, chosen.export, "prompts", "--export")
    asked = [chosen.student, *chosen.baseline, *([chosen.guard_against] if chosen.guard_against else [])]
    if chosen.guard:
        if not references.parse(chosen.guard):
            yield "guard", partial(lookups.prompts, Path(chosen.guard), chosen, scored=True)
        if not references.parse(chosen.student):
            yield "guard", partial(guard.opponent, chosen)
    over_api = [name for name in asked if teachers.is_teacher(name)]
    for name in over_api:
        yield _option_of(name, chosen), partial(lookups.teacher, name, chosen.base_url)
        if chosen.calibrate:
            yield "calibrate", partial(_calibrated, name, chosen.base_url)
    if chosen.max_cost is not None:
        yield from (("max_cost", look) for _, look in priced(chosen))


def _option_of(student: str, chosen: config.EvaluateConfig) -> str:
    if student == chosen.student:
        return "student"
    return "baseline" if student in chosen.baseline else "guard_against"


def priced(chosen: Any) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yields a lookup of the price of each model that a stage pays for: teacher, judge, students over an API."""
    asks = isinstance(chosen, config.GenerateConfig | config.ExpandConfig)
    if isinstance(chosen, config.GenerateConfig) and chosen.then and not references.parse(chosen.then):
        given = chosen.then_price_in, chosen.then_price_out
        yield "then", partial(lookups.priced, chosen.then, chosen.then_base_url, *given)
    if asks and chosen.teacher and not references.parse(chosen.teacher):
        yield "teacher", partial(lookups.priced, chosen.teacher, chosen.base_url, chosen.price_in, chosen.price_out)
    if isinstance(chosen, config.FinetuneConfig) and scores_over_api(chosen):
        price = chosen.price_in
        yield "teacher", partial(lookups.priced, chosen.teacher or "", chosen.base_url, price, price)
    if isinstance(chosen, config.EvaluateConfig):
        for name in filter(costs, (chosen.student, *chosen.baseline, chosen.guard_against or "")):
            given = (chosen.price_in, chosen.price_out) if name == chosen.student else (None, None)
            yield _option_of(name, chosen), partial(lookups.priced, name, chosen.base_url, *given)
    if isinstance(chosen, config.ExpandConfig) and chosen.solver and not references.parse(chosen.solver):
        given = chosen.solver_price_in, chosen.solver_price_out
        yield "solver", partial(lookups.priced, chosen.solver, chosen.solver_base_url, *given)
    try:
        verify = plugins.parse(getattr(chosen, "verify", None) or "none")[1]
        prices = [float(verify[name]) if name in verify else None for name in ("price_in", "price_out")]
    except (UsageError, ValueError):
        return  # said of the verifier already
    if costs(judge := verify.get("teacher", "")):
        yield "verify", partial(lookups.priced, judge, verify.get("base_url"), *prices)


_LOOKS: dict[str, Callable[[str], object]] = {
    "student": lookups.student,
    "any_student": lookups.any_student,
    "template": templates.load,
    "examples": templates.examples,
    "prompts": lambda path: lookups.prompts(Path(path)),
    "rows": lookups.rows,
    "store": lookups.store,
}
