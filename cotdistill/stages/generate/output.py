"""The artifact of generate: every stored answer in prompt order, extracted afresh from the provider's JSON."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from cotdistill import artifacts
from cotdistill.artifacts import ArtifactWriter
from cotdistill.providers.types import Failure
from cotdistill.stages.generate.plan import Answers, Plan
from cotdistill.stages.generate.totals import Tally

NOT_ASKED = "no answer yet: the run stopped before, or it was deleted meanwhile"
"""The reason in the file of failed requests for one that did not fail."""


@dataclass
class Output:
    """Takes the prompts in order, those of a first pass among them; `failed` gets what has no answer, and why."""

    path: Path
    plan: Plan
    tally: Tally
    prompts: int = 0
    not_asked: int = 0
    _open: ExitStack = field(default_factory=ExitStack, init=False)

    def __enter__(self) -> Self:
        self.responses = self._open.enter_context(ArtifactWriter(self.path))
        self.failed = self._open.enter_context(ArtifactWriter(artifacts.sibling(self.path, "failed.jsonl")))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    @property
    def records(self) -> int:
        return self.responses.records + self.failed.records

    def add(self, answers: Answers, failures: Mapping[tuple[str, int], Failure] | None = None) -> None:
        """One prompt's answers, and for those that are missing the failure, where there was one."""
        self.prompts += 1
        for job, answer in answers:
            if answer is not None:
                self.responses.write(self.tally.add(job, answer, self.plan.teacher, self.plan.config.license))
                continue
            failure = (failures or {}).get((job.key, job.sample))
            self.not_asked += failure is None
            reason = failure.message if failure else NOT_ASKED
            self.failed.write({"id": job.prompt.id, "sample": job.sample, "reason": reason})

    def writers(self) -> list[ArtifactWriter]:
        """Those with something in them."""
        return [self.responses, self.failed] if self.failed.records else [self.responses]
