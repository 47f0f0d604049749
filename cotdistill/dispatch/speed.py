"""Progress in tokens, for a model of this machine: its first answer ends long after its first token."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from cotdistill.dispatch.asking import Asked
from cotdistill.providers.types import Teacher
from cotdistill.records import Usage

BETWEEN_REPORTS_S = 1.0


class Speed:
    """Counts tokens of answers, and tokens a second. A local model also counts those of answers in progress, because
    its first answer ends late."""

    def __init__(self, teacher: Teacher) -> None:
        self._teacher, self._began, self._ended = teacher, time.monotonic(), 0

    def add(self, usage: Usage) -> None:
        self._ended += usage.output_tokens or 0

    @property
    def tokens(self) -> int:
        return max(self._ended, getattr(self._teacher, "written_tokens", 0))

    def describe(self) -> str:
        return f"{self.tokens:,} tokens, {self.tokens / max(time.monotonic() - self._began, 1e-3):,.0f}/s"


async def reported(asking: Coroutine[Any, Any, Asked], report: Callable[[], None]) -> Asked:
    """Await `asking` and return its result; call `report` once a second meanwhile, and at the end."""
    task = asyncio.ensure_future(asking)
    try:
        while not task.done():
            await asyncio.wait((task,), timeout=BETWEEN_REPORTS_S)
            report()
        return await task
    finally:
        task.cancel()
