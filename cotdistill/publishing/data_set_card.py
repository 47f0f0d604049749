"""README.md of a directory of rows: `datasets.load_dataset` reads from it which files are the data set.

The header is the hub's (https://huggingface.co/docs/hub/datasets-manual-configuration).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from cotdistill import artifacts
from cotdistill.artifacts import Manifest, lineage, outputs
from cotdistill.artifacts.lineage import Found
from cotdistill.artifacts.outputs import Place
from cotdistill.errors import UsageError
from cotdistill.masking import spelled_out
from cotdistill.publishing import cards

MARK = "<!-- Written by cotdistill format; the next one in this directory writes it anew. -->"
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


@dataclass(frozen=True)
class Part:
    """One run of format in the directory: a configuration of the data set."""

    name: str
    files: Mapping[str, str]
    """Split -> file name; empty files are left out, `datasets` cannot read them."""
    rows: Mapping[str, int]
    made: Found


NAME = "README.md"
"""The card's name, as the hub wants it."""


def write(directory: Path) -> str | None:
    """Describe every data set that format wrote into `directory`. Returns a note where a README of another origin
    stands."""
    with artifacts.lock(directory / NAME, wait_s=artifacts.SHARED_S):  # another run of format may describe its rows too
        if problem := why_not(directory):
            return problem
        if found := parts(directory):
            artifacts.write_whole(directory / NAME, _text(directory, found).encode())
    return None


def why_not(directory: Path) -> str | None:
    """Why no card can be written there; None where one can."""
    card = directory / NAME
    try:
        outputs.check(outputs.replaced(Place(card, outputs.marked(MARK.encode(), within=1 << 20), "format")))
    except UsageError:
        return f"{card} is not ours and stays: no data set card is written, and load_dataset needs file names"
    return None


def parts(directory: Path) -> list[Part]:
    """The parts by name; rows whose file is gone are left out."""
    found: list[Part] = []
    for one in lineage.within(directory):
        if one.manifest.stage == "format" and one.path.is_file():
            stem = re.sub(r"[^\w.-]", "_", one.path.name.removesuffix(".jsonl"))  # the letters that the hub allows
            name = stem.removesuffix("train").rstrip(".") or "default"
            is_new = all(name != other.name for other in found)
            found.append(_part(name if is_new else stem, one))
    return found


def _part(name: str, one: Found) -> Part:
    """The part of a manifest, by the names of its outputs, among which other files than rows may stand."""
    files, rows = {}, {}
    written = {Path(output.path).name: output for output in one.manifest.outputs}
    first = Path(one.manifest.outputs[0].path)
    for split, name_of_file in (("train", first.name), ("test", artifacts.sibling(first, "holdout.jsonl").name)):
        if (output := written.get(name_of_file)) and output.records:
            files[split], rows[split] = name_of_file, output.records
    return Part(name, files, rows, one)


def _text(directory: Path, found: Sequence[Part]) -> str:
    chains = _chains(found)
    sources = chains[0][1]
    title = directory.resolve().name
    return "\n".join(
        [
            *_front_matter(found, sources),
            MARK,
            "",
            f"# {cards.plain(title)}",
            "",
            f"Answers of {cards.teacher(sources)}, kept and laid out with cotdistill for supervised fine-tuning.",
            "",
            *_files(found),
            *(line for names, chain in chains for line in _made(names if len(chains) > 1 else [], chain)),
            *cards.rights(sources, "The licence of the prompts goes on to hold. Settle both before you publish this."),
            *_loading(title, found),
        ]
    )


def _chains(found: Sequence[Part]) -> list[tuple[list[str], list[Manifest]]]:
    """The parts that were made of the same kept answers, and how."""
    chains: dict[str, tuple[list[str], list[Manifest]]] = {}
    for part in found:
        made_of = part.made.manifest.inputs[0].sha256
        if made_of not in chains:
            chains[made_of] = [], list(lineage.manifests(part.made.path))
        chains[made_of][0].append(part.name)
    return list(chains.values())


def _made(names: Sequence[str], sources: Sequence[Manifest]) -> list[str]:
    of = f" of {', '.join(names)}" if names else ""
    title, *rest = cards.origin(sources)
    return [title + of, *rest, *_checks(sources)]


def _front_matter(found: Sequence[Part], sources: Sequence[Manifest]) -> list[str]:
    total = sum(sum(part.rows.values()) for part in found)
    size = next((words for limit, words in _SIZES if total < limit), "n>1M")
    lines = ["---", "task_categories: [text-generation]", "tags: [cotdistill, distillation, synthetic]"]
    if name := cards.license_of(sources):
        lines += ["license: other", f"license_name: {_quoted(name)}"]
    lines += [f"size_categories: [{_quoted(size)}]", "configs:"]
    for part in found:
        if part.files:
            lines += [f"- config_name: {_quoted(part.name)}", "  data_files:"]
            lines += [f"  - {{split: {split}, path: {_quoted(file)}}}" for split, file in part.files.items()]
    declared = [(part.name, part.made.manifest.results.get("features")) for part in found if part.files]
    if any(features for _, features in declared):
        lines.append("dataset_info:")
    for name, features in declared:
        if features:
            lines += [f"- config_name: {_quoted(name)}", f"  features: {_quoted(features)}"]
    return [*lines, "---", ""]


def _quoted(value: Any) -> str:
    """A YAML string, in JSON's spelling."""
    return msgspec.json.encode(value).decode()


def _files(found: Sequence[Part]) -> list[str]:
    lines = ["## Files", "", "| configuration | split | file | rows | layout |", "|---|---|---|---|---|"]
    for part in found:
        layout = part.made.manifest.options["format"]
        lines += [
            f"| {part.name} | {split} | {cards.plain(file)} | {part.rows[split]:,} | {cards.plain(layout)} |"
            for split, file in part.files.items()
        ]
    return [*lines, "", "Splits are by prompt: no prompt is on both sides.", ""]


def _checks(sources: Sequence[Manifest]) -> list[str]:
    """How answers were judged, and which evaluation sets the problems were checked against."""
    kept = cards.made_by("filter", sources)
    if kept is None:
        return []
    notes = [note for note in kept.notes if note.startswith(("verified", "not verified"))]
    lines = [
        "How answers were checked:",
        "",
        *(f"* Answers: {cards.plain(note)}." for note in notes),
        *_accuracy(kept.results),
    ]
    dropped: Mapping[str, int] = kept.results.get("dropped", {})
    against = [Path(str(one)).name for one in kept.options.get("against", ())]
    hits = sum(count for reason, count in dropped.items() if reason.startswith("contamination"))
    if against:
        lines.append(f"* Contamination: held against {cards.plain(', '.join(against))}; {hits:,} responses dropped.")
    else:
        lines.append("* Contamination: not checked against any evaluation set.")
    return [*lines, ""]


def _accuracy(results: Mapping[str, Any]) -> list[str]:
    if results.get("accuracy") is None:
        return []
    low, high = results["accuracy_interval"]
    return [f"* Of all answers {results['accuracy']:.1%} were right (95 % interval {low:.1%} to {high:.1%})."]


def _loading(title: str, found: Sequence[Part]) -> list[str]:
    names = [part.name for part in found]
    chosen = f', "{names[0]}"' if len(names) > 1 and "default" not in names else ""
    return [
        "## Load it",
        "",
        "```python",
        "import datasets",
        "",
        f"datasets.load_dataset({_quoted(spelled_out(title))}{chosen})",
        "```",
        "",
    ]
