"""A reply under a status that says error, as it came."""

import json
from typing import Any

from cotdistill.providers.http1 import RawHeaders


class Headers:
    """Headers by name, in lower case as in `raw`."""

    def __init__(self, raw: RawHeaders) -> None:
        self.raw = raw
        self._values = {name.decode("latin-1"): value.decode("latin-1") for name, value in raw}

    def get(self, name: str, default: str | None = None) -> str | None:
        return self._values.get(name, default)


class StatusError(Exception):
    """Has what the SDKs' APIStatusError has of a reply, without their client."""

    def __init__(self, status: int, reason: str, headers: RawHeaders, content: bytes) -> None:
        super().__init__(f"{status} {reason}".strip())
        self.status_code, self.message = status, reason
        self.headers, self.content = Headers(headers), content

    @property
    def body(self) -> Any:
        """The JSON of the content, or its text."""
        try:
            return json.loads(self.content)
        except ValueError:
            return self.content.decode("utf-8", "replace")
