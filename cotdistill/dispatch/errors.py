"""How the way of a request through dispatch ends without an answer."""

from cotdistill.providers.types import Failure


class NotAskedError(Exception):
    """The run is stopping: this request was waiting for its turn or a retry and was not sent."""


class EnoughError(NotAskedError):
    """No further request is needed, or can be paid for: what is in flight is finished, nothing new is begun."""


class FailedRequestError(Exception):
    """This request gets no answer; the run goes on. Carries the last Failure."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure
