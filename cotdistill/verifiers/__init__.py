"""Verifiers: one file each; `--verify FILENAME:option=value` finds it."""

from typing import Protocol

from cotdistill.records import Response, Verdict


class Verifier(Protocol):
    """`judge` never raises on what a model wrote: a response it cannot read is a verdict, not an exception."""

    def judge(self, response: Response) -> Verdict: ...
