"""Verifiers: one file each; `--verify FILENAME:option=value` finds it."""

from typing import Protocol

from cotdistill.records import Response, Verdict


class Verifier(Protocol):
    """`judge` never raises on what a model wrote: a response that it cannot read is a verdict, not an exception.

    A verifier may also have `judge_prompt(responses) -> list[Verdict]`, which gets all samples of one prompt and may
    compare them, or `judge_many(prompts) -> list[list[Verdict]]`, which gets many prompts and may ask a server about
    all at once. One that judges answers to prompts without a reference too sets `needs_reference = False`, and
    `evaluate` then accepts such prompts. One that must not be asked from several processes has a true class attribute
    `alone`; it may have `notes() -> list[str]` for the end of the run.

    One that asks a teacher has `join(session)`, where it opens that teacher in the run's `dispatch.session.Session`, so
    that store, claims and budget are the run's. It may be asked from several threads at once. `known(response) ->
    Verdict | None` is the verdict where nothing need be asked, `exhausted` whether its money is spent. `failed` and
    `not_asked` count the requests that got no reply, and those that the money did not suffice for: the run then exits
    with 3 or 4, and the next one asks again. `most_usd(prompt, answer_bytes) -> Decimal | None` is the most that one
    question costs, and `most_asked` how often it may ask for one verdict (1 without it).
    """

    def judge(self, response: Response) -> Verdict: ...
