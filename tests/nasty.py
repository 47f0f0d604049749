"""Texts of any length that are bait for what reads them: a careless pattern reads them again from every place.

Data for tests and benchmarks: `SHAPES[name](n)` has about n letters.
"""

from collections.abc import Callable

Shape = Callable[[int], str]


def _shared_references(n: int) -> str:
    """A schema whose every level names the next one twice: two to the power of its levels, for who follows all."""
    levels = max(1, n // 70)
    parts = (f'"d{k}":{{"anyOf":[{{"$ref":"#/$defs/d{k + 1}"}},{{"$ref":"#/$defs/d{k + 1}"}}]}}' for k in range(levels))
    return f'{{"$ref":"#/$defs/d0","$defs":{{{",".join(parts)},"d{levels}":{{"type":"string"}}}}}}'


def _times(unit: str, before: str = "", after: str = "") -> Shape:
    return lambda n: before + unit * (n // len(unit)) + after


_UNITS = {
    "digits": "7", "digits in groups": "1,111", "digits and commas": "1,", "commas": ",", "decimals": "1.",
    "fractions": "1/", "powers of ten": "1e", "times": "12:", "dates": "1-", "percents": "5%",
    "words of numbers": "one hundred ", "open braces": "{", "closed braces": "}", "pairs of braces": "{}",
    "open parentheses": "(", "open brackets": "[", "pairs of parentheses": "()", "backslashes": "\\",
    "escaped quotes": '\\"', "quotes": '"', "boxes": "\\boxed{", "empty boxes": "\\boxed{}", "roots": "\\sqrt{",
    "fraction commands": "\\frac{1}{", "texts": "\\text{", "lefts": "\\left(", "powers": "x^{",
    "powers without braces": "2^", "factorials": "!", "dollars": "$", "pairs of dollars": "$x$ ", "displays": "\\[",
    "equations": "x = ", "equal signs": "=", "pluses": "+", "minuses": "-", "stars": "*", "bold": "**a** ",
    "open bold": "**", "underscores": "_", "bars": "|", "hashes": "#", "hash answers": "#### ", "fences": "```json\n",
    "fences in a line": "``` ", "open fences": "```python\nx\n", "backticks": "`", "think tags": "<think>",
    "closed think tags": "</think>", "pairs of think tags": "<think></think>", "answer tags": "<answer>",
    "less than": "<", "tags": "<a ", "entities": "&nbsp;", "spaces": " ", "tabs": "\t", "lines": "\n",
    "lines of spaces": "  \n", "carriage returns": "\r", "words": "a ", "sentences": "No. ", "steps": "Step 1: ",
    "list items": "1. a\n", "options": "A) ", "option lines": "\nA) x", "announcements": "the answer is ",
    "announcement lines": "Answer: \n", "answers in words": "So the answer would be (A) or ", "letters": "a",
    "capital letters": "A", "dots": ".", "e-mails": "a@", "domains": "a.a", "links": "http://a.a/", "colons": ":",
    "semicolons": ";", "sets": "{1,", "intervals": "(1,", "matrices": "1 & 2 \\\\ ", "JSON arrays": "[1,",
    "JSON objects": '{"a":', "combining marks": "\u0301", "letters with marks": "e\u0301",
    "Chinese digits": "\u4e94\u767e", "Chinese": "\u6211\u4eec", "full-width digits": "\uff11",
    "joined emoji": "\U0001f468\u200d", "marks of direction": "\u202e", "NULs": "\x00", "ligatures": "\ufdfa",
    "unit names": "km/h ", "degrees": "\u00b0", "roman numerals": "MCM",
}  # fmt: skip

SHAPES: dict[str, Shape] = {
    **{name: _times(unit) for name, unit in _UNITS.items()},
    **{f"an answer of {name}": _times(_UNITS[name], "The answer is ") for name in (
        "digits", "digits in groups", "digits and commas", "open parentheses", "spaces", "combining marks", "fractions",
        "words of numbers", "letters", "backslashes", "pluses", "factorials", "powers without braces", "dates", "bars",
    )},
    **{f"a box of {name}": _times(_UNITS[name], "\\boxed{", "}") for name in (
        "digits", "digits in groups", "open parentheses", "pairs of braces", "spaces", "fraction commands", "minuses",
        "matrices", "sets", "intervals", "times", "unit names", "powers",
    )},
    "a fence and spaces": _times(" ", "```", "x"),
    "a fence, json and spaces": _times(" ", "```json", "x"),
    "an announcement and spaces": _times(" ", "Answer:", "x"),
    "hashes and spaces": _times(" ", "####", "x"),
    "spaces and a letter": _times(" ", "", "x"),
    "lines and a letter": _times("\n", "", "x"),
    "digits and a letter": _times("7", "", "x"),
    "a tag and spaces": _times(" ", "<think", ">"),
    "a nest of parentheses": lambda n: "(" * (n // 2) + "1" + ")" * (n // 2),
    "a nest of braces": lambda n: "{" * (n // 2) + "1" + "}" * (n // 2),
    "a nest of arrays": lambda n: "[" * (n // 2) + "1" + "]" * (n // 2),
    "a nest of boxes": lambda n: "\\boxed{" * (n // 8) + "1" + "}" * (n // 8),
    "a schema of shared references": _shared_references,
    "a schema of sixty shared references": lambda n: _shared_references(60 * 70),
    "a JSON string": lambda n: '"' + "a" * n + '"',
    "a JSON array": lambda n: "[" + "1," * (n // 2) + "1]",
}  # fmt: skip
