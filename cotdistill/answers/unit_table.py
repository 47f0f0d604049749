"""The units and currencies that are known by name: their base, and what one of them is in it."""

from fractions import Fraction

SI = {
    "p": Fraction(1, 10**12), "n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "µ": Fraction(1, 10**6),
    "μ": Fraction(1, 10**6), "m": Fraction(1, 1000),
    "k": Fraction(1000), "M": Fraction(10**6), "G": Fraction(10**9), "T": Fraction(10**12),
}  # fmt: skip
SI_NAMES = {
    "pico": Fraction(1, 10**12), "nano": Fraction(1, 10**9), "micro": Fraction(1, 10**6), "milli": Fraction(1, 1000),
    "kilo": Fraction(1000),
    "mega": Fraction(10**6), "giga": Fraction(10**9), "tera": Fraction(10**12),
}  # fmt: skip
WITH_PREFIX = {
    "N": "newton", "J": "joule", "W": "watt", "Pa": "pascal", "V": "volt", "A": "ampere", "Hz": "hertz",
    "eV": "ev", "Ω": "ohm", "mol": "mole", "cal": "calorie", "Wh": "watthour", "B": "byte", "T": "tesla",
    "K": "kelvin", "F": "farad",
}  # fmt: skip
LENGTH: dict[str, int | str] = {
    "m": 1, "meter": 1, "metre": 1, "km": 1000, "cm": "1/100", "mm": "1/1000", "dm": "1/10",
    "nm": "1/1000000000", "µm": "1/1000000", "μm": "1/1000000", "um": "1/1000000", "in": "0.0254", "inch": "0.0254",
    "inche": "0.0254", "ft": "0.3048", "foot": "0.3048", "feet": "0.3048", "yd": "0.9144", "yard": "0.9144",
    "mi": "1609.344", "mile": "1609.344", "centimeter": "1/100", "centimetre": "1/100", "米": 1, "公里": 1000,
    "千米": 1000, "厘米": "1/100", "毫米": "1/1000", "metro": 1, "mètre": 1, "kilometro": 1000, "м": 1, "км": 1000,
    "см": "1/100", "мм": "1/1000",
}  # fmt: skip
MASS: dict[str, int | str] = {
    "g": 1, "gram": 1, "gramme": 1, "kg": 1000, "kgs": 1000, "mg": "1/1000", "µg": "1/1000000", "μg": "1/1000000",
    "ug": "1/1000000", "mcg": "1/1000000", "ng": "1/1000000000", "tonne": 10**6, "lb": "453.59237",
    "lbs": "453.59237", "oz": "28.349523125", "ounce": "28.349523125", "克": 1, "千克": 1000, "公斤": 1000,
    "г": 1, "кг": 1000, "kilo": 1000, "gm": 1,
}  # fmt: skip
TIME: dict[str, int | str] = {
    "s": 1, "sec": 1, "second": 1, "ms": "1/1000", "µs": "1/1000000", "μs": "1/1000000",
    "ns": "1/1000000000", "min": 60, "mins": 60, "minute": 60, "h": 3600, "hr": 3600,
    "hour": 3600, "day": 86400, "week": 604800, "秒": 1, "分钟": 60, "小时": 3600, "天": 86400,
    "時間": 3600, "分間": 60, "日間": 86400, "stunde": 3600, "stunden": 3600, "minuten": 60, "minuto": 60, "hora": 3600,
    "heure": 3600, "ora": 3600, "jour": 86400, "día": 86400, "tag": 86400, "tage": 86400, "시간": 3600, "час": 3600,
    "часа": 3600, "часов": 3600, "минут": 60,
}  # fmt: skip
VOLUME: dict[str, int | str] = {
    "l": 1, "L": 1, "liter": 1, "litre": 1, "ml": "1/1000", "mL": "1/1000", "cl": "1/100", "dl": "1/10",
    "µl": "1/1000000", "µL": "1/1000000", "μl": "1/1000000", "μL": "1/1000000", "uL": "1/1000000", "hl": 100,
    "cc": "1/1000", "升": 1, "毫升": "1/1000", "litro": 1, "л": 1,
}  # fmt: skip
US_VOLUME = {
    "gallon": 16, "gal": 16, "quart": 4, "qt": 4, "pint": 2, "pt": 2, "cup": 1,
}  # fmt: skip
OWN = {
    "month": "month", "year": "year", "yr": "year", "am": "am", "pm": "pm", "celsius": "°C", "fahrenheit": "°F",
    "degree": "°", "deg": "°", "度": "°", "radian": "radian", "rad": "radian", "mpg": "mpg", "rpm": "rpm",
    "acre": "acre", "hectare": "hectare", "ha": "hectare", "dozen": "dozen", "ton": "ton", "point": "point", 
    "bp": "basispoint", "bps": "basispoint", "basispoint": "basispoint",
    "pp": "point", "岁": "age", "decade": "decade",
    "century": "century", "°": "°", "tbsp": "tbsp", "tsp": "tsp", "tablespoon": "tbsp", "teaspoon": "tsp",
    "newton": "newton", "joule": "joule", "watt": "watt", "pascal": "pascal", "volt": "volt",
    "ampere": "ampere", "amp": "ampere", "hertz": "hertz", "ohm": "ohm", "mole": "mole", "calorie": "calorie",
    "byte": "byte", "kelvin": "kelvin", "electronvolt": "ev", "pound": "pound", "pixel": "pixel",
}  # fmt: skip
SPEED: dict[str, int | str] = {
    "mph": "0.44704", "kph": "5/18", "kmh": "5/18", "fps": "0.3048", "mps": 1,
}  # fmt: skip
MONEY = {
    "$": "USD AUD CAD NZD HKD SGD MXN", "us$": "USD", "usd": "USD", "a$": "AUD", "aud": "AUD", "c$": "CAD",
    "ca$": "CAD", "cad": "CAD", "nz$": "NZD", "hk$": "HKD", "s$": "SGD", "r$": "BRL", "brl": "BRL",
    "reais": "BRL", "dollar": "USD AUD CAD NZD HKD SGD", "buck": "USD", "€": "EUR", "eur": "EUR",
    "euro": "EUR", "£": "GBP", "gbp": "GBP", "quid": "GBP", "¥": "CNY JPY", "￥": "CNY JPY", "yuan": "CNY",
    "rmb": "CNY", "cny": "CNY", "元": "CNY", "块": "CNY", "块钱": "CNY", "yen": "JPY", "jpy": "JPY", "円": "JPY",
    "₹": "INR", "rs": "INR PKR", "rs.": "INR PKR", "inr": "INR", "rupee": "INR PKR", "₽": "RUB", "rub": "RUB",
    "руб": "RUB", "руб.": "RUB", "рублей": "RUB", "рубля": "RUB", "рубль": "RUB", "₩": "KRW", 
    "원": "KRW", "krw": "KRW", "zł": "PLN", "pln": "PLN", "zloty": "PLN", "złotych": "PLN", "chf": "CHF",
    "franc": "CHF XOF", "kr": "SEK NOK DKK", "kr.": "SEK NOK DKK", "sek": "SEK", "nok": "NOK", "dkk": "DKK",
    "₺": "TRY", "₫": "VND", "₴": "UAH", "₦": "NGN", "₱": "PHP", "peso": "PHP MXN", "฿": "THB", "baht": "THB",
    "₪": "ILS", "shekel": "ILS", "uah": "UAH", "lira": "TRY",
}  # fmt: skip
CENTS = {
    "cent": "USD AUD CAD NZD EUR HKD SGD", "¢": "USD AUD CAD", "pence": "GBP", "paise": "INR",
}  # fmt: skip
SQUARE = {"square": 2, "sq": 2, "sq.": 2, "cubic": 3, "cu": 3, "cu.": 3}
"""Words before a unit that raise it."""
