"""`cotdistill doctor`: what this machine can do, and what to install for the rest."""

from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer

from cotdistill.cli import log
from cotdistill.errors import DONE, ERROR
from cotdistill.providers.environment import load_env

_SIGNS = {"ok": "+", "missing": "-", "broken": "!"}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, one object.")] = False,
    path: Annotated[
        Path | None, typer.Option("--cache", help="The store (default: $COTDISTILL_CACHE).", metavar="PATH")
    ] = None,
) -> None:
    """Show what this machine can do: packages, GPU, keys, store, disk, servers; and what to install for the rest."""
    import msgspec

    from cotdistill import doctor
    from cotdistill.store.location import known_stores, store_path

    load_env()
    store = store_path(path) if path else next(iter(known_stores()), None)
    found = list(doctor.findings(store, Path.cwd()))
    broken = sum(one.state == "broken" for one in found)
    if as_json:
        log.say_json(msgspec.json.encode({"broken": broken, "findings": found}))
    else:
        width = max(len(one.name) for one in found)
        for topic, ones in groupby(found, key=lambda one: one.topic):
            log.say(topic)
            for advice, alike in groupby(ones, key=lambda one: one.advice):
                for one in alike:
                    log.say(f"  {_SIGNS[one.state]} {one.name:<{width}}  {one.says}")
                if advice:
                    log.say(f"    {'':<{width}}  -> {advice}")
        log.say(f"+ is there, - is not, ! is broken: {broken or 'nothing'} {'is' if broken < 2 else 'are'} broken")
    raise typer.Exit(ERROR if broken else DONE)
