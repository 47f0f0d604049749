"""`cotdistill cache`: look into the store of paid answers, export them, delete old ones."""

from pathlib import Path
from typing import Annotated

import typer

from cotdistill.cli import log
from cotdistill.cli.help import GroupedCommand, example
from cotdistill.cli.options import load_env

cache = typer.Typer(help="The store of paid answers.", no_args_is_help=True, rich_markup_mode=None)
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

    shares = admin.stats(_store_path(path))
    width = max((len(f"{share.provider}:{share.model}") for share in shares), default=0)
    for share in shares:
        first, last = (datetime.fromtimestamp(at, UTC).date() for at in (share.oldest, share.newest))
        size = f"{share.answers:>10,} answers {share.bytes / 1024:>12,.0f} kB"
        name = f"{share.provider}:{share.model}"
        log.say(json.dumps(share._asdict()) if as_json else f"{name:<{width}} {size}  {first} to {last}")


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
    from cotdistill.store import admin

    count = admin.prune(_store_path(path), older_than_days=older_than_days, model=model, dry_run=dry_run)
    log.say(f"{count:,} answers {'would be ' if dry_run else ''}deleted", err=True)


@cache.command("path", cls=GroupedCommand, epilog=example("cotdistill cache path"))
def cache_path(path: StorePath = None) -> None:
    """Show where the store is."""
    log.say(_store_path(path))


@cache.command("export", cls=GroupedCommand, epilog=example("cotdistill cache export -o answers.jsonl"))
def cache_export(
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the result goes.", metavar="PATH")],
    path: StorePath = None,
) -> None:
    """Write every stored answer with the provider's JSON, one a line."""
    from cotdistill import artifacts
    from cotdistill.artifacts import ArtifactWriter
    from cotdistill.store import admin

    store = _store_path(path)
    with (
        artifacts.run("cache export", output, {"cache": str(store)}, stores=[store]) as current,
        ArtifactWriter(output, private=True) as writer,  # like the store: answers may be confidential
    ):
        for entry in admin.export(store):
            writer.write(entry)
        current.publish([writer], counts={"answers": writer.records})
    log.say(f"{writer.records:,} answers -> {output}", err=True)


def _store_path(path: Path | None) -> Path:
    from cotdistill.store.location import default_path

    load_env()
    return path or default_path()
