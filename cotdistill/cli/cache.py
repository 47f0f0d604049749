"""`cotdistill cache`: look into the store of paid answers, export them, delete old ones."""

from pathlib import Path
from typing import Annotated

import typer

from cotdistill.cli import log
from cotdistill.cli.help import GroupedCommand, WholeSentences, example
from cotdistill.errors import UsageError
from cotdistill.providers.environment import load_env
from cotdistill.wording import counted, usd

cache = typer.Typer(
    cls=WholeSentences, help="Look after the store of paid answers.", no_args_is_help=True, rich_markup_mode=None
)
StorePath = Annotated[
    Path | None, typer.Option("--cache", help="The store (default: $COTDISTILL_CACHE).", metavar="PATH")
]


@cache.command("stats", cls=GroupedCommand, epilog=example("cotdistill cache stats"))
def cache_stats(
    path: StorePath = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a teacher.")] = False,
) -> None:
    """Show how many answers of each teacher the store holds."""
    import json
    from datetime import UTC, datetime

    from cotdistill.store import admin

    shares = admin.stats(_existing_store(path))
    width = max((len(f"{share.provider}:{share.model}") for share in shares), default=0)
    for share in shares:
        first, last = (datetime.fromtimestamp(at, UTC).date() for at in (share.oldest, share.newest))
        size = f"{share.answers:>10,} answers {share.bytes / 1024:>12,.0f} kB"
        name = f"{share.provider}:{share.model}"
        if as_json:
            log.say_json(json.dumps(share._asdict()))
        else:
            log.say(f"{name:<{width}} {size}  {first} to {last}")


@cache.command("prune", cls=GroupedCommand, epilog=example("cotdistill cache prune --older-than-days 365"))
def cache_prune(
    older_than_days: Annotated[float, typer.Option(help="Delete answers stored longer ago than this.", metavar="DAYS")],
    model: Annotated[
        str | None, typer.Option(help="Only answers of this teacher, as stats names it.", metavar="PROVIDER:MODEL")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how many; delete nothing.")] = False,
    path: StorePath = None,
) -> None:
    """Delete old answers for good; asking for them again costs money again."""
    from cotdistill.store.prune import prune

    def note(text: str) -> None:
        log.say(text, err=True)

    count = prune(_existing_store(path), older_than_days=older_than_days, model=model, dry_run=dry_run, note=note)
    log.say(f"{counted(count, 'answer')} {'would be ' if dry_run else ''}deleted", err=True)


@cache.command("path", cls=GroupedCommand, epilog=example("cotdistill cache path"))
def cache_path(path: StorePath = None) -> None:
    """Show where the store is."""
    log.say(_store_path(path))


@cache.command("export", cls=GroupedCommand, epilog=example("cotdistill cache export -o answers.jsonl"))
def cache_export(
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the result goes.", metavar="PATH")],
    path: StorePath = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave damaged answers out instead of stopping.")
    ] = False,
) -> None:
    """Write every stored answer with the provider's JSON, one a line."""
    from cotdistill import artifacts
    from cotdistill.artifacts import ArtifactWriter
    from cotdistill.store import admin

    store = _store_path(path)
    damaged: list[str] = []
    with (
        artifacts.run("cache export", output, {"cache": str(store)}, stores=[store]) as current,
        ArtifactWriter(output, private=True) as writer,  # like the store: answers may be confidential
    ):
        _check_made(path, store)
        for entry in admin.export(store, damaged.append if skip_bad else None):
            writer.write(entry)
        current.notes += damaged
        current.publish([writer], counts={"answers": writer.records}, complete=not damaged)
    log.say(f"{counted(writer.records, 'answer')} -> {output}", err=True)
    for problem in damaged:
        log.say(f"left out: {problem}", err=True)


@cache.command("check", cls=GroupedCommand, epilog=example("cotdistill cache check"))
def cache_check(path: StorePath = None) -> None:
    """Read every stored answer and report what is damaged; exit code 1 where something is."""
    from cotdistill.errors import ERROR
    from cotdistill.store import admin

    store = _existing_store(path)
    problems = admin.check(store)
    for problem in problems:
        log.say(problem)
    if problems:
        log.say(
            f"{store}: {counted(len(problems), 'problem')}; `cotdistill cache export --skip-bad` saves the rest",
            err=True,
        )
        raise typer.Exit(ERROR)
    log.say(f"{store}: every answer can be read", err=True)


@cache.command(
    "spent", cls=GroupedCommand, epilog=example("cotdistill cache spent --month 2026-01 --by teacher,recipe")
)
def cache_spent(
    month: Annotated[str | None, typer.Option(help="The month, in UTC (default: this one).", metavar="YYYY-MM")] = None,
    by: Annotated[str, typer.Option(help="What to add up by: teacher, recipe, stage.", metavar="NAMES")] = "teacher",
    path: StorePath = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Show what a month cost, in USD, whether its answers are still stored or not."""
    from datetime import UTC, datetime
    from decimal import Decimal

    import msgspec

    from cotdistill.store import spending

    chosen = spending.parsed_month(month) if month else datetime.now(UTC)
    shares = spending.spent_by(_existing_store(path), chosen, [name.strip() for name in by.split(",")])
    if as_json:
        encoder = msgspec.json.Encoder(decimal_format="string")
        for share in shares:
            log.say_json(encoder.encode(share))
        return
    width = max((len(share.name) for share in shares), default=0)
    for share in shares:
        unknown = f", {_how_many(share.unpriced, share.attempts)} of unknown cost" if share.unpriced else ""
        unknown += f", at most {usd(share.worst_usd)}" if share.unpriced and share.worst_usd else ""
        cost = "unknown" if share.unpriced == share.attempts else usd(share.cost_usd)
        log.say(f"{share.name:<{width}} {cost:>16} {share.attempts:>10,} answers{unknown}")
    total = sum((share.cost_usd for share in shares), Decimal(0))
    unpriced = sum(share.unpriced for share in shares)
    besides = (
        f", and {counted(unpriced, 'answer')} of unknown cost: the price of their model is not known"
        if unpriced
        else ""
    )
    log.say(f"{chosen:%Y-%m}: {usd(total)}{besides}", err=True)


def _how_many(part: int, whole: int) -> str:
    return "all" if part == whole else f"{part:,} of them"


def _existing_store(path: Path | None) -> Path:
    """The store's path. Raises UsageError where none was named and none exists yet."""
    store = _store_path(path)
    _check_made(path, store)
    return store


def _check_made(path: Path | None, store: Path) -> None:
    if path is None and not store.exists():
        advice = "a command that asks a teacher makes it. Name a recipe's own with --cache"
        raise UsageError(f"{store}: there is no store of answers yet; {advice}")


def _store_path(path: Path | None) -> Path:
    from cotdistill.store.location import store_path

    load_env()
    return store_path(path)
