"""JSON Schema by the library `jsonschema`, within a budget of processor time, which it has none of.

Every keyword counts its steps. A `$ref` is followed once for each value, or two dozen alternatives that share parts
take as long as two to the power of that. `pattern` is matched by a library that stops in time, and `uniqueItems`
compares spellings instead of all with all. `jsonschema-rs` 0.61 was tried: its patterns are linear, but shared
references double its time with each level, and nothing can stop it.
"""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from cotdistill.verifiers._json import canonical
from cotdistill.verifiers._patterns import compiled

Rule = Callable[[Any, Any, Any, Any], Iterator[Any] | None]
"""(validator, the keyword's value, instance, the schema around it) -> errors."""

_TYPES = {"object", "array", "string", "number", "integer", "boolean", "null"}
_STRUCTURE = {
    "properties", "required", "additionalProperties", "patternProperties", "propertyNames", "minProperties",
    "maxProperties", "items", "prefixItems", "contains", "minItems", "maxItems", "uniqueItems", "pattern", "minLength",
    "maxLength", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "enum", "const",
    "anyOf", "oneOf", "allOf", "not", "if", "$ref",
}  # fmt: skip
_OTHERS = {
    "$schema", "$id", "$defs", "$comment", "$anchor", "definitions", "title", "description", "default", "examples",
    "deprecated", "readOnly", "writeOnly", "type", "then", "else", "minContains", "maxContains", "dependentRequired",
    "dependentSchemas", "unevaluatedItems", "unevaluatedProperties", "contentEncoding", "contentMediaType",
}  # fmt: skip
MAX_REFERENCES = 80
"""One within another. Python's own limit would be met inside a library in Rust, which aborts there."""
_STEPS_A_LOOK = 256


def is_schema(value: Any) -> bool:
    """Whether an object is meant as a schema, and cannot as well be an expected value such as `{"format": "pdf"}`."""
    return says_it_is_a_schema(value) and may_be_schema(value)


def may_be_schema(value: Any) -> bool:
    """Whether all keys are keywords, and the object is valid as a schema."""
    from jsonschema import Draft202012Validator

    if not isinstance(value, dict) or not value or not value.keys() <= _STRUCTURE | _OTHERS:
        return False
    return Draft202012Validator(Draft202012Validator.META_SCHEMA).is_valid(value)


def says_it_is_a_schema(value: Any) -> bool:
    """Whether an object names its `$schema`, or a `type` of JSON together with what such values must be like, or has
    parts that do. It need not be valid."""
    if not isinstance(value, dict):
        return False
    if isinstance(value.get("$schema"), str) or (_typed(value) and _STRUCTURE & value.keys()):
        return True
    parts: list[Any] = [value.get(key) for key in ("items", "additionalProperties", "not", "contains")]
    for key in ("properties", "patternProperties", "$defs", "anyOf", "oneOf", "allOf", "prefixItems"):
        held = value.get(key)
        parts += held.values() if isinstance(held, dict) else held if isinstance(held, list) else ()
    return any(_typed(one) or says_it_is_a_schema(one) for one in parts)


def _typed(value: Any) -> bool:
    kinds = value.get("type") if isinstance(value, dict) else None
    return kinds in _TYPES if isinstance(kinds, str) else isinstance(kinds, list) and bool(kinds) and {*kinds} <= _TYPES


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
        own: dict[str, Rule] = {
            "pattern": self._pattern,
            "patternProperties": self._pattern_properties,
            "additionalProperties": self._additional_properties,
            "uniqueItems": _unique_items,
            "$ref": self._once(Draft202012Validator.VALIDATORS["$ref"]),
        }
        rules = {name: self._counted(rule) for name, rule in {**Draft202012Validator.VALIDATORS, **own}.items()}
        extend: Any = validators.extend  # it has no types
        self._validator: Draft202012Validator = extend(Draft202012Validator, rules)(schema, registry=Registry())
        # with a registry of its own, for the default one fetches what a `$ref` names from the network
        self._in_use = threading.Lock()  # `generate` judges in threads
        self._until = 0.0
        self._steps = 0
        self._followed: dict[tuple[int, int], bool] = {}
        self._following: set[tuple[int, int]] = set()

    def problem(self, value: Any, cpu_s: float) -> str | None:
        """The first thing that is wrong with a value. Raises TimeoutError after `cpu_s` processor seconds; and
        whatever an unusable schema brings about: an endless `$ref`, one to another document."""
        with self._in_use:
            return self._problem(value, cpu_s)

    def _problem(self, value: Any, cpu_s: float) -> str | None:
        self._until = time.thread_time() + cpu_s
        self._steps = 0
        self._followed, self._following = {}, set()
        try:
            error = next(self._validator.iter_errors(value), None)
        except BaseException as problem:  # the library's library in Rust ends so where Python's stack does
            if type(problem).__name__ == "PanicException":
                raise RecursionError from None
            raise
        return f"not valid by the schema: {error.validator} at {error.json_path[:200]}" if error else None

    def _counted(self, rule: Rule) -> Rule:
        def counted(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[Any]:
            self._count(1 + (len(wanted) if isinstance(wanted, list) else 0))
            yield from rule(validator, wanted, instance, schema) or ()

        return counted

    def _count(self, steps: int) -> None:
        """A look at the clock costs as much as a step."""
        self._steps += steps
        if self._steps >= _STEPS_A_LOOK:
            self._steps = 0
            if time.thread_time() >= self._until:
                raise TimeoutError

    def _once(self, follow: Rule) -> Rule:
        """Each reference is followed once for each value, whose identity stands for it while it is looked at."""

        def once(validator: Any, ref: str, instance: Any, schema: Any) -> Iterator[Any]:
            place = (id(schema), id(instance))
            if place not in self._followed:
                if place in self._following or len(self._following) >= MAX_REFERENCES:
                    raise RecursionError
                self._following.add(place)
                error = next(iter(follow(validator, ref, instance, schema) or ()), None)
                self._following.discard(place)
                self._followed[place] = error is None
                if error is not None:
                    yield error
            elif not self._followed[place]:
                yield _error("is not what the reference wants")

        return once

    def _matches(self, pattern: str, text: str) -> bool:
        """The library's timeout is processor time too."""
        left_s = self._until - time.thread_time()
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
