"""JSON Schema by the library `jsonschema`, but for the rules whose time nobody bounds: patterns, which it matches with
`re`, and `uniqueItems`, which compares all with all."""

import time
from collections.abc import Iterator
from typing import Any

from cotdistill.verifiers._json import canonical
from cotdistill.verifiers._patterns import compiled

_ASSERTING = {
    "$schema", "$ref", "type", "properties", "required", "items", "prefixItems", "enum", "const", "anyOf", "oneOf",
    "allOf", "not", "minimum", "maximum", "pattern", "minLength", "maxLength", "minItems", "maxItems",
    "additionalProperties", "patternProperties", "contains", "format", "if",
}  # fmt: skip
_OTHERS = {
    "$id", "$defs", "$comment", "$anchor", "definitions", "title", "description", "default", "examples", "deprecated",
    "readOnly", "writeOnly", "then", "else", "minContains", "maxContains",
}  # fmt: skip


def is_schema(value: Any) -> bool:
    """Whether an object can only be meant as a schema: every key is a keyword, and it is valid as one."""
    from jsonschema import Draft202012Validator

    if not isinstance(value, dict) or not _ASSERTING & value.keys():
        return False
    known = Draft202012Validator.VALIDATORS.keys() | _ASSERTING | _OTHERS
    return value.keys() <= known and Draft202012Validator(Draft202012Validator.META_SCHEMA).is_valid(value)


class Schema:
    """Raises ValueError, in one sentence, for what is no schema."""

    def __init__(self, schema: Any) -> None:
        from jsonschema import Draft202012Validator, SchemaError, validators
        from referencing import Registry

        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            raise ValueError(f"the schema is wrong at {error.json_path}: {error.message[:200]}") from None
        for pattern in _patterns(schema):
            compiled(pattern)
        rules = {
            "pattern": self._pattern,
            "patternProperties": self._pattern_properties,
            "additionalProperties": self._additional_properties,
            "uniqueItems": _unique_items,
        }
        extend: Any = validators.extend  # it has no types
        self._validator: Draft202012Validator = extend(Draft202012Validator, rules)(schema, registry=Registry())
        # with a registry of its own, for the default one fetches what a `$ref` names from the network
        self._until = 0.0

    def problem(self, value: Any, timeout_s: float) -> str | None:
        """The first thing that is wrong with a value. Raises TimeoutError; and whatever an unusable schema brings
        about: an endless `$ref`, one to another document."""
        self._until = time.monotonic() + timeout_s
        error = next(self._validator.iter_errors(value), None)
        return f"not valid by the schema: {error.validator} at {error.json_path[:200]}" if error else None

    def _matches(self, pattern: str, text: str) -> bool:
        left_s = self._until - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        return compiled(pattern).search(text, timeout=left_s) is not None

    def _pattern(self, validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[Exception]:
        if isinstance(instance, str) and not self._matches(pattern, instance):
            yield _error("does not match the pattern")

    def _pattern_properties(self, validator: Any, patterns: Any, instance: Any, schema: Any) -> Iterator[Exception]:
        for pattern, subschema in patterns.items() if isinstance(instance, dict) else ():
            for name, value in instance.items():
                if self._matches(pattern, name):
                    yield from validator.descend(value, subschema, path=name, schema_path=pattern)

    def _additional_properties(self, validator: Any, allowed: Any, instance: Any, schema: Any) -> Iterator[Exception]:
        for name in instance if isinstance(instance, dict) else ():
            known = name in schema.get("properties", {})
            if known or any(self._matches(pattern, name) for pattern in schema.get("patternProperties", {})):
                continue
            if isinstance(allowed, dict):
                yield from validator.descend(instance[name], allowed, path=name)
            elif not allowed:
                yield _error("is one property too many")


def _unique_items(validator: Any, unique: bool, instance: Any, schema: Any) -> Iterator[Exception]:
    if unique and isinstance(instance, list) and len({canonical(one) for one in instance}) < len(instance):
        yield _error("has an item twice")


def _error(message: str) -> Exception:
    from jsonschema import ValidationError

    return ValidationError(message)


def _patterns(schema: Any) -> Iterator[str]:
    """Also those in a part that is no schema: rather too many than too few."""
    if isinstance(schema, list):
        for one in schema:
            yield from _patterns(one)
    elif isinstance(schema, dict):
        for key, one in schema.items():
            if key == "pattern" and isinstance(one, str):
                yield one
            elif key == "patternProperties" and isinstance(one, dict):
                yield from one
            yield from _patterns(one)
