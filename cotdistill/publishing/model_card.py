"""README.md of a student's directory: what it is, what it learned from, and how to load it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cotdistill import artifacts, students
from cotdistill.artifacts import Manifest, lineage
from cotdistill.config import FinetuneConfig
from cotdistill.publishing import cards

_SHOWN_OPTIONS = (
    "method", "loss", "teacher", "epochs", "max_steps", "batch_size", "learning_rate", "warmup", "weight_decay",
    "lora_rank", "lora_alpha", "max_length", "seed",
)  # fmt: skip


def write(
    current: artifacts.Run,
    work: Path,
    results: Mapping[str, Any],
    counts: Mapping[str, int],
    trained_on: str = "",
) -> None:
    """Write the card into `work`, which becomes the output of the run. `trained_on` says what the student learnt from
    where that is not a teacher's answers, such as "trained on 20 pairs …"."""
    name, student, options = current.output.name, str(current.options["student"]), current.options
    sources = list(lineage.manifests(Path(current.inputs[0].path)))
    base = _base(student)
    text = "\n".join(
        [
            *_front_matter(student),
            f"# {cards.plain(name)}",
            "",
            f"{_learnt(sources, counts, trained_on)} with cotdistill; it starts from {base}.",
            "",
            "![loss](loss.svg)",
            "",
            *cards.table("Result", {**results, **counts}),
            *cards.table("Training options", _shown(options)),
            *cards.origin(sources),
            *cards.rights(sources, _settle(base, options.get("teacher"))),
            *_loading(name),
        ]
    )
    artifacts.write_whole(work / "README.md", text.encode())


def _learnt(sources: Sequence[Manifest], counts: Mapping[str, int], trained_on: str) -> str:
    if trained_on:
        return f"A student, {trained_on},"
    return f"A student of {cards.teacher(sources)}, trained on {counts['rows']:,} of its answers"


def _shown(options: Mapping[str, Any]) -> dict[str, Any]:
    is_lora = options["method"] != "full" and options["student"] != "tiny"
    shown = {key: options[key] for key in _SHOWN_OPTIONS if options[key] is not None}
    if shown["loss"] == FinetuneConfig.loss:
        del shown["loss"]
    if "teacher" in shown:
        shown["teacher"] = _name(shown["teacher"])
    return {key: value for key, value in shown.items() if is_lora or not key.startswith(("lora", "method"))}


def _base(student: str) -> str:
    """The base's name, without the path of a directory or file, which says nothing elsewhere."""
    found = students.resolve(student)
    if found.kind == "tiny":
        return "random weights (cotdistill's embedded `tiny` model)"
    return cards.code(_name(student))


def _name(model: str) -> str:
    model = model.removeprefix("local:")
    return Path(model).name if Path(model).exists() else students.public_name(model)


def _front_matter(student: str) -> list[str]:
    public = students.public_name(student)
    is_public = students.resolve(student).kind == "hub" or public != student
    lines = ["---", "library_name: transformers", "pipeline_tag: text-generation", "tags: [cotdistill, distillation]"]
    return [*lines, *([f"base_model: {json.dumps(public)}"] if is_public else []), "---", ""]


def _settle(base: str, teacher: str | None) -> str:
    """The card's sentence on licences that still hold. `teacher` is the model whose probabilities the loss learnt from,
    besides the one that wrote the rows."""
    settle = "Settle both before you publish these weights."
    if teacher is None:
        return f"The licence of the starting point, {base}, goes on to hold. {settle}"
    return f"The licences of the starting point, {base}, and of {cards.code(_name(teacher))} go on to hold. {settle}"


def _loading(name: str) -> list[str]:
    return [
        "## Load it",
        "",
        "```python",
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        f"model = AutoModelForCausalLM.from_pretrained({json.dumps(name)})",
        f"tokenizer = AutoTokenizer.from_pretrained({json.dumps(name)})",
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
