"""What goes wrong on purpose, so that a run can be rehearsed: `429:0.2,cut:0.05,500@1-3`."""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cotdistill.errors import UsageError

KINDS = {
    "400 to 599": "this status, as the provider words it; 429=3 asks to wait 3 s",
    "quota": "a 429 that no waiting mends: the account is spent",
    "overload": "a stream that begins and then has no room; 529 where nothing is streamed",
    "error": "an error under status 200",
    "redirect": "307 to the same address, or redirect=URL",
    "null": "nothing under status 200; billed, as are those below",
    "empty": "an answer without any text",
    "unknown": "content of an unknown kind, before the text",
    "truncated": "less than the Content-Length promises",
    "cut": "the connection ends in the middle, or after cut=N bytes; -1: before the last",
    "slow": "a byte every 100 ms, or slow=N",
    "delay": "two seconds later, or delay=N ms",
}

HELP = "\n".join(
    [
        "\b",
        "--faults takes KIND:SHARE of all requests, KIND@NUMBER of the first, the",
        "second …, KIND@FIRST-LAST or KIND@FIRST-, several with commas between:",
        *[f"  {kind:<12}{what}" for kind, what in KINDS.items()],
    ]
)

_ONE = re.compile(
    r"(?P<kind>[a-z]+|[45]\d\d)(=(?P<argument>.+?))?(:(?P<share>[\d.]+)|@(?P<first>\d+)(?P<range>-(?P<last>\d+)?)?)"
)
_NUMBERS = ("cut", "slow", "delay")


@dataclass(frozen=True)
class Fault:
    """One kind of trouble, and whom it meets: a share of all requests, or the requests numbered `first` to `last`.

    `argument` is the part after `=`. `status`, `headers` and `body` answer in place of the teacher; where a kind brings
    its own, they stay as they are.
    """

    kind: str
    argument: str | None = None
    share: float = 0.0
    first: int | None = None
    last: float | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None

    def meets(self, number: int) -> bool:
        return self.first is not None and self.first <= number <= (self.first if self.last is None else self.last)

    @property
    def delay_s(self) -> float:
        return self.number(2_000) / 1000 if self.kind == "delay" else 0.0

    def number(self, default: int) -> int:
        return default if self.argument is None else int(self.argument)


class Faults:
    """Draws one fault, or none, for every request; the same ones in the same order for the same seed."""

    def __init__(self, faults: tuple[Fault, ...], seed: int = 0) -> None:
        self._faults = faults
        self._lots = random.Random(f"faults/{seed}")
        self._asked = 0

    def draw(self) -> Fault | None:
        if not self._faults:
            return None
        self._asked += 1
        lot = self._lots.random()
        for fault in self._faults:
            if fault.meets(self._asked) or lot < fault.share:
                return fault
            lot -= fault.share
        return None


def parse(spec: str) -> tuple[Fault, ...]:
    """`KIND:SHARE` or `KIND@NUMBER`, `KIND@FIRST-LAST`, `KIND@FIRST-`, several with commas between; a kind may have an
    argument: `429=3:0.1`. Requests are numbered from 1. Raises UsageError."""
    faults = tuple(_one(part.strip()) for part in spec.split(",")) if spec.strip() else ()
    if sum(fault.share for fault in faults) > 1:
        raise UsageError(f"--faults {spec!r}: the shares add up to more than 1")
    return faults


def _one(text: str) -> Fault:
    found = _ONE.fullmatch(text)
    if not found:
        raise UsageError(f"--faults: {text!r}: expected KIND:SHARE or KIND@NUMBER, such as 429:0.2 or cut@3")
    kind, argument = found["kind"], found["argument"]
    if not kind.isdigit() and kind not in KINDS:
        raise UsageError(f"--faults: no fault named {kind!r}; there is {', '.join(KINDS)}")
    if argument is not None and (kind in _NUMBERS or kind.isdigit()) and not re.fullmatch(r"-?\d+", argument):
        raise UsageError(f"--faults: {text!r}: expected a number after =")
    try:
        share = float(found["share"] or 0)
    except ValueError:
        raise UsageError(f"--faults: {text!r}: expected a share such as 0.2") from None
    first = None if found["first"] is None else int(found["first"])
    last = float(found["last"] or "inf") if found["range"] else None
    return Fault(kind, argument, share, first, last, status=int(kind) if kind.isdigit() else None)
