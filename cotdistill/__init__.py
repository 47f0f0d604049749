"""Distil an API teacher's answers and reasoning into a small open model.

The command line's stages as functions, each with the same options as keyword arguments:

    import cotdistill

    responses = cotdistill.generate("prompts.jsonl", "responses.jsonl", teacher="mock:digit-chains", samples=4)
    kept = cotdistill.filter(responses, "kept.jsonl", select="shortest:k=1")
    for judged in kept.rows():
        print(judged.response.reasoning)

Nothing is imported before it is asked for: `import cotdistill` takes no noticeable time.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cotdistill.api import Answer as Answer
    from cotdistill.api import Exported as Exported
    from cotdistill.api import Kept as Kept
    from cotdistill.api import NewPrompts as NewPrompts
    from cotdistill.api import Responses as Responses
    from cotdistill.api import Result as Result
    from cotdistill.api import Rows as Rows
    from cotdistill.api import Score as Score
    from cotdistill.api import Scores as Scores
    from cotdistill.api import Student as Student
    from cotdistill.api import ask as ask
    from cotdistill.api import conversation as conversation
    from cotdistill.api import evaluate as evaluate
    from cotdistill.api import expand as expand
    from cotdistill.api import export as export
    from cotdistill.api import filter as filter
    from cotdistill.api import finetune as finetune
    from cotdistill.api import format as format
    from cotdistill.api import generate as generate
    from cotdistill.api import read as read
    from cotdistill.api import show_progress as show_progress
    from cotdistill.errors import AccountError as AccountError
    from cotdistill.errors import BudgetError as BudgetError
    from cotdistill.errors import CotDistillError as CotDistillError
    from cotdistill.errors import OutputLockedError as OutputLockedError
    from cotdistill.errors import StoppedError as StoppedError
    from cotdistill.errors import UsageError as UsageError
    from cotdistill.records import Dropped as Dropped
    from cotdistill.records import DroppedPrompt as DroppedPrompt
    from cotdistill.records import Judged as Judged
    from cotdistill.records import Message as Message
    from cotdistill.records import Prompt as Prompt
    from cotdistill.records import Response as Response
    from cotdistill.records import Verdict as Verdict

__version__ = "0.1.0"

_HOMES = {
    "cotdistill.api": (
        "generate expand filter format finetune evaluate export ask conversation read show_progress "
        "Result Responses NewPrompts Kept Rows Student Scores Score Exported Answer"
    ),
    "cotdistill.errors": "CotDistillError UsageError BudgetError OutputLockedError AccountError StoppedError",
    "cotdistill.records": "Prompt Message Response Verdict Judged Dropped DroppedPrompt",
}
"""Where each public name lives. By name, so that nothing is imported with the package itself."""

__all__ = [name for names in _HOMES.values() for name in names.split()]


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names.split():
            return getattr(import_module(home), name)
    raise AttributeError(f"module 'cotdistill' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
