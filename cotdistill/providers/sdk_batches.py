"""What both Batch APIs share: the official SDK's client, opened and closed."""

import importlib
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, ClassVar, Self

from cotdistill.providers.batch_api import CONNECTIONS
from cotdistill.providers.http import open_client
from cotdistill.providers.keys import api_key

TIMEOUT_S = 600.0


@dataclass
class SdkBatches:
    """A subclass says which SDK, and where its key is."""

    base_url: str
    _client: Any = field(default=None, init=False, repr=False)

    sdk: ClassVar[str]
    key: ClassVar[str]
    """The environment variable with the API key."""

    async def __aenter__(self) -> Self:
        self._client = open_client(
            importlib.import_module(self.sdk),
            key=api_key(self.key, self.sdk, self.base_url),
            base_url=self.base_url,
            concurrency=CONNECTIONS,
            timeout_s=TIMEOUT_S,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()
