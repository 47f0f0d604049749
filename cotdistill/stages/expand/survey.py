"""Requests that come before the plan: a method may have to look at the seeds first."""

from collections.abc import Sequence

from cotdistill.errors import CotDistillError
from cotdistill.expanders import Expander
from cotdistill.records import Message, Prompt, Response
from cotdistill.stages.expand.asking import Asker
from cotdistill.stages.expand.sources import Source


def ask_first(expanders: dict[str, Expander], sources: Sequence[Source], writer: Asker) -> dict[str, list[Response]]:
    """Requests that come before the plan, by method; gives the answers. Raises
    CotDistillError for a method that has nothing to ask about then."""
    found = {}
    for name, expander in expanders.items():
        if survey := getattr(expander, "survey", None):
            requests: list[str] = survey([source.text for source in sources])
            prompts = [
                Prompt(id=f"survey-{name}-{number}", messages=(Message(role="user", content=text),))
                for number, text in enumerate(requests)
            ]
            answers = writer.ask(prompts).answers
            found[name] = [answers[one.id][0] for one in prompts if one.id in answers]
            if requests:
                expander.learn([one.text for one in found[name]])  # type: ignore[attr-defined]
        if not expander.facets() and not writer.stored_only:
            raise CotDistillError(
                f"method {name}: the teacher named nothing to write about; give a list of your own ({name}:topics=FILE)"
            )
    return found
