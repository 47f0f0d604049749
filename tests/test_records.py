from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotdistill.records import Judged, Prompt, Response, money
from tests.conftest import make_judged, make_prompt, make_response

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


def test_unknown_field_is_refused() -> None:
    line = b'{"id":"1","messages":[],"anwser":"4"}'
    with pytest.raises(msgspec.ValidationError, match="unknown field `anwser`"):
        msgspec.json.decode(line, type=Prompt)


def test_absent_fields_stay_out_of_the_json() -> None:
    assert msgspec.json.encode(make_prompt(reference=None)) == (
        b'{"id":"p1","messages":[{"role":"user","content":"What is 2+2?"}]}'
    )


def test_fields_come_in_declared_order_so_that_bytes_are_stable() -> None:
    fields = list(msgspec.json.decode(msgspec.json.encode(make_response(reasoning="2+2=4"))))
    assert fields == [
        "prompt", "sample", "reasoning", "reasoning_kind", "text", "stop_reason", "teacher", "usage", "request_key",
    ]  # fmt: skip


@given(text=TEXT, reasoning=st.none() | TEXT, reference=st.none() | TEXT)
def test_what_is_written_is_what_is_read(text: str, reasoning: str | None, reference: str | None) -> None:
    response = make_response(text, make_prompt(reference=reference), reasoning=reasoning)
    assert msgspec.json.decode(msgspec.json.encode(response), type=Response) == response


def test_a_judged_record_holds_the_response_and_its_prompt() -> None:
    judged = msgspec.json.decode(msgspec.json.encode(make_judged()), type=Judged)
    assert judged.response.prompt.reference == "4"


@pytest.mark.parametrize(
    ("amount", "written"), [(Decimal("1.23E-7"), "0.000000123"), (Decimal("36.00"), "36"), (None, None)]
)
def test_money_is_a_plain_decimal_and_unknown_is_not_zero(amount: Decimal | None, written: str | None) -> None:
    assert money(amount) == written


@pytest.mark.parametrize("turns", ["", '{"role":"system","content":"Be brief."}'])
def test_a_prompt_without_a_users_turn_is_refused_where_it_is_read(turns: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="messages: expected a user's turn, got none"):
        msgspec.json.decode(f'{{"id":"1","messages":[{turns}]}}'.encode(), type=Prompt)
