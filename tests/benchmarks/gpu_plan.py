"""What `gpu.py` measures, in which order, and what each part is thought to take."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.benchmarks.gpu_models import write_gsm8k, write_words


@dataclass(frozen=True)
class Part:
    label: str
    part: str
    options: dict[str, Any]
    seconds: float
    """That it is thought to take on an H100."""
    environment: dict[str, str] = field(default_factory=dict)
    together: str = ""
    """Parts with the same name here run at the same time: their speeds are not compared."""
    disk_gb: float = 0.1
    """What it writes into the temporary directory: students, teachers, checkpoints."""


TAUGHT_BY = ("soft", "hidden", "attention")
"""Losses that ask a local teacher."""


def _ours(label: str, seconds: float = 40, together: str = "", **options: Any) -> Part:
    disk_gb = 1.0 if options.get("loss") in TAUGHT_BY else 0.1  # its teacher
    options = {"shape": "large", "max_steps": 24, "method": "full", **options}
    return Part(label, "ours", options, seconds, {}, together, disk_gb)


def _trl(label: str, method: str) -> Part:
    return Part(label, "trl", {"shape": "large", "max_steps": 12, "batch_size": 8, "method": method}, 40)


FULL, LORA, FULL_TRL, LORA_TRL = "full", "LoRA", "full, TRL", "LoRA, TRL"
EIGHT, EIGHT_PADDED = "full, batch 8", "full, batch 8, padded, float32"
PADDED, ANSWERS, SAME = "full, padded, float32", "answers", "same answers"
HALF, WHOLE = "200 steps, bfloat16", "200 steps, float32"
WAITS = "waits"

PLAN: Sequence[Part] = (
    _ours(FULL),
    _trl(FULL_TRL, "full"),
    _ours(LORA, method="lora"),
    _trl(LORA_TRL, "lora"),
    _ours(WAITS, 30, max_steps=40, batch_size=8, waits=True),
    _ours(EIGHT, 30, batch_size=8, checkpointing="off"),
    _ours(EIGHT_PADDED, 40, batch_size=8, packing="none", precision="float32", checkpointing="off"),
    Part(ANSWERS, "answers", {"shape": "large", "rows": 256, "tokens": 128}, 60),
    Part(SAME, "same", {"shape": "medium"}, 60, {}, "works"),
    _ours("loss soft", 60, "works", shape="medium", loss="soft", batch_size=16, max_steps=20),
    _ours("loss hidden", 60, "works", shape="medium", loss="hidden", batch_size=16, max_steps=20),
    _ours("loss attention", 60, "works", shape="medium", loss="attention", batch_size=16, max_steps=20),
    _ours("loss dpo", 60, "works", shape="medium", loss="dpo", batch_size=8, max_steps=20, waits=True),
    Part(
        "on-policy", "on_policy", {"shape": "medium", "steps": 8, "batch_size": 16, "tokens": 96}, 80, {}, "works", 3.5
    ),
    _ours(HALF, 80, "curves", max_steps=200, batch_size=8, precision="bfloat16"),
    _ours(WHOLE, 80, "curves", max_steps=200, batch_size=8, precision="float32"),
    _ours(PADDED, 50, packing="none", precision="float32"),
    _ours("full, padded, bfloat16", 45, packing="none", precision="bfloat16"),
    _ours("full, packed, float32", 45, precision="float32"),
    replace(_ours("full, without Liger", 45), environment={"COTDISTILL_LIGER": "0"}),
)
"""In the order of their weight: the last ones are left out first."""


def small(part: Part) -> Part:
    """The same part at a size for a processor."""
    fewer = {"rows": 8, "tokens": 12, "batch_size": 4, "steps": 2, "max_steps": 8}
    options = {name: min(fewer[name], value) if name in fewer else value for name, value in part.options.items()}
    return replace(part, options={**options, "shape": "small"}, seconds=4 * part.seconds)


def groups(plan: Sequence[Part]) -> Iterator[list[Part]]:
    """Neighbours that run at the same time."""
    group: list[Part] = []
    for part in plan:
        if group and (not part.together or part.together != group[0].together):
            yield group
            group = []
        group.append(part)
    if group:
        yield group


@dataclass(frozen=True)
class Taught:
    """A real student, taught in several ways with several seeds."""

    student: str
    ways: Sequence[str]
    """Options of finetune."""
    seeds: int
    rows: int
    questions: int
    tokens: int
    loss: bool
    """Measure the loss on held-out rows after each pass too."""


def taught(asked: Taught, gsm8k: Path | None, work: Path) -> list[Part]:
    """All seeds and ways at the same time, for a small student leaves most of a card idle: on GSM8K, or on word
    problems, which are others for each seed."""
    parts, seconds = [], 120 + asked.rows / 30  # six runs of 800 problems at a time took 140 on an H200
    for seed in range(asked.seeds):
        folder = work / ("gsm8k" if gsm8k else f"words-{seed}")
        if not folder.exists():
            folder.mkdir()
            if gsm8k:
                write_gsm8k(gsm8k, folder, asked.rows, asked.questions)
            else:
                write_words(folder, asked.rows, asked.questions, seed)
            if not asked.loss:
                (folder / "heldout_rows.jsonl").unlink()
        for number, way in enumerate(asked.ways):
            options = {
                "folder": str(folder), "out": str(work), "name": f"student-{number}-{seed}", "student": asked.student,
                "way": way.split(), "seed": seed, "tokens": asked.tokens, "batch_size": min(660, asked.questions),
            }  # fmt: skip
            # Each has one thread: they share the processor too.
            one_thread = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
            parts.append(Part(f"{way}, seed {seed}", "taught", options, seconds, one_thread, "taught", 1.0))
    return parts
