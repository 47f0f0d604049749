"""A student's directory -> a GGUF file: written, and compared."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import AutoConfig, GenerationConfig

from cotdistill import students
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.exports import Written, _gguf_check, _gguf_file, _gguf_vocabulary, _llama_quantize, _ollama, _weights
from cotdistill.students import load, settings
from cotdistill.students.gguf import END_PLACES


def write(
    student: str,
    quantize: str,
    partial: Path,
    output: Path,
    scratch: Path,
    modelfile_path: Path,
    report: Callable[[str, int, int], None],
) -> Written:
    """Write `partial`, by way of `scratch` where llama.cpp quantizes it. Raises as the export's `student` does."""
    found = students.resolve(student)
    tokenizer = load.tokenizer(student)
    model = None if _weights.files(found) else load.model(student, tokenizer)
    config, ends = _settings(found, model, tokenizer)
    _gguf_file.check(config, student)
    vocabulary = _gguf_vocabulary.vocabulary_of(tokenizer, config.vocab_size, ends, student)
    own = quantize in _llama_quantize.OWN
    kind = quantize if own else "f16"
    target = partial if own else scratch
    content = _gguf_file.plan(config, _weights.weights_of(found, model), kind)
    tensors = content.tensors
    asked = settings.read(found.source).single_questions
    for done in _gguf_file.write(target, content, vocabulary, name=output.stem, kind=kind, single_questions=asked):
        report("write", done, len(tensors))
    if not own:
        _llama_quantize.run(target, partial, quantize)
    compared = _gguf_check.Compared()
    for done in _gguf_check.compare(partial, content, compared, exact_types=own):
        report("compare", done, len(tensors))
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
            "quantize": quantize,
            "bits_per_weight": round(8 * size / sum(math.prod(one.shape) for one in tensors), 2),
            "largest_error": compared.largest_error,
            "end_tokens": end_texts,
        },
        notes=notes,
        beside={modelfile_path: modelfile},
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
