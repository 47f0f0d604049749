"""What a run waits for, said in one place: a person who sees nothing happen learns why, and what would end it."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

SILENT_S = 30.0
"""A wait of up to this many seconds is not reported."""

REPEAT_S = 60.0
"""Seconds between two reports of the same wait."""

LOOK_S = 5.0


@dataclass
class Waits:
    """Every wait stands inside `with waits.on("…")`; `watch` runs beside the work and reports the long ones."""

    note: Callable[[str], None]
    reasons: list[Callable[[], str | None]] = field(default_factory=list)
    """Further sources of reasons why nothing moves; each returns None while something does."""
    _since: dict[str, list[float]] = field(default_factory=dict, repr=False)
    _said: dict[str, float] = field(default_factory=dict, repr=False)

    @contextmanager
    def on(self, what: str) -> Iterator[None]:
        """`what` reads after "waiting for": the thing, and what would end the wait. Waits with the same words are
        said as one, with their number."""
        begun = _now()
        self._since.setdefault(what, []).append(begun)
        try:
            yield
        finally:
            self._since[what].remove(begun)
            if not self._since[what]:
                del self._since[what]
                self._said.pop(what, None)

    async def watch(self) -> None:
        """Look for long waits until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        """Say what has lasted too long and was not said in the last minute."""
        now = _now()
        for reason in self.reasons:
            if (what := reason()) and now - self._said.get(what, -REPEAT_S) >= REPEAT_S:
                self._said[what] = now
                self.note(f"waiting for {what}")
        for what, begun in self._since.items():
            if now - min(begun) < SILENT_S or now - self._said.get(what, -REPEAT_S) < REPEAT_S:
                continue
            self._said[what] = now
            count = f" ({len(begun)} requests)" if len(begun) > 1 else ""
            self.note(f"waiting for {now - min(begun):.0f} s now for {what}{count}")


def _now() -> float:
    return asyncio.get_running_loop().time()
