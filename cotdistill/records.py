"""The records that travel between stages, one JSON object a line.

Each record holds the one it came from, so no stage needs a join and every trained token can be traced to its prompt and
its price. Unknown fields are refused; a field without a value is left out of the JSON.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Literal

import msgspec

_AMOUNT = r"^[0-9]{1,15}(\.[0-9]{1,60})?([eE][+-]?[0-9]{1,2})?$"

Role = Literal["system", "user", "assistant"]

ReasoningKind = Literal["raw", "summary", "worked", "omitted", "redacted", "none"]
"""raw: the model's own chain (open-weight servers). summary: written by the provider about the chain (Anthropic,
OpenAI). worked: a worked solution in the visible text. omitted: paid for, not returned. redacted: returned
encrypted."""

StopReason = Literal["stop", "length", "refusal", "content_filter", "other"]

Status = Literal["correct", "incorrect", "no_answer", "bad_reference", "timeout", "error", "unverified"]


UNDECIDED: frozenset[Status] = frozenset({"unverified", "error", "bad_reference"})
"""Statuses that say neither right nor wrong: such a sample counts in no pass rate and no accuracy."""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Common settings: immutable, strict, None left out of the JSON."""


class Message(Record, frozen=True, kw_only=True):
    role: Role
    content: str


class Prompt(Record, frozen=True, kw_only=True):
    id: str
    messages: tuple[Message, ...]
    reference: str | None = None
    verifier: str | None = None
    tags: dict[str, str] | None = None

    def __post_init__(self) -> None:
        if not any(turn.role == "user" for turn in self.messages):
            raise ValueError("messages: expected a user's turn, got none")


def is_right(response: "Response", verdict: "Verdict") -> bool:
    """Whether a response counts as right: its verifier found it correct, and it ended by itself. A truncated text that
    happens to contain the right number is no answer."""
    return verdict.status == "correct" and response.stop_reason == "stop"


def as_dicts(messages: Iterable[Message]) -> list[dict[str, str]]:
    """Messages as chat templates and providers take them."""
    return [{"role": turn.role, "content": turn.content} for turn in messages]


def question_of(prompt: Prompt) -> str:
    """The user's last turn."""
    return next((turn.content for turn in reversed(prompt.messages) if turn.role == "user"), "")


MAJORITY = "majority"
"""The method of a verdict that went by the answer of most samples."""

BY_MAJORITY = {"reference_by": MAJORITY}
"""The tag of a prompt whose reference is unverified: it is what most answers to the prompt say (expand)."""


def is_by_majority(prompt: Prompt) -> bool:
    return BY_MAJORITY.items() <= (prompt.tags or {}).items()


def trust(prompt: Prompt) -> float:
    """The weight of this prompt's rows in the loss: 1, or the tag `weight` where the reference is unverified. Raises
    ValueError for a tag that is no weight."""
    tags = prompt.tags or {}
    if not is_by_majority(prompt):
        return 1.0
    try:
        weight = float(tags.get("weight", "1"))
    except ValueError:
        weight = -1.0
    if not 0 <= weight <= 1:
        raise ValueError(f"prompt {prompt.id!r}: tag weight: expected a number from 0 to 1, got {tags['weight']!r}")
    return weight


class TeacherInfo(Record, frozen=True, kw_only=True):
    """The teacher of a response. `served_model` is what the server says it ran, where that differs from what was
    asked."""

    provider: str
    model: str
    served_model: str | None = None
    base_url: str


class Usage(Record, frozen=True, kw_only=True):
    """Tokens of one answer. `input_tokens` includes `cached_tokens`; `output_tokens` includes
    `reasoning_tokens`, which for a summarised trace counts the hidden chain that was billed. A count that the server
    did not report is None, never 0: then what the answer cost is unknown too."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None


class Confidence(Record, frozen=True, kw_only=True):
    """How likely the tokens of one answer were to its teacher: the mean of their log-probabilities and the lowest one,
    natural logarithms. Those of each token stand in the file beside, `X.logprobs`."""

    tokens: int
    mean_logprob: float
    worst_logprob: float


class Response(Record, frozen=True, kw_only=True):
    """One answer of the teacher, sample `sample` (from 0) of its prompt. `cost_usd` is a decimal string;
    an unknown price is absent, never 0. `reasoning_rule` names the field or tag in which the reasoning was found;
    `stop_detail` is what the provider adds to the stop reason, such as the category of a refusal."""

    prompt: Prompt
    sample: int
    reasoning: str | None = None
    reasoning_kind: ReasoningKind
    reasoning_rule: str | None = None
    text: str
    stop_reason: StopReason
    stop_detail: str | None = None
    teacher: TeacherInfo
    usage: Usage
    cost_usd: Annotated[str, msgspec.Meta(pattern=_AMOUNT)] | None = None
    request_key: str
    license: str | None = None
    confidence: Confidence | None = None


class Verdict(Record, frozen=True, kw_only=True):
    """`method` names the rule that decided; `answer` is what was extracted from the response."""

    status: Status
    answer: str | None = None
    reference: str | None = None
    method: str
    detail: str | None = None


class Judged(Record, frozen=True, kw_only=True):
    """A response with its verdict, and what is known of its prompt: how many `samples` it has, how many are
    `correct`, their share of those that were decided (`pass_rate`), and the share of all that agree on the most
    frequent answer (`vote_share`).
    `confidence` is that of all its samples: the mean log-probability of their tokens, and the mean of their least
    likely ones. `weight` is the row's weight in the loss, 1 where it is absent."""

    response: Response
    verdict: Verdict
    samples: int | None = None
    correct: int | None = None
    pass_rate: float | None = None
    vote_share: float | None = None
    confidence: Confidence | None = None
    weight: float | None = None


class Dropped(Record, frozen=True, kw_only=True):
    judged: Judged
    filter: str
    reason: str


class DroppedPrompt(Record, frozen=True, kw_only=True):
    """A request of expand that gave no prompt, and the reason. `text` is what the teacher wrote."""

    id: str
    filter: str
    reason: str
    tags: dict[str, str]
    text: str | None = None


def money(amount: Decimal | None) -> str | None:
    """A plain decimal string: 0.000123, never 1.23E-4; 36 and 0, never 36.0 and 0.00."""
    return None if amount is None else f"{amount.normalize():f}"
