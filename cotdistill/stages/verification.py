"""Chooses the verifier that judges each response, for filter and evaluate alike."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import get_args

from cotdistill import plugins
from cotdistill.answers.references import fitting_verifier
from cotdistill.errors import BudgetError, CotDistillError
from cotdistill.pricing import total
from cotdistill.records import Prompt, Response, Status, Verdict, question_of
from cotdistill.verifiers import Verifier

NOTHING = "none"

ASKED_FOR = ("code", "judge")
"""Verifiers that only --verify may choose, not a data file."""


@dataclass
class Judge:
    """Uses the verifier `spec` for every response; without one each prompt's own, else the one that fits its reference
    (`fitting_verifier`). A response without a reference is `unverified`. `used` counts the verdicts of each
    verifier."""

    spec: str | None = None
    used: Counter[str] = field(default_factory=Counter)
    _built: dict[str, Verifier] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.spec not in (None, NOTHING):
            self._verifier(self.spec or "")  # a wrong spec ends the run before it begins

    def judge(self, response: Response) -> Verdict:
        return self.judge_all([[response]])[0][0]

    def judge_all(self, prompts: Sequence[Sequence[Response]]) -> list[list[Verdict]]:
        """The verdicts on every sample of each prompt. A verifier may compare a prompt's samples, or ask a server about
        many prompts at once (see `verifiers.Verifier`)."""
        specs = [self.spec or _default(responses[0].prompt) for responses in prompts]
        verdicts: list[list[Verdict]] = [[] for _ in prompts]
        for spec in dict.fromkeys(specs):
            places = [place for place, one in enumerate(specs) if one == spec]
            found = self._verdicts(spec, [prompts[place] for place in places])
            for place, ones in zip(places, found, strict=True):
                verdicts[place] = ones
                self.used[spec] += len(ones)
        return verdicts

    def _verdicts(self, spec: str, prompts: Sequence[Sequence[Response]]) -> list[list[Verdict]]:
        if spec == NOTHING:
            return [[_unverified(response) for response in responses] for responses in prompts]
        verifier = self._verifier(spec)
        judge_prompt = getattr(verifier, "judge_prompt", None)
        place = f"{len(prompts)} prompts"
        found: list[list[Verdict]] = []
        try:
            if judge_many := getattr(verifier, "judge_many", None):
                found = [list(one) for one in judge_many(prompts)]
            else:
                for responses in prompts:
                    place = f"prompt {responses[0].prompt.id!r}"
                    if judge_prompt is not None:
                        found.append(list(judge_prompt(responses)))
                        continue
                    verdicts = []
                    for response in responses:
                        place = f"prompt {response.prompt.id!r}, sample {response.sample}"
                        verdicts.append(verifier.judge(response))
                    found.append(verdicts)
        except plugins.FAILURES as error:
            raise plugins.failure(error, f"verifier {spec!r}", place) from error
        _check_verdicts(spec, prompts, found)
        return found

    def known(self, response: Response) -> Verdict | None:
        """The verdict, if it costs nothing; None where the verifier would have to ask a teacher."""
        spec = self.spec or _default(response.prompt)
        known = None if spec == NOTHING else getattr(self._verifier(spec), "known", None)
        if known is None:
            return self.judge(response)
        verdict: Verdict | None = known(response)
        return verdict

    def needs_reference(self, prompt: Prompt) -> bool:
        """Whether an answer to the prompt can be judged only with a reference."""
        spec = self.spec or _default(prompt)
        return spec == NOTHING or bool(getattr(self._verifier(spec), "needs_reference", True))

    def join(self, session: object) -> None:
        """Let the verifiers that ask a teacher do so within this `dispatch.session.Session`."""
        for verifier in self._built.values():
            if join := getattr(verifier, "join", None):
                join(session)

    @property
    def asks(self) -> bool:
        """Whether a verifier asks a teacher, which may cost money."""
        return any(hasattr(verifier, "join") for verifier in self._built.values())

    def most_usd(self, prompt: Prompt, answer_bytes: int) -> Decimal | None:
        """The most USD that one question about an answer of `answer_bytes` costs; None where that is not known."""
        return total(one.most_usd(prompt, answer_bytes) for one in self._built.values() if hasattr(one, "most_usd"))

    @property
    def most_asked(self) -> int:
        """How often a verifier may ask for one verdict."""
        return max((getattr(verifier, "most_asked", 1) for verifier in self._built.values()), default=1)

    @property
    def exhausted(self) -> bool:
        """Whether the money for a verifier's teacher is spent."""
        return any(getattr(verifier, "exhausted", False) for verifier in self._built.values())

    @property
    def unanswered(self) -> dict[str, int]:
        """The manifest's counts of requests of a verifier's teacher that failed, and of those that its money did not
        suffice for. Empty where there are none."""
        asking = [verifier for verifier in self._built.values() if hasattr(verifier, "join")]
        counts = {name: sum(int(getattr(verifier, name, 0)) for verifier in asking) for name in ("failed", "not_asked")}
        return {name: count for name, count in counts.items() if count}

    @property
    def alone(self) -> bool:
        """Whether a verifier must not be asked from several processes."""
        return any(getattr(verifier, "alone", False) for verifier in self._built.values())

    def files(self) -> list[Path]:
        """The files that the options of `spec` name, which the manifest records."""
        return plugins.files("verifiers", self.spec) if self.spec not in (None, NOTHING) else []

    def notes(self) -> list[str]:
        """What the verifiers say at the end of a run, such as their cost."""
        notes: list[str] = []
        for spec, verifier in self._built.items():
            try:
                notes += map(str, getattr(verifier, "notes", list)())
            except plugins.FAILURES as error:
                raise plugins.failure(error, f"verifier {spec!r}", "its notes") from error
        return notes

    def describe(self) -> str:
        return verified_with(self.used)

    def _verifier(self, spec: str) -> Verifier:
        if spec not in self._built:
            self._built[spec] = plugins.build("verifiers", spec)
        return self._built[spec]


_STATUSES = frozenset(get_args(Status))


def _check_verdicts(spec: str, prompts: Sequence[Sequence[Response]], found: Sequence[Sequence[Verdict]]) -> None:
    """Raises CotDistillError for what is no verdict: it could be written, but not read again."""
    if [len(one) for one in prompts] != [len(one) for one in found]:
        raise CotDistillError(f"verifier {spec!r}: expected a verdict for each response of each prompt")
    for responses, verdicts in zip(prompts, found, strict=True):
        for response, verdict in zip(responses, verdicts, strict=True):
            if not isinstance(verdict, Verdict) or verdict.status not in _STATUSES or not _texts(verdict):
                shown = f"{verdict!r}"[:200]
                raise CotDistillError(
                    f"verifier {spec!r}: expected a Verdict whose status is one of {', '.join(get_args(Status))}, "
                    f"got {shown} for prompt {response.prompt.id!r}, sample {response.sample}"
                )


def _texts(verdict: Verdict) -> bool:
    optional = (verdict.answer, verdict.reference, verdict.detail)
    return isinstance(verdict.method, str) and all(one is None or isinstance(one, str) for one in optional)


def check_some_decided(verdicts: Counter[str], first_error: str, whose: str, judge: Judge) -> None:
    """Raises CotDistillError where every answer that was to be judged ended in an error, because that is no result;
    BudgetError where the judge's money did not suffice for a single one."""
    if verdicts["error"] and not verdicts.keys() - {"error", "unverified"}:
        raise none_judged(judge)(
            f"{whose}: none of {verdicts['error']} answers could be judged; the first error: {first_error}"
        )


def none_judged(judge: Judge) -> type[CotDistillError]:
    """The error to raise where no answer could be judged."""
    return BudgetError if "not_asked" in judge.unanswered else CotDistillError


def _unverified(response: Response) -> Verdict:
    return Verdict(status="unverified", method=NOTHING, reference=response.prompt.reference)


def _default(prompt: Prompt) -> str:
    if prompt.verifier is not None:
        if why := _not_for_data(prompt.verifier):
            raise CotDistillError(f"prompt {prompt.id!r}: its verifier {why}")
        return prompt.verifier
    if prompt.reference is None:
        return NOTHING
    return fitting_verifier(prompt.reference, question_of(prompt))


def verified_with(used: Counter[str]) -> str:
    """Each verifier and how many responses it judged, in words."""
    return "verified with " + (", ".join(f"{spec} ({count})" for spec, count in used.most_common()) or "nothing")


@lru_cache(1024)
def _not_for_data(spec: str) -> str | None:
    """Why a data file must not choose this verifier; None where it may."""
    name, options = plugins.parse(spec)
    if name.endswith(".py"):
        return f"is a file, {name!r}; pass files with --verify only"
    if name in ASKED_FOR:
        return f"{name!r} runs code or costs money; ask for it with --verify"
    if name == "label" and "|" not in options.get("labels", "|"):
        return f"{spec!r} names a file of labels; list them, a|b|c, or ask for it with --verify"
    if plugins.files("verifiers", spec):
        return f"{spec!r} names a file; ask for it with --verify"
    return None
