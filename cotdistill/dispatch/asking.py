"""A request for one sample of one prompt, the limits it is sent within, and the outcome of many."""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from cotdistill.errors import CotDistillError
from cotdistill.providers.types import Failure, Request
from cotdistill.records import Prompt
from cotdistill.wording import counted

ALL_REFUSED = 20
"""If this many requests are refused and none is answered, the settings are wrong, not the prompts."""


class Job(NamedTuple):
    """One sample of one prompt, and the request that asks for it."""

    prompt: Prompt
    sample: int
    key: str
    """sha256 of what is sent (`store.answers.request_key`)."""
    family: str
    """The key without the output cap: requests that differ in the cap alone share it."""
    request: Request


@dataclass(frozen=True)
class Limits:
    """At most `concurrency` requests in flight, and what the user allows a minute. The limiter finds out what is
    None."""

    concurrency: int
    rpm: int | None = None
    input_tpm: int | None = None
    output_tpm: int | None = None
    at_once: bool = False
    """Start with `concurrency` requests instead of slowly: the user set the number, or the model runs in this
    process."""


@dataclass
class Asked:
    """The outcome of many requests: how many were bought, how many were found in the store because another run had
    bought them meanwhile, and the failures by key and sample."""

    answered: int = 0
    found: int = 0
    failures: dict[tuple[str, int], Failure] = field(default_factory=dict)

    @property
    def done(self) -> int:
        return self.answered + self.found + len(self.failures)


def stop_if_hopeless(asked: Asked, failure: Failure) -> None:
    """Raises CotDistillError once nothing was answered and the failures say that nothing will be."""
    if asked.answered:
        return
    if failure.kind == "unreachable":
        raise CotDistillError(f"{failure.message}. Is the server running, and --base-url right?")
    if len(asked.failures) >= ALL_REFUSED:
        verb = "were all refused" if failure.kind == "row" else "all failed, each as often as --max-attempts allows"
        raise CotDistillError(f"the first {ALL_REFUSED} requests {verb}: {failure.message}")


def stop_if_only_pages(asked: Asked) -> None:
    """After the last request: raises the error of a web page where one came instead of every answer. A firewall may
    also stop a single prompt, so no page but the last one says that."""
    failures = list(asked.failures.values())
    if failures and all(one.from_page for one in failures) and not asked.answered and not asked.found:
        none = f"none of {counted(len(failures), 'request')} was answered"
        raise replace(failures[-1], message=f"{none}: {failures[-1].message}").fatal()
