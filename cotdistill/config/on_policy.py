"""Conditions of training on a student's own answers, and which teachers can score them."""

from collections.abc import Iterator
from dataclasses import fields

from cotdistill.config.finetune import FinetuneConfig

_OF_ON_POLICY = (
    "base_url", "max_output_tokens", "temperature", "verify", "prompt_field", "reference_field",
    "concurrency", "cache", "max_cost", "price_in",
)  # fmt: skip
_OF_ROWS = ("epochs", "max_steps", "eval_data", "packing", "order", "show_rows")

TEACHES_ALONE = "self"
"""The name of the teacher that is the student itself."""


def scores_over_api(config: FinetuneConfig) -> bool:
    """Whether a teacher on a server scores the student's answers, which may cost money."""
    provider = (config.teacher or "local").partition(":")[0]
    return config.on_policy is not None and provider not in ("local", TEACHES_ALONE)


def on_policy_conditions(config: FinetuneConfig) -> Iterator[tuple[str, str]]:
    """Pairs of an option and why it does not go with the others."""
    usual = {one.name: one.default for one in fields(FinetuneConfig)}
    if config.on_policy is None:
        for name in _OF_ON_POLICY:
            if getattr(config, name) != usual[name]:
                yield name, "goes with --on-policy, the number of steps on the student's own answers"
        return
    for name in _OF_ROWS:
        if getattr(config, name) != usual[name]:
            yield name, "is about rows, and --on-policy trains on the student's own answers. Leave one of them out"
    if config.max_output_tokens >= config.max_length:
        yield (
            "max_output_tokens",
            f"{config.max_output_tokens} leave no room for a prompt in --max-length {config.max_length}",
        )
    if config.student == "tiny":
        yield (
            "student",
            "tiny has random weights, and on-policy training needs one that is right now and then: "
            + ("train on traces first (cotdistill finetune ROWS), then give its directory"),
        )
    yield from _scoring(config)


def _scoring(config: FinetuneConfig) -> Iterator[tuple[str, str]]:
    from cotdistill import plugins

    provider, _, model = (config.teacher or "").partition(":")
    served = plugins.names("teachers", "scorer")
    can = ["local:DIR", *(f"{name}:MODEL" for name in served), f"{TEACHES_ALONE} (with traces as input)"]
    if config.teacher is None:
        yield "on_policy", f"needs a --teacher that scores tokens: {', '.join(can)}"
    elif config.teacher != TEACHES_ALONE and not (model and provider in ("local", *served)):
        yield (
            "teacher",
            f"{config.teacher!r} cannot score tokens that it did not write. Those that can: "
            + (f"{', '.join(can)}. From a teacher that gives text alone, generate traces and take --teacher self"),
        )
    elif provider not in served:
        for name in ("base_url", "concurrency", "cache", "max_cost", "price_in"):
            if getattr(config, name) is not None:
                yield (
                    name,
                    f"goes with a teacher on a server, and {config.teacher} is on this machine",
                )
