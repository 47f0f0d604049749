"""The end of generate: counts, cost, and what a person should know of the answers."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from cotdistill import artifacts, teachers
from cotdistill.artifacts import Manifest
from cotdistill.artifacts.json_lines import BadLines
from cotdistill.dispatch.asking import Asked
from cotdistill.dispatch.session import Session
from cotdistill.pricing import FREE, FREE_OF_CHARGE
from cotdistill.records import money
from cotdistill.stages.generate.output import Output
from cotdistill.stages.generate.plan import Plan
from cotdistill.stages.generate.totals import Tally
from cotdistill.wording import counted

CLOSED = ("api.openai.com", "api.anthropic.com", "generativelanguage.googleapis.com", "api.x.ai")
"""Hosts whose terms restrict training on their outputs."""

CLOSED_ELSEWHERE = ("azure", "bedrock", "vertex")
"""Providers that serve the same models from other hosts."""


def publish(current: artifacts.Run, written: Output, bad: BadLines, asked: Asked, session: Session) -> Manifest:
    plan, tally = written.plan, written.tally
    responses, failed, not_asked = written.responses.records, written.failed.records, written.not_asked
    counts = {
        "prompts": written.prompts,
        "responses": responses,
        "bought": asked.answered,
        "from_store": max(0, responses - asked.answered),
        "failed": failed - not_asked,
        **({"not_asked": not_asked} if not_asked else {}),
        **tally.stop_reasons,
    }
    if plan.config.until_accepted:
        counts["not_needed"] = written.prompts * plan.config.samples - responses - failed
    exhausted = _exhausted(session, plan)
    if written.reasons:
        reason, often = written.reasons.most_common(1)[0]
        current.notes.append(f"{often} of {failed - not_asked} failed with: {reason}")
    _notes(current, plan, tally, asked, session)
    current.notes += _notes_on_logprobs(written)
    return current.publish(
        [*written.writers(), *bad.writers()],
        counts=counts,
        complete=not (failed or exhausted),
        stopped_by="budget" if exhausted else None,
        results={
            "reasoning": dict(tally.reasoning_kinds),
            **({} if session.spent is None else {"spent_usd": money(session.spent)}),
            "columns": plan.file.describe(),
        },
        usage=tally.usage(),
        cost_usd=money(tally.cost) if responses else None,
    )


def _exhausted(session: Session, plan: Plan) -> bool:
    return bool((session.budget and session.budget.exhausted) or (plan.judge and plan.judge.exhausted))


def _notes(current: artifacts.Run, plan: Plan, tally: Tally, asked: Asked, session: Session) -> None:
    notes, budget = current.notes, session.budget
    if plan.judge is not None:
        notes += plan.judge.notes()
    notes += session.notes()
    if budget and budget.exhausted:
        notes.append(budget.describe())
    if (truncated := tally.stop_reasons["length"]) and plan.to_learn:
        notes.append(
            counted(truncated, "answer was", "answers were")
            + " cut at --max-output-tokens, which filter drops. --retry-truncated with a larger cap asks for such only"
        )
    if plan.unverified:
        notes.append(
            counted(len(plan.unverified), "prompt has", "prompts have")
            + " no reference that --verify can use: the first answers were taken unverified"
        )
    notes += _notes_on_reasoning(plan, tally)
    notes += notes_on_samples(plan)
    if tally.without_usage:
        notes.append(
            counted(tally.without_usage, "answer")
            + " came without the number of tokens: the cost is not known, and the sums of tokens are of the others"
        )
    elif tally.cost is None and tally.prices.own_server:
        if asked.answered and asked.answered == tally.stop_reasons.total():  # said once, of the first answers
            notes.append(f"the server is your own, so no cost is counted; {FREE_OF_CHARGE}")
    elif tally.cost is None and plan.teacher.provider not in FREE:
        notes.append("the price of this model is not known; give --price-in and --price-out for a cost")
    if urlsplit(plan.teacher.base_url).hostname in CLOSED or plan.teacher.provider in CLOSED_ELSEWHERE:
        notes.append(f"{plan.teacher.provider}'s terms restrict training on its outputs; see 'Rights' in the README")


def _notes_on_reasoning(plan: Plan, tally: Tally) -> Iterator[str]:
    responses = tally.stop_reasons.total()
    if omitted := tally.reasoning_kinds["omitted"]:
        answers = counted(omitted, "answer")
        yield f"{answers} came without the reasoning that was billed"
    if plan.to_learn and plan.teacher.provider == "mock" and (unanswered := tally.stop_reasons["other"]):
        yield (
            f"{unanswered} of {responses} questions have no answer of {plan.config.teacher}, which is simulated; "
            f"filter drops what it says instead"
        )
    elif responses and tally.reasoning_kinds["none"] == responses and wants_traces(plan):
        yield "no answer came with reasoning: a student would learn bare answers"


def notes_on_samples(plan: Plan) -> list[str]:
    """Known beforehand, so a dry run says it too."""
    config = plan.config
    if config.samples < 2 or not teachers.answers_greedily(plan.teacher.provider, config.temperature):
        return []
    who = "a teacher at --temperature 0" if config.temperature == 0 else "a local model without --temperature"
    return [f"{who} answers greedily: the {config.samples} samples of a prompt are alike; give --temperature 1"]


def _notes_on_logprobs(written: Output) -> Iterator[str]:
    answers = written.tally.stop_reasons.total()
    if written.plan.config.logprobs and (without := written.tally.without_logprobs):
        yield (
            f"{without} of {answers} answers came without log-probabilities: the server sent none; they are kept like "
            f"the others"
        )
    if unnamed := written.unnamed_tokens:
        yield (
            f"{unnamed:,} of {written.tokens:,} tokens with log-probabilities are named by neither id nor bytes: they "
            f"count in the confidence of an answer, and teach nothing with --loss soft"
        )
    if without := written.without_alternatives:
        yield (
            f"{without} of {answers} answers have the log-probabilities of their own tokens alone: the server sent no "
            f"alternatives, or named them by strings"
        )


def wants_traces(plan: Plan) -> bool:
    """Whether answers without reasoning are news, and not what was asked for."""
    config = plan.config
    return plan.to_learn and config.effort != "none" and config.template not in ("answer_only", "classification")
