"""Dates and times of day: March 5, 2021 is 2021-03-05, and 3:30 p.m. is 15:30."""

import re
from functools import lru_cache
from typing import NamedTuple

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_WEEKDAY = r"(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day,? )?"
_ABROAD = {
    "jan": "januar janvier enero gennaio janeiro januari", "feb": "februar février febrero febbraio fevereiro februari",
    "mar": "märz mars marzo março maart", "apr": "avril abril aprile", "may": "mai mayo maggio maio mei",
    "jun": "juni juin junio giugno junho", "jul": "juli juillet julio luglio julho", "aug": "août agosto augustus",
    "sep": "septembre septiembre settembre setembro", "oct": "oktober octobre octubre ottobre outubro",
    "nov": "novembre noviembre novembro", "dec": "dezember décembre diciembre dicembre dezembro",
}  # fmt: skip
_MONTHS_ABROAD = {name: month for month, names in _ABROAD.items() for name in names.split()}
_WORD = re.compile(r"[^\W\d_]{3,10}")
_MONTH_OF_YEAR = re.compile(rf"{_MONTH},?(?: of)? (\d{{4}})", re.IGNORECASE)
_YEAR_MONTH = re.compile(r"(\d{4})[-/](\d{1,2})")
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_MONTH_FIRST = re.compile(rf"{_WEEKDAY}{_MONTH} {_DAY}(?:,? (\d{{4}}))?", re.IGNORECASE)
_DAY_FIRST = re.compile(rf"{_WEEKDAY}(?:the )?{_DAY}(?: of)? {_MONTH}(?:,? (\d{{4}}))?", re.IGNORECASE)
_YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})|(\d{4})年(\d{1,2})月(\d{1,2})日")
_NUMERIC = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})")
_TIME = re.compile(
    r"(?:at )?(\d{1,2})(?:[:h]([0-5]\d))?(?::([0-5]\d))? ?(?:([ap])\.? ?m\.?|(noon|midnight)|(o'clock|h|uhr))?",
    re.IGNORECASE,
)


_HALF_IN_WORDS = re.compile(r" in the (morning|afternoon|evening)$")
_HALF = re.compile(r"[ap]\.? ?m\b", re.IGNORECASE)


class Date(NamedTuple):
    """`year` is None where none is given. Of a date in digits whose order is open, both readings are kept."""

    year: int | None
    days: frozenset[tuple[int, int]]


@lru_cache(1024)
def date(text: str) -> Date | None:
    """The date that a whole text is, in the words of some languages; a month of a year has day 0. `01/05/2024` may be
    in January or in May."""
    text = text.strip(" .")
    if len(text) > 40 or not any(one.isdigit() for one in text):
        return None
    text = re.sub(r"\bde[l]? |(?<=\d)\.(?= ?[^\W\d])|º", "", _WORD.sub(_in_english, text))
    if found := _MONTH_OF_YEAR.fullmatch(text):
        return Date(int(found[2]), frozenset({(_MONTHS.index(found[1][:3].lower()) + 1, 0)}))
    if (found := _YEAR_MONTH.fullmatch(text)) and 1 <= int(found[2]) <= 12:
        return Date(int(found[1]), frozenset({(int(found[2]), 0)}))
    if found := _MONTH_FIRST.fullmatch(text):
        return _date(found[3], found[1], found[2])
    if found := _DAY_FIRST.fullmatch(text):
        return _date(found[3], found[2], found[1])
    if found := _YEAR_FIRST.fullmatch(text):
        year, month, day = (int(one) for one in found.groups() if one)
        return Date(year, frozenset({(month, day)})) if _is_day(month, day) else None
    if found := _NUMERIC.fullmatch(text):
        one, other = int(found[1]), int(found[3])
        days = {(one, other), (other, one)} if found[2] != "." else {(other, one)}
        return Date(int(found[4]), frozenset(day for day in days if _is_day(*day))) if days else None
    return None


def _in_english(word: re.Match[str]) -> str:
    return _MONTHS_ABROAD.get(word[0].lower(), word[0])


def _date(year: str | None, month: str, day: str) -> Date | None:
    place = _MONTHS.index(month[:3].lower()) + 1
    return Date(int(year) if year else None, frozenset({(place, int(day))})) if _is_day(place, int(day)) else None


def _is_day(month: int, day: int) -> bool:
    return 1 <= month <= 12 and 1 <= day <= 31


@lru_cache(1024)
def time_of_day(text: str) -> tuple[int, bool] | None:
    """Seconds after midnight, and whether the half of the day is known: 3:30 PM and 15:30 are, 3:30 is not."""
    text = _HALF_IN_WORDS.sub(lambda found: "am" if found[1] == "morning" else "pm", text.strip(" .").lower())
    if text in ("noon", "midnight"):
        return (12 * 3600 if text == "noon" else 0), True
    found = _TIME.fullmatch(text)
    if found is None or not (found[2] or found[4] or found[5]):
        return None
    hour, seconds = int(found[1]), int(found[2] or 0) * 60 + int(found[3] or 0)
    if hour > 24 or ((found[4] or found[5]) and not 1 <= hour <= 12):
        return None
    if found[4]:
        hour = hour % 12 + (12 if found[4] == "p" else 0)
    elif found[5]:
        hour = 12 if found[5] == "noon" else 0
    known = bool(found[4] or found[5]) or hour > 12 or found[1].startswith("0")
    return hour * 3600 + seconds, known


def same_moment(one: str, other: str) -> bool | None:
    """Whether two texts, a reference and an answer, are the same date or the same time of day; None where they are not
    both one. 3:30 may be answered by 3:30 PM, not the other way round."""
    if (first := date(one)) and (second := date(other)):
        if len(first.days) > 1 and len(second.days) > 1:
            return one.strip(" .") == other.strip(" .")
        shared = first.days & second.days and len(first.days | second.days) == 1
        return bool(shared) and first.year == second.year
    if (early := time_of_day(one)) and (late := time_of_day(other)):
        half_day = 12 * 3600
        if not _HALF.search(one + other):  # 07:45 and 7:45
            return early[0] == late[0]
        return early == late or (
            not early[1] and _HALF.search(other) is not None and early[0] % half_day == late[0] % half_day
        )
    return None
