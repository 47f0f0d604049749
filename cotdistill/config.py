"""The options of each stage, once: command line, recipes and manifests all read these fields.

A field's name is the option's name (`max_output_tokens` is `--max-output-tokens`), its default is the default,
and `option` carries the help line.
"""

from dataclasses import dataclass, field, fields
from math import inf
from typing import Any

from cotdistill.errors import UsageError


def option(
    default: Any,
    help: str,
    metavar: str = "",
    *,
    least: float | None = None,
    most: float | None = None,
    rare: bool = False,
) -> Any:
    """A field with its help line; a number outside `least` and `most` is refused; --help-all shows the `rare` ones."""
    metadata = {"help": help, "metavar": metavar, "least": least, "most": most, "rare": rare}
    return field(default=default, metadata=metadata)


def check(config: Any) -> None:
    """Every number within its limits. Raises UsageError that names the option."""
    for one in fields(config):
        value, least, most = getattr(config, one.name), one.metadata["least"], one.metadata["most"]
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        low, high = -inf if least is None else least, inf if most is None else most
        if not (low <= value <= high and abs(value) < inf):  # so that "not a number" is refused too
            bounds = (
                f"{least:g} to {most:g}" if most is not None else f"at least {least:g}" if low > -inf else "a number"
            )
            raise UsageError(f"--{one.name.replace('_', '-')}: expected {bounds}, got {value}")


REQUIRED: Any = None
"""The default of an option that the command line insists on."""


@dataclass(frozen=True, kw_only=True)
class GenerateConfig:
    teacher: str = option(REQUIRED, "Who answers: {teachers}.", "PROVIDER:MODEL")
    base_url: str | None = option(None, "Another server, as the provider's SDK takes it.", "URL")
    template: str | None = option(
        None, "Wrap each question: a name ({templates}) or a file with $question.", "NAME|PATH"
    )
    system: str | None = option(None, "System prompt for every question.", "TEXT")
    few_shot: str | None = option(
        None, "Worked examples to show first: JSONL of question and answer.", "FILE", rare=True
    )
    samples: int = option(1, "Independent answers for each prompt.", "N", least=1)
    until_accepted: int | None = option(None, "Stop asking a prompt once K answers are right.", "K", least=1)
    verify: str | None = option(None, "What --until-accepted judges with: {verifiers}.", "SPEC")
    max_output_tokens: int = option(8192, "Cap for one answer, reasoning included.", "N", least=1)
    effort: str | None = option(None, "How hard a reasoning teacher thinks, in its own words.", "LEVEL")
    temperature: float | None = option(None, "Sampling temperature (default: the provider's).", "T", least=0)
    concurrency: int | None = option(None, "At most so many requests in flight (default: found out).", "N", least=1)
    rpm: int | None = option(None, "Requests a minute (default: found out; so are the tokens).", "N", least=1)
    input_tpm: int | None = option(None, "Input tokens a minute.", "N", least=1)
    output_tpm: int | None = option(None, "Output tokens a minute.", "N", least=1)
    timeout_s: float = option(600.0, "Give up on one attempt after this long.", "SECONDS", least=0.001, rare=True)
    max_attempts: int = option(8, "Tries of one request before its prompt counts as failed.", "N", least=1, rare=True)
    batch: bool = option(False, "Ask in batches: half the price, answers within a day.")
    cache: str | None = option(None, "The store of paid answers (default: $COTDISTILL_CACHE).", "PATH")
    no_cache: bool = option(False, "A store that lives and dies with this output.")
    max_cost: float | None = option(None, "Never spend more than this in one run.", "USD", least=0)
    price_in: float | None = option(None, "USD per million input tokens, where the price is unknown.", "USD", least=0)
    price_out: float | None = option(None, "USD per million output tokens.", "USD", least=0)
    retry_truncated: bool = option(False, "Ask again, within a larger cap, for truncated answers only.")
    reextract: bool = option(False, "Ask nothing; rebuild the output from the stored answers.", rare=True)
    license: str | None = option(None, "Licence of the teacher's answers, kept with each one.", "NAME", rare=True)
    limit: int | None = option(None, "Only the first N prompts.", "N", least=1)
    prompt_field: str | None = option(None, "Column that holds the question.", "NAME", rare=True)
    reference_field: str | None = option(None, "Column that holds the reference answer.", "NAME", rare=True)
    skip_bad: bool = option(False, "Set unreadable lines aside instead of stopping.", rare=True)
    allow_modified: bool = option(False, "Accept an input that was edited after its manifest.", rare=True)
    dry_run: bool = option(False, "Say what would be asked, send nothing.")


@dataclass(frozen=True, kw_only=True)
class FilterConfig:
    verify: str | None = option(None, "Judge answers: {verifiers}, none.", "SPEC")
    filter: tuple[str, ...] = option((), "Add a filter: {filters}; none clears the defaults. Repeatable.", "SPEC")
    against: tuple[str, ...] = option((), "Drop problems that are in this evaluation set. Repeatable.", "EVAL")
    select: str | None = option(None, "Choose per prompt: {selectors} (default: keep all).", "SPEC")
    keep_incorrect: bool = option(False, "Keep wrong answers too; the verdict stays with each.")
    weight: str = option("none", "Weight rows for the loss by pass rate: none, difficulty, uncertainty.", "NAME")
    incorrect_weight: float | None = option(None, "Weight of the wrong answers that are kept.", "X", least=0, rare=True)
    explain: str | None = option(None, "Show one prompt's samples and why each was kept or dropped.", "ID")
    engine: str = option("local", "local: the cores of this machine. ray: Ray Data (extra ray).", "NAME", rare=True)
    workers: int | None = option(None, "Processes (default: all cores, 1 for a small file).", "N", least=1, rare=True)
    skip_bad: bool = option(False, "Set unreadable lines aside instead of stopping.", rare=True)
    allow_modified: bool = option(False, "Accept an input that was edited after its manifest.", rare=True)


@dataclass(frozen=True, kw_only=True)
class FormatConfig:
    format: str = option("prompt_completion", "Row layout: {formats}.", "NAME")
    holdout: float = option(0.0, "About this share of prompts is set aside for evaluation, whole.", "FRACTION")
    student: str | None = option(None, "Prove each row with this student's own chat template.", "ID")
    max_length: int = option(8192, "With --student: rows with more tokens are left out.", "N", least=1)
    cut_long: bool = option(False, "With --student: cut too long traces at the end of a step instead.")
    show: int = option(0, "With --student: print the first N rows, what is trained highlighted.", "N", least=0)
    mix: tuple[str, ...] = option(
        (), "How often rows of a tag stand in the file: task=code:0.5. Repeatable.", "TAG=V:X"
    )
    export: tuple[str, ...] = option(
        (), "Write settings for this trainer too: llama-factory, axolotl. Repeatable.", "NAME"
    )
    skip_bad: bool = option(False, "Set unreadable lines aside instead of stopping.")
    allow_modified: bool = option(False, "Accept an input that was edited after its manifest.")


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig:
    student: str = option(
        REQUIRED, "What to start from: tiny, smollm2-135m, a hub id, a directory or a .gguf file.", "ID"
    )
    eval_data: str | None = option(None, "Rows to measure the loss on after each epoch.", "FILE")
    patience: int | None = option(
        None, "Stop once the loss on --eval-data has not fallen N times; keep the best weights.", "N", least=1
    )
    method: str = option("lora", "lora, qlora (4-bit base, on a GPU), or full (always full for tiny).", "NAME")
    epochs: float = option(3.0, "Passes over the rows.", "N")
    max_steps: int | None = option(None, "Stop after N steps, whatever the epochs.", "N", least=1)
    batch_size: int = option(8, "Rows a step.", "N", least=1)
    rows_at_once: int | None = option(None, "Rows of a step in memory at once (default: all).", "N", least=1, rare=True)
    packing: str = option(
        "auto", "auto, bfd (several rows in one sequence), or none (rows of like length).", "NAME", rare=True
    )
    checkpointing: str = option("auto", "Compute activations twice, to save memory: auto, on, off.", "NAME", rare=True)
    learning_rate: float | None = option(None, "Peak rate (default: 2e-4 lora, 2e-5 full, 3e-3 tiny).", "X")
    warmup: float = option(
        0.1, "Share of the steps before the peak; cosine decay after it.", "FRACTION", least=0, most=1, rare=True
    )
    weight_decay: float = option(0.01, "AdamW weight decay.", "X", least=0, rare=True)
    lora_rank: int = option(32, "Rank of the LoRA matrices.", "N", least=1)
    lora_alpha: int = option(64, "LoRA scale.", "N", least=1, rare=True)
    max_length: int = option(8192, "Rows with more tokens are left out, never cut.", "N", least=1)
    seed: int = option(0, "Order of rows and initial weights.", "N")
    threads: int | None = option(None, "CPU threads (default: 1 for tiny, else all).", "N", least=1, rare=True)
    resume: bool = option(False, "Continue from the last checkpoint of a killed run.")
    dry_run: bool = option(False, "Show the first rows with their trained tokens, time a few steps, write nothing.")
    skip_bad: bool = option(False, "Set rows aside that this student cannot be taught, instead of stopping.", rare=True)
    allow_modified: bool = option(False, "Accept an input that was edited after its manifest.", rare=True)


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    student: str = option(REQUIRED, "A trained directory, any student ID, or PROVIDER:MODEL.", "DIR|ID|P:M")
    baseline: tuple[str, ...] = option(
        (), "Score this one too, side by side; a file of responses is scored as it is. Repeatable.", "DIR|ID|P:M|FILE"
    )
    samples: int = option(1, "1: greedy. More: also N sampled answers, for pass@N.", "N", least=1)
    temperature: float = option(0.6, "Temperature of the sampled answers.", "T", least=0)
    max_output_tokens: int = option(512, "Cap for one answer.", "N", least=1)
    verify: str | None = option(None, "Judge answers: {verifiers}.", "SPEC")
    base_url: str | None = option(None, "Server of PROVIDER:MODEL students.", "URL")
    batch_size: int = option(32, "Prompts a local student answers at once.", "N", least=1)
    concurrency: int | None = option(
        None, "At most so many requests in flight to a server (default: found out).", "N", least=1, rare=True
    )
    limit: int | None = option(None, "Only the first N prompts.", "N", least=1)
    threads: int | None = option(
        None, "CPU threads of a local student (default: 1 for tiny, else all).", "N", least=1, rare=True
    )
    write_weak: str | None = option(None, "Write the prompts that the student gets wrong, to generate more.", "FILE")
    export: str | None = option(None, "lm-eval: write a task for lm-evaluation-harness.", "NAME", rare=True)
    seed: int = option(0, "Of the sampled answers.", "N")
    prompt_field: str | None = option(None, "Column that holds the question.", "NAME", rare=True)
    reference_field: str | None = option(None, "Column that holds the reference answer.", "NAME", rare=True)
    allow_modified: bool = option(False, "Accept an input that was edited after its manifest.", rare=True)
