"""What a run may cost, and what is bought again: caps, truncated answers, early acceptance, the store's commands."""

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cotdistill.artifacts import Manifest
from cotdistill.artifacts.json_lines import read_records
from cotdistill.artifacts.summary import as_text, one_line
from cotdistill.config import GenerateConfig
from cotdistill.dispatch.budget import Budget, Tariff, Worst
from cotdistill.errors import UsageError
from cotdistill.pricing import Prices
from cotdistill.progress import Silent
from cotdistill.records import Response, Usage
from cotdistill.stages import generate as stage
from cotdistill.store.location import default_path
from tests.conftest import Notes, cotdistill
from tests.scripted_server import Scripted, Server, completion, serving

Answer = Callable[[int, dict[str, Any]], Scripted]


def questions(tmp_path: Path, count: int) -> Path:
    path = tmp_path / "prompts.jsonl"
    lines = [json.dumps({"id": str(n), "question": f"question {n}", "answer": "4"}) for n in range(count)]
    path.write_text("\n".join(lines) + "\n")
    return path


def runs(
    tmp_path: Path, answer: Answer, count: int, *options: dict[str, Any], progress: Silent | None = None
) -> tuple[list[Manifest], list[int]]:
    """Run generate once per set of options against one server; gives the manifests and the requests of each."""

    async def run() -> tuple[list[Manifest], list[int]]:
        manifests: list[Manifest] = []
        asked: list[int] = []
        async with serving(answer) as server:
            for chosen in options:
                manifests.append(await _one(server, chosen))
                asked.append(len(server.requests) - sum(asked))
        return manifests, asked

    async def _one(server: Server, chosen: dict[str, Any]) -> Manifest:
        config = GenerateConfig(**{"teacher": "openai:m", "base_url": f"{server.url}/v1", **chosen})
        prompts = questions(tmp_path, count)
        return await asyncio.to_thread(stage.run, prompts, tmp_path / "r.jsonl", config, progress or Silent())

    return asyncio.run(run())


def responses(tmp_path: Path) -> list[Response]:
    return list(read_records(tmp_path / "r.jsonl", Response))


# --max-cost

PRICED = {"price_in": 1_000_000.0, "price_out": 1_000_000.0, "max_output_tokens": 10}
"""A dollar a token: the scripted server bills 7 in and 5 out, so 12 USD an answer."""


def test_a_run_never_costs_more_than_its_cap_and_keeps_what_it_bought(tmp_path: Path) -> None:
    # The worst case of one request is 10 bytes + 64 of overhead + 10 out = 84 USD, of which 12 are spent.
    (first, second), asked = runs(
        tmp_path,
        lambda number, body: Scripted(completion("4")),
        50,
        {**PRICED, "max_cost": 300.0, "concurrency": 8},
        {**PRICED},
    )
    assert first.stopped_by == "budget"
    assert first.complete is False
    assert first.cost_usd is not None
    assert 200 < Decimal(first.cost_usd) <= 300, "it goes on while the worst case fits"
    assert asked[0] == first.counts["bought"] == int(Decimal(first.cost_usd) / 12)
    assert any("stopped at --max-cost" in note for note in first.notes)
    assert (second.complete, asked[1]) == (True, 50 - asked[0]), "the same command without the cap buys the rest"


def test_the_cap_ends_with_code_4_and_says_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("".join(f"a=1 b=a+{n} b?\n" for n in range(1, 10)))
    words = ("generate", tmp_path / "p.txt", "-o", tmp_path / "r.jsonl", "--teacher", "mock:digit-chains")
    done = cotdistill(
        *words, "--price-in", "1", "--price-out", "1", "--max-cost", "0.0001", "--max-output-tokens", "20"
    )
    assert done.returncode == 4, done.stderr
    assert "stopped at --max-cost" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_cap_that_no_request_fits_in_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"--max-cost 50.00: one request may cost up to 84.* USD; give more, or a smaller"
    ):
        runs(tmp_path, lambda number, body: Scripted(completion("4")), 1, {**PRICED, "max_cost": 50.0})


def test_what_a_run_spends_is_told_apart_from_what_its_output_is_worth(tmp_path: Path) -> None:
    answer: Answer = lambda number, body: Scripted(completion("4"))  # noqa: E731
    (first, again), _ = runs(tmp_path, answer, 3, PRICED, PRICED)
    assert (first.results["spent_usd"], first.cost_usd) == ("36", "36")
    assert (again.results["spent_usd"], again.cost_usd) == ("0", "36")
    assert "spent 0 USD now, 36.00 USD in all with what was in the store (estimate)" in one_line(again)


def test_a_cap_without_a_price_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the price of 'm' is not known; give --price-in and --price-out"):
        runs(tmp_path, lambda number, body: Scripted(completion("4")), 1, {"max_cost": 1.0})


@pytest.mark.parametrize(("prices", "words"), [((), "spent 0 USD now"), (("1", "5"), "spent 0.0000")])
def test_a_rehearsal_with_a_budget_runs_and_counts_nothing_or_the_prices_that_were_given(
    tmp_path: Path, prices: tuple[str, ...], words: str
) -> None:
    (tmp_path / "p.txt").write_text("a=5 b=a*3 c=b-9 c?\n")
    options = [word for pair in zip(("--price-in", "--price-out"), prices, strict=False) for word in pair]
    ended = cotdistill(
        "generate", tmp_path / "p.txt", "-o", tmp_path / "r.jsonl", "--teacher", "mock:digit-chains", "--no-cache",
        "--max-cost", "1", *options,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert words in ended.stderr


def test_reservations_wait_for_each_other_and_are_given_back() -> None:
    worst, used = Worst(80, 20), Usage(input_tokens=5, output_tokens=5)
    dollar = Decimal(1_000_000)

    async def run() -> None:
        tariff = Tariff(Prices("openai", "m", dollar, dollar), answers=100)
        budget = Budget(Decimal(250))
        assert await budget.admit("a", tariff, worst)
        waiting = asyncio.create_task(budget.admit("b", tariff, worst))
        await asyncio.sleep(0)
        assert not waiting.done(), "two worst cases of 100 do not fit twice over"
        budget.settle("a", used, Decimal(10))
        assert await waiting, "a cost 10 of its 100"
        budget.settle("b", None)
        assert budget.spent == 10 and not budget.exhausted
        assert await budget.admit("c", tariff, worst)
        budget.settle("c", Usage())
        assert budget.spent == 110 and budget.unknown == 100, "what is not known counts at its worst case"
        assert await budget.admit("d", tariff, worst)
        budget.settle("d", Usage(input_tokens=80, output_tokens=60), Decimal(140))
        assert budget.spent == 250
        assert not await budget.admit("e", tariff, worst)
        assert budget.exhausted

    asyncio.run(run())


# Truncated answers


def by_cap(number: int, body: dict[str, Any]) -> Scripted:
    """Even questions need 100 tokens; what is cut says so."""
    needs = 100 if int(body["messages"][-1]["content"].split()[-1]) % 2 == 0 else 10
    cut = body["max_tokens"] < needs
    return Scripted(completion("…" if cut else "4", "length" if cut else "stop"))


def test_truncated_answers_are_paid_once_and_marked(tmp_path: Path) -> None:
    manifests, asked = runs(tmp_path, by_cap, 10, {"max_output_tokens": 20}, {"max_output_tokens": 20})
    assert asked == [10, 0]
    assert (manifests[1].counts["length"], manifests[1].counts["stop"]) == (5, 5)
    assert any("5 answers were cut at --max-output-tokens" in note for note in manifests[1].notes)


def test_retry_truncated_with_a_larger_cap_asks_exactly_for_those(tmp_path: Path) -> None:
    small, large = {"max_output_tokens": 20}, {"max_output_tokens": 200}
    manifests, asked = runs(
        tmp_path, by_cap, 10, small, {**large, "retry_truncated": True}, {**large, "retry_truncated": True}, large
    )
    assert asked == [10, 5, 0, 0], "what ended by itself within the cap is not bought again for another cap"
    assert manifests[1].counts == {**manifests[1].counts, "bought": 5, "from_store": 5, "stop": 10}
    assert {one.text for one in responses(tmp_path)} == {"4"}


# --until-accepted


def right_at(sample: int) -> Answer:
    """Question n is answered right from its sample `n % sample` on."""
    seen: dict[str, int] = {}

    def answer(number: int, body: dict[str, Any]) -> Scripted:
        question = body["messages"][-1]["content"]
        seen[question] = seen.get(question, -1) + 1
        return Scripted(completion("4" if seen[question] >= int(question.split()[-1]) % sample else "5"))

    return answer


def test_easy_prompts_cost_one_answer_and_hard_ones_up_to_n(tmp_path: Path) -> None:
    options = {"samples": 4, "until_accepted": 1}
    manifests, asked = runs(tmp_path, right_at(4), 8, options, options, {"samples": 4})
    assert asked == [2 * (1 + 2 + 3 + 4), 0, 32 - 20]
    assert manifests[0].counts["not_needed"] == 32 - 20
    assert manifests[0].complete


def test_accepted_answers_stop_at_the_kth_right_one_also_from_the_store(tmp_path: Path) -> None:
    runs(tmp_path, right_at(3), 6, {"samples": 8, "until_accepted": 2})
    last = {one.prompt.id: one.sample for one in responses(tmp_path)}
    assert last == {str(n): n % 3 + 1 for n in range(6)}


def test_a_prompt_that_is_never_right_is_asked_n_times_and_no_more(tmp_path: Path) -> None:
    manifests, asked = runs(
        tmp_path, lambda number, body: Scripted(completion("5")), 3, {"samples": 4, "until_accepted": 1}
    )
    assert (asked, manifests[0].counts["not_needed"]) == ([12], 0)


# The store


def test_reextract_rebuilds_from_the_store_and_asks_nothing(tmp_path: Path) -> None:
    answer: Answer = lambda number, body: Scripted(completion("<think>2+2</think>4"))  # noqa: E731
    manifests, asked = runs(tmp_path, answer, 5, {}, {"reextract": True}, {"reextract": True, "samples": 2})
    assert asked == [5, 0, 0]
    assert {one.reasoning for one in responses(tmp_path)} == {"2+2"}
    assert (manifests[2].complete, manifests[2].counts["not_asked"]) == (False, 5)
    assert "the same command without --reextract asks for them" in as_text(manifests[2])


def test_the_stores_commands_look_export_and_prune(tmp_path: Path) -> None:
    runs(tmp_path, lambda number, body: Scripted(completion("4")), 3, {})
    assert cotdistill("cache", "path").stdout.strip() == str(default_path())
    assert "openai:m" in cotdistill("cache", "stats").stdout
    assert cotdistill("cache", "export", "-o", tmp_path / "all.jsonl").returncode == 0
    entries = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert [entry["raw"]["choices"][0]["message"]["content"] for entry in entries] == ["4"] * 3
    assert json.loads(cotdistill("cache", "stats", "--json").stdout)["answers"] == 3
    everything = ("cache", "prune", "--older-than-days", "0", "--model", "openai:m")
    assert "3 answers would be deleted" in cotdistill(*everything, "--dry-run").stderr
    assert cotdistill("cache", "prune", "--older-than-days", "-1").returncode == 2
    assert "0 answers deleted" in cotdistill("cache", "prune", "--older-than-days", "1").stderr
    assert "3 answers deleted" in cotdistill("cache", "prune", "--older-than-days", "0", "--model", "m").stderr
    missing = cotdistill("cache", "stats", "--cache", tmp_path / "none.sqlite")
    assert (missing.returncode, "there is no store of answers yet" in missing.stderr) == (2, True)


# What is known before and while


def test_a_dry_run_says_what_the_cap_would_do_to_the_run(tmp_path: Path) -> None:
    prices = {"price_in": 3.0, "price_out": 9.0, "max_output_tokens": 1000, "dry_run": True}
    answer: Answer = lambda number, body: Scripted(completion("4"))  # noqa: E731
    bought = {**prices, "dry_run": False, "limit": 10}
    found, _ = runs(tmp_path, answer, 1000, {**prices, "max_cost": 0.001}, bought, {**prices, "max_cost": 0.05})
    assert found[0].notes[-1].startswith("WARNING: the run would be refused: --max-cost 0.001: one request may cost up")
    assert (
        "0.0653 USD are more than --max-cost 0.05: the run would stop there; the same command goes on" in found[2].notes
    )


def test_a_dry_run_estimates_tokens_and_cost_online_and_in_a_batch(tmp_path: Path) -> None:
    prices = {"price_in": 3.0, "price_out": 9.0, "max_output_tokens": 1000}
    manifests, asked = runs(
        tmp_path,
        lambda number, body: Scripted(completion("4")),
        1000,
        {**prices, "limit": 10},
        {**prices, "dry_run": True},
    )
    assert asked == [10, 0]
    assert manifests[1].counts == {"prompts": 1000, "responses": 1000, "in_store": 10, "to_ask": 990}
    found = manifests[1].results
    assert (found["output_tokens"], found["output_tokens_at_most"]) == (990 * 5, 990_000)
    assert (found["cost_usd"], found["cost_usd_batch"], found["cost_usd_at_most"]) == ("0.0653", "0.0327", "9.1354")


def test_paid_reasoning_that_comes_back_empty_is_said_loudly_after_the_first_answers(tmp_path: Path) -> None:
    from tests.scripted_server import message

    progress = Notes()
    empty = message({"type": "thinking", "thinking": "", "signature": "s"}, {"type": "text", "text": "4"})

    async def run() -> None:
        async with serving(lambda number, body: Scripted(empty)) as server:
            config = GenerateConfig(teacher="anthropic:m", base_url=server.url)
            await asyncio.to_thread(stage.run, questions(tmp_path, 9), tmp_path / "r.jsonl", config, progress)

    asyncio.run(run())
    assert sum("WARNING: the first 5 answers came without the reasoning" in note for note in progress.notes) == 1


def test_worked_examples_go_before_the_question(tmp_path: Path) -> None:
    (tmp_path / "shots.jsonl").write_text('{"question": "1+1?", "answer": "1+1 = 2\\nAnswer: 2"}\n')
    bodies: list[dict[str, Any]] = []

    def answer(number: int, body: dict[str, Any]) -> Scripted:
        bodies.append(body)
        return Scripted(completion("4"))

    runs(tmp_path, answer, 1, {"few_shot": str(tmp_path / "shots.jsonl"), "system": "Be brief.", "template": "worked"})
    turns = [(turn["role"], turn["content"].splitlines()[0]) for turn in bodies[0]["messages"]]
    assert turns == [("system", "Be brief."), ("user", "1+1?"), ("assistant", "1+1 = 2"), ("user", "question 0")]


def test_the_templates_hash_is_in_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "t.md").write_text("Q: $question")
    manifests, _ = runs(
        tmp_path, lambda number, body: Scripted(completion("4")), 1, {"template": str(tmp_path / "t.md")}
    )
    assert len(msgspec.to_builtins(manifests[0])["options"]["template_sha256"]) == 64


def test_a_truncated_answer_is_not_bought_again_for_a_larger_cap_alone(tmp_path: Path) -> None:
    manifests, asked = runs(tmp_path, by_cap, 10, {"max_output_tokens": 20}, {"max_output_tokens": 200})
    assert asked == [10, 0]
    assert any("5 answers were cut" in note and "--retry-truncated" in note for note in manifests[1].notes)


def test_a_cut_answer_never_beats_an_older_complete_one(tmp_path: Path) -> None:
    needs_50: Answer = lambda number, body: Scripted(  # noqa: E731
        completion("…", "length") if body["max_tokens"] < 50 else completion("4")
    )
    caps = [{"max_output_tokens": cap} for cap in (800, 20, 700)]
    manifests, asked = runs(tmp_path, needs_50, 3, *caps)
    assert asked == [3, 0, 0], "each complete answer took 5 tokens, which any of these caps has room for"
    assert [manifest.counts["stop"] for manifest in manifests] == [3, 3, 3]

    long: Answer = lambda number, body: Scripted(  # noqa: E731
        {
            **completion("4" if body["max_tokens"] > 50 else "…", "stop" if body["max_tokens"] > 50 else "length"),
            "usage": {"prompt_tokens": 7, "completion_tokens": 50 if body["max_tokens"] > 50 else body["max_tokens"]},
        }
    )
    manifests, asked = runs(tmp_path, long, 3, *caps)
    assert asked == [3, 3, 0]
    assert manifests[2].counts["stop"] == 3, "not the cut ones, though they are newer"


def test_the_ceiling_of_a_dry_run_counts_every_sample_that_may_be_needed(tmp_path: Path) -> None:
    options = {"samples": 8, "until_accepted": 1, "max_output_tokens": 100, "price_in": 1.0, "price_out": 10.0}
    wrong: Answer = lambda number, body: Scripted(completion("5"))  # noqa: E731
    (dry, _, after), asked = runs(
        tmp_path, wrong, 50, {**options, "dry_run": True}, {**options, "limit": 10}, {**options, "dry_run": True}
    )
    assert (dry.counts["to_ask"], dry.counts["to_ask_at_most"]) == (50, 400)
    assert asked == [0, 80, 0], "the bound is reached by ten of the fifty"
    assert dry.results["output_tokens_at_most"] == 400 * 100
    assert Decimal(dry.results["cost_usd_at_most"]) >= Decimal(400 * 1000) / 1_000_000
    assert (after.counts["to_ask"], after.counts["to_ask_at_most"]) == (40, 320)


def test_a_server_of_ones_own_is_said_once_to_have_no_price(tmp_path: Path) -> None:
    answer: Answer = lambda number, body: Scripted(completion("4"))  # noqa: E731
    (dry, first, again, free), _ = runs(
        tmp_path, answer, 3, {"dry_run": True}, {}, {}, {"price_in": 0.0, "price_out": 0.0}
    )
    said = "--price-in 0 --price-out 0 says that it costs nothing"
    assert dry.results["cost"] == f"not counted, the server is your own; {said}"
    assert f"the server is your own, so no cost is counted; {said}" in first.notes
    assert not any("price" in note for manifest in (again, free) for note in manifest.notes)
    assert first.cost_usd is None and float(free.cost_usd or 1) == 0


def test_a_teacher_without_a_batch_api_has_no_batch_price(tmp_path: Path) -> None:
    config = GenerateConfig(teacher="deepseek:deepseek-chat", dry_run=True)
    manifest = stage.run(questions(tmp_path, 3), tmp_path / "r.jsonl", config, Silent())
    assert "cost_usd_at_most" in manifest.results
    assert not any(name.endswith("_batch") for name in manifest.results)


def test_a_failure_is_that_of_every_id_of_its_content(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text('{"id": "a", "question": "same"}\n{"id": "b", "question": "same"}\n')

    async def run() -> None:
        async with serving(lambda number, body: Scripted({"error": {"message": "too odd"}}, 400)) as server:
            config = GenerateConfig(teacher="openai:m", base_url=f"{server.url}/v1")
            await asyncio.to_thread(stage.run, tmp_path / "p.jsonl", tmp_path / "r.jsonl", config, Silent())

    asyncio.run(run())
    failed = [json.loads(line) for line in (tmp_path / "r.failed.jsonl").read_text().splitlines()]
    assert [one["id"] for one in failed] == ["a", "b"]
    assert all("too odd" in one["reason"] for one in failed)


def test_an_answer_longer_than_a_smaller_cap_is_asked_for_again(tmp_path: Path) -> None:
    answer: Answer = lambda number, body: Scripted(completion("4"))  # noqa: E731
    _, asked = runs(tmp_path, answer, 2, {"max_output_tokens": 20}, {"max_output_tokens": 4})
    assert asked == [2, 2], "each took 5 tokens"


def test_without_a_reference_the_first_answers_are_taken_and_the_run_says_so(tmp_path: Path) -> None:
    answer: Answer = lambda number, body: Scripted(completion("4"))  # noqa: E731
    (tmp_path / "p.txt").write_text("one\ntwo\n")

    async def run() -> tuple[Manifest, int]:
        async with serving(answer) as server:
            config = GenerateConfig(teacher="openai:m", base_url=f"{server.url}/v1", samples=8, until_accepted=2)
            made = await asyncio.to_thread(stage.run, tmp_path / "p.txt", tmp_path / "r.jsonl", config, Silent())
            return made, len(server.requests)

    manifest, asked = asyncio.run(run())
    assert asked == 4
    assert any(
        "2 prompts have no reference that --verify can use: the first answers were taken" in one
        for one in manifest.notes
    )
