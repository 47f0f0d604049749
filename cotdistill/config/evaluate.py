"""The options of evaluate."""

from dataclasses import dataclass
from typing import Literal

from cotdistill.config.generate import GenerateConfig
from cotdistill.config.options import REQUIRED, Amount, Count, Engine, Samples, Seed, Text, Url, like, option


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
    guard: Text | None = option(
        None,
        "Ask these prompts too; exit 3 if the student is worse on them than --guard-against (p < 0.05).",
        "PROMPTS",
        panel="Guard",
        names="scored_prompts",
    )
    guard_against: Text | None = option(
        None,
        "Student to compare with on the guard's prompts (default: the model that it was trained from).",
        "DIR|ID|P:M|FILE",
        panel="Guard",
        names="any_student",
    )
    samples: Samples = option(
        1, "1: one greedy answer. More: also N sampled answers, for pass@N.", "N", panel="Sampling"
    )
    temperature: Amount = option(0.6, "Temperature of the sampled answers.", "T", panel="Sampling")
    max_output_tokens: Count = option(512, "Cap for one answer, in tokens.", "N", panel="Sampling")
    seed: Seed = option(0, "Seed of the sampled answers.", "N", panel="Sampling")
    verify: Text | None = option(
        None, "Verifier: {verifiers} (default: by the references).", "SPEC", panel="Scores", names="verifiers"
    )
    calibrate: bool = option(
        False,
        "Ask students over an API for log-probabilities too: are they right where they are sure?",
        panel="Scores",
        rare=True,
    )
    draft_for: Text | None = option(
        None,
        "Measure the student as a draft model: how much of it this teacher, or its responses with logprobs, would "
        "accept.",
        "DIR|ID|FILE",
        panel="Scores",
        names="any_student",
    )
    limit: Count | None = like(GenerateConfig, "limit", panel="Scores")
    prompt_field: Text | None = like(GenerateConfig, "prompt_field", panel="Scores", rare=True)
    reference_field: Text | None = like(GenerateConfig, "reference_field", panel="Scores", rare=True)
    id_field: Text | None = like(GenerateConfig, "id_field", panel="Scores", rare=True)
    tag_field: tuple[Text, ...] = like(GenerateConfig, "tag_field", panel="Scores", rare=True)
    batch_size: Count | None = option(
        None,
        "Prompts that a local student answers at once (default: 32; on a GPU what its memory holds).",
        "N",
        panel="Speed",
    )
    engine: Engine = option(
        "local", "What runs local students: this process, or a server that is started for them.", panel="Speed"
    )
    concurrency: Count | None = option(
        None, "At most N requests in flight to a server (default: measured).", "N", panel="Speed", rare=True
    )
    cache: Text | None = option(
        None, "Store of paid answers (default: $COTDISTILL_CACHE).", "PATH", panel="Money", names="store", rare=True
    )
    max_cost: Amount | None = like(GenerateConfig, "max_cost", rare=True)
    price_in: Amount | None = option(
        None, "USD per million input tokens of --student, where the price is unknown.", "USD", panel="Money", rare=True
    )
    price_out: Amount | None = like(GenerateConfig, "price_out", rare=True)
    threads: Count | None = option(
        None, "CPU threads of a local student (default: 1 for tiny, else all).", "N", panel="Speed", rare=True
    )
    precision: Literal["auto", "float32"] = option(
        "auto",
        "Number format in which local students compute: auto is that of their weights; with float32 an answer is the "
        "same in any batch, and takes longer.",
        panel="Speed",
        rare=True,
    )
    write_weak: Text | None = option(
        None, "Write the prompts that the student gets wrong, to generate more.", "FILE", panel="Output"
    )
    export: Text | None = option(
        None, "Write the prompts for this harness too: {prompts_exports}.", "SPEC", panel="Output", rare=True
    )
    allow_modified: bool = like(GenerateConfig, "allow_modified")
