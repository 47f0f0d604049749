"""Verifiers: one file each; `--verify FILENAME:option=value` finds it."""

from typing import Protocol

from cotdistill.records import Response, Verdict


class Verifier(Protocol):
    """`judge` never raises on what a model wrote: a response it cannot read is a verdict, not an exception.

    A verifier may also have `judge_prompt(responses) -> list[Verdict]`, which gets all samples of one prompt and may
    compare them, or `judge_many(prompts) -> list[list[Verdict]]`, which gets many prompts and may ask a server about
    all at once. One that judges answers to prompts without a reference too says `needs_reference = False`, and
    `evaluate` then takes such prompts. One that must not be asked from several processes has a true class attribute
    `alone`, and may have `notes() -> list[str]` for the end of the run.

    One that asks a teacher has `join(session)`: the run's `dispatch.session.Session`, in which it opens that teacher,
    so that store, claims and budget are the run's. It may be asked from several threads at once. Its
    `known(response) -> Verdict | None` says what needs no asking, `exhausted` whether its money is spent,
    `failed` and `not_asked` how many requests got no reply, and how many the money did not suffice for, so that the run
    exits with 3 or 4 and the next one asks again, and
    `most_usd(prompt, answer_bytes) -> Decimal | None` what it may cost to ask once, and `most_asked` how often it may
    ask for one verdict, 1 where it does not say.
    """

    def judge(self, response: Response) -> Verdict: ...
