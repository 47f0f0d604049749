"""What both Batch APIs share: the official SDK's client, opened and closed, and the way results come down."""

import importlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from cotdistill.providers.batch_api import CONNECTIONS, lines
from cotdistill.providers.errors import clean
from cotdistill.providers.http import A_FILE, download, open_client
from cotdistill.providers.keys import api_key
from cotdistill.providers.types import BadReplyError

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

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def lines_of(self, path: str) -> AsyncGenerator[tuple[bytes, bool], None]:
        """Each line of a file on the server, and whether it is whole. Raises BadReplyError where it breaks off."""
        import httpx2

        async def content() -> Any:
            return await self._client.get(
                path,
                cast_to=httpx2.Response,
                options={"headers": A_FILE},
                stream=True,
            )

        try:
            async with download(content) as chunks:
                async for line in lines(chunks):
                    yield line
        except httpx2.TransportError as error:  # while reading, the SDK does not wrap it
            raise BadReplyError(f"the download of the results broke off: {clean(str(error))}") from None
