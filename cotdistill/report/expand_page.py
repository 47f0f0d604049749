"""What the page of a run says of expand: what each method gave, what was left out, what references are worth."""

from collections.abc import Iterator, Sequence
from typing import Any

from cotdistill.artifacts.lineage import Found
from cotdistill.report import charts, html
from cotdistill.report.charts import Bar
from cotdistill.report.html import Section
from cotdistill.report.words import cost, dropped_reason, share
from cotdistill.wording import amount, usd


def sections(found: Sequence[Found]) -> Iterator[Section]:
    for one in found:
        results = one.manifest.results
        dropped = [Bar(dropped_reason(name), count, f"{count:,}") for name, count in results.get("dropped", {}).items()]
        yield Section(
            "New prompts" + (f", {one.path.name}" if len(found) > 1 else ""),
            html.tiles(_figures(one))
            + _methods(results.get("methods", {}))
            + html.under("Why prompts were left out", charts.counts(dropped))
            + html.under(
                "What most answers to a seed say, by their votes", _trust(results.get("majority_on_seeds", {}))
            ),
        )


def money(found: Sequence[Found]) -> Iterator[tuple[str, str]]:
    for one in found:
        of = f", {one.path.name}" if len(found) > 1 else ""
        yield f"new prompts and the answers to them are worth{of}", cost(one)
        if (spent := one.manifest.results.get("spent_usd")) and float(spent):
            yield f"spent on them in this run{of}", usd(spent)


def _figures(one: Found) -> list[tuple[str, str]]:
    counts, results = one.manifest.counts, one.manifest.results
    figures = [("seeds", f"{counts.get('seeds', 0):,}"), ("new prompts", f"{counts.get('new_prompts', 0):,}")]
    if "seeds_covered_share" in results:
        figures.append(("seeds with a new prompt", share(results["seeds_covered_share"])))
    return figures


def _methods(methods: dict[str, dict[str, Any]]) -> str:
    rows = [
        (
            name,
            f"{one['asked']:,}",
            f"{one['kept']:,}",
            share(one["yield"]) if "yield" in one else "",
            amount(one["cost_usd_per_kept"]) if "cost_usd_per_kept" in one else "",
        )
        for name, one in methods.items()
    ]
    return html.table(["method", "requests", "kept", "yield", "USD a kept prompt"], rows, numbers=range(1, 5))


def _trust(votes: dict[str, dict[str, int]]) -> str:
    bars = [
        Bar(name, one["right"] / one["seeds"], f"{one['right']} right of {one['seeds']}")
        for name, one in votes.items()
        if one["seeds"]
    ]
    return charts.shares(bars)
