"""Conditions between --loss and --teacher, for training on rows and on the student's own answers."""

from collections.abc import Iterator

from cotdistill.config.finetune import FinetuneConfig
from cotdistill.errors import UsageError

_ON_POLICY = ("divergence", "skew", "temperature")
"""The options of soft that measure the distance between student and teacher; the others concern a row's own token."""


def loss_conditions(config: FinetuneConfig) -> Iterator[tuple[str, str]]:
    """Pairs of an option and why it does not go with the others."""
    from cotdistill import plugins  # not for --help

    try:
        name, given = plugins.parse(config.loss)
    except UsageError as error:
        yield "loss", str(error)
        return
    if config.on_policy:
        yield from _on_policy(config, name, given)
        return
    yield from _teacher(config, name)
    if config.on_pairs:
        yield from _pairs(config)
    if config.teacher is None and name in ("hidden", "attention"):
        yield "loss", f"{name} looks into the teacher; it needs --teacher local:DIR"
    if config.teacher is None and name == "soft" and given.get("temperature", "1") not in ("1", "1.0"):
        yield (
            "loss",
            "temperature: what a recorded teacher would say at another one than 1 cannot be computed from the few "
            "probabilities that it gave; give --teacher local:DIR, or leave temperature out",
        )


def _pairs(config: FinetuneConfig) -> Iterator[tuple[str, str]]:
    """Preference pairs are trained by TRL's own trainer."""
    for name, given in (
        ("eval_data", config.eval_data is not None),
        ("packing", config.packing == "bfd"),
        ("order", config.order == "file"),
    ):
        if given:
            yield name, "is about rows, and --loss dpo trains on pairs of answers. Leave one of them out"
    if config.student == "tiny":
        yield (
            "student",
            "tiny has random weights, and dpo corrects a student that answers already: train on traces first "
            "(cotdistill finetune ROWS), then give its directory",
        )


def _teacher(config: FinetuneConfig, loss: str) -> Iterator[tuple[str, str]]:
    if config.teacher is None:
        return
    if loss == FinetuneConfig.loss:
        yield "teacher", "goes with --on-policy, or with a loss that asks one, such as --loss soft"
    elif config.on_pairs:
        yield "teacher", "dpo compares two answers that are there already; leave the teacher out"
    elif not config.teacher.startswith("local:") or config.teacher == "local:":
        yield (
            "teacher",
            f"{config.teacher!r}: a loss asks a model on this machine, local:DIR. What a teacher over an API knows "
            "comes with the rows: generate --logprobs, and no --teacher here",
        )


def _on_policy(config: FinetuneConfig, loss: str, given: dict[str, str]) -> Iterator[tuple[str, str]]:
    if loss == FinetuneConfig.loss:
        return
    if loss != "soft":
        yield "loss", f"{loss} needs rows; --on-policy takes soft:divergence=…,temperature=…"
    elif about_rows := sorted(given.keys() - set(_ON_POLICY)):
        yield "loss", f"{about_rows[0]}: is about a row's own token, and --on-policy has no rows. Leave it out"
    elif given and not (config.teacher or "").startswith(("local:", "self")):
        yield (
            "loss",
            f"{next(iter(given))}: needs all probabilities of a teacher on this machine (local:DIR, self); a server "
            "gives a few, for which the divergence is forward, at temperature 1",
        )
