"""What ends a request before it was sent."""


class NotAskedError(Exception):
    """The run is stopping: this request was waiting for its turn or a retry and was not sent."""


class EnoughError(NotAskedError):
    """No further request is needed, or can be paid for: what is in flight is finished, nothing new is begun."""
