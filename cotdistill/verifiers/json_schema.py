"""Answers that are JSON: valid by a schema, or equal to an expected value."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cotdistill.plugins import File
from cotdistill.reasoning import split
from cotdistill.records import Response, Status, Verdict
from cotdistill.verifiers._json import canonical, find, parsed
from cotdistill.verifiers._schema import Schema, may_be_schema, says_it_is_a_schema

_MAX_SHOWN = 200
MAX_SCHEMA = 100_000
"""To find out whether so much is a schema takes a second."""


@dataclass
class Verifier:
    """The text, or the last JSON block in it, is JSON that the schema in the file `schema` (or the reference) allows.

    Without `schema` the reference is a JSON Schema, or else the expected value: `reference` says which, and `auto`
    takes an object for a schema where it has `$schema`, or a `type` and what such values must be like, or parts that
    do, and is valid as one. Values are equal as JSON is: no order of keys, 1 is 1.0, true is not 1. A `$ref` to
    another document is never fetched. deadline_s: processor seconds, tried twice.
    """

    schema: File | None = None
    reference: Literal["auto", "schema", "value"] = "auto"
    deadline_s: float = 1.0
    _given: Schema | None = field(default=None, init=False, repr=False, compare=False)
    _last: tuple[str | None, Schema | bytes] | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.schema is None:
            return
        if self.reference != "auto":
            raise ValueError(
                "reference: says what a prompt's reference is, and schema says to read none. Leave one out"
            )
        try:
            self._given = Schema(parsed(Path(self.schema).read_text(encoding="utf-8")))
        except OSError as error:
            raise ValueError(f"{self.schema} cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise ValueError(f"{self.schema} is no JSON Schema: {error}") from None

    @property
    def needs_reference(self) -> bool:
        return self.schema is None

    def judge(self, response: Response) -> Verdict:
        reference = response.prompt.reference
        try:
            wanted = self._given or self._wanted(reference)
        except (ValueError, RecursionError) as error:
            return _verdict("bad_reference", None, reference, str(error))
        visible = split(response.text)
        text = find(visible.answer.strip())
        if text is None:
            detail = "there is no JSON in the text" if visible.closed else "the reasoning does not end"
            return _verdict("no_answer", None, reference, detail)
        try:
            value = parsed(text)
        except ValueError as error:
            return _verdict("incorrect", text, reference, str(error))
        if isinstance(wanted, bytes):
            equal = canonical(value) == wanted
            return _verdict(
                "correct" if equal else "incorrect", text, reference, None if equal else self._other(wanted)
            )
        try:
            problem = wanted.problem(value, self.deadline_s)
        except TimeoutError:
            return self._again(wanted, value, text, reference)
        except Exception as error:  # an endless `$ref`, one to elsewhere: the schema's fault, of many types
            return _verdict("bad_reference", text, reference, f"the schema cannot be used: {type(error).__name__}")
        return _verdict("incorrect" if problem else "correct", text, reference, problem)

    def _again(self, schema: Schema, value: Any, text: str, reference: str | None) -> Verdict:
        """A time-out is tried once more: the first time may have loaded what the second has at hand."""
        try:
            problem = schema.problem(value, self.deadline_s)
        except TimeoutError:
            return _verdict("timeout", text, reference, "the validation did not end in time")
        return _verdict("incorrect" if problem else "correct", text, reference, problem)

    def _other(self, wanted: bytes) -> str:
        """Why an answer is wrong; and what to do where the reference may have been meant as a schema."""
        if self.reference == "auto" and may_be_schema(parsed(wanted.decode())):
            return "another value; if the reference is meant as a schema, say json_schema:reference=schema"
        return "another value"

    def _wanted(self, reference: str | None) -> Schema | bytes:
        """A schema, or the expected value in its one spelling; the last prompt's is at hand. Raises ValueError for
        neither."""
        last = self._last
        if last is None or last[0] != reference:
            self._last = last = (reference, self._read(reference))
        return last[1]

    def _read(self, reference: str | None) -> Schema | bytes:
        if not reference or not reference.strip():
            raise ValueError("the prompt has no reference, and no schema is given")
        try:
            value = parsed(find(reference.strip()) or reference)
        except ValueError as error:
            raise ValueError(f"the reference cannot be read: {error}") from None
        meant = self.reference == "schema" or (self.reference == "auto" and says_it_is_a_schema(value))
        if meant and len(reference) > MAX_SCHEMA:
            raise ValueError(f"the schema is longer than {MAX_SCHEMA} characters")
        return Schema(value) if self.reference == "schema" or (meant and may_be_schema(value)) else canonical(value)


def _verdict(status: Status, answer: str | None, reference: str | None, detail: str | None) -> Verdict:
    return Verdict(
        status=status,
        answer=answer and answer[:_MAX_SHOWN],
        reference=reference and reference[:_MAX_SHOWN],
        method="json_schema",
        detail=detail,
    )
