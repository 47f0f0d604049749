"""One teacher of the two: how it is asked, where its answers stand, and what they are worth."""

from collections.abc import Container
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cotdistill.artifacts import Manifest
from cotdistill.config import GenerateConfig
from cotdistill.dispatch.budget import Budget
from cotdistill.progress import Progress


class Ask(Protocol):
    """Generate with one teacher."""

    def __call__(
        self,
        prompts: Path,
        output: Path,
        config: GenerateConfig,
        progress: Progress,
        *,
        month: Budget | None,
        asked_by: str,
        only: Container[str] | None = None,
    ) -> Manifest: ...


@dataclass(frozen=True)
class Asker:
    """Asks one teacher after the other about the same prompts, on the account of the stage `asked_by`."""

    ask: Ask
    prompts: Path
    asked_by: str

    def __call__(
        self,
        output: Path,
        config: GenerateConfig,
        progress: Progress,
        *,
        month: Budget | None = None,
        only: Container[str] | None = None,
    ) -> Manifest:
        return self.ask(self.prompts, output, config, progress, month=month, asked_by=self.asked_by, only=only)


@dataclass
class Verdicts:
    """Prompts by their ids. `solved` counts those with a right answer, `unverified` those whose answers nothing can
    judge: both are done. `unsolved` have all their answers, and none is right; `open` lack one, or a verdict."""

    solved: int = 0
    unverified: int = 0
    unsolved: set[str] = field(default_factory=set)
    open: set[str] = field(default_factory=set)

    @property
    def share_unsolved(self) -> float | None:
        """Of the prompts that are decided; None without any."""
        decided = self.solved + len(self.unsolved)
        return len(self.unsolved) / decided if decided else None


@dataclass
class Part:
    """`manifest` is None until it has been asked."""

    teacher: str
    config: GenerateConfig
    path: Path
    manifest: Manifest | None = None
    verdicts: Verdicts = field(default_factory=Verdicts)
