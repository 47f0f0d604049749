"""Numbers in words: English cardinals, decimals, fractions and dozens, and Chinese numerals."""

import re
from fractions import Fraction

_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SMALL = (
    {word: value for value, word in enumerate(_ONES)}
    | {word: 20 + 10 * place for place, word in enumerate(_TENS)}
    | {"fourty": 40}
)
_GREAT = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_PARTS = {
    "half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9,
    "tenth": 10, "twelfth": 12, "hundredth": 100, "thousandth": 1000,
}  # fmt: skip
_NOTHING = ("none", "nil", "naught", "nought")

_CARDINAL = "|".join(sorted((*_SMALL, *_GREAT, "hundred"), key=len, reverse=True))
CARDINAL_TO_CARDINAL = re.compile(rf"\b({'|'.join(_ONES[1:])}) to ({'|'.join(_ONES[1:])})\b", re.IGNORECASE)
"""A ratio in words."""
_PART = "|".join(sorted((*_PARTS, "halve"), key=len, reverse=True))
_JOIN = r"(?:[ -]|,? and | a | an )"
PHRASE = re.compile(
    rf"(?<![\w-])(?:(?:minus|negative) )?(?:(?:a|an|half a|half) )?(?:{_CARDINAL}|dozen|(?:{_PART})s?)"
    rf"(?:(?:{_JOIN}|,? and an? | point |, )(?:{_CARDINAL}|dozen|(?:{_PART})s?)){{0,16}}(?![\w-])",
    re.IGNORECASE,
)
"""What may be a number in words; `value` decides. "the third" is none, "two thirds" is one."""


def is_number_word(text: str) -> bool:
    """Whether a whole text is a number above one in words: "twelve", "三十六"; "one" and "none" are words too."""
    return bool(CHINESE.fullmatch(text) and len(text) > 1) or (
        bool(PHRASE.fullmatch(text)) and (value(text) or 0) > 1 and text.lower() != "score"
    )


def value(phrase: str) -> Fraction | None:
    """The number that a whole phrase says, None where it says none: two hundred ninety-four · minus five · a dozen ·
    half a dozen · two and a half · three quarters · fifty-two point six two · one million."""
    words = re.sub(r"[-,]", " ", phrase.lower()).split()
    if not words or len(words) > 24:
        return None
    if words == ["nothing"] or (len(words) == 1 and words[0] in _NOTHING):
        return Fraction(0)
    if words[0] in ("minus", "negative"):
        found = value(" ".join(words[1:]))
        return None if found is None else -found
    return _dozens(words) or _decimal(words) or _mixed(words)


def leading(text: str) -> tuple[Fraction, int] | None:
    """The number in words at the head of a text, and where it ends; the longest that is one."""
    found = PHRASE.match(text)
    end = found.end() if found else 0
    while end:
        if (number := value(text[:end])) is not None:
            return number, end
        end = max(text.rfind(" ", 0, end), text.rfind("-", 0, end), 0)
    nothing = re.match(r"(?:none|nil|naught|nought|nothing)(?![\w-])(?! (?:of|but|more))", text, re.IGNORECASE)
    return (Fraction(0), nothing.end()) if nothing else None


def _dozens(words: list[str]) -> Fraction | None:
    if words[-1] not in ("dozen", "dozens") or len(words) > 6:
        return None
    before = words[:-1]
    if before in ([], ["a"], ["one"]):
        return Fraction(12)
    if before in (["half", "a"], ["half"]):
        return Fraction(6)
    count = _mixed([word for word in before if word != "a" or "half" in before])
    return None if count is None else count * 12


def _decimal(words: list[str]) -> Fraction | None:
    if "point" not in words:
        return None
    place = words.index("point")
    digits = [_SMALL.get(word, 99) for word in words[place + 1 :]]
    whole = _cardinal(words[:place]) if place else 0
    if whole is None or not digits or max(digits) > 9:
        return None
    return Fraction(f"{whole}.{''.join(map(str, digits))}")


def _mixed(words: list[str]) -> Fraction | None:
    """A cardinal, a fraction, or both: "one and three quarters", "two and a half"."""
    last = words[-1].removesuffix("s").replace("halve", "half")
    if last not in _PARTS:
        whole = _cardinal(words)
        return None if whole is None else Fraction(whole)
    over, before = words[:-1], None
    if "and" in over:
        place = len(over) - 1 - over[::-1].index("and")
        before, over = over[:place], over[place + 1 :]
    if over not in (["a"], ["an"]) and not over:
        return Fraction(1, 2) if last == "half" and before is None else None  # "third" alone is an ordinal
    count = 1 if over in (["a"], ["an"]) else _cardinal(over)
    whole = _cardinal(before) if before is not None else 0
    if count is None or whole is None or not 0 < count < 100:
        return None
    return whole + Fraction(count, _PARTS[last])


def _cardinal(words: list[str]) -> int | None:
    """two hundred and five · a hundred · twelve hundred · one million two hundred thousand."""
    total, group, last = 0, 0, 10**15
    seen, closed = False, False
    for place, word in enumerate(words):
        if word == "and" and 0 < place < len(words) - 1 and words[place - 1] in ("hundred", *_GREAT):
            continue
        if word in ("a", "an") and place + 1 < len(words) and words[place + 1] in ("hundred", *_GREAT) and not group:
            group, seen = 1, True
        elif word in _SMALL:
            size = _SMALL[word]
            follows_tens = group % 100 >= 20 and group % 10 == 0 and 0 < size < 10
            if closed or (group % 100 and not follows_tens):
                return None
            group, seen, closed = group + size, True, size < 20
        elif word == "hundred" and 0 < group < 100:
            group, closed = group * 100, False
        elif word in _GREAT and group and _GREAT[word] < last:
            last = _GREAT[word]
            total, group, closed = total + group * last, 0, False
        else:
            return None
    return total + group if seen else None


_ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
    "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth",
    "twentieth",
)  # fmt: skip
_TENTHS = {word[:-1] + "ieth": 20 + 10 * place for place, word in enumerate(_TENS)}
_ORDINAL = re.compile(
    rf"(?:the )?(?:(?:({'|'.join(_TENS)})[- ])?({'|'.join(_ORDINALS)})|({'|'.join(_TENTHS)}))", re.IGNORECASE
)


def ordinal(text: str) -> int | None:
    """The place that a whole text names: "third", "the twenty-first"."""
    found = _ORDINAL.fullmatch(text.rstrip("."))
    if found is None:
        return None
    if found[3]:
        return _TENTHS[found[3].lower()]
    return (_SMALL[found[1].lower()] if found[1] else 0) + _ORDINALS.index(found[2].lower()) + 1


_WORDS_ABROAD = {
    "de": "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn"
    " siebzehn achtzehn neunzehn zwanzig",
    "fr": "zéro un deux trois quatre cinq - sept huit neuf dix onze douze treize quatorze quinze seize dix-sept"
    " dix-huit dix-neuf vingt",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve diez - doce trece catorce quince dieciséis diecisiete"
    " dieciocho diecinueve veinte veintiuno veintidós veintitrés veinticuatro veinticinco",
    "it": "- - due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici sedici"
    " diciassette diciotto diciannove venti",
    "pt": "- um dois três quatro - seis sete oito nove dez onze doze treze catorze quinze dezesseis dezessete dezoito"
    " dezenove vinte",
    "ru": "ноль один два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать тринадцать"
    " четырнадцать пятнадцать шестнадцать семнадцать восемнадцать девятнадцать двадцать",
}
ABROAD = {word: value for words in _WORDS_ABROAD.values() for value, word in enumerate(words.split()) if word != "-"}
"""Small numbers in other languages, for a whole answer; `once` and `six` are English too."""

_CHINESE_DIGITS = {one: place for place, one in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "兩": 2}
_CHINESE_UNITS = {"十": 10, "百": 100, "千": 1000}
_CHINESE_GREAT = {"万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8}
CHINESE = re.compile(r"[零〇一二三四五六七八九十百千万萬亿億两兩]{1,20}(?:点[零〇一二三四五六七八九]{1,12})?")


def chinese(text: str) -> Fraction | None:
    """十二 · 一百零五 · 一百五, which is 150 · 三千五百 · 两万 · 三点五 · 二〇二四."""
    whole, _, after = text.partition("点")
    if len(whole) > 1 and all(one in _CHINESE_DIGITS for one in whole):
        number = int("".join(str(_CHINESE_DIGITS[one]) for one in whole))
    else:
        total = section = digit = last = 0
        for one in whole:
            if one in _CHINESE_DIGITS:
                digit = _CHINESE_DIGITS[one]
            elif one in _CHINESE_UNITS:
                section, digit = section + (digit or 1) * _CHINESE_UNITS[one], 0
            elif one in _CHINESE_GREAT:
                scale, section, digit = _CHINESE_GREAT[one], section + digit, 0
                total, section = (total + section) * scale if total < scale else total + section * scale, 0
            else:
                return None
            last = _CHINESE_UNITS.get(one) or _CHINESE_GREAT.get(one) or (0 if one in "零〇" else last)
        number = total + section + (digit * last // 10 if last > 10 and whole[-2:-1] not in "零〇" else digit)
    if not after:
        return Fraction(number)
    return Fraction(f"{number}.{''.join(str(_CHINESE_DIGITS[one]) for one in after)}")
