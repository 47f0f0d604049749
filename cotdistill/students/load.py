"""A student's name in, a model and its tokenizer out."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from peft import PeftModel
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from cotdistill.errors import CotDistillError
from cotdistill.students import Student, gguf, hub, quiet, resolve, tiny


def student(name: str, *, seed: int = 0, dtype: str = "auto") -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load model and tokenizer; an adapter comes merged into its base. `seed` is for tiny's random weights,
    `dtype` a torch dtype by name, auto for the one that the weights are stored in.

    Raises CotDistillError when the files, the hub or the train extra are missing.
    """
    tools = tokenizer(name)
    return model(name, tools, seed=seed, dtype=dtype), tools


def model(name: str, tools: PreTrainedTokenizerBase, *, seed: int = 0, dtype: str = "auto") -> PreTrainedModel:
    """The model alone, for who has the tokenizer (`tools`) already. Raises as `student` does."""
    found = resolve(name)
    with quiet(), _explained(found):
        if found.kind == "tiny":
            return tiny.model(tools, seed)
        return _model(found, dtype)


def tokenizer(name: str) -> PreTrainedTokenizerBase:
    """The tokenizer alone, ready to render chats. Raises as `student` does."""
    found = resolve(name)
    with quiet(), _explained(found):
        return _tokenizer(found)


def is_adapted(model: PreTrainedModel | PeftModel) -> bool:
    """Whether a model carries a LoRA adapter that is not merged."""
    return hasattr(model, "peft_config") and hasattr(model, "merge_and_unload")


def _tokenizer(found: Student) -> PreTrainedTokenizerBase:
    if found.kind == "tiny":
        return tiny.tokenizer()
    if found.kind == "gguf":
        return gguf.tokenizer(Path(found.source))
    if found.kind == "adapter" and not (Path(found.source) / "tokenizer_config.json").is_file():
        return _tokenizer(_base(found))
    loaded = AutoTokenizer.from_pretrained(found.source)
    if not loaded.chat_template:
        raise CotDistillError(f"model {found.name}: has no chat template; choose an instruction-tuned one")
    loaded.chat_template = thinking(loaded.chat_template)
    return loaded


def thinking(template: str) -> str:
    """A template with a switch for thinking, switched on. Some are off by default and open every answer with an
    empty, closed trace; the switch travels in the saved template, so that serving agrees with training."""
    switch = "{%- if enable_thinking is not defined %}{%- set enable_thinking = true %}{%- endif %}\n"
    return switch + template if "enable_thinking" in template and not template.startswith(switch) else template


def _model(found: Student, dtype: str) -> PreTrainedModel:
    if found.kind == "gguf":
        return gguf.model(Path(found.source), dtype)
    if found.kind == "adapter":
        return PeftModel.from_pretrained(_model(_base(found), dtype), found.source).merge_and_unload()
    return AutoModelForCausalLM.from_pretrained(found.source, dtype=dtype)


def _base(adapter: Student) -> Student:
    config = json.loads((Path(adapter.source) / "adapter_config.json").read_text(encoding="utf-8"))
    base = resolve(config["base_model_name_or_path"])
    if base.kind == "hub":
        hub.check(base.source)
    return base


@contextmanager
def _explained(found: Student) -> Iterator[None]:
    """Turn what the libraries raise about files into one line. ValueError is what transformers says of a model type
    that it does not know."""
    try:
        if found.kind == "hub":
            hub.check(found.source)
        yield
    except ImportError as error:
        raise CotDistillError(f"model {found.name}: {_line(error)}: pip install 'cotdistill[train]'") from None
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise CotDistillError(f"model {found.name}: cannot load it: {_line(error)}") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
