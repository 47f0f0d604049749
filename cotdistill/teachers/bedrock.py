"""Claude at Amazon Bedrock, through Anthropic's own client for it.
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html

Other models there speak Chat Completions: openai:MODEL --base-url https://bedrock-runtime.REGION.amazonaws.com/openai/v1.
"""

import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from cotdistill.errors import AccountError, UsageError
from cotdistill.providers.keys import api_key
from cotdistill.teachers.anthropic import Teacher as Anthropic


@dataclass
class Teacher(Anthropic):
    """Claude at Amazon Bedrock, in AWS_REGION. Key: AWS_BEARER_TOKEN_BEDROCK, or AWS credentials (extra bedrock)."""

    base_url: str = ""

    provider: ClassVar[str] = "bedrock"
    key: ClassVar[str] = "AWS_BEARER_TOKEN_BEDROCK"
    signed: ClassVar[bool] = True
    wire_version: ClassVar[str] = "bedrock-2023-05-31"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.base_url:
            self.base_url = f"https://bedrock-runtime.{_region()}.amazonaws.com"
        self.path = f"/model/{quote(self.model, safe=':')}/invoke"

    def claude(self) -> str:
        """us.anthropic.claude-sonnet-4-5-20250929-v1:0 -> claude-sonnet-4-5-20250929"""
        name = self.model.rpartition("/")[2]
        return re.sub(r"-v\d+(:\d+)?$", "", name[name.find("claude-") :] if "claude-" in name else name)

    def api_key(self) -> str:
        """Empty where AWS credentials stand in for it."""
        if os.environ.get(self.key, "").strip() or not _has_credentials():
            return api_key(self.key, self.provider, self.base_url)
        if importlib.util.find_spec("botocore") is None:
            raise AccountError(
                f"{self.key} is not set, and AWS credentials need boto3 to sign requests: set it, or "
                "pip install 'cotdistill[bedrock]'"
            )
        return ""

    def client(self, **common: Any) -> Any:
        import anthropic

        return anthropic.AsyncAnthropicBedrock(
            api_key=self.api_key() or None,
            aws_region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1",
            base_url=self.base_url,
            **common,
        )


def _region() -> str:
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not region:
        raise UsageError("bedrock: expected the region in AWS_REGION, such as us-east-1, or a --base-url")
    return region


def _has_credentials() -> bool:
    """Whether AWS's own rules may find credentials: in the environment, in a profile, or of this machine's role."""
    names = ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_ROLE_ARN", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
             "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE")  # fmt: skip
    home = Path(os.path.expanduser("~"))  # noqa: PTH111  # Path's raises where no home is known
    files = (home / ".aws" / "credentials", home / ".aws" / "config")
    return any(os.environ.get(name) for name in names) or any(file.is_file() for file in files)
