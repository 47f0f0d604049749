"""The page: static HTML and SVG, and one script that lets a reader look through the traces.

What a model wrote is in a JSON block, out of which the script makes text nodes only. The content security policy allows
this one script, by its hash, and no request at all.
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

import msgspec

from cotdistill import mock
from cotdistill.artifacts.lineage import Found
from cotdistill.recipes import record
from cotdistill.report import charts, gather

_HERE = Path(__file__).parent
BINS = 12
FOLDED_FROM = 12
"""Rows; a longer table opens on a click."""


def html(directory: Path, found: dict[str, list[Found]]) -> str:
    """The whole page."""
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'"
    title = f"{escape(directory.resolve().name)}: cotdistill"
    filters = found.get("filter", [])
    traces = gather.traces(filters[0].path) if filters and filters[0].path.is_file() else gather.Traces(0, [])
    sections = "".join(
        f"<section><h2>{escape(title)}</h2>{body}</section>"
        for title, body in _sections(directory, found, traces)
        if body
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{(_HERE / 'page.css').read_text(encoding='utf-8')}</style></head><body><main>"
        f"<h1>{title}</h1>{_lead(found)}{sections}</main>"
        f'<script type="application/json" id="traces">{_safe_json(traces.shown)}</script><script>{script}</script>'
        f"</body></html>\n"
    )


def _sections(directory: Path, found: dict[str, list[Found]], traces: gather.Traces) -> Iterator[tuple[str, str]]:
    yield "This run", _run(record.of(directory))
    yield "From prompts to trained tokens", _funnel(found)
    yield "Money", _money(found)
    for filtered in found.get("filter", []):
        name = f" ({filtered.path.name})" if len(found["filter"]) > 1 else ""
        results = filtered.manifest.results
        yield f"Why answers were dropped{name}", charts.bars(results.get("dropped", {}))
        yield f"Teacher's accuracy{name}", _accuracy(results)
        yield f"Prompts by pass rate{name}", charts.bars(results.get("prompts_by_pass_rate", {}))
        if filtered.path.is_file():
            yield f"Length of kept traces, characters{name}", _histogram(gather.trace_lengths(filtered.path))
            yield f"Suspect references{name}", _suspects(gather.suspects(filtered.path))
            yield f"Contamination{name}", _contamination(filtered.path)
    curves = {one.path.name: gather.curve(one.path) for one in found.get("finetune", [])}
    yield "Training loss", charts.curves({name: line for name, line in curves.items() if line})
    for scored in found.get("evaluate", []):
        yield "Held-out accuracy", _scores(scored)
    yield "Traces", _browser(traces)


def _lead(found: dict[str, list[Found]]) -> str:
    newest = max((one.manifest for of in found.values() for one in of), key=lambda manifest: manifest.ended_at)
    teachers = sorted({str(one.manifest.options.get("teacher")) for one in found.get("generate", [])})
    simulated = " The teacher is simulated." if any(map(mock.is_simulated, teachers)) else ""
    by = f" Teacher: {escape(', '.join(teachers))}." if teachers else ""
    return f"<p>cotdistill {escape(newest.version)}, {escape(newest.ended_at[:10])}.{by}{simulated}</p>"


def _run(record: record.RunRecord | None) -> str:
    """Why each stage ran, and what is new since the last run; a directory that no recipe made has no such record."""
    if record is None:
        return ""
    stages = [(name, stage.did, stage.why) for name, stage in record.stages.items()]
    rows = []
    for name, change in record.changes.items():
        now, before = (change["now"], change.get("before", "")) if isinstance(change, dict) else (change, "")
        rows.append((name.replace("_", " "), str(now), str(before)))
    return _table(["stage", "did", "why"], stages) + (_table(["", "now", "last run"], rows) if rows else "")


def _funnel(found: dict[str, list[Found]]) -> str:
    steps: dict[str, float] = {}
    for stage, names in (
        ("generate", ("prompts", "responses")),
        ("filter", ("kept",)),
        ("format", ("rows", "holdout_rows")),
        ("finetune", ("trained_tokens",)),
    ):
        for one in found.get(stage, []):
            label = "" if len(found[stage]) == 1 else f" ({one.path.name})"
            steps |= {f"{name.replace('_', ' ')}{label}": one.manifest.counts.get(name, 0) for name in names}
    steps = {name: count for name, count in steps.items() if count}
    longest = {name: count for name, count in steps.items() if not name.startswith("trained")}
    tokens = {name: count for name, count in steps.items() if name.startswith("trained")}
    return charts.bars(longest) + (charts.bars(tokens) if tokens else "")


def _money(found: dict[str, list[Found]]) -> str:
    rows = []
    for one in found.get("generate", []):
        manifest = one.manifest
        of = f" ({one.path.name})" if len(found["generate"]) > 1 else ""
        rows += [
            (f"answers bought in this run{of}", f"{manifest.counts.get('bought', 0):,}"),
            (f"answers from the store{of}", f"{manifest.counts.get('from_store', 0):,}"),
        ]
        if manifest.cost_usd is None:
            rows.append((f"cost{of}", "unknown: this teacher has no published price"))
            continue
        rows += [(f"all answers are worth, USD{of}", manifest.cost_usd)]
        rows += [(f"spent in this run, USD{of}", str(manifest.results.get("spent_usd", "")))]
    for one in found.get("filter", []):
        if each := one.manifest.results.get("cost_usd_per_kept"):
            rows.append((f"per kept trace, USD ({one.path.name})", str(each)))
    return _table([], rows) if rows else ""


def _accuracy(results: dict[str, Any]) -> str:
    if "accuracy" not in results:
        return ""
    low, high = results.get("accuracy_interval", (results["accuracy"],) * 2)
    shown = {"all": (results["accuracy"], low, high)}
    for tag, entry in list(results.get("accuracy_by_tag", {}).items())[:30]:
        shown[tag] = (entry["accuracy"], *entry["interval"])
    return charts.intervals(shown)


def _histogram(lengths: list[int]) -> str:
    if not lengths:
        return ""
    least, most = min(lengths), max(lengths)
    width = max(1, -(-(most - least + 1) // BINS))
    counts: dict[str, float] = {}
    for start in range(least, most + 1, width):
        counts[f"{start:,} to {start + width - 1:,}"] = sum(start <= length < start + width for length in lengths)
    return charts.bars(counts)


def _suspects(suspects: list[dict[str, Any]]) -> str:
    if not suspects:
        return ""
    names = list(suspects[0])[:5]
    rows = [tuple(_one_line(item.get(name)) for name in names) for item in suspects]
    return "<p>Nearly all samples of these prompts agree on another answer than the reference.</p>" + _table(
        names, rows
    )


def _contamination(kept: Path) -> str:
    hits = gather.contaminated(kept)
    rows = [
        (one.judged.response.prompt.id, _one_line(one.judged.response.prompt.messages[-1].content), one.reason)
        for one in hits
    ]
    return _table(["prompt", "question", "match"], rows) if rows else ""


def _scores(scored: Found) -> str:
    entries = scored.manifest.results.get("students", [])
    shown = {str(entry["student"]): (entry["accuracy"], *entry["interval"]) for entry in entries}
    notes = [note for note in scored.manifest.notes if " against " in note]
    return charts.intervals(shown) + "".join(f"<p>{escape(note)}</p>" for note in notes)


def _browser(traces: gather.Traces) -> str:
    if not traces.shown:
        return ""
    return (
        f"<p>{len(traces.shown):,} of {traces.prompts:,} prompts, with all their samples; each reason for a drop is "
        f'among them.</p><div class="tools"><input id="search" type="search" placeholder="Search" aria-label="Search">'
        f'<select id="status" aria-label="Verdict"><option value="">any verdict</option></select>'
        f'<select id="decision" aria-label="Decision"><option value="">any decision</option></select></div>'
        f'<p id="count"></p><div id="list"></div><button id="more">More</button>'
    )


def _table(names: Sequence[str], rows: Sequence[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in names)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    table = f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    return f"<details><summary>{len(rows)} shown</summary>{table}</details>" if len(rows) > FOLDED_FROM else table


def _one_line(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    text = " ".join(text.split())
    return text if len(text) <= 200 else f"{text[:199]}…"


def _safe_json(value: object) -> str:
    """JSON that cannot end its script element, nor open a comment in it."""
    text = msgspec.json.encode(value).decode()
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text
