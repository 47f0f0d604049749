"""The steps of a recipe in the order in which they run: of its tables, or of `[[steps]]`, rounds written out.

    [[steps]]                   # one step: a stage and its options
    name = "student"
    stage = "finetune"
    input = "rows"              # what the step called rows makes; left out: the nearest step above that fits
    student = "tiny"

    [[steps]]                   # steps that are repeated
    name = "round"
    repeat = 2
    [[steps.each]]
    stage = "generate"
    teacher = "student"         # the newest step of that name above: in round 2 the one of round 1

The second round's step is called round2-generate, and so are its files. `a|b` is the newer of two.

A table such as [finetune] then holds what all steps of the stage have in common.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cotdistill.config.options import Count, Text
from cotdistill.recipes import references, tables
from cotdistill.recipes.problems import Problems
from cotdistill.recipes.references import STAGES, Maker, Reference
from cotdistill.recipes.wiring import Input, Wiring

MOST_ROUNDS = 100
_NAME = re.compile(r"[A-Za-z][\w-]{0,63}\Z")
_TAKEN = ("run", "README", "latest", "tiny")


@dataclass(frozen=True)
class Step:
    """A stage with its options and inputs. In `options`, what earlier steps make is named by `Reference.words`. Several
    `inputs` are joined. `label` is the step's name in the recipe, which all rounds share."""

    name: str
    label: str
    stage: str
    stem: str
    options: Any
    inputs: tuple[Input, ...]

    def references(self) -> list[Reference]:
        """Everything that the step needs of earlier steps."""
        found = [one for one in self.inputs if isinstance(one, Reference)]
        for value in vars(self.options).values():
            texts = value if isinstance(value, tuple) else (value,)
            found += [one for text in texts if (one := references.parse(text))]
        return list(dict.fromkeys(found))

    def file(self, what: str) -> str:
        """The name of its main file in a run's directory."""
        return f"{self.stem}{STAGES[self.stage].makes[what]}"

    @property
    def output(self) -> str:
        return self.file(next(iter(STAGES[self.stage].makes)))


@dataclass(frozen=True)
class _Written:
    """A step before its options are read."""

    maker: Maker
    stem: str
    table: Mapping[str, Any]


def of_tables(found: Mapping[str, Any], prompts: Path, problems: Problems) -> tuple[Step, ...]:
    """The chain of five stages, or its first ones; an expand may precede it."""
    written = [
        _Written(Maker(name, name, name), known.stem, found[name]) for name, known in STAGES.items() if name in found
    ]
    chain = [stage for stage in STAGES if stage != "expand" or "expand" in found]
    missing = [name for name in chain[: len(written)] if name not in found]
    if not written:
        problems.add("stages", f"none; expected tables among {', '.join(f'[{name}]' for name in STAGES)}")
    if missing:
        problems.add(f"[{missing[0]}]", "missing; a recipe has the first stages of the chain, without a gap")
        return tuple(_read(written, prompts, problems, with_inputs=False))
    return tuple(_read(written, prompts, problems))


def of_list(found: Any, shared: Mapping[str, Any], prompts: Path, problems: Problems) -> tuple[Step, ...]:
    """The steps of `[[steps]]`. `shared` are the tables with the options that all steps of a stage share."""
    entries = found if isinstance(found, list) else []
    if not entries or not all(isinstance(one, dict) for one in entries):
        problems.add("steps", "expected one or more tables [[steps]]")
        return ()
    written: list[_Written] = []
    before = len(problems.found)
    for entry in entries:
        for maker, table in _rounds(entry, problems):
            if any(one.maker.name == maker.name for one in written):
                why = f'two steps are called this; name one of them: name = "{maker.short}-2"'
                problems.add(f"steps.{maker.name}", why)
                continue
            written.append(_Written(maker, maker.name, {**shared.get(maker.stage, {}), **table}))
    for stage in shared.keys() & STAGES.keys() - {one.maker.stage for one in written}:
        problems.add(f"[{stage}]", f"is for the steps of {stage}, and there is none; leave it out, or add a step")
    if len(problems.found) > before:
        return ()  # first which steps there are, then what they read of each other
    return tuple(_read(written, prompts, problems))


def _rounds(entry: Mapping[str, Any], problems: Problems) -> Iterator[tuple[Maker, Mapping[str, Any]]]:
    """One step, or the steps of a repeat, round by round."""
    if "each" not in entry and "repeat" not in entry:
        if step := _one(entry, problems):
            yield Maker(step[0], step[0], step[1]), step[2]
        return
    inner = entry.get("each")
    group = {key: value for key, value in entry.items() if key != "each"}
    if inner is None:
        problems.add("steps.repeat", "goes with [[steps.each]], the steps of a round")
        return
    if not isinstance(inner, list) or not all(isinstance(one, dict) for one in inner):
        problems.add("steps.each", "expected tables [[steps.each]], the steps of a round")
        return
    given = tables.values("steps", group, {"name": Text, "repeat": Count}, problems)
    name, repeat = _named(given.get("name", "round"), problems), given.get("repeat", 1)
    if repeat > MOST_ROUNDS:
        problems.add(f"{name}.repeat", f"expected at most {MOST_ROUNDS}, got {repeat}")
        repeat = 1
    each = [step for one in inner if (step := _one(one, problems))]
    for number in range(1, repeat + 1):
        for short, stage, table in each:
            yield Maker(f"{name}{number}-{short}", short, stage), table


def _one(entry: Mapping[str, Any], problems: Problems) -> tuple[str, str, Mapping[str, Any]] | None:
    """Name, stage and options of a step."""
    stage, name = entry.get("stage"), entry.get("name", entry.get("stage"))
    where = f"steps.{name}" if isinstance(name, str) else "steps"
    if not isinstance(stage, str) or stage not in STAGES:
        what = "missing" if stage is None else f"no stage is called {stage!r}"
        close = tables.known(str(stage), STAGES) if stage is not None else f"one of {', '.join(STAGES)}"
        problems.add(f"{where}.stage", f"{what}; {close}")
        return None
    return _named(name, problems), stage, {key: value for key, value in entry.items() if key not in ("name", "stage")}


def _named(name: object, problems: Problems) -> str:
    if not isinstance(name, str) or not _NAME.match(name):
        problems.add("steps.name", f"expected at most 64 letters, digits, - and _, a letter first; got {name!r:.200}")
        return "step"
    if name in _TAKEN:
        problems.add(f"steps.{name}", "is taken; give the step another name")
    return name


def _read(
    written: Sequence[_Written], prompts: Path, problems: Problems, *, with_inputs: bool = True
) -> Iterator[Step]:
    holding_out: dict[str, float] = {}
    for number, one in enumerate(written):
        maker, key = one.maker, STAGES[one.maker.stage].key
        above, below = ([other.maker for other in part] for part in (written[:number], written[number:]))
        wiring = Wiring(maker, above, below, holding_out, problems, references.reads(maker.stage, one.table))
        given = one.table.get(key)
        if with_inputs:
            inputs = wiring.inputs(given, prompts)
        else:  # what they would read of each other is not there; their files may be
            paths = [given] if isinstance(given, str) else [prompts] if maker.stage in ("expand", "generate") else []
            inputs = tuple(map(Path, paths))
        student = references.newest(("student",), above)
        if student is None and not with_inputs:
            student = Reference("finetune", "student")  # that it is missing has been said
        stand_ins = {"student": student.words} if student and maker.stage == "evaluate" else {}
        table = {name: value for name, value in one.table.items() if name != key}
        options = tables.options(maker.short, maker.stage, table, stand_ins, wiring.option, problems)
        if maker.stage == "format":
            holding_out[maker.name] = options.holdout
        yield Step(maker.name, maker.short, maker.stage, one.stem, options, inputs)
