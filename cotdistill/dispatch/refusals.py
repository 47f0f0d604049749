"""Decides whether a refusal concerns the account or one prompt, and when the wait that a server asks for is too long.

A firewall, a moderated prompt or a gateway's hiccup may refuse one prompt among thousands with the very status that a
revoked key has. So once there are answers, it takes a second prompt to end the run.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from cotdistill.providers.types import Failure
from cotdistill.records import Message

MAX_WAIT_S = 900.0
"""The longest wait by default, in seconds."""

WEB_PAGES = 20
"""After this many web pages in a row instead of answers the address is wrong, or a firewall lets nothing through."""

Question = tuple[Message, ...]


@dataclass
class Refusals:
    """Weighs failures in the order in which they come. `sent` is an attempt's number in the order of sending."""

    max_wait_s: float = MAX_WAIT_S
    known: bool = False
    """The store has answers of this teacher from earlier runs: a vague refusal needs a second prompt from the start."""
    _answered: bool = False
    _suspect: Question | None = field(default=None, repr=False)
    _suspected_at: int = -1
    _pages: int = 0

    def answered(self, sent: int) -> None:
        """Note an answer. An answer to a request that was sent after a refusal clears the account of suspicion."""
        self._answered = True
        self._pages = 0
        if sent > self._suspected_at:
            self._suspect = None

    def weigh(self, failure: Failure, question: Question, sent: int) -> Failure:
        """Returns the failure as it counts for the run. Raises CotDistillError when nothing but web pages comes."""
        self._count_pages(failure)
        failure = unless_too_long(failure, self.max_wait_s)
        if failure.kind != "account" or not (self._answered or (self.known and failure.vague)):
            return failure
        if self._suspect is None:
            self._suspect, self._suspected_at = question, sent
        if self._suspect != question:
            return failure
        return replace(failure, kind="row", message=f"{failure.message} (other prompts are answered)")

    def _count_pages(self, failure: Failure) -> None:
        self._pages = self._pages + 1 if failure.from_page else 0
        if self._pages >= WEB_PAGES:
            message = f"{WEB_PAGES} web pages in a row instead of answers: {failure.message}"
            raise replace(failure, message=message).fatal()


def unless_too_long(failure: Failure, max_wait_s: float) -> Failure:
    """A wait of more than `max_wait_s` seconds ends the run, and says when to come back."""
    if failure.kind != "retry" or failure.wait_s is None or failure.wait_s <= max_wait_s:
        return failure
    back = datetime.now().astimezone() + timedelta(seconds=failure.wait_s)
    message = (
        f"{failure.message}. The server asks to wait {spelled_out(failure.wait_s)}, and --max-wait is "
        f"{spelled_out(max_wait_s)}: come back at {back:%H:%M} on {back.day} {back:%B %Y (%Z)}; everything is kept, "
        "the same command continues"
    )
    return replace(failure, kind="account", message=message, address=False)


def spelled_out(seconds: float) -> str:
    """A duration for a person: 40 s, 15 min, 23.5 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h".replace(".0 h", " h")
