"""The artifact of generate: every stored answer in prompt order, extracted anew from the provider's JSON."""

from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cotdistill import artifacts
from cotdistill.artifacts import ArtifactWriter
from cotdistill.artifacts.files import Publishable
from cotdistill.artifacts.logprobs import LogprobsWriter, logprobs_path
from cotdistill.providers.logprobs import GivesLogprobs
from cotdistill.providers.types import Failure
from cotdistill.records import Record, Response
from cotdistill.stages.generate.plan import Answers, Plan
from cotdistill.stages.generate.totals import Tally

NOT_ASKED = "no answer yet: the run stopped before, or it was deleted meanwhile"
"""The reason in the file of failed requests for a request that did not fail."""

MOST_REASONS = 100
"""How many different reasons are counted: some repeat their prompt."""


class Failed(Record, frozen=True, kw_only=True):
    """A line of the file of failed requests. `final` is true where asking again would not help."""

    id: str
    sample: int
    reason: str
    final: bool = False


@dataclass
class Output:
    """Writes the prompts in order: their answers, and to `failed` what has no answer, with the reason."""

    path: Path
    plan: Plan
    tally: Tally
    prompts: int = 0
    not_asked: int = 0
    tokens: int = 0
    unnamed_tokens: int = 0
    """How many of the tokens with log-probabilities the server named by a string alone."""
    without_alternatives: int = 0
    """Answers whose log-probabilities came without those of other tokens."""
    reasons: Counter[str] = field(default_factory=Counter, init=False)
    """How many failures had the same reason, for the first reasons that came."""
    _open: ExitStack = field(default_factory=ExitStack, init=False)

    def __enter__(self) -> Self:
        self.responses = self._open.enter_context(ArtifactWriter(self.path))
        self.logprobs = self._open_logprobs()
        self.failed = self._open.enter_context(ArtifactWriter(artifacts.sibling(self.path, "failed.jsonl")))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def records(self) -> int:
        return self.responses.records + self.failed.records

    def add(self, answers: Answers, failures: Mapping[tuple[str, int], Failure] | None = None) -> None:
        """Write one prompt's answers; for a missing one the failure, if there was one."""
        self.prompts += 1
        for job, answer in answers:
            if answer is not None:
                response = self.tally.add(job, answer, self.plan.teacher, self.plan.config.license)
                self.responses.write(response)
                if self.logprobs is not None and response.confidence is not None:
                    self._write_logprobs(self.logprobs, response, answer.reply.raw)
                continue
            failure = (failures or {}).get((job.key, job.sample))
            self.not_asked += failure is None
            if failure and (failure.message in self.reasons or len(self.reasons) < MOST_REASONS):
                self.reasons[failure.message] += 1
            reason, final = (failure.message, failure.kind == "row") if failure else (NOT_ASKED, False)
            self.failed.write(Failed(id=job.prompt.id, sample=job.sample, reason=reason, final=final))

    def writers(self) -> list[Publishable]:
        """The files that hold something."""
        found: list[Publishable] = [self.responses]
        if self.logprobs is not None and self.logprobs.records:
            found.append(self.logprobs)
        return [*found, self.failed] if self.failed.records else found

    def _open_logprobs(self) -> LogprobsWriter | None:
        wanted = self.plan.config.logprobs is not None
        return self._open.enter_context(LogprobsWriter(logprobs_path(self.path))) if wanted else None

    def _write_logprobs(self, writer: LogprobsWriter, response: Response, raw: bytes) -> None:
        """Write an answer's log-probabilities once, even where the same question stands under two ids."""
        teacher = self.plan.teacher
        if not isinstance(teacher, GivesLogprobs) or writer.has(response.request_key, response.sample):
            return
        if found := teacher.token_logprobs(raw):
            writer.add(response.request_key, response.sample, found.positions, found.reasoning)
            self.tokens += len(found.positions)
            self.unnamed_tokens += sum(one.token is None for one in found.positions)
            self.without_alternatives += not any(one.top for one in found.positions)
