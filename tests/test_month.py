"""The month's budget of a recipe, in one process: it sees every stage that pays, and forgets nothing."""

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cotdistill.errors import BUDGET, BudgetError
from cotdistill.providers.usage import WORDS_A_TOKEN
from cotdistill.recipes import run as running
from cotdistill.recipes.recipe import read
from cotdistill.store import admin
from cotdistill.store.prune import prune
from tests.conftest import Notes
from tests.scripted_server import Scripted, Server, completion, serving

COUNT = 10
A_DOLLAR_A_TOKEN = "price_in = 1000000.0\nprice_out = 1000000.0\nmax_output_tokens = 10\nconcurrency = 1"
"""The scripted server bills 12 tokens an answer."""


def recipe(tmp_path: Path, server: Server, month: float) -> Path:
    prompts = "".join(json.dumps({"id": str(n), "question": f"Q {n}", "answer": "4"}) + "\n" for n in range(COUNT))
    (tmp_path / "p.jsonl").write_text(prompts)
    judge = f"judge:teacher=openai:judge,base_url={server.url}/v1,price_in=1000000,price_out=1000000"
    (tmp_path / "r.toml").write_text(
        f'prompts = "{tmp_path}/p.jsonl"\nruns = "{tmp_path}/runs"\n'
        f'max_cost_per_month = {month}\n[generate]\nteacher = "openai:m"\n'
        f'base_url = "{server.url}/v1"\ncache = "{tmp_path}/own.sqlite"\n{A_DOLLAR_A_TOKEN}\n'
        f'[filter]\nverify = "{judge},max_output_tokens=10"\n'
    )
    return tmp_path / "r.toml"


def answer(number: int, body: dict[str, Any]) -> Scripted:
    is_judge = "VERDICT" in body["messages"][-1]["content"]
    return Scripted(completion("VERDICT: CORRECT" if is_judge else f"I say 4 to {body['messages'][-1]['content']}"))


def left(notes: Notes) -> Decimal:
    (said,) = [note for note in notes.notes if "left this month" in note]
    return Decimal(said.split()[0])


def test_the_month_sees_the_judge_and_survives_a_prune(tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(answer) as server:
            path = recipe(tmp_path, server, month=2000.0)
            await asyncio.to_thread(running.run, read(path), Notes())
            assert len(server.requests) == 2 * COUNT
            assert sum(share.answers for share in admin.stats(tmp_path / "own.sqlite")) == 2 * COUNT
            assert prune(tmp_path / "own.sqlite", older_than_days=0) == 2 * COUNT
            notes = Notes()
            await asyncio.to_thread(running.run, read(path, ['generate.system="Be brief."']), notes)
            judged = next(one for one in server.requests if "VERDICT" in one["messages"][-1]["content"])
            words = sum(len(turn["content"].split()) for turn in judged["messages"])
            assert left(notes) == 2000 - (12 + words // WORDS_A_TOKEN + 5) * COUNT, "its text proves more than 7 tokens"

    asyncio.run(run())


def test_what_is_too_little_for_one_more_answer_ends_with_the_code_of_a_budget(tmp_path: Path) -> None:
    async def run() -> int:
        async with serving(answer) as server:
            path = recipe(tmp_path, server, month=150.0)
            stopped = await asyncio.to_thread(running.run, read(path), Notes())
            assert stopped.stopped_by == "budget"
            for _ in range(2):
                with pytest.raises(BudgetError, match=r"max_cost_per_month = 150.0; what is left of it: .*one request"):
                    await asyncio.to_thread(running.run, read(path), Notes())
            return len(server.requests)

    assert 12 * asyncio.run(run()) <= 150
    assert BudgetError.exit_code == BUDGET
