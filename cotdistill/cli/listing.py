"""`cotdistill list`: what may stand where a command line asks for a name."""

from collections.abc import Iterator

from cotdistill import plugins
from cotdistill.inputs import templates
from cotdistill.recipes import ready

KINDS = (*plugins.FOLDERS, "students", "templates", "recipes")


def lines(kind: str) -> Iterator[str]:
    """Name, what it is, and for a plug-in its options with their defaults, as they are typed."""
    for name, summary, options in _entries(kind):
        yield f"{name:<20} {summary}" + (f"  [{', '.join(options)}]" if options else "")


def _entries(kind: str) -> Iterator[tuple[str, str, list[str]]]:
    if kind == "students":
        yield from ((name, summary, []) for name, summary in _students().items())
    elif kind == "recipes":
        yield from ((name, ready.summary(name), []) for name in ready.names())
    elif kind == "templates":
        for name in templates.names():
            text = (templates.FOLDER / f"{name}.md").read_text(encoding="utf-8")
            yield name, " ".join(text.replace("$question", "").split())[:90].rsplit(" ", 1)[0] + " …", []
    else:
        for name in plugins.names(kind):
            summary, options = plugins.describe(kind, name)
            yield name, summary, [] if kind == "teachers" else options  # set by options of generate


def _students() -> dict[str, str]:
    from cotdistill import students

    return {
        "tiny": "A model of random weights that a CPU trains in minutes, for digit chains.",
        students.SMOLLM2: f"{students.SMOLLM2_HUB_ID}: small, and trains on a CPU.",
        "NAME/MODEL": "Any causal language model of the hub with a chat template.",
        "DIR, FILE.gguf": "A model on this disk: what finetune wrote, a download, a quantized file.",
    }
