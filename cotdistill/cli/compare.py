"""`cotdistill compare`: students and runs side by side, as a table, CSV, JSON or a page."""

from pathlib import Path
from typing import Annotated

import typer

from cotdistill.cli import log


def compare(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="Files of scores, run directories, folders of runs, or grids of `run --grid`.",
            metavar="SCORES|RUN_DIR",
            show_default=False,
        ),
    ],
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write the table here too, with every setting.", metavar="FILE")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a page too: the table, plots and answers.", metavar="FILE")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON on stdout, in place of the table.")] = False,
    in_common: Annotated[
        bool, typer.Option("--in-common", help="Compare on the prompts that all were asked, however few.")
    ] = False,
) -> None:
    """Show students side by side: accuracy, interval, and the paired test on the same prompts."""
    from cotdistill import report
    from cotdistill.report import table

    report.check_outputs(paths, csv, html)
    found = report.compared(paths, in_common=in_common)
    written = report.write_csv(found, csv) if csv else None
    page = report.write_comparison(found, html) if html else None
    if as_json:
        log.say_json(table.as_json(found.comparison))
    else:
        log.say(table.text(found.comparison))
    for one in found.without:
        log.say(f"without scores, so not compared: {one}", err=True)
    for info in (written, page):
        if info:
            log.say(f"-> {info.path}", err=True)
