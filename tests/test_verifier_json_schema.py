"""The json_schema verifier: schemas and values, in files and references, and texts made to break a validator."""

import json
from pathlib import Path

import pytest

from cotdistill.errors import UsageError
from cotdistill.plugins import build
from cotdistill.records import Verdict
from cotdistill.verifiers._json import canonical
from cotdistill.verifiers._schema import is_schema
from cotdistill.verifiers.json_schema import Verifier
from tests.conftest import make_prompt, make_response
from tests.cpu import at_most_cpu_s

SCHEMA = '{"type": "object", "properties": {"age": {"type": "integer", "minimum": 0}}, "required": ["age"]}'


def judged(text: str, reference: str | None = SCHEMA, verifier: Verifier | None = None) -> Verdict:
    return (verifier or Verifier()).judge(make_response(text, make_prompt(reference=reference)))


@pytest.mark.parametrize(
    ("text", "status", "detail"),
    [
        ('{"age": 3}', "correct", None),
        ('\n {"age": 3} \n', "correct", None),
        ('Here it is:\n```json\n{"age": 3}\n```\nDone.', "correct", None),
        ('```\n{"age": 3}\n```', "correct", None),
        ('```json\n{"age": -3}\n```\nNo, better:\n```json\n{"age": 3}\n```', "correct", None),
        ('```json\n{"age": 3}\n```\nUse it so:\n```python\nprint(1)\n```', "correct", None),
        ('<think>{"age": -1}</think>{"age": 3}', "correct", None),
        ('{"age": -3}', "incorrect", "not valid by the schema: minimum at $.age"),
        ("{}", "incorrect", "not valid by the schema: required at $"),
        ("[3]", "incorrect", "not valid by the schema: type at $"),
        ('{"age": 3', "incorrect", "it is not JSON"),
        ('{"age": NaN}', "incorrect", "it is not JSON"),
        ("```json\n{'age': 3}\n```", "incorrect", "it is not JSON"),
        ("three", "no_answer", "there is no JSON in the text"),
        ('<think>{"age": 3}', "no_answer", "the reasoning does not end"),
    ],
)
def test_json_is_found_and_validated(text: str, status: str, detail: str | None) -> None:
    verdict = judged(text)
    assert (verdict.status, verdict.detail) == (status, detail), verdict


@pytest.mark.parametrize(
    ("text", "value", "equal"),
    [
        ('{"b": [1, 2], "a": null}', '{"a": null, "b": [1, 2]}', True),
        ("1.0", "1", True),
        ("[2, 1]", "[1, 2]", False),
        ("true", "1", False),
        ("[true]", "[1]", False),
        ('"1"', "1", False),
        ('{"a": 1, "b": 2}', '{"a": 1}', False),
        ("123456789012345678901", "123456789012345678902", False),
        ("123456789012345678901", "123456789012345678901", True),
        ('{"name": "Bo"}', '```json\n{"name": "Bo"}\n```', True),
    ],
)
def test_a_reference_that_is_no_schema_is_the_expected_value(text: str, value: str, equal: bool) -> None:
    assert judged(text, value).status == ("correct" if equal else "incorrect")


@pytest.mark.parametrize(
    ("reference", "is_one"),
    [
        (SCHEMA, True),
        ('{"$defs": {"a": {"type": "string"}}, "$ref": "#/$defs/a"}', True),
        ('{"anyOf": [{"type": "string"}, {"type": "null"}]}', True),
        ('{"properties": {"a": {"type": ["string", "null"]}}}', True),
        ('{"format": "pdf"}', False),
        ('{"minimum": 5, "maximum": 9}', False),
        ('{"type": "string"}', False),
        ('{"type": "pdf", "format": "A4"}', False),
        ('{"enum": [1, 2]}', False),
        ('{"required": ["a", "b"]}', False),
        ('{"properties": {"a": 1}}', False),
        ('{"$schema": "https://json-schema.org/draft/2020-12/schema"}', True),
        ('{"type": "dog"}', False),
        ('{"type": "object", "name": "Bo"}', False),
        ('{"title": "Emma", "description": "A novel"}', False),
        ("{}", False),
        ("[1]", False),
    ],
)
def test_a_schema_is_told_from_a_value(reference: str, is_one: bool) -> None:
    assert is_schema(json.loads(reference)) is is_one


@pytest.mark.parametrize(
    ("expected", "answer"),
    [
        ('{"format":"pdf"}', '{"format":"docx"}'),
        ('{"minimum":5,"maximum":9}', '{"minimum":1}'),
        ('{"type":"null"}', "null"),
    ],
)
def test_an_expected_value_of_schema_words_is_a_value_and_the_verdict_says_so(expected: str, answer: str) -> None:
    assert judged(expected, expected).status == "correct"
    verdict = judged(answer, expected)
    assert verdict.status == "incorrect"
    assert verdict.detail == "another value; if the reference is meant as a schema, say json_schema:reference=schema"


def test_the_option_reference_says_what_the_reference_is() -> None:
    assert judged('{"type": "string"}', '{"type": "string"}', Verifier(reference="value")).status == "correct"
    assert judged('"x"', '{"type": "string"}', Verifier(reference="schema")).status == "correct"
    verdict = judged("1", '{"type": "dog"}', Verifier(reference="schema"))
    assert verdict.status == "bad_reference"
    assert verdict.detail is not None and verdict.detail.startswith("the schema is wrong at $.type")


def test_a_schema_in_a_file_wins_over_the_reference(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(SCHEMA)
    verifier = build("verifiers", f"json_schema:schema={tmp_path / 's.json'}")
    assert verifier.judge(make_response('{"age": 3}', make_prompt(reference=None))).status == "correct"
    assert verifier.judge(make_response("4", make_prompt(reference="4"))).status == "incorrect"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read: No such file"),
        ("{", "is no JSON Schema: it is not JSON"),
        ('{"type": "dog"}', r"is no JSON Schema: the schema is wrong at \$.type"),
        ('{"pattern": "("}', "is no JSON Schema: the schema is wrong at \\$.pattern"),
    ],
)
def test_a_schema_file_that_is_wrong_is_a_usage_error(tmp_path: Path, content: str | None, problem: str) -> None:
    if content is not None:
        (tmp_path / "s.json").write_text(content)
    with pytest.raises(UsageError, match=problem):
        build("verifiers", f"json_schema:schema={tmp_path / 's.json'}")


@pytest.mark.parametrize(
    ("reference", "detail"),
    [
        (None, "the prompt has no reference, and no schema is given"),
        ("It depends.", "the reference cannot be read: it is not JSON"),
        ('{"pattern": "a{1000000000}"}', "the pattern repeats a part of it more than 100000 times"),
        ('{"$ref": "https://example.com/schema.json"}', "the schema cannot be used: _WrappedReferencingError"),
        ('{"$ref": "#"}', "the schema cannot be used: RecursionError"),
    ],
)
def test_a_reference_that_cannot_be_used_is_bad(reference: str | None, detail: str) -> None:
    verdict = judged('{"a": 1}', reference, Verifier(reference="auto" if reference is None else "schema"))
    assert (verdict.status, verdict.detail) == ("bad_reference", detail)


UNSORTABLE = json.dumps([[n] if n % 2 else str(n) for n in range(20_000)])

HOSTILE = {
    "deep arrays": ("[" * 100_000 + "]" * 100_000, "[1]", "incorrect"),
    "deep open arrays": ("[" * 100_000, "[1]", "incorrect"),
    "deep objects": ('{"a":' * 5_000 + "1" + "}" * 5_000, SCHEMA, "incorrect"),
    "brackets in a string": (json.dumps("[" * 1_000), json.dumps("[" * 1_000), "correct"),
    "ten thousand digits": ("[" + "1" * 10_000 + "]", "[1]", "incorrect"),
    "a great exponent": ("[1e999999999]", "[1]", "incorrect"),
    "two megabytes": (json.dumps("x" * 2_000_000), '{"type": "string"}', "incorrect"),
    "quotes of quotes": ('"' + '\\"' * 200_000, "1", "incorrect"),
    "a lone surrogate": ('["\ud800"]', "[1]", "incorrect"),
    "a fence and spaces": ("```" + " " * 900_000 + "x", "1", "no_answer"),
    "nothing but fences": ("```json\n" * 20_000, "1", "incorrect"),
    "items that cannot be sorted": (UNSORTABLE, '{"type": "array", "uniqueItems": true}', "correct"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_is_a_quick_verdict(name: str) -> None:
    text, reference, status = HOSTILE[name]
    with at_most_cpu_s(10):
        assert judged(text, reference).status == status


def nested(levels: int, how: str) -> str:
    """A schema whose every level names the next one twice."""
    parts: dict[str, object] = {}
    for level in range(levels):
        next_one = {"$ref": f"#/$defs/d{level + 1}"}
        parts[f"d{level}"] = {how: [next_one, dict(next_one)]}
    return json.dumps({"$ref": "#/$defs/d0", "$defs": {**parts, f"d{levels}": {"type": "string", "minLength": 1}}})


@pytest.mark.parametrize(("how", "status"), [("anyOf", "incorrect"), ("allOf", "incorrect"), ("oneOf", "incorrect")])
def test_a_schema_with_shared_references_is_followed_once_for_each_value(how: str, status: str) -> None:
    """Two to the power of 60 steps without that."""
    with at_most_cpu_s(5):
        assert judged("5", nested(60, how)).status == status


def test_a_schema_that_takes_too_many_steps_is_a_timeout() -> None:
    """No reference, so nothing is shared: each of 1,000 alternatives looks at each of 1,000 items."""
    wide = {"type": "array", "items": {"anyOf": [{"type": "array", "items": {"const": n}} for n in range(1_000)]}}
    text = json.dumps([[999]] * 1_000)
    with at_most_cpu_s(10):
        verdict = judged(text, json.dumps(wide), Verifier(deadline_s=0.2))
    assert (verdict.status, verdict.detail) == ("timeout", "the validation did not end in time")


@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": r"^(\w|\w\w|\d)+$"},
        {"patternProperties": {r"^(\w|\w\w|\d)+$": {}}},
        {"patternProperties": {r"^(\w|\w\w|\d)+$": {}}, "additionalProperties": False},
    ],
)
def test_a_catastrophic_pattern_in_a_schema_is_a_timeout(schema: dict[str, object]) -> None:
    bait = "a1" * 40 + "!"
    given = bait if "pattern" in schema else {bait: 1}
    verdict = judged(json.dumps(given), json.dumps(schema), Verifier(deadline_s=0.2, reference="schema"))
    assert (verdict.status, verdict.detail) == ("timeout", "the validation did not end in time")


def test_the_rules_of_our_own_do_what_the_drafts_say() -> None:
    schema = (
        '{"properties": {"a": {}}, "patternProperties": {"^x": {"type": "integer"}}, '
        '"additionalProperties": {"type": "null"}}'
    )
    for text, valid in [
        ('{"a": 1, "x1": 2, "other": null}', True),
        ('{"x1": "2"}', False),
        ('{"other": 1}', False),
        ("[1]", True),
    ]:
        assert (judged(text, schema).status == "correct") is valid, text
    unique = '{"type": "array", "uniqueItems": true}'
    assert judged("[1, true, 0, false]", unique).status == "correct"
    assert judged("[1, 1.0]", unique).status == "incorrect"
    assert judged('[{"a": 1, "b": 2}, {"b": 2, "a": 1}]', unique).status == "incorrect"


def test_equal_values_have_equal_bytes() -> None:
    assert canonical({"a": 1, "b": 2.0}) == canonical({"b": 2, "a": 1.0})
    assert len({canonical(one) for one in (1, True, "1", 1.5, None, [1], {"a": 1}, 2**70, 2**70 + 1)}) == 9
