"""Personal data: e-mail addresses, phone numbers, bank accounts, payment cards, social security numbers.

phonenumbers (Google's metadata of every country) and python-stdnum (check digits and ranges) decide what is a number
of that kind; a pattern alone would take half the numbers in mathematics for one. Names and postal addresses are not
looked for: that takes a language model, and many of the names in problems are invented.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cotdistill.errors import CotDistillError
from cotdistill.filters._texts import problem
from cotdistill.records import Judged

LONGEST = 200_000
"""Characters of a text that are searched."""

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@((?:[a-z0-9-]{1,63}\.){1,4}[a-z]{2,24})(?![\w-])", re.IGNORECASE)
_NOBODY = re.compile(r"(?:.*\.)?(?:example(?:\.\w+)?|test|invalid|localhost|domain\.com|email\.com)", re.IGNORECASE)
"""Reserved for examples (RFC 2606), or used like them."""

_DIGITS = re.compile(r"\d(?:[ ()./-]{0,3}\d){6}")
_ABROAD = re.compile(r"[+＋] ?\(?\d(?:[ ()./-]{0,3}\d){6}")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_GROUPED_CARD = re.compile(r"(?<![\d-])(?:[2-6]\d{3}([ -])\d{4}\1\d{4}\1\d{4}|3[47]\d{2}([ -])\d{6}\2\d{5})(?![ -]?\d)")
_PLAIN_CARD = re.compile(r"(?<![\d.,])[2-6]\d{14,15}(?![.,]?\d)")
_CARD = re.compile(r"\b(?:card|visa|mastercard|amex|american express|credit|debit|cvv|cvc)\b", re.IGNORECASE)
_SSN = re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])")


@dataclass
class Filter:
    """Drops what holds an e-mail address, phone, IBAN, payment card or US social security number. Needs the extra pii.

    Phone numbers are international ones (+44 …); `region` (US, DE, …) adds those written the way of one country. The
    reason names the kind and the place, never the value. Addresses at example.com and the like are nobody's.
    """

    region: str | None = None

    def __post_init__(self) -> None:
        try:
            import phonenumbers
            import stdnum  # noqa: F401
        except ImportError:
            raise CotDistillError(
                "filter pii needs phonenumberslite and python-stdnum: pip install 'cotdistill[pii]'"
            ) from None
        if self.region is not None and self.region.upper() not in phonenumbers.SUPPORTED_REGIONS:
            raise ValueError(f"region={self.region}: expected a country by two letters, such as US")

    def reason_to_drop(self, judged: Judged) -> str | None:
        response = judged.response
        for part, text in (
            ("problem", problem(response.prompt)),
            ("reasoning", response.reasoning or ""),
            ("answer", response.text),
        ):
            for kind, holds in _KINDS:
                if holds(text[:LONGEST]):
                    return f"{kind} in the {part}"
            if self._has_phone_number(text[:LONGEST]):
                return f"phone number in the {part}"
        return None

    def _has_phone_number(self, text: str) -> bool:
        """The matcher is slow, so it sees only texts that may have one."""
        if not (_DIGITS.search(text) if self.region else _ABROAD.search(text)):
            return False
        from phonenumbers import Leniency, PhoneNumberMatcher

        region = self.region.upper() if self.region else None
        return PhoneNumberMatcher(text, region, Leniency.STRICT_GROUPING, max_tries=1000).has_next()


def _has_email(text: str) -> bool:
    return "@" in text and any(not _NOBODY.fullmatch(found[1]) for found in _EMAIL.finditer(text))


def _has_iban(text: str) -> bool:
    from stdnum import iban

    return any(iban.is_valid(found[0]) for found in _IBAN.finditer(text))


def _has_card(text: str) -> bool:
    from stdnum import luhn

    return any(luhn.is_valid(re.sub("[ -]", "", digits)) for digits in _cards(text))


def _cards(text: str) -> Iterator[str]:
    """Sixteen digits in a row are a card's only where cards are spoken of."""
    yield from (found[0] for found in _GROUPED_CARD.finditer(text))
    if _CARD.search(text):
        yield from _PLAIN_CARD.findall(text)


def _has_ssn(text: str) -> bool:
    from stdnum.us import ssn

    return any(ssn.is_valid(found) for found in _SSN.findall(text))


_KINDS: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("e-mail address", _has_email),
    ("bank account number", _has_iban),
    ("payment card number", _has_card),
    ("social security number", _has_ssn),
)
