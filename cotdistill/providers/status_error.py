"""A reply under a status that says error, as it came."""

import json
from typing import Any

from cotdistill.masking import masked_message
from cotdistill.providers.http1 import RawHeaders

SHOWN = 300
"""Of what a server says, where the error is shown as it is."""

WAF_HEADER = "x-amzn-waf-action"
"""AWS WAF sets it where it answers instead of the server: a challenge under 202, a captcha under 405, both for browsers
(AWS WAF Developer Guide, "CAPTCHA and Challenge actions")."""


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
        super().__init__(status, reason)
        self.status_code, self.message = status, reason
        self.headers, self.content = Headers(headers), content

    def __str__(self) -> str:
        return masked_message(f"{self.status_code} {self.message}: {self.content.decode('utf-8', 'replace')}")[:SHOWN]

    @property
    def body(self) -> Any:
        """The JSON of the content, or its text."""
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            return self.content.decode("utf-8", "replace")
