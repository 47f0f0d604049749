"""Tokens and money as servers report them, or fail to."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from cotdistill.pricing import Prices
from cotdistill.providers.types import Reply, Request
from cotdistill.providers.usage import with_proven_input
from cotdistill.records import Message, Usage
from cotdistill.teachers.anthropic import Teacher as Anthropic
from cotdistill.teachers.openai import Teacher as OpenAI
from cotdistill.teachers.openai_responses import Teacher as Responses
from cotdistill.teachers.openrouter import Teacher as OpenRouter

PRICES = Prices("openai", "m", Decimal(1), Decimal(10))
NOTHING: list[Any] = [None, {}, [], "n/a", {"total_tokens": 0}]


def chat(usage: Any, teacher: Any = None, **message: Any) -> Reply:
    choice = {"message": {"content": "12", **message}, "finish_reason": "stop"}
    reply: Reply = (teacher or OpenAI("m")).read(msgspec.json.encode({"choices": [choice], "usage": usage}))
    return reply


def counts(prompt: Any, completion: Any, **more: Any) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, **more}


@pytest.mark.parametrize("usage", [*NOTHING, counts(0, 0), counts(None, None), counts("?", -1), counts(True, True)])
def test_tokens_that_no_server_counted_are_unknown_and_so_is_the_cost(usage: Any) -> None:
    reply = chat(usage)
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (None, None)
    assert PRICES.charge(reply) is None


def test_half_a_count_is_no_price() -> None:
    assert chat(counts(20, None, total_tokens=20)).usage == Usage(input_tokens=20)
    assert chat(counts(0, 50)).usage == Usage(output_tokens=50), "no prompt takes no tokens"
    assert PRICES.charge(chat(counts(20, None))) is None


def test_a_count_that_is_far_too_small_for_the_text_is_unknown_and_so_is_the_cost() -> None:
    text = "so it is " * 30
    assert chat(counts(20, 1), content=text).usage == Usage(input_tokens=20)
    assert PRICES.charge(chat(counts(20, 1), content=text)) is None
    assert chat(counts(20, 23), content=text).usage.output_tokens == 23, "four words a token are just possible"
    assert chat(counts(20, 1), content=" " * 500 + "12").usage.output_tokens == 1, "blanks are one token"


@pytest.mark.parametrize(("said", "counted"), [(1, 250), (249, 250), (250, 250), (900, 900), (None, None)])
def test_a_count_of_the_input_is_no_less_than_its_text_proves(said: int | None, counted: int | None) -> None:
    """No vocabulary joins more than four words in a token; less would make a long prompt cheap."""
    request = Request((Message(role="system", content="word " * 500), Message(role="user", content="word " * 500)), 10)
    reply = with_proven_input(chat(counts(said, 5)), request)
    assert reply.usage.input_tokens == counted


def test_an_answer_without_a_word_may_take_no_tokens() -> None:
    choice = {"message": {"content": None}, "finish_reason": "content_filter"}
    reply = OpenAI("m").read(msgspec.json.encode({"choices": [choice], "usage": counts(20, 0)}))
    assert reply.usage == Usage(input_tokens=20, output_tokens=0)
    assert PRICES.charge(reply) == Decimal("0.00002")


@pytest.mark.parametrize("usage", [None, {}, {"input_tokens": 0, "output_tokens": 0}])
def test_the_other_two_wire_formats_may_leave_the_usage_out_too(usage: Any) -> None:
    message = {"content": [{"type": "text", "text": "12"}], "stop_reason": "end_turn", "usage": usage}
    response = {
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "12"}]}],
        "status": "completed",
        "usage": usage,
    }
    for reply in (
        Anthropic("m").read(msgspec.json.encode(message)),
        Responses("m").read(msgspec.json.encode(response)),
    ):
        assert reply.usage == Usage()


@pytest.mark.parametrize(
    ("usage", "output"),
    [
        (counts(32, 1009, total_tokens=1041, completion_tokens_details={"reasoning_tokens": 1000}), 1009),
        (counts(32, 9, total_tokens=1041, completion_tokens_details={"reasoning_tokens": 1000}), 1009),
        (counts(32, 9, completion_tokens_details={"reasoning_tokens": 1000}), 1009),
        (counts(32, 1009, completion_tokens_details={"reasoning_tokens": 1000}), 1009),
        (counts(32, 1009, reasoning_tokens=1000), 1009),
        (counts(32, 1000, total_tokens=1032, completion_tokens_details={"reasoning_tokens": 1001}), 1001),
        (counts(32, None, total_tokens=1041, completion_tokens_details={"reasoning_tokens": 1000}), 1009),
        ({"input_tokens": 32, "output_tokens": 1009, "output_tokens_details": {"reasoning_tokens": 1000}}, 1009),
    ],
)
def test_reasoning_beside_the_completion_is_counted_and_inside_it_is_not_counted_twice(
    usage: dict[str, Any], output: int
) -> None:
    found = chat(usage).usage
    assert found.output_tokens == output
    assert found.reasoning_tokens in (1000, 1001)
    assert found.input_tokens == 32


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({"cost": 0.00123}, Decimal("0.00123")),
        ({"cost": "1e-4"}, Decimal("0.0001")),
        ({"cost": {"input_tokens_cost": 0.1, "total_cost": 0.25}}, Decimal("0.25")),
        ({"cost_in_usd_ticks": 158_500_000}, Decimal("0.01585")),
        ({"cost": 0.01, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.2}}, Decimal("0.21")),
        ({"cost": 0.01, "is_byok": True, "cost_details": {}}, None),
        ({"cost": 0}, None),
        ({"cost": -1}, None),
        ({"cost": "free"}, None),
        ({"cost": True}, None),
        ({"cost": "NaN"}, None),
    ],
)
def test_the_providers_own_word_of_the_cost_is_carried(usage: dict[str, Any], cost: Decimal | None) -> None:
    reply = chat(counts(1_000_000, 0, **usage))
    assert reply.cost_usd == cost
    assert PRICES.charge(chat(counts(1_000_000, 1, **usage))) == (Decimal("1.00001") if cost is None else cost)


def test_a_free_model_of_openrouter_costs_nothing() -> None:
    assert chat({"cost": 0}, OpenRouter("m:free")).cost_usd == 0
    assert Prices("openrouter", "m:free").charge(chat({"cost": 0}, OpenRouter("m:free"))) == 0
