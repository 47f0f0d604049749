"""Options that change nothing beside the others are said, and the run goes on: scripts give them to many students, and
a rehearsal keeps the options of the real teacher."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from cotdistill.config import (
    EvaluateConfig,
    ExpandConfig,
    FilterConfig,
    FinetuneConfig,
    GenerateConfig,
    check,
    idle_notes,
)
from cotdistill.errors import CotDistillError
from cotdistill.progress import Silent
from cotdistill.recipes.packages import check_packages
from cotdistill.stages import filter as filtering
from cotdistill.stages.evaluate.heeded import unheeded
from cotdistill.stages.filter.screen import Screen
from cotdistill.stages.verification import Judge
from tests.conftest import make_responses, write_records

URL = "http://localhost:8000/v1"
CASES: list[tuple[Any, list[str]]] = [
    (GenerateConfig(teacher="mock", base_url=URL), ["base_url"]),
    (GenerateConfig(teacher="vllm:a/b", base_url=URL), []),
    (GenerateConfig(teacher="mock", no_cache=True, cache="x.sqlite"), ["cache"]),
    (ExpandConfig(teacher="mock", base_url=URL, count=1), ["base_url"]),
    (GenerateConfig(teacher="mock", max_cost=1.0), ["max_cost"]),
    (GenerateConfig(teacher="mock", max_cost=1.0, price_in=1.0, price_out=1.0), []),
    (GenerateConfig(teacher="mock", max_cost=1.0, then="openai:gpt-5", verify="math"), []),
    (ExpandConfig(teacher="mock", count=1, max_cost=1.0), ["max_cost"]),
    (ExpandConfig(teacher="mock", count=1, max_cost=1.0, solver="openai:gpt-5"), []),
    (GenerateConfig(teacher="openai:gpt-5", batch=True, rpm=9, concurrency=2), ["concurrency", "rpm"]),
    (ExpandConfig(teacher="openai:gpt-5", count=1, batch=True, rpm=9), ["rpm"]),
    (GenerateConfig(teacher="mock", reextract=True, max_cost=1.0, rpm=9), ["max_cost", "rpm"]),
    (GenerateConfig(teacher="openai:gpt-5", reextract=True, batch=True), ["batch"]),
    (FilterConfig(keep_incorrect=True, verify="none"), ["keep_incorrect"]),
    (FinetuneConfig(student="tiny", epochs=2.0, max_steps=9), ["epochs"]),
    (FinetuneConfig(student="tiny", lora_rank=4, lora_alpha=4), ["lora_rank", "lora_alpha"]),
    (FinetuneConfig(student="smollm2-135m", method="full", lora_rank=4), ["lora_rank"]),
    (FinetuneConfig(student="smollm2-135m", method="lora", lora_rank=4, max_steps=9), []),
    (FinetuneConfig(student="smollm2-135m", method="qlora", precision="bfloat16"), ["precision"]),
    (FinetuneConfig(student="smollm2-135m", method="lora", precision="bfloat16"), []),
    (EvaluateConfig(student="tiny", seed=1, temperature=0.5), ["temperature", "seed"]),
    (EvaluateConfig(student="tiny", seed=1, samples=2), []),
    (
        EvaluateConfig(student="tiny", base_url=URL, concurrency=2, calibrate=True),
        ["base_url", "calibrate", "concurrency"],
    ),
    (
        EvaluateConfig(student="vllm:a/b", base_url=URL, batch_size=8, threads=2, precision="float32"),
        ["batch_size", "threads", "precision"],
    ),
    (EvaluateConfig(student="vllm:a/b", base_url=URL, baseline=("tiny",), batch_size=8), []),
    (EvaluateConfig(student="tiny", cache="x.sqlite", max_cost=1.0), ["cache", "max_cost"]),
    (EvaluateConfig(student="mock:digit-chains", cache="x.sqlite"), ["cache"]),
    (EvaluateConfig(student="vllm:a/b", base_url=URL, cache="x.sqlite", max_cost=1.0), []),
    (EvaluateConfig(student="tiny", cache="x.sqlite", verify="judge:teacher=mock:digit-chains"), []),
]


@pytest.mark.parametrize(("config", "idle"), CASES)
def test_an_option_that_changes_nothing_is_said_and_not_refused(config: Any, idle: list[str]) -> None:
    check(config)
    notes = idle_notes(config, unheeded(config, Judge(config.verify)) if isinstance(config, EvaluateConfig) else ())
    assert [note.split(" changes nothing here: ")[0] for note in notes] == [
        f"--{name.replace('_', '-')}" for name in idle
    ]
    assert len(set(notes)) == len(notes)


def test_a_store_for_a_filter_without_a_judge_is_said_to_change_nothing(tmp_path: Path) -> None:
    source, store = write_records(tmp_path / "r.jsonl", make_responses(2, 1)), tmp_path / "s.sqlite"
    notes = filtering.run(source, tmp_path / "kept.jsonl", FilterConfig(cache=str(store)), Silent()).notes
    assert "--cache changes nothing here: no judge is asked, so nothing is paid for" in notes
    assert not store.exists()
    asking = FilterConfig(cache=str(store), verify="judge:teacher=mock:digit-chains")
    assert list(filtering.unheeded(asking, Screen.build(asking))) == []


def test_recorded_answers_are_scored_as_they_are_whatever_is_asked_of_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = str(write_records(tmp_path / "r.jsonl", make_responses(2, 1)))
    config = EvaluateConfig(student=recorded, samples=4, max_output_tokens=9, engine="vllm")
    assert [name for name, _ in unheeded(config, Judge())] == ["engine", "samples", "max_output_tokens"]
    monkeypatch.setenv("PATH", str(tmp_path))
    check_packages(config)  # no vllm is needed for it
    assert list(unheeded(dataclasses.replace(config, baseline=("tiny",)), Judge())) == []
    with pytest.raises(CotDistillError, match="no program `vllm` on PATH"):
        check_packages(dataclasses.replace(config, baseline=("tiny",)))
