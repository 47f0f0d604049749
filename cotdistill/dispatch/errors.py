"""The three ways in which a request leaves dispatch without an answer."""

from cotdistill.providers.types import Failure


class NotAskedError(Exception):
    """The run is stopping: this request was still waiting for its turn or for a retry, and was not sent."""


class EnoughError(NotAskedError):
    """No further request is needed, or none can be paid for: requests in flight are finished, no new one is begun."""


class FailedRequestError(Exception):
    """This one request gets no answer; the run goes on. Carries the last Failure."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure
