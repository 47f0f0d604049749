"""The commands that call one stage: each makes the stage's config out of its options and calls it.

The options come from the fields of the configs (a file each in `config/`), so a command is only its arguments and its
call.
"""

from pathlib import Path
from typing import Annotated

import typer

from cotdistill import config
from cotdistill.cli import ask, log
from cotdistill.cli.app import command
from cotdistill.cli.arguments import Output, anywhere, argument, named
from cotdistill.cli.console import Console, run_stage
from cotdistill.cli.help import example
from cotdistill.cli.options import options_of
from cotdistill.errors import DONE, ERROR
from cotdistill.providers.environment import load_env


@command(epilog=example("cotdistill generate prompts.jsonl -o responses.jsonl --teacher mock:digit-chains --samples 4"))
@options_of(config.GenerateConfig, Console)
def generate(
    prompts: Annotated[Path, argument("JSONL, JSON, CSV, Parquet, text, or hf:NAME:SPLIT from the hub.", "PROMPTS")],
    output: Output,
    settings: config.GenerateConfig,
    console: Console,
) -> None:
    """Ask a teacher to answer the prompts; never pay twice for one answer."""
    from cotdistill.stages import generate as stage

    load_env()
    run_stage("generate", console, settings, lambda progress: stage.run(prompts, output, settings, progress))


@command(epilog=example("cotdistill expand prompts.jsonl -o more.jsonl --teacher mock:digit-chains --count 100"))
@options_of(config.ExpandConfig, Console)
def expand(
    seeds: Annotated[Path, argument("Prompts to start from; a document or a folder of them for document.", "SEEDS")],
    output: Output,
    settings: config.ExpandConfig,
    console: Console,
) -> None:
    """Let a teacher write new prompts like the seeds; keep those that can be answered."""
    from cotdistill.stages import expand as stage

    load_env()
    run_stage("expand", console, settings, lambda progress: stage.run(seeds, output, settings, progress))


@command(
    "filter", epilog=example("cotdistill filter responses.jsonl -o kept.jsonl --verify math --select shortest:k=1")
)
@options_of(config.FilterConfig, Console)
def filter_(
    responses: Annotated[Path, argument("What generate wrote; also s3://… and the like.", "RESPONSES", anywhere)],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="Where the kept responses are written.",
            metavar="PATH",
            parser=anywhere,
            callback=named,
        ),
    ],
    settings: config.FilterConfig,
    console: Console,
) -> None:
    """Keep correct responses (rejection sampling); every dropped one has its reason."""
    from cotdistill.stages import filter as stage

    if settings.explain is not None:
        from cotdistill.report.explain import explain

        log.say(explain(output, settings.explain))
        return
    load_env()
    run_stage("filter", console, settings, lambda progress: stage.run(responses, output, settings, progress))


@command("format", epilog=example("cotdistill format kept.jsonl -o train.jsonl --holdout 0.1"))
@options_of(config.FormatConfig, Console)
def format_(
    kept: Annotated[Path, argument("What filter kept.", "KEPT")],
    output: Output,
    settings: config.FormatConfig,
    console: Console,
) -> None:
    """Write training rows of problem, reasoning and answer."""
    from cotdistill.stages import format as stage

    run_stage("format", console, settings, lambda progress: stage.run(kept, output, settings, progress))


@command(epilog=example("cotdistill finetune train.jsonl -o student --student tiny --max-steps 900 --batch-size 16"))
@options_of(config.FinetuneConfig, Console)
def finetune(
    train: Annotated[Path, argument("Rows that format wrote, or what filter kept; prompts with --on-policy.", "TRAIN")],
    output: Output,
    settings: config.FinetuneConfig,
    console: Console,
) -> None:
    """Fine-tune a small open model on the rows (SFT on the completion only)."""
    from cotdistill.stages import finetune as stage

    if stage.is_helper():
        raise typer.Exit(DONE if stage.help_first(output, settings) else ERROR)
    run_stage("finetune", console, settings, lambda progress: stage.run(train, output, settings, progress))


@command(
    epilog=example("cotdistill evaluate train.holdout.prompts.jsonl -o scores.json --student student --baseline tiny")
)
@options_of(config.EvaluateConfig, Console)
def evaluate(
    prompts: Annotated[Path, argument("Held-out prompts with references.", "PROMPTS")],
    output: Output,
    settings: config.EvaluateConfig,
    console: Console,
) -> None:
    """Ask a student held-out prompts and score its answers with the verifiers of filter."""
    from cotdistill.stages import evaluate as stage

    load_env()
    run_stage("evaluate", console, settings, lambda progress: stage.run(prompts, output, settings, progress))


command(epilog=example('cotdistill ask student "What is 12 + 30?" --beside tiny'))(ask.ask)


@command(epilog=example("cotdistill export student -o student.gguf --to gguf --quantize q8_0"))
@options_of(config.ExportConfig, Console)
def export(
    student: Annotated[str, argument("A directory that finetune wrote, or any other student.", "STUDENT_DIR")],
    output: Output,
    settings: config.ExportConfig,
    console: Console,
) -> None:
    """Write a student as one file for llama.cpp and Ollama, read it back and ask it."""
    from cotdistill.stages import export as stage

    run_stage("export", console, settings, lambda progress: stage.run(student, output, settings, progress))
