"""OpenAI's models at Azure, by the name of their deployment. https://learn.microsoft.com/azure/ai-foundry/openai

A resource speaks two dialects: the newer one below /openai/v1 is OpenAI's own; the classic one has the deployment in
the path and a version in the query, and the SDK's client for Azure speaks it.
"""

import os
from dataclasses import dataclass, field
from typing import Any, ClassVar

from cotdistill.errors import UsageError
from cotdistill.providers.chat_completions import ChatTeacher
from cotdistill.providers.types import Request
from cotdistill.teachers.openai import without_effort_none

API_VERSION = "2025-04-01-preview"
"""Of the classic dialect, where OPENAI_API_VERSION does not say."""


@dataclass
class Teacher(ChatTeacher):
    """OpenAI at Azure: azure:DEPLOYMENT --base-url https://RESOURCE.openai.azure.com. Key: AZURE_OPENAI_API_KEY.

    Without --base-url the resource is in AZURE_OPENAI_ENDPOINT. A base URL that ends in /v1 takes no version.
    """

    cap: str = field(default="max_completion_tokens", init=False, repr=False)

    provider: ClassVar[str] = "azure"
    key: ClassVar[str] = "AZURE_OPENAI_API_KEY"

    def __post_init__(self) -> None:
        self.base_url = self.base_url or os.environ.get("AZURE_OPENAI_ENDPOINT", "").strip().rstrip("/")
        if not self.base_url:
            raise UsageError(
                "azure: expected --base-url https://RESOURCE.openai.azure.com, or the same in AZURE_OPENAI_ENDPOINT"
            )

    def headers(self) -> dict[str, str] | None:
        """Those of the classic dialect the SDK knows."""
        return super().headers() if self.base_url.endswith("/v1") else None

    def why_no_logprobs(self, request: Request) -> str:
        """A deployment's name need not say which model it is, so the server decides."""
        return without_effort_none(self.model, request)

    def client(self, **common: Any) -> Any:
        if self.base_url.endswith("/v1"):
            return super().client(**common)
        import openai

        return openai.AsyncAzureOpenAI(
            api_key=self.api_key(),
            azure_endpoint=self.base_url.removesuffix("/openai"),
            azure_deployment=self.model,
            api_version=os.environ.get("OPENAI_API_VERSION", "").strip() or API_VERSION,
            **common,
        )
