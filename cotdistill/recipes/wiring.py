"""What the table of one step names of the steps above it: its input, its student, its teacher."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from cotdistill.recipes import references, tables
from cotdistill.recipes.problems import Problems
from cotdistill.recipes.references import STAGES, Maker, Reference

Input: TypeAlias = Path | Reference

NOWHERE = "nowhere"
"""The step of a reference that leads nowhere, which has been said."""


@dataclass(frozen=True)
class Wiring:
    """`below` begins with the step itself. `holding_out` has the share that each format step above holds out."""

    maker: Maker
    above: Sequence[Maker]
    below: Sequence[Maker]
    holding_out: Mapping[str, float]
    problems: Problems
    reads: tuple[str, tuple[str, ...]]
    """As `references.reads` has it."""

    def option(self, key: str, names: str, value: Any) -> Any:
        """An option's value, with `Reference.words` for each text that names what a step makes. `names` is what the
        option's text stands for."""
        accepted = references.BY_OPTION.get(names)
        if accepted is None:
            return value
        if isinstance(value, list):
            return [self.option(key, names, one) for one in value]
        if not isinstance(value, str):
            return value
        bare = value.removeprefix("local:")
        if bare != value and any(one.name == bare for one in self.above) and not Path(bare).exists():
            self._say(key, f"{value!r}: {bare} is a step, which is named without local:, as {bare!r}")
            value = bare
        found = self._named(key, value, accepted)
        if found is None:
            return value
        return f"local:{found.words}" if names == "teacher" else found.words

    def inputs(self, given: Any, prompts: Path) -> tuple[Input, ...]:
        """What the stage reads: as given, or what the nearest step above makes. Expand reads the recipe's prompts, and
        generate too where no expand stands above."""
        key, accepted = self.reads
        if given is None:
            return self._nearest(key, prompts)
        texts = given if isinstance(given, list) else [given]
        if not texts or not all(isinstance(text, str) and text for text in texts):
            self._say(key, f"expected the name of a step or a file, got {given!r}")
            return ()
        found = [self._named(key, text, accepted) or self._file(key, text) for text in texts]
        known = [one for one in found if one is not None and one != Reference(NOWHERE, accepted[0])]
        if len(texts) > 1 and len(known) == len(texts):
            kinds = {one.what if isinstance(one, Reference) else "" for one in known}
            if len(kinds) > 1 or key == "prompts" or "" in kinds:
                self._say(key, "a list joins what steps make, all of one kind: responses, kept responses or rows")
        return tuple(known)

    def _nearest(self, key: str, prompts: Path) -> tuple[Input, ...]:
        stage = self.maker.stage
        expanded = references.newest(("prompts",), self.above)
        if stage == "generate" and expanded:
            return (expanded,)
        if stage in ("expand", "generate"):
            if prompts == Path():
                self.problems.add("prompts", "missing; name the file of prompts")
            return (prompts,)
        if stage == "evaluate":
            held = [one.name for one in self.above if self.holding_out.get(one.name)]
            if not held:
                self._say(key, "missing; name a file of held-out prompts, or set format.holdout")
            return tuple(Reference(name, "held-out prompts") for name in held[-1:])
        accepted = STAGES[stage].reads  # prompts for training on a student's own answers are those of the rows
        found = references.newest(accepted, self.above)
        if found is None:
            makers = " or ".join(one for one, known in STAGES.items() if set(accepted) & set(known.makes))
            self._say(key, f"missing; no step above makes {' or '.join(accepted)}, as {makers} does")
        return (found,) if found else ()

    def _named(self, key: str, text: str, accepted: Sequence[str]) -> Reference | None:
        """What a text names of the steps above, None for another text; a reference to nowhere for what is wrong."""
        try:
            found = references.resolve(text, accepted, self.above)
        except ValueError as error:
            self._say(key, str(error))
            return Reference(NOWHERE, accepted[0])
        if found is None:
            if any({one.name, one.short} & set(references.names_in(text)) for one in self.below):
                self._say(key, f"{text!r} is made further down; a step reads what stands above it")
                return Reference(NOWHERE, accepted[0])
            return None
        if found.what.startswith("held-out") and not self.holding_out.get(found.step):
            self._say(key, f"step {found.step} holds nothing out; set its holdout, such as 0.1")
        return found

    def _file(self, key: str, text: str) -> Path | None:
        path = Path(text)
        if not text.startswith("hf:") and not path.exists() and not ("/" in text or "." in text):
            names = list(dict.fromkeys(one.short for one in self.above))
            self._say(key, f"{text!r} is neither a step above nor a file; {tables.known(text, names)}")
            return None
        return path

    def _say(self, key: str, why: str) -> None:
        self.problems.add(f"{self.maker.short}.{key}", why)
