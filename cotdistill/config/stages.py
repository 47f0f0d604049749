"""The options of each stage, once: command line, recipes and manifests all read these fields.

A field's name is the option's name (`max_output_tokens` is `--max-output-tokens`), its default is the default, its
type says which values it takes, and `option` carries the help line.
"""

from dataclasses import dataclass
from typing import Literal

from cotdistill.config.options import (
    REQUIRED,
    Amount,
    Count,
    Number,
    Positive,
    Share,
    ShareBelowOne,
    Text,
    Url,
    option,
)

Engine = Literal["local", "transformers", "vllm", "sglang"]
"""What answers for a student of this machine: this process, or a server that is started (a file of `servers/` each)."""


@dataclass(frozen=True, kw_only=True)
class GenerateConfig:
    teacher: Text = option(
        REQUIRED, "Model that answers: {teachers}.", "PROVIDER:MODEL", panel="Teacher", names="teacher"
    )
    base_url: Url | None = option(
        None, "Another server, as the provider's SDK takes it: http://host/v1.", "URL", panel="Teacher"
    )
    effort: Text | None = option(
        None, "Reasoning effort, in the provider's own words: low, high, …", "LEVEL", panel="Teacher"
    )
    license: Text | None = option(
        None, "Licence of the teacher's answers; stored with each one.", "NAME", panel="Teacher"
    )
    think_tags: tuple[Text, ...] = option(
        (),
        "Marks of the trace, where the server writes some of its own. Repeatable.",
        "OPEN,CLOSE",
        panel="Teacher",
        rare=True,
    )
    template: Text | None = option(
        None,
        "Wrap each question: a name ({templates}) or a file with $question and columns.",
        "NAME|PATH",
        panel="Prompts",
        names="template",
    )
    system: str | None = option(None, "System prompt for every question.", "TEXT", panel="Prompts")
    few_shot: Text | None = option(
        None,
        "Worked examples to show first: a file of questions and answers.",
        "FILE",
        panel="Prompts",
        names="examples",
    )
    prompt_field: Text | None = option(None, "Column that holds the question.", "NAME", panel="Prompts")
    reference_field: Text | None = option(None, "Column that holds the reference answer.", "NAME", panel="Prompts")
    id_field: Text | None = option(None, "Column that holds each prompt's id (default: id).", "NAME", panel="Prompts")
    tag_field: tuple[Text, ...] = option(
        (), "Column whose value becomes a tag of its prompt. Repeatable.", "NAME", panel="Prompts"
    )
    limit: Count | None = option(None, "Only the first N prompts.", "N", panel="Prompts")
    samples: Count = option(1, "Independent answers to each prompt.", "N", panel="Sampling")
    until_accepted: Count | None = option(
        None, "Ask a prompt no further once K answers are correct.", "K", panel="Sampling"
    )
    verify: Text | None = option(
        None, "Verifier for --until-accepted: {verifiers}.", "SPEC", panel="Sampling", names="verifiers"
    )
    max_output_tokens: Count = option(8192, "Cap for one answer in tokens, reasoning included.", "N", panel="Sampling")
    temperature: Amount | None = option(None, "Sampling temperature (default: the provider's).", "T", panel="Sampling")
    retry_truncated: bool = option(
        False, "Ask again for truncated answers only, within a larger cap.", panel="Sampling"
    )
    concurrency: Count | None = option(None, "At most N requests in flight (default: measured).", "N", panel="Speed")
    rpm: Count | None = option(None, "Requests a minute (default: measured, like the tokens).", "N", panel="Speed")
    input_tpm: Count | None = option(None, "Input tokens a minute.", "N", panel="Speed")
    output_tpm: Count | None = option(None, "Output tokens a minute.", "N", panel="Speed")
    timeout_s: Positive = option(600, "Give up on one attempt after this long.", "SECONDS", panel="Speed", rare=True)
    max_wait: Positive = option(
        15, "Longest wait that a server may ask for; a longer one ends the run.", "MINUTES", panel="Speed", rare=True
    )
    engine: Engine = option(
        "local", "Who answers for teacher local: this process, or a server that is started.", panel="Speed", rare=True
    )
    max_attempts: Count = option(
        8, "Attempts at one request before its prompt counts as failed.", "N", panel="Speed", rare=True
    )
    batch: bool = option(False, "Use the provider's Batch API: half the price, answers within a day.", panel="Money")
    max_cost: Amount | None = option(None, "Spend at most this in one run.", "USD", panel="Money")
    price_in: Amount | None = option(
        None, "USD per million input tokens, where the price is unknown.", "USD", panel="Money"
    )
    price_out: Amount | None = option(None, "USD per million output tokens.", "USD", panel="Money")
    cache: Text | None = option(
        None, "Store of paid answers (default: $COTDISTILL_CACHE).", "PATH", panel="Money", names="store"
    )
    no_cache: bool = option(
        False, "Use a store for this output alone; it is deleted when the output is done.", panel="Money"
    )
    dry_run: bool = option(False, "Say what would be asked and what it costs; send nothing.", panel="Money")
    reextract: bool = option(False, "Ask nothing; rebuild the output from stored answers.", panel="Output", rare=True)
    skip_bad: bool = option(False, "Set unreadable lines aside instead of stopping.", panel="Output", rare=True)
    allow_modified: bool = option(
        False, "Accept an input that was edited after its manifest.", panel="Output", rare=True
    )


@dataclass(frozen=True, kw_only=True)
class FilterConfig:
    verify: Text | None = option(
        None,
        "Verifier: {verifiers}, none (default: by the references).",
        "SPEC",
        panel="Verify and filter",
        names="verifiers",
    )
    filter: tuple[Text, ...] = option(
        (),
        "Add a filter: {filters}; none clears the defaults. Repeatable.",
        "SPEC",
        panel="Verify and filter",
        names="filters",
    )
    cache: Text | None = option(
        None,
        "Store of a judge's paid answers (default: $COTDISTILL_CACHE).",
        "PATH",
        panel="Verify and filter",
        names="store",
        rare=True,
    )
    against: tuple[Text, ...] = option(
        (),
        "Decontaminate: drop problems of this evaluation set. Repeatable.",
        "EVAL",
        panel="Verify and filter",
        names="prompts",
    )
    keep_incorrect: bool = option(False, "Keep wrong answers too; each carries its verdict.", panel="Verify and filter")
    select: Text | None = option(
        None,
        "Choose per prompt: {selectors} (default: keep all).",
        "SPEC",
        panel="Choose and weigh",
        names="selectors",
    )
    weight: Literal["none", "difficulty", "uncertainty"] = option(
        "none",
        "Weight of a row in the loss, from its prompt's pass rate p: difficulty 1 - p, uncertainty 4p(1 - p).",
        panel="Choose and weigh",
    )
    incorrect_weight: Amount | None = option(
        None, "With --keep-incorrect: weight of wrong answers.", "X", panel="Choose and weigh", rare=True
    )
    explain: Text | None = option(
        None, "Show one prompt's samples and why each was kept or dropped.", "ID", panel="Output"
    )
    engine: Literal["local", "ray"] = option(
        "local", "local: processes of this machine. ray: Ray Data (extra ray).", panel="Speed", rare=True
    )
    workers: Count | None = option(
        None, "Processes (default: all cores, 1 for a small file).", "N", panel="Speed", rare=True
    )
    skip_bad: bool = option(False, "Set unreadable lines aside instead of stopping.", panel="Output", rare=True)
    allow_modified: bool = option(
        False, "Accept an input that was edited after its manifest.", panel="Output", rare=True
    )


@dataclass(frozen=True, kw_only=True)
class FormatConfig:
    format: Text = option("prompt_completion", "Row layout: {formats}.", "NAME", panel="Rows", names="formats")
    holdout: ShareBelowOne = option(
        0.0, "Hold out about this share of the prompts, whole, for evaluate.", "FRACTION", panel="Rows"
    )
    mix: tuple[Text, ...] = option(
        (),
        "Write rows with this tag TIMES times: task=code:0.5 writes half of them. Repeatable.",
        "TAG=VALUE:TIMES",
        panel="Rows",
    )
    student: Text | None = option(
        None, "Prove each row with this student's chat template.", "ID", panel="Student", names="student"
    )
    max_length: Count = option(8192, "With --student: leave out rows with more tokens.", "N", panel="Student")
    cut_long: bool = option(
        False, "With --student: shorten longer traces at the end of a step instead.", panel="Student"
    )
    show: Number = option(
        0, "With --student: print the first N rows, trained tokens highlighted.", "N", panel="Student"
    )
    export: tuple[Text, ...] = option(
        (), "Write settings for this trainer too: {rows_exports}. Repeatable.", "SPEC", panel="Output"
    )
    skip_bad: bool = option(False, "Set unreadable lines aside instead of stopping.", panel="Output")
    allow_modified: bool = option(False, "Accept an input that was edited after its manifest.", panel="Output")


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
    lora_rank: Count = option(32, "Rank of the LoRA matrices.", "N", panel="Student")
    lora_alpha: Count = option(64, "LoRA scale.", "N", panel="Student", rare=True)
    eval_data: Text | None = option(
        None, "Rows to measure the loss on after each epoch.", "FILE", panel="Rows", names="rows"
    )
    max_length: Count = option(8192, "Leave out rows with more tokens; none is cut.", "N", panel="Rows")
    packing: Literal["auto", "bfd", "none"] = option(
        "auto",
        "bfd: several rows in one sequence (best fit decreasing). none: rows of like length in a batch.",
        panel="Rows",
        rare=True,
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
    seed: int = option(0, "Seed of the rows' order and the initial weights.", "N", panel="Training")
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
    skip_bad: bool = option(
        False, "Set aside rows that this student cannot learn, instead of stopping.", panel="Output", rare=True
    )
    allow_modified: bool = option(
        False, "Accept an input that was edited after its manifest.", panel="Output", rare=True
    )


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    student: Text = option(
        REQUIRED,
        "A trained directory, any student ID, or PROVIDER:MODEL.",
        "DIR|ID|P:M",
        panel="Students",
        names="any_student",
    )
    baseline: tuple[Text, ...] = option(
        (),
        "Score this one too, side by side; a file of responses is scored as it is. Repeatable.",
        "DIR|ID|P:M|FILE",
        panel="Students",
        names="any_student",
    )
    base_url: Url | None = option(None, "Server of PROVIDER:MODEL students.", "URL", panel="Students")
    samples: Count = option(1, "1: one greedy answer. More: also N sampled answers, for pass@N.", "N", panel="Sampling")
    temperature: Amount = option(0.6, "Temperature of the sampled answers.", "T", panel="Sampling")
    max_output_tokens: Count = option(512, "Cap for one answer, in tokens.", "N", panel="Sampling")
    seed: int = option(0, "Seed of the sampled answers.", "N", panel="Sampling")
    verify: Text | None = option(
        None, "Verifier: {verifiers} (default: by the references).", "SPEC", panel="Scores", names="verifiers"
    )
    limit: Count | None = option(None, "Only the first N prompts.", "N", panel="Scores")
    prompt_field: Text | None = option(None, "Column that holds the question.", "NAME", panel="Scores", rare=True)
    reference_field: Text | None = option(
        None, "Column that holds the reference answer.", "NAME", panel="Scores", rare=True
    )
    id_field: Text | None = option(
        None, "Column that holds each prompt's id (default: id).", "NAME", panel="Scores", rare=True
    )
    tag_field: tuple[Text, ...] = option(
        (), "Column whose value becomes a tag of its prompt. Repeatable.", "NAME", panel="Scores", rare=True
    )
    batch_size: Count | None = option(
        None,
        "Prompts that a local student answers at once (default: 32; on a GPU what its memory holds).",
        "N",
        panel="Speed",
    )
    engine: Engine = option(
        "local", "Who answers for local students: this process, or a server that is started.", panel="Speed"
    )
    concurrency: Count | None = option(
        None, "At most N requests in flight to a server (default: measured).", "N", panel="Speed", rare=True
    )
    cache: Text | None = option(
        None, "Store of paid answers (default: $COTDISTILL_CACHE).", "PATH", panel="Money", names="store", rare=True
    )
    max_cost: Amount | None = option(None, "Never spend more than this in one run.", "USD", panel="Money", rare=True)
    price_in: Amount | None = option(
        None, "USD per million input tokens of --student, where the price is unknown.", "USD", panel="Money", rare=True
    )
    price_out: Amount | None = option(None, "USD per million output tokens.", "USD", panel="Money", rare=True)
    threads: Count | None = option(
        None, "CPU threads of a local student (default: 1 for tiny, else all).", "N", panel="Speed", rare=True
    )
    write_weak: Text | None = option(
        None, "Write the prompts that the student gets wrong, to generate more.", "FILE", panel="Output"
    )
    export: Text | None = option(
        None, "Write the prompts for this harness too: {prompts_exports}.", "SPEC", panel="Output", rare=True
    )
    allow_modified: bool = option(
        False, "Accept an input that was edited after its manifest.", panel="Output", rare=True
    )


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
    allow_modified: bool = option(
        False, "Accept an input that was edited after its manifest.", panel="Output", rare=True
    )
