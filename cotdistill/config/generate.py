"""The options of generate."""

from dataclasses import dataclass
from typing import Annotated

import msgspec

from cotdistill.config.options import REQUIRED, Amount, Count, Engine, Positive, Samples, Text, Url, option


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
    then: Text | None = option(
        None,
        "Second teacher, asked only where the first has no right answer, by --verify.",
        "PROVIDER:MODEL",
        panel="Teacher",
        names="teacher",
    )
    then_base_url: Url | None = option(None, "Server of the second teacher.", "URL", panel="Teacher", rare=True)
    then_samples: Samples | None = option(
        None, "Answers of the second teacher (default: --samples).", "N", panel="Teacher", rare=True
    )
    then_effort: Text | None = option(
        None, "Reasoning effort of the second teacher.", "LEVEL", panel="Teacher", rare=True
    )
    then_license: Text | None = option(
        None, "Licence of the second teacher's answers.", "NAME", panel="Teacher", rare=True
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
    samples: Samples = option(1, "Independent answers to each prompt.", "N", panel="Sampling")
    until_accepted: Samples | None = option(
        None, "Ask a prompt no further once K answers are correct.", "K", panel="Sampling"
    )
    verify: Text | None = option(
        None, "Verifier for --until-accepted and --then: {verifiers}.", "SPEC", panel="Sampling", names="verifiers"
    )
    max_output_tokens: Count = option(8192, "Cap for one answer in tokens, reasoning included.", "N", panel="Sampling")
    temperature: Amount | None = option(None, "Sampling temperature (default: the provider's).", "T", panel="Sampling")
    logprobs: Annotated[int, msgspec.Meta(ge=1, le=20)] | None = option(
        None,
        "Keep each token's log-probability and those of its K likeliest alternatives, in a file beside the output.",
        "K",
        panel="Sampling",
    )
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
        "local",
        "What runs a local teacher: this process, or a server that is started for it.",
        panel="Speed",
        rare=True,
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
    then_price_in: Amount | None = option(None, "The same of the second teacher.", "USD", panel="Money", rare=True)
    then_price_out: Amount | None = option(
        None, "USD per million output tokens of the second teacher.", "USD", panel="Money", rare=True
    )
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
