"""One file for llama.cpp, Ollama, LM Studio and the like."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from transformers import AutoConfig, GenerationConfig

from cotdistill import artifacts, students
from cotdistill.artifacts.files import partial as partial_path
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.exports import Written, _gguf_check, _gguf_file, _gguf_vocabulary, _llama_quantize, _ollama, _weights
from cotdistill.students import load
from cotdistill.students.gguf import END_PLACES

Quantize = Literal["f32", "f16", "bf16", "q8_0", "q4_0"]


@dataclass
class Export:
    """One .gguf file for llama.cpp, Ollama and LM Studio, with a Modelfile beside it.

    f32, f16, bf16, q8_0 and q4_0 are written here; any other type (q4_k_m, q5_k_m, q6_k, …) is asked of llama.cpp's own
    quantizer, which then must be installed.
    """

    quantize: str = "f16"

    suffix: ClassVar[str] = ".gguf"

    def __post_init__(self) -> None:
        self.quantize = self.quantize.lower()
        _llama_quantize.check(self.quantize, get_args(Quantize))

    def beside(self, output: Path) -> list[Path]:
        return [artifacts.sibling(output, "Modelfile")]

    def scratch(self, output: Path) -> list[Path]:
        whole = partial_path(output)
        return [whole.with_name(f"{whole.name}.f16")]

    def student(self, student: str, partial: Path, output: Path, tell: Callable[[str, int, int], None]) -> Written:
        found = students.resolve(student)
        tokenizer = load.tokenizer(student)
        model = None if _weights.files(found) else load.model(student, tokenizer)
        config, ends = _settings(found, model, tokenizer)
        _gguf_file.check(config, student)
        vocabulary = _gguf_vocabulary.of(tokenizer, config.vocab_size, ends, student)
        own = self.quantize in get_args(Quantize)
        kind = self.quantize if own else "f16"
        target = partial if own else self.scratch(output)[0]
        source = _weights.of(found, model)
        tensors = _gguf_file.plan(config, source, kind)
        name = output.name.removesuffix(self.suffix)
        for done in _gguf_file.write(target, config, vocabulary, tensors, source, name=name, kind=kind):
            tell("write", done, len(tensors))
        if not own:
            _llama_quantize.run(target, partial, self.quantize)
        compared = _gguf_check.Compared()
        for done in _gguf_check.compare(partial, config, tensors, source, compared, exact_types=own):
            tell("compare", done, len(tensors))
        context = int(config.max_position_embeddings)
        end_texts = [tokenizer.convert_ids_to_tokens(end) for end in vocabulary.ends]
        modelfile, notes = _ollama.modelfile(output.name, tokenizer, end_texts, context, vocabulary.adds_bos)
        if vocabulary.left_out:
            more = ", ".join(tokenizer.convert_ids_to_tokens(vocabulary.left_out))
            notes.append(f"a file has room for {len(END_PLACES)} end tokens; left out: {more}")
        size = partial.stat().st_size
        return Written(
            counts={"tensors": len(tensors), "bytes": size},
            results={
                "quantize": self.quantize,
                "bits_per_weight": round(8 * size / sum(math.prod(one.shape) for one in tensors), 2),
                "largest_error": compared.largest_error,
                "end_tokens": end_texts,
            },
            notes=notes,
            beside={self.beside(output)[0]: modelfile},
            lossless=compared.largest_error == 0,
        )


def _settings(found: students.Student, model: Any, tokenizer: Any) -> tuple[Any, list[int]]:
    """The model's config and the ids of its end tokens; of one that is not loaded from its directory."""
    if model is not None:
        config, generation = model.config, model.generation_config
    else:
        with students.quiet():
            config = AutoConfig.from_pretrained(found.source)
            try:
                generation = GenerationConfig.from_pretrained(found.source)
            except OSError:  # a directory without one
                generation = GenerationConfig.from_model_config(config)
    known = generation.eos_token_id
    known = known if isinstance(known, list) else [known]
    ends = sorted({*known, tokenizer.eos_token_id} - {None})
    if not ends:
        raise CotDistillError(f"{found.name}: has no end token, so it would never stop")
    if config.model_type == "qwen2" and getattr(config, "use_sliding_window", False):
        raise UsageError(f"{found.name}: its attention sees a sliding window only, which a file cannot say")
    return config, ends
