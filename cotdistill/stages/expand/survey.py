"""Requests that come before the plan: a method may have to look at the seeds first."""

from collections.abc import Callable, Sequence
from typing import Any

from cotdistill.errors import CotDistillError
from cotdistill.expanders import Expander
from cotdistill.records import Message, Prompt, Response
from cotdistill.stages.expand import calls
from cotdistill.stages.expand.asking import Asker
from cotdistill.stages.expand.sources import Source


def ask_first(expanders: dict[str, Expander], sources: Sequence[Source], writer: Asker) -> dict[str, list[Response]]:
    """The answers, by method. Raises CotDistillError for a method that has nothing to ask about then."""
    seeds = [source.text for source in sources]
    found = {}
    for name, expander in expanders.items():
        if survey := getattr(expander, "survey", None):
            found[name] = _one(name, expander, survey, seeds, writer)
            if not calls.facets(name, expander) and not writer.stored_only:
                raise CotDistillError(
                    f"method {name}: the teacher named nothing to write about; give a list of your own "
                    f"({name}:topics=FILE)"
                )
    return found


def _one(
    name: str, expander: Any, survey: Callable[[list[str]], list[str]], seeds: list[str], writer: Asker
) -> list[Response]:
    requests = calls.ask(name, "its survey", lambda: list(survey(seeds)))
    prompts = [
        Prompt(id=f"survey-{name}-{number}", messages=(Message(role="user", content=str(text)),))
        for number, text in enumerate(requests)
    ]
    answers = writer.ask(prompts).answers
    found = [answers[one.id][0] for one in prompts if one.id in answers]
    if prompts:
        calls.ask(name, "the answers to its survey", lambda: expander.learn([one.text for one in found]))
    return found
