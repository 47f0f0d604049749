"""Recorded answers to known questions, for the simulated teacher: in every layout that prompts are read in, and in
those that answers are kept in."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from cotdistill.artifacts.json_lines import BadLines
from cotdistill.errors import CotDistillError
from cotdistill.inputs import layouts
from cotdistill.inputs.programs import programs_of
from cotdistill.inputs.readers import Item, Source
from cotdistill.inputs.values import Fields

TRACES = (
    *("reasoning", "reasoning_content", "thinking", "trace", "rationale", "cot", "chain_of_thought"),
    *("explanation", "exp", "steps", "working"),
)
"""Columns that hold the trace beside the answer."""


class Recorded(NamedTuple):
    """`text` is the visible answer; a recording without a separate trace leaves `reasoning` None."""

    reasoning: str | None
    text: str


Columns = tuple[str | None, str | None]
"""Of question and reference."""

USUAL: Columns = (None, None)


def read(path: Path, columns: Columns = USUAL) -> Iterator[tuple[str, Recorded]]:
    """Question and answer, in file order; a question may come again with another answer. `columns` are looked for
    before the usual ones.

    A record is `{question, solutions: [text or {reasoning, text}]}`, the GSM8K release's `{question, <author>:
    {solution}, …}`, one of our own responses, or a prompt with its reference as `PromptFile` reads it, such as a line
    of a CSV file; the trace may stand in a column of its own. Records without an answer are passed over.

    Raises CotDistillError for a file in none of these layouts, and for one without any answer.
    """
    first: Item | None = None
    problem, found = "", 0
    for item in Source(path, frozenset(name.casefold() for name in columns if name)).items(
        BadLines(None, skippable=False)
    ):
        first = first or item
        try:
            question, answers = _recorded(item.fields, columns)
        except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
            problem = problem or (str(error) if isinstance(error, ValueError) else "")
            continue
        for answer in answers:
            found += 1
            yield question, answer
    if first is None:
        raise CotDistillError(f"{path}: no recorded solutions in it")
    if not found:
        names = ", ".join(first.fields) or "nothing"
        raise CotDistillError(
            f"{path}:{first.number}: expected {{question, answer}}, {{question, solutions}}, GSM8K's model solutions, "
            f"a response, a table with a question and an answer, or tests with a program beside them (code, "
            f"canonical_solution, solution); found {names}{f' ({problem})' if problem else ''}"
        )


def prompt_of(record: dict[str, Any]) -> dict[str, Any] | None:
    """The prompt of one of our own records that hold an answer: a response, a judged or a dropped one. None for any
    other record."""
    for outer, beside in (("judged", "filter"), ("response", "verdict")):
        if isinstance(record.get(outer), dict) and beside in record:
            record = record[outer]
    prompt = record.get("prompt")
    is_response = isinstance(prompt, dict) and "messages" in prompt and "text" in record and "sample" in record
    return prompt if is_response else None


def asked(turns: Iterable[tuple[str | None, str]]) -> str:
    """By what a question is known, from pairs of role and text: a single turn's text, a conversation's turns together.
    System turns stay out, which options of a run add or change."""
    return "\n\n".join(text for role, text in turns if role not in ("system", "developer"))


def _recorded(record: dict[str, Any], columns: Columns) -> tuple[str, list[Recorded]]:
    prompt = record.get("prompt")
    if isinstance(prompt, dict) and "text" in record:  # a response
        return asked((turn["role"], turn["content"]) for turn in prompt["messages"]), [
            Recorded(record.get("reasoning"), record["text"])
        ]
    authors = [one["solution"] for one in record.values() if isinstance(one, dict) and "solution" in one]
    if isinstance(record.get("solutions"), list):
        answers = [
            Recorded(None, one) if isinstance(one, str) else Recorded(one.get("reasoning"), one["text"])
            for one in record["solutions"]
        ]
    elif authors:
        answers = [Recorded(None, one) for one in authors]
    else:
        return _as_prompt(record, columns)
    if not answers or not all(isinstance(answer.text, str) for answer in answers):
        raise KeyError("solutions")
    return record["question"], answers


def _as_prompt(record: dict[str, Any], columns: Columns) -> tuple[str, list[Recorded]]:
    fields = Fields(record)
    question, reference = (name if name and fields.has(name) else None for name in columns)
    reading = layouts.read(fields, question, reference)
    trace = next((value for name in TRACES if isinstance(value := fields.get(name), str)), None)
    if reading.tests:  # they are no answer: what they test is
        texts = programs_of(fields, reading.question)
    elif reading.verifier == "any_of":
        from cotdistill.answers.references import accepted_answers  # its patterns take long to build

        texts = accepted_answers(reading.reference or "")
    else:
        texts = [text] if (text := reading.answer if reading.answer is not None else reading.reference) else []
    return asked((turn.role, turn.content) for turn in reading.messages), [Recorded(trace, text) for text in texts]
