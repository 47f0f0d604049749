"""The options of finetune."""

from dataclasses import dataclass, replace
from typing import Literal

from cotdistill.config.generate import GenerateConfig
from cotdistill.config.options import REQUIRED, Amount, Count, Number, Positive, Seed, Share, Text, Url, like, option


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig:
    student: Text = option(
        REQUIRED,
        "Model to start from: tiny, smollm2-135m, a hub id, a directory or a .gguf file.",
        "ID",
        panel="Student",
        names="student",
    )
    method: Literal["lora", "qlora", "full"] = option(
        "lora", "qlora: 4-bit base, on a GPU. tiny is always trained in full.", panel="Student"
    )
    quant_aware: Literal["q8_0", "q4_0"] | None = option(
        None, "Train the last steps on the numbers that export --quantize writes. Needs --method full.", panel="Student"
    )
    quant_aware_share: Share = option(0.2, "Share of the steps that these are.", "FRACTION", panel="Student", rare=True)
    lora_rank: Count = option(32, "Rank of the LoRA matrices.", "N", panel="Student")
    lora_alpha: Count = option(64, "LoRA scale.", "N", panel="Student", rare=True)
    eval_data: Text | None = option(
        None, "Rows to measure the loss on after each epoch.", "FILE", panel="Rows", names="rows"
    )
    max_length: Count = option(8192, "Leave out rows with more tokens; none is cut.", "N", panel="Rows")
    order: Literal["shuffled", "file"] = option(
        "shuffled", "file: every pass in the order of the rows, for format --order; nothing is packed.", panel="Rows"
    )
    packing: Literal["auto", "bfd", "none"] = option(
        "auto",
        "bfd: several rows in one sequence (best fit decreasing). none: rows of like length in a batch.",
        panel="Rows",
        rare=True,
    )
    loss: Text = option(
        "nll",
        "What is trained: {losses}. nll: the next token. soft: the teacher's probabilities too.",
        "SPEC",
        panel="Teacher",
        names="losses",
    )
    epochs: Positive | None = option(
        None, "Passes over the rows (default: 3, more for few rows).", "N", panel="Training"
    )
    max_steps: Count | None = option(None, "Stop after N steps, whatever the epochs.", "N", panel="Training")
    batch_size: Count | None = option(
        None, "Rows a step (default: 8 to 32, by the number of rows).", "N", panel="Training"
    )
    learning_rate: Positive | None = option(
        None, "Peak rate (default: by method and width; --dry-run says it).", "X", panel="Training"
    )
    warmup: Share = option(
        0.1, "Share of the steps before the peak; cosine decay after it.", "FRACTION", panel="Training", rare=True
    )
    weight_decay: Amount = option(0.01, "AdamW weight decay.", "X", panel="Training", rare=True)
    patience: Count | None = option(
        None,
        "Stop early: when the loss on --eval-data has not fallen N times; keep the best weights.",
        "N",
        panel="Training",
    )
    seed: Seed = option(0, "Seed of the rows' order and the initial weights.", "N", panel="Training")
    on_policy: Count | None = option(
        None,
        "The input is prompts: train for N steps on answers that the student writes and --teacher scores.",
        "N",
        panel="On-policy",
    )
    teacher: Text | None = option(
        None,
        "Teacher of --loss: local:DIR (default: the log-probabilities beside the rows). Teacher of --on-policy: also "
        "{scorers}, or self (the student, shown the traces of the input).",
        "PROVIDER:MODEL",
        panel="Teacher",
        names="teacher",
    )
    base_url: Url | None = option(None, "Server of the teacher: http://host/v1.", "URL", panel="On-policy")
    max_output_tokens: Count = option(
        512, "Cap for each answer that the student writes, in tokens.", "N", panel="On-policy"
    )
    temperature: Positive = option(1, "Temperature of these answers.", "T", panel="On-policy", rare=True)
    verify: Text | None = option(
        None,
        "Verifier of the student's answers before the first step: {verifiers} (default: by the references).",
        "SPEC",
        panel="On-policy",
        names="verifiers",
        rare=True,
    )
    prompt_field: Text | None = like(GenerateConfig, "prompt_field", panel="On-policy", rare=True)
    reference_field: Text | None = like(GenerateConfig, "reference_field", panel="On-policy", rare=True)
    concurrency: Count | None = option(
        None,
        "At most N requests in flight to the teacher's server (default: measured).",
        "N",
        panel="On-policy",
        rare=True,
    )
    cache: Text | None = option(
        None, "Store of paid scores (default: $COTDISTILL_CACHE).", "PATH", panel="Money", names="store", rare=True
    )
    max_cost: Amount | None = like(GenerateConfig, "max_cost")
    price_in: Amount | None = option(
        None, "USD per million tokens that the teacher scores, where the price is unknown.", "USD", panel="Money"
    )
    rows_at_once: Count | None = option(
        None, "Rows of a step in memory at once (default: all).", "N", panel="Memory and speed", rare=True
    )
    checkpointing: Literal["auto", "on", "off"] = option(
        "auto", "Gradient checkpointing: less memory, more time.", panel="Memory and speed", rare=True
    )
    precision: Literal["auto", "float32", "bfloat16"] = option(
        "auto",
        "Format of what is trained. bfloat16: half the memory, with Kahan summation. auto: bfloat16 on a GPU.",
        panel="Memory and speed",
        rare=True,
    )
    threads: Count | None = option(
        None, "CPU threads (default: 1 for tiny, else all).", "N", panel="Memory and speed", rare=True
    )
    checkpoint_minutes: Amount = option(
        15, "Save a checkpoint this often, and at the end.", "MINUTES", panel="Output", rare=True
    )
    resume: bool = option(False, "Continue from the last checkpoint of a killed run.", panel="Output")
    dry_run: bool = option(
        False, "Show the first rows with their trained tokens, time a few steps; write nothing.", panel="Output"
    )
    show_rows: Number | None = option(
        None,
        "Rows to show before training, with the tokens that are trained (default: 3 on a terminal and with "
        "--dry-run, none in a log).",
        "N",
        panel="Output",
        rare=True,
    )
    skip_bad: bool = option(
        False, "Set aside rows that this student cannot learn, instead of stopping.", panel="Output", rare=True
    )
    allow_modified: bool = like(GenerateConfig, "allow_modified")

    @property
    def on_pairs(self) -> bool:
        """Whether it trains on preference pairs, not on rows."""
        return self.loss.partition(":")[0] == "dpo"

    @property
    def adapts(self) -> bool:
        """Whether an adapter is trained beside frozen weights. tiny's are random, so they are what is trained."""
        return self.method != "full" and self.student != "tiny"

    def as_trained(self) -> "FinetuneConfig":
        """With the method that is used, for all that is said and recorded of a run."""
        return self if self.adapts else replace(self, method="full")
