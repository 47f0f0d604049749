"""Which teacher has which Batch API."""

from cotdistill.errors import UsageError
from cotdistill.pricing import BATCHED
from cotdistill.providers.anthropic_batch import AnthropicBatches
from cotdistill.providers.batch_api import Batches
from cotdistill.providers.openai_batch import OpenAIBatches
from cotdistill.providers.types import Teacher


def open_batches(teacher: Teacher) -> Batches:
    """The Batch API of a teacher. Raises UsageError for a teacher that has none."""
    if teacher.provider == "anthropic":
        return AnthropicBatches(teacher.base_url)
    if teacher.provider in BATCHED:
        path = "/v1/chat/completions" if teacher.provider == "openai" else "/v1/responses"
        return OpenAIBatches(teacher.base_url, path)
    if teacher.provider == "mock":
        raise UsageError(
            "--batch: teacher 'mock' ends with the run and its batches with it; start `cotdistill mock-teacher` "
            "and ask it as openai:NAME with --base-url"
        )
    raise UsageError(f"--batch: teacher {teacher.provider!r} has no Batch API; anthropic and openai have")
