"""What ends a request before it was sent."""


class NotAskedError(Exception):
    """The run is stopping: this request was waiting for its turn or a retry and was not sent."""
