"""The stages as Python functions: the command line's options as keyword arguments, its checks and its errors.

A function takes an input (a path, or what the stage before it returned), the path of its output, and options, such as
`max_output_tokens=2048` for `--max-output-tokens 2048`. It returns a summary whose `rows()` streams the records that it
wrote. They work inside a running event loop too, as in a notebook.
"""

from cotdistill.api.progress import show_progress
from cotdistill.api.questions import ask, conversation
from cotdistill.api.reading import read
from cotdistill.api.results import Exported, Kept, NewPrompts, Responses, Result, Rows, Scores, Student
from cotdistill.api.stages import evaluate, expand, export, filter, finetune, format, generate
from cotdistill.artifacts.scores import Score
from cotdistill.stages.ask import Said as Answer

__all__ = [
    "Answer",
    "Exported",
    "Kept",
    "NewPrompts",
    "Responses",
    "Result",
    "Rows",
    "Score",
    "Scores",
    "Student",
    "ask",
    "conversation",
    "evaluate",
    "expand",
    "export",
    "filter",
    "finetune",
    "format",
    "generate",
    "read",
    "show_progress",
]
