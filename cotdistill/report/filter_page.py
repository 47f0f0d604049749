"""What the page of a run says of filter: why answers were rejected, how good the teacher is, what is suspect."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cotdistill.artifacts.lineage import Found
from cotdistill.artifacts.summary_labels import PASS_RATES
from cotdistill.artifacts.summary_tables import TAGS_SHOWN, distinguishing
from cotdistill.report import charts, html, traces
from cotdistill.report.charts import Bar
from cotdistill.report.html import Section
from cotdistill.report.words import dropped_reason, share
from cotdistill.wording import counted

BINS = 12


def bar(name: str, count: int, *, mark: bool = False) -> Bar:
    return Bar(name, count, f"{count:,}", mark=mark)


def rejected(filters: Sequence[Found]) -> str:
    """Counts by reason, of each run of filter."""
    found = []
    for one in filters:
        title = "Why answers were rejected" + (f", {one.path.name}" if len(filters) > 1 else "")
        dropped = [bar(dropped_reason(name), count) for name, count in one.manifest.results.get("dropped", {}).items()]
        found.append(html.under(title, charts.counts(dropped)))
    return "".join(found)


def each(filters: Sequence[Found]) -> str:
    """Where answers were bought in several steps, what became of those of each; one step's may be in the next too."""
    rows = [
        (one.path.name, *(f"{count:,}" for count in (counts.get("responses", 0), right, counts.get("kept", 0))))
        for one in filters
        if (right := one.manifest.results.get("right")) is not None and (counts := one.manifest.counts)
    ]
    return html.under("Step by step", html.table(["", "answers", "right", "kept"], rows, numbers=[1, 2, 3]))


def sections(filters: Sequence[Found]) -> Iterator[Section]:
    """Of the first run of filter that judged: accuracy and pass rates are the teacher's, the same for each run on its
    answers. One that only joins what others kept judges nothing."""
    first = next((one for one in filters if "accuracy" in one.manifest.results), next(iter(filters), None))
    if first is None:
        return
    rates = html.under("Prompts by how many of their samples are right", _pass_rates(first.manifest.results))
    there = first.path.is_file()
    lengths = _histogram(traces.trace_lengths(first.path)) if there else ""
    yield Section(
        "The teacher",
        html.under("Right answers, of all its samples", _accuracy(first.manifest.results))
        + rates
        + html.under("Length of what was kept, in characters of the trace, or of an answer without one", lengths),
    )
    if there:
        count = first.manifest.results.get("suspect_references", 0)
        yield Section("Suspect references", *_suspects(traces.suspects(first.path), count))
        yield Section("Contamination", _contamination(first.path))


def _accuracy(results: dict[str, Any]) -> str:
    if "accuracy" not in results:
        return ""
    low, high = results.get("accuracy_interval", (results["accuracy"],) * 2)
    bars = [Bar("all", results["accuracy"], share(results["accuracy"]), (low, high), mark=True)]
    tags = results.get("accuracy_by_tag", {})
    for tag in distinguishing(tags)[:TAGS_SHOWN]:
        entry = tags[tag]
        bars.append(Bar(tag, entry["accuracy"], share(entry["accuracy"]), tuple(entry["interval"])))
    return charts.shares(bars)


def _pass_rates(results: dict[str, Any]) -> str:
    rates = results.get("prompts_by_pass_rate", {})
    return charts.counts([bar(PASS_RATES.get(name, name), count) for name, count in rates.items()])


def _histogram(lengths: list[int]) -> str:
    """Nothing where all are alike: a single bar says no more than their number."""
    if not lengths or min(lengths) == max(lengths):
        return ""
    least, most = min(lengths), max(lengths)
    width = max(1, -(-(most - least + 1) // BINS))
    bars = []
    for start in range(least, most + 1, width):
        name = f"{start:,}" if width == 1 else f"{start:,} to {start + width - 1:,}"
        bars.append(bar(name, sum(start <= length < start + width for length in lengths)))
    return charts.counts(bars)


def _suspects(found: list[dict[str, Any]], count: int) -> tuple[str, str]:
    if not found:
        return "", ""
    names = list(found[0])[:6]
    rows = [tuple(html.one_line(item.get(name)) for name in names) for item in found]
    shown = f" The first {len(found)} are shown." if count > len(found) else ""
    prompts = counted(count, "prompt")
    intro = f"Nearly all samples of {prompts} agree on another answer than the reference.{shown}"
    return html.table(names, rows), intro


def _contamination(kept: Path) -> str:
    rows = [
        (one.judged.response.prompt.id, html.one_line(one.judged.response.prompt.messages[-1].content), one.reason)
        for one in traces.contaminated(kept)
    ]
    return html.table(["prompt", "question", "match"], rows)
