"""One file for llama.cpp, Ollama, LM Studio and the like."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from cotdistill import artifacts
from cotdistill.artifacts.files import partial as partial_path
from cotdistill.exports import Written, _llama_quantize


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
        _llama_quantize.check(self.quantize)

    def beside(self, output: Path) -> list[Path]:
        return [artifacts.sibling(output, "Modelfile")]

    def scratch(self, output: Path) -> list[Path]:
        whole = partial_path(output)
        return [whole.with_name(f"{whole.name}.f16")]

    def student(self, student: str, partial: Path, output: Path, report: Callable[[str, int, int], None]) -> Written:
        # torch and transformers take seconds to import, and a refused path should not wait for them
        from cotdistill.exports import _gguf_student

        scratch, modelfile = self.scratch(output)[0], self.beside(output)[0]
        return _gguf_student.write(student, self.quantize, partial, output, scratch, modelfile, report)
