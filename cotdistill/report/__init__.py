"""One self-contained HTML page about a run's directory, for a colleague who was not there."""

from pathlib import Path

from cotdistill import artifacts
from cotdistill.artifacts import FileInfo, outputs
from cotdistill.artifacts.outputs import Place
from cotdistill.errors import UsageError
from cotdistill.report import gather, page
from cotdistill.store.location import store_path

_MARK = '<meta name="generator" content="cotdistill report">'
"""By which a page of ours is known: only such a file is replaced."""


def write(directory: Path, output: Path) -> FileInfo:
    """Read what stages left in `directory`, told by their manifests, and write the page. The same files give the same
    bytes. Raises UsageError where no stage has left anything."""
    if not directory.is_dir():
        raise UsageError(f"{directory}: no such directory; give the one that holds a run's files")
    found = gather.manifests(directory)
    if not found:
        raise UsageError(f"{directory}: no manifest of a stage in it; give the directory that holds a run's files")
    outputs.check(outputs.replaced(Place(output, outputs.marked(_MARK.encode()), f"-o {output}")), [store_path()])
    html = page.html(directory, found).replace("<head>", f"<head>{_MARK}", 1)
    return artifacts.write_whole(output, html.encode("utf-8", "replace"))
