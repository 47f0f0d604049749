"""One line of the doctor's report."""

from typing import Literal

import msgspec

State = Literal["ok", "missing", "broken"]
"""missing: some commands want it. broken: it is there and does not work, or nothing works without it."""


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """`says` is what is there or not, `advice` what to do where it is wanted."""

    topic: str
    name: str
    state: State
    says: str
    advice: str = ""
