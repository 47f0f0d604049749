"""`finetune --loss dpo`: pairs of answers, with the loss of TRL's trainer, rendered as rows are and resumed after a
pulled plug."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="the train extra is not installed")

import torch
from datasets import Dataset
from safetensors.torch import load_file
from torch.nn.utils.rnn import pad_sequence
from trl import DPOConfig, DPOTrainer

from cotdistill.artifacts.json_lines import BadLines
from cotdistill.config import FinetuneConfig, check
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.progress import Silent
from cotdistill.stages import finetune
from cotdistill.students import load, quiet
from cotdistill.training import pairs, precision
from cotdistill.training.collator import Collator, padding
from cotdistill.training.preference import PairBatches
from tests.conftest import Notes, make_judged, make_prompt, write_records
from tests.training_runs import Pulled, chain_rows, losses, save_tiny, write


def chain_pairs(count: int) -> list[dict[str, Any]]:
    """A right answer, and one that is another problem's."""
    rows = chain_rows(count)
    others = rows[1:] + rows[:1]
    return [
        {"id": one["id"], "prompt": one["prompt"], "chosen": one["completion"], "rejected": other["completion"]}
        for one, other in zip(rows, others, strict=True)
    ]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("base") / "student")


def settings(base: Path, **more: Any) -> FinetuneConfig:
    usual = {"student": str(base), "loss": "dpo", "max_steps": 8, "batch_size": 4, "threads": 1, "learning_rate": 1e-3}
    return FinetuneConfig(**{**usual, "checkpoint_minutes": 0, "show_rows": 1, **more})


def margin(student: Path, file: Path) -> float:
    """How much more likely the right answers are than the wrong ones, in nats a pair: counted by hand."""
    model, tokenizer = load.model(str(student), load.tokenizer(str(student))), load.tokenizer(str(student))
    rows = pairs.PairReader(tokenizer, 8192, BadLines(None), Silent(), 0).read(file)
    found = []
    for row in range(len(rows)):
        ids = torch.from_numpy(rows.ids(row))[None]
        with torch.no_grad():
            scores = torch.log_softmax(model(input_ids=ids).logits[0, :-1].float(), -1)
        taken = scores.gather(1, ids[0, 1:, None])[:, 0]
        found.append(float(taken[rows.n_prompt(row) - 1 :].sum()))
    return sum(right - wrong for right, wrong in zip(found[::2], found[1::2], strict=True)) / (len(found) // 2)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["full", "lora"])
def test_right_answers_become_likelier_than_wrong_ones_and_a_pulled_plug_changes_nothing(
    method: str, base: Path, tmp_path: Path
) -> None:
    file = write(tmp_path / "pairs.jsonl", chain_pairs(8))
    config = settings(base, method=method, **{"lora_rank": 4} if method == "lora" else {})
    progress = Notes()
    manifest = finetune.run(file, tmp_path / "whole", config, progress)
    assert manifest.counts["pairs"] == 8
    assert losses(tmp_path / "whole")[0][1] == pytest.approx(0.6931, abs=1e-3), "-log sigmoid(0) before any step"
    assert losses(tmp_path / "whole")[-1][1] < 0.68
    assert margin(tmp_path / "whole", file) > margin(base, file) + 0.5
    assert "of the pairs in order" in progress.steps[-1][1]
    assert "trained are those in 【】" in progress.notes[0]
    with pytest.raises(ConnectionResetError):
        finetune.run(file, tmp_path / "student", config, Pulled(at=5))
    finetune.run(file, tmp_path / "student", dataclasses.replace(config, resume=True), Silent())
    assert losses(tmp_path / "student") == losses(tmp_path / "whole")
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("student", "whole"))
    assert all(torch.equal(one[name], other[name]) for name in other)


def test_the_loss_and_its_gradient_are_those_of_trls_own_trainer(base: Path, tmp_path: Path) -> None:
    tokenizer = load.tokenizer(str(base))
    file = write(tmp_path / "pairs.jsonl", chain_pairs(4))
    rows = pairs.PairReader(tokenizer, 8192, BadLines(None), Silent(), 0).read(file)
    model, reference = (load.model("tiny", tokenizer, seed=seed) for seed in (0, 1))
    batch = Collator(rows, padding(tokenizer), packed=False)([{"rows": list(range(len(rows))), "held_out": False}])
    found, margins = PairBatches(0.3, reference).losses(model, batch)
    found.mean().backward()  # type: ignore[no-untyped-call]
    gradient = torch.cat([weight.grad.flatten() for weight in model.parameters()])
    model.zero_grad()

    order = [*range(0, len(rows), 2), *range(1, len(rows), 2)]  # all right answers come first there
    ids = [torch.from_numpy(rows.ids(row)) for row in order]
    answers = [(torch.arange(len(one)) >= rows.n_prompt(row)).long() for one, row in zip(ids, order, strict=True)]
    theirs = {
        "input_ids": pad_sequence(ids, batch_first=True, padding_value=padding(tokenizer)),
        "attention_mask": pad_sequence([torch.ones_like(one) for one in ids], batch_first=True),
        "completion_mask": pad_sequence(answers, batch_first=True),
    }
    texts = Dataset.from_dict({"prompt": [""], "chosen": ["."], "rejected": ["."]})
    with quiet():  # its defaults warn of themselves
        options = DPOConfig(str(tmp_path / "trl"), beta=0.3, use_cpu=True, report_to=[], disable_tqdm=True, bf16=False)
        trainer = DPOTrainer(model, reference, args=options, train_dataset=texts, processing_class=tokenizer)
        loss = trainer.compute_loss(model, theirs)
        loss.backward()
    assert float(margins.detach().abs().min()) > 0.1, "the models differ"
    assert float(found.detach().mean()) == pytest.approx(float(loss.detach()), abs=1e-5)
    its = torch.cat([weight.grad.flatten() for weight in model.parameters()])
    assert float((gradient - its).norm() / its.norm()) < 1e-4


def test_the_reference_stays_what_it_was_where_the_student_multiplies_in_halves(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Autocast stands on the model itself: a copy of that would be the student that is trained."""
    monkeypatch.setattr(precision, "autocasts", lambda config: True)
    tokenizer = load.tokenizer(str(base))
    student, config = load.model(str(base), tokenizer), settings(base, method="full")
    batches = PairBatches.of(student, 0.1, config)
    precision.autocast(student, config)
    reference, ids = batches.reference, torch.arange(3, 13)[None]
    assert reference is not None
    before = reference(input_ids=ids).logits
    with torch.no_grad():
        for weight in student.parameters():
            weight.mul_(2.0)
    assert before.dtype == torch.bfloat16 and torch.equal(reference(input_ids=ids).logits, before)
    assert not torch.equal(student(input_ids=ids).logits, before)


def test_a_dry_run_measures_and_writes_nothing(base: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "pairs.jsonl", chain_pairs(4))
    progress = Notes()
    manifest = finetune.run(file, tmp_path / "student", settings(base, dry_run=True, learning_rate=None), progress)
    assert manifest.results["measured_memory_gb"] > 0 and not (tmp_path / "student").exists()
    assert any("a twentieth of the rate for rows" in note for note in progress.notes)


def test_what_filter_kept_is_paired_on_the_way(base: Path, tmp_path: Path) -> None:

    prompt = make_prompt("p1", "a=2 b=a+6 b?", "8")
    kept = [make_judged("8", prompt=prompt), make_judged("7", "incorrect", prompt=prompt, sample=1)]
    write_records(tmp_path / "kept.jsonl", kept)
    finetune.run(tmp_path / "kept.jsonl", tmp_path / "student", settings(base, max_steps=1), Silent())
    (line,) = (tmp_path / "student.train.jsonl").read_text().splitlines()
    assert json.loads(line)["rejected"] == [{"role": "assistant", "content": "7"}]


def test_pairs_and_rows_are_not_taken_for_each_other(base: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "pairs.jsonl", chain_pairs(4))
    with pytest.raises(UsageError, match=r"pairs.jsonl: holds preference pairs; --loss dpo trains on them"):
        finetune.run(file, tmp_path / "student", settings(base, loss="nll"), Silent())
    rows = write(tmp_path / "rows.jsonl", chain_rows(4))
    with pytest.raises(UsageError, match=r"rows.jsonl: holds training rows; --loss dpo trains on preference pairs"):
        finetune.run(rows, tmp_path / "student", settings(base), Silent())
    same = [{**one, "rejected": one["chosen"]} for one in chain_pairs(2)]
    with pytest.raises(CotDistillError, match=r"same.jsonl:1: row p0/0: chosen and rejected are the same answer"):
        finetune.run(write(tmp_path / "same.jsonl", same), tmp_path / "student", settings(base), Silent())


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"eval_data": "rows.jsonl"}, "--eval-data: is about rows, and --loss dpo trains on pairs"),
        ({"order": "file"}, "--order: is about rows"),
        ({"student": "tiny"}, "--student: tiny has random weights, and dpo corrects a student"),
        ({"teacher": "local:x"}, "--teacher: dpo compares two answers"),
        ({"loss": "dpo", "on_policy": 3, "teacher": "local:x"}, "--loss: dpo needs rows"),
    ],
)
def test_options_that_do_not_go_with_pairs_are_refused_beforehand(more: dict[str, Any], problem: str) -> None:
    usual: dict[str, Any] = {"student": "some/model", "loss": "dpo"}
    with pytest.raises(UsageError, match=problem):
        check(FinetuneConfig(**{**usual, **more}))
