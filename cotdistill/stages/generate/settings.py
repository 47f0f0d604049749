"""What a run of generate is made of, by its options: the teacher, its prices, the files that it reads and writes."""

import dataclasses
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from cotdistill import artifacts, plugins, teachers
from cotdistill.artifacts.logprobs import logprobs_path
from cotdistill.config import ExpandConfig, GenerateConfig
from cotdistill.inputs import templates
from cotdistill.pricing import Prices
from cotdistill.providers.keys import is_own_server
from cotdistill.providers.logprobs import check_logprobs
from cotdistill.providers.types import Request, Teacher
from cotdistill.reasoning.marks import own_tags
from cotdistill.students import recorded_files

PACKAGES = ("anthropic", "openai", "aiohttp", "genai-prices", "msgspec")


def teacher_of(config: GenerateConfig) -> Teacher:
    """Not opened yet. Raises UsageError for one that there is not, or that cannot be asked so."""
    tags, columns = own_tags(config.think_tags), (config.prompt_field, config.reference_field)
    teacher = teachers.build(
        config.teacher, config.base_url, config.concurrency, config.timeout_s, tags, columns, config.engine
    )
    check_logprobs(teacher, Request((), config.max_output_tokens, None, config.effort, config.logprobs))
    if config.batch:
        from cotdistill.providers.batch_apis import open_batches

        open_batches(teacher)  # raises for a teacher without a Batch API, also in a dry run
    return teacher


def options_of(config: GenerateConfig | ExpandConfig) -> dict[str, object]:
    """The config as the manifest keeps it: of a template also the hash of its content."""
    template = templates.load(config.template) if config.template else None
    hashed = {} if template is None else {"template_sha256": templates.fingerprint(template)}
    return {**dataclasses.asdict(config), **hashed}


def prices_of(teacher: Teacher, config: GenerateConfig) -> Prices:
    given = [None if price is None else Decimal(str(price)) for price in (config.price_in, config.price_out)]
    return Prices(teacher.provider, teacher.model, *given, own_server=is_own_server(teacher.base_url))


def read_besides(config: GenerateConfig) -> Iterator[tuple[str, Path]]:
    """Files that options name, and what --verify judges by."""
    for name in filter(None, (config.teacher, config.then)):
        yield from (("teacher", path) for path in recorded_files(name))
    if config.template:
        yield "template", templates.path_of(config.template)
    if config.few_shot:
        yield "few_shot", Path(config.few_shot)
    if config.verify:
        yield from (("verify", path) for path in plugins.files("verifiers", config.verify))


def siblings(config: GenerateConfig, output: Path) -> list[Path]:
    bad = [artifacts.sibling(output, "bad.jsonl")] if config.skip_bad else []
    logprobs = [logprobs_path(output)] if config.logprobs else []
    return [artifacts.sibling(output, "failed.jsonl"), *logprobs, *bad]
