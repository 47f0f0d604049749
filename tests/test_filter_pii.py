"""The filter for personal data: kinds and places are named, values never, and mathematics is left alone."""

import json
import sys

import pytest

from cotdistill.errors import CotDistillError, UsageError
from cotdistill.filters import Filter
from cotdistill.plugins import build
from tests.conftest import SHARED, make_judged, make_prompt

pytest.importorskip("stdnum")
pytest.importorskip("phonenumbers")

GSM8K = SHARED / "data" / "gsm8k"


def reason(text: str, spec: str = "pii") -> str | None:
    one: Filter = build("filters", spec)
    return one.reason_to_drop(make_judged(text))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Write to jane.doe+x@mail.acme.co.uk, please", "e-mail address"),
        ("Call +44 20 7946 0958 today", "phone number"),
        ("My account: DE89 3704 0044 0532 0130 00.", "bank account number"),
        ("IBAN GB29NWBK60161331926819", "bank account number"),
        ("4111 1111 1111 1111", "payment card number"),
        ("3782-822463-10005", "payment card number"),
        ("my credit card is 5555555555554444", "payment card number"),
        ("SSN 536-90-4399", "social security number"),
        ("Write to jane@example.com or to bob@mail.example.org", None),
        ("4111 1111 1111 1112", None),
        ("5555555555554444 is divisible by 4", None),
        ("DE89 3704 0044 0532 0130 01", None),
        ("000-12-3456 and 123-45-67890", None),
        ("48 + 24 = 72, 1+1234567 = 1234568, x@y, f@2", None),
        ("Call 020 7946 0958 in 1999-2004", None),
        ("12 345 678 901 234 567 and 3.141592653589793", None),
    ],
)
def test_each_kind_is_told_from_what_only_resembles_it(text: str, kind: str | None) -> None:
    assert reason(text) == (kind and f"{kind} in the answer")


def test_a_region_adds_its_own_way_of_writing_phone_numbers() -> None:
    assert reason("Call (212) 555-2368 now", "pii:region=US") == "phone number in the answer"
    assert reason("Call (212) 555-2368 now") is None
    with pytest.raises(UsageError, match="expected a country by two letters"):
        build("filters", "pii:region=Mars")


def test_the_place_is_named() -> None:
    one: Filter = build("filters", "pii")
    address = "jane@acme.com"
    assert one.reason_to_drop(make_judged(prompt=make_prompt(question=address))) == "e-mail address in the problem"
    assert one.reason_to_drop(make_judged(reasoning=address)) == "e-mail address in the reasoning"


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "stdnum", None)
    with pytest.raises(CotDistillError, match=r"pip install 'cotdistill\[pii\]'"):
        build("filters", "pii")


def test_hostile_texts_are_searched_in_bounded_time() -> None:
    for text in (
        "+1 " * 100_000,
        "a@" * 100_000,
        "4111 " * 50_000,
        "DE89 " * 50_000,
        "1" * 300_000,
        "a." * 100_000 + "@",
    ):
        assert reason(text) is None, text[:20]


@pytest.mark.skipif(not GSM8K.is_dir(), reason="needs GSM8K in ../shared/data")
@pytest.mark.parametrize("spec", ["pii", "pii:region=US"])
def test_real_mathematics_holds_none(spec: str) -> None:
    one: Filter = build("filters", spec)
    for line in (GSM8K / "train.jsonl").read_bytes().splitlines()[:3000]:
        row = json.loads(line)
        assert one.reason_to_drop(make_judged(row["answer"], prompt=make_prompt(question=row["question"]))) is None
