"""What people read in the place of a manifest's key; scripts read the keys."""

LABELS = {
    "bought": "asked now",
    "from_store": "from the store",
    "in_store": "in the store",
    "not_asked": "left to ask",
    "to_ask_at_most": "to ask at most",
    "kept": "responses kept",
    "prompts_kept": "prompts with one kept",
    "stop": "finished",
    "length": "cut at the token cap",
    "padding_share": "padding",
    "stop_rate": "answers to the first rows of --eval-data that end by themselves",
    "closed_think_rate": "answers to them whose trace is closed",
    "teacher_disagrees_share": "teacher's first choice is another token at",
    "teacher_entropy": "teacher's entropy in nats a token",
    "output_tokens": "output tokens, guessed from stored answers",
    "cost_usd": "cost in USD, guessed from stored answers",
    "cost_usd_batch": "cost in USD with --batch, guessed from stored answers",
    "cost_usd_at_most": "cost in USD at most, every answer at its cap",
    "cost_usd_at_most_batch": "cost in USD at most with --batch",
    "prompts_by_pass_rate": "prompts by share of right samples",
    "tokens_per_s": "tokens a second",
    "warm_up_seconds": "seconds that the first steps took longer, such as to compile kernels",
    "estimated_seconds": "time of the whole training, estimated from these steps",
    "measured_memory_gb": "memory that these steps took, in GB",
    "free_memory_gb": "memory that is free, in GB",
    "checkpoint_gb": "disk that a checkpoint takes, in GB",
    "teacher_gb": "of it the teacher, in GB",
    "new_prompts": "new prompts",
    "wrong_references_expected_share": "references expected to be wrong, by the seeds",
    "majority_on_seeds": "what most answers to a seed say, by votes",
    "kept_share": "prompts kept of those written",
    "margin_share": "how far off that cost may be, nine times in ten",
    "to_write": "requests for new prompts",
    "to_answer": "requests for answers to them",
    "seeds_covered_share": "seeds with a new prompt",
    "distinct_2_share": "different pairs of words (distinct-2)",
    "cost_usd_per_kept": "cost in USD a kept one",
}

PASS_RATES = {
    "0": "none",
    "to 1/4": "up to 1/4",
    "to 1/2": "up to 1/2",
    "to 3/4": "up to 3/4",
    "below 1": "more, not all",
    "1": "all",
}
"""Of a prompt's samples, how many are right."""


def label(key: str) -> str:
    return LABELS.get(key, key.replace("_", " "))
