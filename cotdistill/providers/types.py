"""The request to a teacher and its reply, the same for every provider."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, Protocol, Self

import msgspec

from cotdistill.errors import AccountError, CotDistillError
from cotdistill.providers.error_body import Problem
from cotdistill.records import Confidence, Message, ReasoningKind, StopReason, Usage


class Request(msgspec.Struct, frozen=True):
    """One request, provider-neutral. `None` leaves a setting to the provider's default."""

    messages: tuple[Message, ...]
    max_output_tokens: int
    temperature: float | None = None
    effort: str | None = None
    logprobs: int | None = None
    """How many of the likeliest tokens in each token's place are wanted, with their log-probabilities."""

    @property
    def most_input_tokens(self) -> int:
        """One token for each byte of the text: no token is shorter."""
        return sum(len(turn.content.encode("utf-8", "replace")) for turn in self.messages)

    @property
    def size(self) -> int:
        """The number of letters of the text."""
        return sum(len(turn.content) for turn in self.messages)


@dataclass(frozen=True)
class Quota:
    """What a server's headers say about one axis: the limit a minute, what is left of it now, and when it is full
    again."""

    per_minute: int
    remaining: int | None = None
    reset_s: float | None = None


@dataclass(frozen=True)
class RateLimits:
    """The axes that a provider limits; None where the server says nothing. `tokens` counts input and output together
    (OpenAI); Anthropic limits them separately."""

    requests: Quota | None = None
    tokens: Quota | None = None
    input_tokens: Quota | None = None
    output_tokens: Quota | None = None


class Reply(msgspec.Struct, frozen=True):
    """One answer. `raw` is the provider's JSON, byte for byte: the store keeps it, so that a better extraction later
    costs nothing. `limits` come with the headers, so a stored reply has none."""

    raw: bytes
    text: str
    reasoning: str | None
    reasoning_kind: ReasoningKind
    stop_reason: StopReason
    served_model: str | None
    usage: Usage
    limits: RateLimits | None = None
    reasoning_rule: str | None = None
    """The field or tag in which the reasoning was found."""
    stop_detail: str | None = None
    """What the provider adds to `stop_reason`: the category of a refusal, or its own word for "other"."""
    cost_usd: Decimal | None = None
    """What the provider says this answer cost, if it does (OpenRouter); `Prices.charge` goes by it."""
    confidence: Confidence | None = None


@dataclass(frozen=True)
class Failure:
    """What an error means for the run.

    retry: try again, after `wait_s` if the server said so. unreachable: the same, but no server was reached. row: this
    prompt cannot be answered. account: no prompt can be (key, credit, quota, unknown model). `push_back` says whether
    the server should be asked for less: "quota" for a rate limit, "capacity" for an overload, "lost" for a time-out or
    a broken connection, because the server may be overloaded.
    """

    kind: Literal["retry", "unreachable", "row", "account"]
    message: str
    wait_s: float | None = None
    push_back: Literal["quota", "capacity", "lost"] | None = None
    limits: RateLimits | None = None
    from_page: bool = False
    """A web page came instead of an answer of the API."""
    vague: bool = False
    """Only a status (402, 403, 404) blames the account, and a gateway may give it for a single prompt."""
    address: bool = False
    """If this ends the run, the reason is a slip in --teacher or --base-url and not the account."""

    def fatal(self) -> CotDistillError:
        """The error that ends the run where no prompt can be answered."""
        return CotDistillError(self.message) if self.address else AccountError(self.message)


class BadReplyError(Exception):
    """A reply that holds no answer: an error body under status 200, no choices, a stream that broke off.

    `problem` is the error inside the reply, if there is one. `final` says that the same request would fail the same
    way. `usage` and `cost_usd` are what the reply reports nevertheless, because it may be billed.
    """

    def __init__(
        self,
        message: str,
        problem: Problem | None = None,
        *,
        final: bool = False,
        usage: Usage | None = None,
        cost_usd: Decimal | None = None,
    ) -> None:
        super().__init__(message)
        self.problem = problem
        self.final = final
        self.usage = usage or Usage()
        self.cost_usd = cost_usd


def kind_of_visible(text: str) -> ReasoningKind:
    """`worked` where a text without separate reasoning shows its steps: more than one line, or a long line."""
    lines = [line for line in text.splitlines() if line.strip()]
    return "worked" if len(lines) > 1 or len(text.split()) > 20 else "none"


MOST_IN_FLIGHT = 256
"""The default of concurrent requests to one server; the limiter finds out where a server takes fewer."""


class Teacher(Protocol):
    """A model behind a server, or in this process. `base_url` identifies the server in request keys and records;
    `concurrency` is how many requests it may be sent at once."""

    model: str
    concurrency: int

    @property
    def provider(self) -> str: ...

    @property
    def base_url(self) -> str: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...

    def body(self, request: Request) -> dict[str, Any]:
        """The JSON body that `ask` sends; it and the base URL make the request key.

        Raises UsageError for a setting this provider does not take."""

    async def ask(self, request: Request, idempotency_key: str) -> Reply:
        """Send once. Raises the SDK's own errors, or BadReplyError."""

    def read(self, raw: bytes) -> Reply:
        """Extract from stored provider JSON. Raises BadReplyError."""

    def classify(self, error: Exception) -> Failure: ...
