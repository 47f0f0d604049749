"""The options of export."""

from dataclasses import dataclass

from cotdistill.config.generate import GenerateConfig
from cotdistill.config.options import Count, Text, like, option


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    to: Text = option("gguf", "What to write: {student_exports}.", "SPEC", panel="Output")
    quantize: Text | None = option(
        None, "Type of the weights: f16, bf16, q8_0, q4_0 …; q4_k_m and its like by llama.cpp.", "TYPE", panel="Output"
    )
    prompts: Text | None = option(
        None,
        "Questions that student and file are both asked (default: the student's first training rows).",
        "FILE",
        panel="Output",
        names="prompts",
    )
    max_output_tokens: Count = option(64, "Cap for each of these answers, in tokens.", "N", panel="Output")
    threads: Count | None = option(None, "CPU threads (default: 1 for tiny, else all).", "N", panel="Speed", rare=True)
    allow_modified: bool = like(GenerateConfig, "allow_modified")
