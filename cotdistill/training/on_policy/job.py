"""An on-policy run, made ready: the student, its prompts in order, and what a step does in place of reading rows."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from transformers import PreTrainedTokenizerBase

from cotdistill.chat.template import Rendered
from cotdistill.config import FinetuneConfig
from cotdistill.config.on_policy import TEACHES_ALONE
from cotdistill.errors import CotDistillError
from cotdistill.providers.scoring import Scores
from cotdistill.students.generator import set_threads
from cotdistill.students.prompts import Prompt, Prompter
from cotdistill.training import job
from cotdistill.training.collator import padding
from cotdistill.training.defaults import Choice, learning_rate
from cotdistill.training.local_teacher import load_teacher
from cotdistill.training.loss import is_compact
from cotdistill.training.on_policy.distance import Distance
from cotdistill.training.on_policy.rollout import Rollout, Written
from cotdistill.training.on_policy.teaching import Local, Served, Teaching
from cotdistill.training.on_policy.trainer import OwnAnswers
from cotdistill.training.prepared import Job
from cotdistill.training.schedule import Schedule, rows_at_once
from cotdistill.training.token_rows import TokenRows, examples

BATCH_SIZE = 16
"""Prompts a step: TRL's and the published runs' are larger, and teach no more a token here (see RESULTS.md)."""

Ask = Callable[[Sequence[Written]], Sequence[Scores]]


def prepare(
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Prompt],
    shown: Sequence[Sequence[int]] | None,
    distance: Distance,
    config: FinetuneConfig,
    ask: Ask | None = None,
) -> Job:
    """Load the student, and the teacher where it is on this machine: else `ask` scores what was written. `shown` are
    the tokens that the teacher reads instead of each prompt, None where it reads the same.

    Raises CotDistillError where one of them does not fit in memory or cannot be loaded, UsageError for a teacher with
    another vocabulary."""
    model, stored = job.load_student(tokenizer, config)
    set_threads(model, config.threads)
    config, choices = choose(config, int(model.config.get_text_config().hidden_size))
    prompter = Prompter(tokenizer, model.config, model.generation_config)
    longest = max(len(one.ids) for one in prompts)
    if longest >= prompter.context:
        raise CotDistillError(f"a prompt has {longest} tokens, and {config.student} reads {prompter.context}")
    pad = padding(tokenizer)
    teaching: Teaching
    if ask is not None:
        teaching = Served(ask, distance)
    else:
        most = max(map(len, shown)) if shown else longest
        name = f"local:{config.student}" if config.teacher == TEACHES_ALONE else str(config.teacher)
        teacher = load_teacher(name, tokenizer, min(most + config.max_output_tokens, prompter.context))
        teaching = Local(teacher, distance, pad, is_compact(teacher), shown)
    rollout = Rollout(prompts, config.max_output_tokens, config.temperature, config.seed, rows_at_once(config))
    rows = _rows(prompts, prompter.end_tokens)
    return Job(
        config=config,
        choices=choices,
        tokenizer=tokenizer,
        model=model,
        stored=stored,
        rows=rows,
        schedule=_schedule(rows, config),
        batch_source=OwnAnswers(rollout, teaching, pad, is_compact(model)),
    )


def choose(config: FinetuneConfig, width: int) -> tuple[FinetuneConfig, Sequence[Choice]]:
    """The config with every value it lacks, and what was chosen. A step is on what the student writes anyway, so a
    rate that is too high does harm sooner than with a teacher's rows: a third of that."""
    choices: list[Choice] = []
    if config.batch_size is None:
        choices.append(Choice("batch_size", BATCH_SIZE, "prompts a step"))
    if config.learning_rate is None:
        rate, reason = learning_rate(config, width)
        choices.append(Choice("learning_rate", float(f"{rate / 3:.1e}"), f"a third of the rate for rows, {reason}"))
    chosen: dict[str, Any] = {one.option: one.value for one in choices}
    return replace(config, max_steps=config.on_policy, epochs=1.0, **chosen), choices


def _schedule(rows: TokenRows, config: FinetuneConfig) -> Schedule:
    """`lengths` are those of the prompts: what will be answered is not known yet."""
    steps, batch_size = config.on_policy or 1, config.batch_size or BATCH_SIZE
    order = rows.order(steps * batch_size, batch_size, config.seed)
    lengths = rows.lengths()[order]
    widest = rows_at_once(config) * (rows.longest + config.max_output_tokens)
    return Schedule(
        rows=rows,
        examples=examples(order[:, None]),
        packed=False,
        steps=steps,
        steps_per_pass=steps,
        padding_share=0.0,
        lengths=lengths,
        widest=widest,
    )


def _rows(prompts: Sequence[Prompt], end_tokens: Sequence[int]) -> TokenRows:
    rows = TokenRows()
    for prompt in prompts:
        rows.add(Rendered(prompt.ids, len(prompt.ids), "native", prompt.goes_on))
    rows.end_tokens = set(end_tokens)
    return rows
