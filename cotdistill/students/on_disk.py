"""A student as files that any program can load: as they are, or written out for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transformers import AutoConfig, GenerationConfig

from cotdistill.artifacts.scratch import scratch
from cotdistill.students import load, quiet, resolve
from cotdistill.students.prompts import Prompter


@contextmanager
def files(student: str) -> Iterator[str]:
    """A directory, absolute, or a hub id. A student that is no whole model on this disk (tiny, a GGUF file, an adapter
    alone) is written to a directory of its own while the block runs.

    Raises CotDistillError as `load.student` does."""
    found = resolve(student)
    if found.kind == "hub":
        yield found.source
    elif found.kind == "directory":
        yield str(Path(found.source).absolute())
    else:
        with scratch("student") as folder:
            model, tokenizer = load.student(student)
            with quiet():
                model.save_pretrained(folder)
                tokenizer.save_pretrained(folder)
            del model
            yield str(folder)


def prompter(student: str, where: str) -> Prompter:
    """The student's prompts and limits without its weights. `where` is what `files` yielded."""
    tokenizer = load.tokenizer(student)
    with quiet():
        config = AutoConfig.from_pretrained(where)
        try:
            settings = GenerationConfig.from_pretrained(where)
        except OSError:  # a model need not have such a file
            settings = GenerationConfig.from_model_config(config)
    return Prompter(tokenizer, config, settings)
