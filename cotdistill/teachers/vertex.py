"""Claude at Google Cloud's Vertex AI, through Anthropic's own client for it.
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/use-claude
"""

import importlib.util
import os
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from cotdistill.errors import AccountError, UsageError
from cotdistill.masking import add_secret
from cotdistill.providers.keys import api_key
from cotdistill.teachers.anthropic import Teacher as Anthropic

_HOSTS = {"global": "aiplatform", "us": "aiplatform.us.rep", "eu": "aiplatform.eu.rep"}


@dataclass
class Teacher(Anthropic):
    """Claude at Vertex AI. Key: Google's default credentials (extra vertex), or CLOUDSDK_AUTH_ACCESS_TOKEN.

    The project is in ANTHROPIC_VERTEX_PROJECT_ID, the region in CLOUD_ML_REGION (default: global).
    """

    base_url: str = ""

    provider: ClassVar[str] = "vertex"
    key: ClassVar[str] = "CLOUDSDK_AUTH_ACCESS_TOKEN"
    signed: ClassVar[bool] = True
    wire_version: ClassVar[str] = "vertex-2023-10-16"

    def __post_init__(self) -> None:
        super().__post_init__()
        region = os.environ.get("CLOUD_ML_REGION") or "global"
        project = os.environ.get("ANTHROPIC_VERTEX_PROJECT_ID") or os.environ.get("GOOGLE_CLOUD_PROJECT")
        if not project:
            raise UsageError("vertex: expected the project in ANTHROPIC_VERTEX_PROJECT_ID or GOOGLE_CLOUD_PROJECT")
        if not self.base_url:
            self.base_url = f"https://{_HOSTS.get(region, f'{region}-aiplatform')}.googleapis.com/v1"
        place = f"/projects/{quote(project)}/locations/{quote(region)}"
        self._region, self._project = region, project
        self.path = f"{place}/publishers/anthropic/models/{quote(self.model, safe='@')}:rawPredict"

    def claude(self) -> str:
        """claude-sonnet-4-5@20250929 -> claude-sonnet-4-5-20250929"""
        return self.model.replace("@", "-")

    def api_key(self) -> str:
        """Empty where Google's credentials are found by their own rules."""
        token = os.environ.get(self.key, "").strip()
        if token or urlsplit(self.base_url).hostname in ("127.0.0.1", "localhost"):
            return api_key(self.key, self.provider, self.base_url)
        if not _has_google_auth():
            raise AccountError(
                "vertex: Google's credentials are found with google-auth: pip install 'cotdistill[vertex]', or put a "
                f"token into {self.key} (gcloud auth print-access-token)"
            )
        return ""

    def client(self, **common: Any) -> Any:
        import anthropic

        token = self.api_key()
        if token:
            add_secret(token)
        return anthropic.AsyncAnthropicVertex(
            region=self._region,
            project_id=self._project,
            access_token=token or None,
            base_url=self.base_url,
            **common,
        )


def _has_google_auth() -> bool:
    try:
        return importlib.util.find_spec("google.auth") is not None
    except ModuleNotFoundError:  # not even `google`
        return False
