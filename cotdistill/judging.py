"""Which verifier judges which response, for filter and evaluate alike."""

from collections import Counter
from dataclasses import dataclass, field

from cotdistill import extensions
from cotdistill.errors import CotDistillError
from cotdistill.records import Prompt, Response, Verdict
from cotdistill.verifiers import Verifier

NOTHING = "none"


@dataclass
class Judge:
    """`spec` for every response; without one each prompt's own verifier, else `math` where the reference reads as
    mathematics, else `exact`. A response without reference is `unverified`. `used` counts who judged."""

    spec: str | None = None
    used: Counter[str] = field(default_factory=Counter)
    _built: dict[str, Verifier] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.spec not in (None, NOTHING):
            self._verifier(self.spec or "")  # a wrong spec ends the run before it begins

    def judge(self, response: Response) -> Verdict:
        spec = self.spec or _default(response.prompt)
        self.used[spec] += 1
        if spec == NOTHING:
            return Verdict(status="unverified", method=NOTHING, reference=response.prompt.reference)
        return self._verifier(spec).judge(response)

    def describe(self) -> str:
        return "verified with " + ", ".join(f"{spec} ({count})" for spec, count in self.used.most_common())

    def _verifier(self, spec: str) -> Verifier:
        if spec not in self._built:
            self._built[spec] = extensions.build("verifiers", spec)
        return self._built[spec]


def _default(prompt: Prompt) -> str:
    if prompt.verifier is not None:
        name = extensions.parse(prompt.verifier)[0]
        if name.endswith(".py"):  # a data file must not choose code to run
            raise CotDistillError(
                f"prompt {prompt.id!r}: its verifier is a file, {name!r}; pass files with --verify only"
            )
        return prompt.verifier
    if prompt.reference is None:
        return NOTHING
    from cotdistill.verifiers.math import reads_as_math

    return "math" if reads_as_math(prompt.reference) else "exact"
