"""README.md of a student's directory: what it is, what it learned from, and how to load it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cotdistill import artifacts, students
from cotdistill.artifacts import Manifest
from cotdistill.publishing import cards

_SHOWN_OPTIONS = (
    "method", "epochs", "max_steps", "batch_size", "learning_rate", "warmup", "weight_decay", "lora_rank",
    "lora_alpha", "max_length", "seed",
)  # fmt: skip


def write(
    directory: Path,
    *,
    name: str,
    student: str,
    options: Mapping[str, Any],
    results: Mapping[str, Any],
    counts: Mapping[str, int],
    sources: Sequence[Manifest],
    lesson: str = "",
) -> None:
    """`sources` are the manifests behind the training rows, `name` the directory's own. `lesson` says what it was
    trained on where that is not a teacher's answers."""
    base = _base(student)
    text = "\n".join(
        [
            *_front_matter(student),
            f"# {name}",
            "",
            f"{_learnt(sources, counts, lesson)} with cotdistill; it starts from {base}.",
            "",
            "![loss](loss.svg)",
            "",
            *cards.table("Result", {**results, **counts}),
            *cards.table("Training options", _shown(options)),
            *cards.origin(sources),
            *cards.rights(sources, _settle(base)),
            *_loading(name),
        ]
    )
    artifacts.write_whole(directory / "README.md", text.encode())


def _learnt(sources: Sequence[Manifest], counts: Mapping[str, int], lesson: str) -> str:
    if lesson:
        return f"A student, {lesson},"
    return f"A student of {cards.teacher(sources)}, trained on {counts['rows']:,} of its answers"


def _shown(options: Mapping[str, Any]) -> dict[str, Any]:
    is_lora = options["method"] != "full" and options["student"] != "tiny"
    shown = {key: options[key] for key in _SHOWN_OPTIONS if options[key] is not None}
    return {key: value for key, value in shown.items() if is_lora or not key.startswith(("lora", "method"))}


def _base(student: str) -> str:
    """Without the path of a directory or file, which says nothing elsewhere."""
    found = students.resolve(student)
    if found.kind == "tiny":
        return "random weights (cotdistill's embedded `tiny` model)"
    return f"`{Path(student).name if Path(student).exists() else students.public_name(student)}`"


def _front_matter(student: str) -> list[str]:
    public = students.public_name(student)
    is_public = students.resolve(student).kind == "hub" or public != student
    lines = ["---", "library_name: transformers", "pipeline_tag: text-generation", "tags: [cotdistill, distillation]"]
    return [*lines, *([f"base_model: {public}"] if is_public else []), "---", ""]


def _settle(base: str) -> str:
    return f"The licence of the starting point, {base}, goes on to hold. Settle both before you publish these weights."


def _loading(name: str) -> list[str]:
    return [
        "## Load it",
        "",
        "```python",
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        f'model = AutoModelForCausalLM.from_pretrained("{name}")',
        f'tokenizer = AutoTokenizer.from_pretrained("{name}")',
        'messages = [{"role": "user", "content": "..."}]',
        "batch = tokenizer.apply_chat_template(",
        '    messages, add_generation_prompt=True, return_tensors="pt", return_dict=True',
        ")",
        "answer = model.generate(**batch, max_new_tokens=512)",
        'print(tokenizer.decode(answer[0, batch["input_ids"].shape[1] :]))',
        "```",
        "",
        f"Or serve it: `vllm serve {name}`, then `cotdistill evaluate PROMPTS -o scores.json --student vllm:{name}`.",
        "",
    ]
