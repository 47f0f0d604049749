"""How rows become batches and a loss: weights, packs, padding, an early end, and what is left beside the weights."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="the train extra is not installed")

from cotdistill import students
from cotdistill.chat import apply
from cotdistill.chat.template import Rendered, render
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.progress import Silent
from cotdistill.stages import finetune
from cotdistill.students import load, tiny
from cotdistill.training import loss, loss_curve, packing, varlen
from cotdistill.training.callbacks import is_stuck
from cotdistill.training.collator import Collator, needs_mask
from cotdistill.training.loss import is_compact
from cotdistill.training.schedule import schedule
from cotdistill.training.token_rows import IGNORED, TokenRows, examples
from cotdistill.training.trainer import Trainer
from tests.conftest import ROOT, command_server
from tests.training_runs import chain_rows, losses, tiny_config, write

CONFIG = ROOT / "data/accelerate/gpus.yaml"


def uneven_rows(weights: tuple[float, ...]) -> TokenRows:
    rows, tokenizer = TokenRows(), tiny.tokenizer()
    for number, weight in enumerate(weights):
        row = chain_rows(number + 1)[number]
        question = {"role": "user", "content": "why? " * number + row["prompt"][0]["content"]}
        rows.add(render(tokenizer, {**row, "prompt": [question]}), weight)
    return rows


def loss_of(rows: TokenRows, packed: bool, *, compact: bool = True, attention: str = "sdpa") -> float:
    """The loss of all rows as one batch, by the trainer that finetune uses."""
    from cotdistill.training.sft_config import arguments

    model, tokenizer = load.student("tiny", seed=3)
    model.set_attn_implementation(attention)
    numbers = list(range(len(rows)))
    data = examples([numbers] if packed else [[number] for number in numbers])
    collate = Collator(rows, tokenizer.pad_token_id, packed, compact)
    with students.quiet():
        args = arguments(tiny_config(), schedule(rows, tiny_config(), packed=packed), Path("unused"))
        trainer = Trainer(model=model, args=args, train_dataset=data, processing_class=tokenizer, data_collator=collate)
    (batch,), items = trainer.get_batch_samples(iter([collate(list(data))]), 1, trainer.args.device)
    return float(trainer.compute_loss(model, batch, num_items_in_batch=items).detach())


def loss_by_hand(rows: TokenRows, weights: tuple[float, ...]) -> float:
    import torch

    model, _ = load.student("tiny", seed=3)
    total = share = 0.0
    for row, weight in enumerate(weights):
        ids, labels = torch.from_numpy(rows.ids(row)), rows.labels(row)
        log_probabilities = model(ids[None]).logits[0, :-1].log_softmax(-1)
        for place, label in enumerate(labels[1:]):
            if label != IGNORED:
                total -= weight * float(log_probabilities[place, label].detach())
                share += weight
    return total / share


WEIGHTS = (1.0, 0.25, 3.0, 0.0)


@pytest.mark.parametrize("packed", [False, True])
def test_the_loss_is_the_weighted_mean_over_trained_tokens(packed: bool) -> None:
    rows = uneven_rows(WEIGHTS)
    assert loss_of(rows, packed) == pytest.approx(loss_by_hand(rows, WEIGHTS), rel=1e-5)
    assert loss_by_hand(rows, WEIGHTS) != pytest.approx(loss_by_hand(rows, (1.0,) * 4), rel=1e-3)


def test_the_loss_is_the_same_for_a_model_that_scores_every_position() -> None:
    rows = uneven_rows(WEIGHTS)
    assert loss_of(rows, False, compact=False) == pytest.approx(loss_by_hand(rows, WEIGHTS), rel=1e-5)
    assert is_compact(load.student("tiny")[0])


def test_only_models_that_would_see_padding_are_shown_where_it_stands() -> None:
    from transformers import LlamaConfig, Qwen3MoeConfig

    rows, model = uneven_rows(WEIGHTS), load.student("tiny")[0]
    batch = [{"rows": [row], "held_out": False} for row in range(len(rows))]
    assert not needs_mask(model) and "attention_mask" not in Collator(rows, 0, False)(batch)
    mask = Collator(rows, 0, False, masked=True)(batch)["attention_mask"]
    assert mask.sum(dim=1).tolist() == rows.lengths().tolist() and mask[:, 0].all()
    model.config = Qwen3MoeConfig()
    assert needs_mask(model), "it balances its load over real tokens"
    model.config = LlamaConfig(is_causal=False)
    assert needs_mask(model), "it looks to the right, where the padding stands"


def test_the_loss_is_the_same_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = uneven_rows(WEIGHTS)
    monkeypatch.setattr(loss, "CHUNK", 1000)  # three tokens at a time
    assert loss_of(rows, True) == pytest.approx(loss_by_hand(rows, WEIGHTS), rel=1e-5)


@pytest.mark.parametrize("attention", ["sdpa", varlen.register()])
def test_rows_in_one_pack_are_blind_to_each_other(attention: str) -> None:
    rows = uneven_rows(WEIGHTS)
    assert loss_of(rows, True, attention=attention) == pytest.approx(loss_by_hand(rows, WEIGHTS), rel=1e-5)


def test_nothing_looks_on_the_gpu_whether_rows_are_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[object] = []
    look = "transformers.masking_utils.find_packed_sequence_indices"
    monkeypatch.setattr(look, lambda position_ids: looked.append(position_ids))
    rows = uneven_rows((1.0, 1.0))
    loss_of(rows, True, attention=varlen.register())
    assert not looked
    loss_of(rows, True, attention="sdpa")
    assert looked, "another attention has a mask, and transformers waits for the GPU to make it"


def test_a_sliding_window_is_kept_within_each_row_of_a_pack() -> None:
    import torch

    torch.manual_seed(0)
    q, k, v = (torch.randn(1, count, 12, 8) for count in (4, 2, 2))  # four queries share two keys and values
    ends = torch.tensor([0, 5, 12], dtype=torch.int32)
    module = torch.nn.Identity()
    packed, _ = varlen.attend(module, q, k, v, None, cu_seq_lens_q=ends, max_length_q=7, sliding_window=3)
    for start, end in ((0, 5), (5, 12)):
        query, key, value = (one[0, :, start:end].repeat_interleave(4 // one.shape[1], 0) for one in (q, k, v))
        scores = query @ key.transpose(1, 2) / 8**0.5
        place = torch.arange(end - start)
        near = (place[:, None] - place >= 0) & (place[:, None] - place < 3)
        by_hand = scores.masked_fill(~near, float("-inf")).softmax(-1) @ value
        assert torch.allclose(packed[0, start:end], by_hand.transpose(0, 1), atol=1e-5)


def test_packs_hold_every_row_once_and_leave_little_room() -> None:
    lengths = [97, 3, 50, 50, 60, 41, 12, 88, 9, 120]
    packs = packing.best_fit(lengths, 100)
    assert sorted(row for pack in packs for row in pack) == list(range(len(lengths)))
    assert [9] in packs  # longer than a pack, and not cut
    assert all(sum(lengths[row] for row in pack) <= 100 for pack in packs if pack != [9])
    assert len(packs) == 6  # 120 alone, and 410 tokens in the five hundreds that they need at least
    assert packing.best_fit([5, 5, 5, 5], 10) == [[0, 1], [2, 3]], "also without any room"


def test_a_row_that_counts_nothing_teaches_nothing(tmp_path: Path) -> None:
    rows = chain_rows(8)
    nonsense = [{**row, "id": f"x{n}/0", "weight": 0.0} for n, row in enumerate(chain_rows(8, seed=5))]
    for name, more in (("without", []), ("with", nonsense)):
        data = write(tmp_path / f"{name}.jsonl", rows + more)
        finetune.run(data, tmp_path / name, tiny_config(max_steps=1, batch_size=8 + len(more)), Silent())
    assert losses(tmp_path / "with")[0][1] == pytest.approx(losses(tmp_path / "without")[0][1], rel=1e-4)


def test_a_weight_below_nothing_is_refused(tmp_path: Path) -> None:
    data = write(tmp_path / "train.jsonl", [{**chain_rows(1)[0], "weight": -1.0}])
    with pytest.raises(CotDistillError, match=r"train.jsonl:1: row p0/0: weight: expected 0 or more, got -1.0"):
        finetune.run(data, tmp_path / "student", tiny_config(), Silent())


def test_packed_training_learns_as_much_a_step_as_unpacked(tmp_path: Path) -> None:
    data = write(tmp_path / "train.jsonl", chain_rows(64))
    manifest = finetune.run(data, tmp_path / "packed", tiny_config(packing="bfd", max_steps=40), Silent())
    finetune.run(data, tmp_path / "rows", tiny_config(packing="none", max_steps=40), Silent())
    assert manifest.counts["trained_tokens"] == 40 * 8 * 51
    assert losses(tmp_path / "packed")[-1][1] == pytest.approx(losses(tmp_path / "rows")[-1][1], rel=0.2)


def test_a_step_in_parts_is_the_same_step(tmp_path: Path) -> None:
    rows = [{**row, "weight": 0.5 + n % 3} for n, row in enumerate(chain_rows(16))]
    data = write(tmp_path / "train.jsonl", rows)
    for name, parts in (("whole", None), ("parts", 2)):
        finetune.run(data, tmp_path / name, tiny_config(max_steps=4, rows_at_once=parts), Silent())
    for (_, whole), (_, parts_loss) in zip(losses(tmp_path / "whole"), losses(tmp_path / "parts"), strict=True):
        assert parts_loss == pytest.approx(whole, rel=1e-4)


def test_padding_is_counted_and_sorting_by_length_takes_it_away() -> None:
    rows = TokenRows()
    for length in (10, 90) * 40:
        rows.add(Rendered([1] * length, 1, "native"))
    assert rows.padding_share(list(range(80)), 8) == pytest.approx(1 - 50 / 90)
    assert rows.padding_share(rows.order(80, 8, 0), 8) == 0


@pytest.mark.parametrize(
    ("measured", "stuck"),
    [([], False), ([3.0, 2.0, 2.5], False), ([3.0, 2.0, 2.5, 2.1], True), ([3.0, 2.0, 2.5, 1.9], False)],
)
def test_patience_counts_from_the_best(measured: list[float], stuck: bool) -> None:
    assert is_stuck(measured, 2) == stuck


def test_training_stops_when_held_out_loss_rises_and_keeps_the_best_weights(tmp_path: Path) -> None:
    rows = write(tmp_path / "train.jsonl", chain_rows(8))
    wrong = [{**row, "completion": [{"role": "assistant", "content": "zzzzzz"}]} for row in chain_rows(8, seed=4)]
    held = write(tmp_path / "held.jsonl", wrong)  # the better the student, the less likely this is
    config = tiny_config(max_steps=200, eval_data=str(held), patience=2)
    manifest = finetune.run(rows, tmp_path / "student", config, Silent())
    logged = [json.loads(line) for line in (tmp_path / "student/metrics.jsonl").read_text().splitlines()]
    measured = {entry["step"]: entry["eval_loss"] for entry in logged if "eval_loss" in entry}
    best = min(measured, key=lambda step: measured[step])
    assert manifest.counts["steps"] < 200
    assert manifest.counts["steps"] == best + 2
    assert manifest.results["best_step"] == best
    assert manifest.results["eval_loss"] == pytest.approx(measured[best], abs=1e-3)


def test_qlora_says_what_this_machine_lacks(tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    data = write(tmp_path / "train.jsonl", chain_rows(1))
    with pytest.raises(UsageError, match=r"--method qlora: needs a CUDA GPU.* not found here; take --method lora"):
        finetune.run(data, tmp_path / "student", tiny_config(method="qlora", student=students.SMOLLM2_HUB_ID), Silent())


def test_the_student_comes_with_card_curve_settings_and_its_habits(tmp_path: Path) -> None:
    held = write(tmp_path / "held.jsonl", chain_rows(4, seed=9))
    data = write(tmp_path / "train.jsonl", chain_rows(8))
    manifest = finetune.run(data, tmp_path / "student", tiny_config(max_steps=8, eval_data=str(held)), Silent())
    card = (tmp_path / "student/README.md").read_text()
    assert "Rows without a manifest: nothing is known of their origin." in card
    assert 'from_pretrained("student")' in card and "vllm serve student" in card
    assert str(tmp_path) not in card
    assert json.loads((tmp_path / "student/cotdistill.json").read_text()) == {
        "chat_template_kwargs": {},
        "single_questions": True,
    }
    assert ET.parse(tmp_path / "student/loss.svg").getroot().tag.endswith("svg")
    assert 0 <= manifest.results["stop_rate"] <= 1


def test_held_out_rows_whose_prompt_is_trained_on_are_warned_of(tmp_path: Path) -> None:
    rows = chain_rows(8)
    data, held = write(tmp_path / "train.jsonl", rows), write(tmp_path / "held.jsonl", [*rows[:2], *chain_rows(3, 9)])
    made = finetune.run(data, tmp_path / "student", tiny_config(eval_data=str(held), dry_run=True), Silent())
    assert any(
        note.startswith("WARNING: of 5 rows of --eval-data 2 have a prompt that is trained on") for note in made.notes
    )
    apart = tiny_config(eval_data=str(write(tmp_path / "other.jsonl", chain_rows(3, 9))), dry_run=True)
    assert not any("--eval-data" in note for note in finetune.run(data, tmp_path / "s", apart, Silent()).notes)


def test_what_the_template_was_given_is_kept_with_the_student(tmp_path: Path) -> None:
    model, tokenizer = load.student("tiny")
    tokenizer.chat_template = tokenizer.chat_template.replace(
        "{%- for message in messages -%}",
        "{{- '<|system|>' + (date_string or strftime_now('%d %b %Y')) + '<|end|>' -}}{%- for message in messages -%}",
    )
    model.save_pretrained(tmp_path / "dated")
    tokenizer.save_pretrained(tmp_path / "dated")
    config = tiny_config(student=str(tmp_path / "dated"), max_steps=1, lora_rank=2)
    finetune.run(write(tmp_path / "train.jsonl", chain_rows(8)), tmp_path / "student", config, Silent())
    kept = json.loads((tmp_path / "student/cotdistill.json").read_text())
    assert kept["chat_template_kwargs"] == {"date_string": apply.PINNED_DATE}


def test_a_curve_has_both_losses_and_round_numbers() -> None:
    history = [{"step": 1.0, "loss": 4.2}, {"step": 10.0, "loss": 0.3}, {"step": 10.0, "eval_loss": 0.5}]
    drawn = loss_curve.svg(history)
    root = ET.fromstring(drawn)
    lines = root.findall("{http://www.w3.org/2000/svg}polyline")
    assert [line.attrib["class"] for line in lines] == ["train", "eval"]
    assert ">5</text>" in drawn and ">10</text>" in drawn
    assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "")


def test_a_dry_run_estimates_the_time_and_measures_the_memory(tmp_path: Path) -> None:
    data = write(tmp_path / "train.jsonl", chain_rows(16))
    manifest = finetune.run(data, tmp_path / "student", tiny_config(dry_run=True), Silent())
    assert manifest.results["estimated_seconds"] > 0
    assert 0 < manifest.results["measured_memory_gb"] < 4 < manifest.results["free_memory_gb"]


@pytest.mark.slow
def test_two_processes_train_what_one_trains(tmp_path: Path) -> None:
    data = write(tmp_path / "train.jsonl", chain_rows(32))
    finetune.run(data, tmp_path / "one", tiny_config(max_steps=8), Silent())
    command_server().put_command(tmp_path)
    words: list[Any] = ["-m", "accelerate.commands.launch", "--config_file", CONFIG, "--no_python"]
    words += [tmp_path / "cotdistill", "finetune", data, "-o", tmp_path / "two", "--student", "tiny"]
    words += ["--max-steps", "8", "--threads", "1"]
    done = subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("trained tokens") == 1  # one of them speaks
    for (_, one), (_, two) in zip(losses(tmp_path / "one"), losses(tmp_path / "two"), strict=True):
        assert two == pytest.approx(one, rel=1e-3)
