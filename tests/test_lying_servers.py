"""--max-cost under servers that lie: what is billed never goes beyond the cap by more than one answer."""

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cotdistill.artifacts import Manifest
from cotdistill.config import GenerateConfig
from cotdistill.errors import CotDistillError
from cotdistill.progress import Silent
from cotdistill.stages import generate
from cotdistill.store import spending
from cotdistill.store.location import default_path
from tests.lying_servers import CAP_TOKENS, LIES, Lie
from tests.scripted_server import Scripted, serving

CAP = 3_000
PROMPTS = 300


def run(tmp_path: Path, lie: Lie, cap: float = CAP) -> tuple[Manifest | None, list[int]]:
    """Generate against one server; gives the manifest, where there is one, and what each request was billed."""
    bills: list[int] = []

    def answer(number: int, body: dict[str, Any]) -> Scripted:
        reply, billed = lie.answer(number)
        bills.append(billed)
        return reply

    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps({"id": str(n), "question": f"Q {n}"}) + "\n" for n in range(PROMPTS)))

    async def asking() -> Manifest | None:
        async with serving(answer) as server:
            config = GenerateConfig(
                teacher="openai:m",
                base_url=f"{server.url}/v1",
                max_cost=cap,
                price_in=1_000_000.0,
                price_out=1_000_000.0,
                max_output_tokens=CAP_TOKENS,
                max_attempts=2,
            )
            try:
                return await asyncio.to_thread(generate.run, path, tmp_path / "r.jsonl", config, Silent())
            except CotDistillError:
                return None

    return asyncio.run(asking()), bills


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.name)
def test_the_cap_holds_whatever_the_server_says(tmp_path: Path, lie: Lie, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.wait_random_exponential", lambda **_: lambda state: 0.0)
    manifest, bills = run(tmp_path, lie)
    assert bills, "something was asked"
    over = sum(bills) - CAP
    assert over <= max(bills), f"{over} USD beyond the cap, an answer costs up to {max(bills)}"
    assert len(bills) < PROMPTS, "it stopped before it was through"
    assert manifest is None or manifest.stopped_by == "budget"


def test_what_is_not_known_counts_at_its_worst_case_and_is_recorded_as_unknown(tmp_path: Path) -> None:
    manifest, bills = run(tmp_path, next(lie for lie in LIES if lie.name == "no usage"))
    assert manifest is not None
    assert manifest.cost_usd is None
    assert "spent_usd" not in manifest.results, "nobody knows"
    assert any("of it is a worst case" in note for note in manifest.notes)
    (share,) = spending.spent_by(default_path(), spending.parsed_month(manifest.started_at[:7]), ["teacher"])
    assert (share.name, share.attempts, share.unpriced, share.cost_usd) == (
        "openai:m",
        len(bills),
        len(bills),
        Decimal(0),
    )
    assert Decimal(0) < share.worst_usd <= CAP


def test_an_honest_server_is_used_to_the_last_answer_that_fits(tmp_path: Path) -> None:
    _, bills = run(tmp_path, LIES[0])
    assert CAP - 100 <= sum(bills) <= CAP
