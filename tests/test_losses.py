"""The losses of `finetune --loss`: against the published formulas, in the trainer, and through a kill."""

import dataclasses
import math
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("trl", reason="the train extra is not installed")

import torch
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM

from cotdistill import config, plugins, students
from cotdistill.artifacts.logprobs.sureness import Sureness
from cotdistill.chat.template import render
from cotdistill.config import FinetuneConfig
from cotdistill.errors import UsageError
from cotdistill.progress import Silent
from cotdistill.stages import finetune
from cotdistill.students import load, tiny
from cotdistill.training.collator import Collator
from cotdistill.training.loss import token_losses
from cotdistill.training.losses.divergence import divergence, divergence_top_k
from cotdistill.training.objective import Objective
from cotdistill.training.on_policy.distance import Distance
from cotdistill.training.schedule import schedule
from cotdistill.training.scored import Attended, Listed, Scored, Span, View
from cotdistill.training.sft_config import arguments
from cotdistill.training.token_rows import TokenRows, examples
from cotdistill.training.trainer import Trainer
from tests.conftest import Notes
from tests.test_finetune_rows import loss_by_hand, uneven_rows
from tests.training_runs import chain_rows, losses, strike, tiny_config, training, write

POSITIONS, VOCABULARY, K = 9, 31, 4


def scores(seed: int) -> torch.Tensor:
    return torch.randn(1, POSITIONS, VOCABULARY, generator=torch.Generator().manual_seed(seed)) * 2


def view(**outputs: Any) -> View:
    layers = SimpleNamespace(num_hidden_layers=2, hidden_size=8)
    return View(SimpleNamespace(**outputs), layers)


@pytest.fixture(scope="session")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another shape than the student's in width, depth and heads. Its weights are random, its opinions strong."""
    folder = tmp_path_factory.mktemp("teacher") / "big"
    tokenizer = tiny.tokenizer()
    torch.manual_seed(11)
    shape = LlamaConfig(
        vocab_size=len(tokenizer) + 9,  # some models have more scores than tokens
        hidden_size=48,
        intermediate_size=32,
        num_hidden_layers=4,
        num_attention_heads=6,
        num_key_value_heads=2,
        max_position_embeddings=512,
        initializer_range=0.3,
    )
    LlamaForCausalLM(shape).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def distilled(teacher: Path, loss: str, **more: Any) -> FinetuneConfig:
    return tiny_config(**{"loss": loss, "teacher": f"local:{teacher}", "max_steps": 4, "batch_size": 4, **more})


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("kind", "temperature"), [("forward", 1.0), ("reverse", 2.0), ("skew", 4.0)])
def test_soft_labels_are_hintons_mean_of_both_where_the_teacher_agrees(
    alpha: float, kind: Any, temperature: float
) -> None:
    own, its = scores(1), scores(2)
    targets = its[0].argmax(-1).clone()
    targets[::2] = (targets[::2] + 1) % VOCABULARY
    spec = f"soft:alpha={alpha},temperature={temperature},divergence={kind}"
    hard = cross_entropy(own[0].double(), targets, reduction="none")
    soft = divergence(own[0].double(), its[0].double(), kind, temperature=temperature)
    mixed = (1 - alpha) * hard + alpha * soft
    batch = Scored(view(logits=own), targets, teacher=view(logits=its))

    ungated = plugins.build("losses", f"{spec},gate=no").token_losses(batch)
    torch.testing.assert_close(ungated.double(), mixed, rtol=1e-6, atol=2e-6 * temperature)

    gated = plugins.build("losses", spec).token_losses(batch)
    torch.testing.assert_close(gated[1::2].double(), mixed[1::2], rtol=1e-6, atol=2e-6 * temperature)
    torch.testing.assert_close(gated[::2].double(), hard[::2], rtol=1e-6, atol=1e-6, msg="the row's token alone")


def test_on_policy_training_takes_its_divergence_from_the_same_option() -> None:
    assert Distance.of("nll") == Distance(), "forward, over what a server lists"
    assert Distance.of("soft:divergence=reverse,temperature=2") == Distance("reverse", 2.0)
    assert Distance.of("soft:divergence=reverse").needs_all_scores


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_recorded_probabilities_count_where_there_are_any(alpha: float) -> None:
    own = scores(1)
    logprobs, ids = scores(2)[0].log_softmax(-1).topk(K)
    targets = ids[:, 0].clone()
    targets[3] = ids[3, 1]
    ids[5], logprobs[5] = -1, -torch.inf
    hard = cross_entropy(own[0].double(), targets, reduction="none")
    soft = divergence_top_k(own[0].double(), ids, logprobs.double())
    expected = (1 - alpha) * hard + alpha * soft
    expected[3], expected[5] = hard[3], hard[5]
    batch = Scored(view(logits=own), targets, listed=Listed(ids, logprobs))
    found = plugins.build("losses", f"soft:alpha={alpha}").token_losses(batch)
    torch.testing.assert_close(found.double(), expected, rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_the_cross_entropy_and_its_gradient_are_torchs_in_any_number_of_parts(
    kind: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cotdistill.training.loss.CHUNK", 3 * VOCABULARY)
    targets, weights = scores(2)[0].argmax(-1), torch.rand(POSITIONS)
    own = scores(1).to(kind).requires_grad_()
    expected = cross_entropy(own[0].float(), targets, reduction="none")
    (gradient,) = torch.autograd.grad((expected * weights).sum(), own)
    again = own.detach().clone().requires_grad_()
    found = token_losses(again * 1, None, targets)
    (its,) = torch.autograd.grad((found * weights).sum(), again)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(its, gradient)


def test_scores_that_another_step_kept_for_its_gradient_are_not_written_over_unseen() -> None:
    own = scores(1).requires_grad_()
    squashed = own.tanh()  # tanh computes its gradient from what it returned
    losses = token_losses(squashed, None, scores(2)[0].argmax(-1))
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(losses.sum(), own)


def test_a_loss_in_parts_has_the_gradient_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    def gradient() -> torch.Tensor:
        own = scores(1).requires_grad_()
        batch = Scored(view(logits=own), scores(2)[0].argmax(-1), teacher=view(logits=scores(2)))
        total = plugins.build("losses", "soft").token_losses(batch).sum()
        return torch.autograd.grad(total, own)[0]

    whole = gradient()
    monkeypatch.setattr("cotdistill.training.losses.soft.PART", 2 * VOCABULARY)
    torch.testing.assert_close(gradient(), whole)


def test_hidden_states_are_compared_at_the_same_share_of_the_depth_through_a_learnt_layer() -> None:
    own = [torch.randn(1, POSITIONS, 8) for _ in range(3)]
    its = [torch.randn(1, POSITIONS, 12) for _ in range(5)]
    student, deep = view(logits=scores(1), hidden_states=own), view(logits=scores(2), hidden_states=its)
    deep = dataclasses.replace(deep, config=SimpleNamespace(num_hidden_layers=4, hidden_size=12))
    targets = scores(2)[0].argmax(-1)
    loss = plugins.build("losses", "hidden:weight=3")
    learnt = loss.projections(student.config, deep.config)
    assert sorted(learnt) == ["layer_1", "layer_2"] and learnt["layer_1"].weight.shape == (12, 8)
    found = loss.token_losses(Scored(student, targets, teacher=deep, projections=learnt))
    errors = [
        (learnt[f"layer_{layer}"](own[layer][0]) - its[2 * layer][0]).square().mean(-1)
        / its[2 * layer][0].square().mean(-1)
        for layer in (1, 2)
    ]
    expected = cross_entropy(scores(1)[0], targets, reduction="none") + 3 * (errors[0] + errors[1]) / 2
    torch.testing.assert_close(found, expected)
    assert not loss.projections(student.config, student.config), "models of one width need no layer between them"
    other = targets.clone()
    other[0] = (other[0] + 1) % VOCABULARY
    there = Scored(student, other, teacher=deep, projections=learnt)
    gated, open_ = loss.token_losses(there), plugins.build("losses", "hidden:weight=3,gate=no").token_losses(there)
    hard = cross_entropy(scores(1)[0], other, reduction="none")
    torch.testing.assert_close(gated[0], hard[0])
    torch.testing.assert_close(gated[1:], open_[1:])
    assert open_[0] > gated[0]


def attention_by_hand(q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    """(heads, L, L) probabilities."""
    hidden = torch.ones(q.shape[1], q.shape[1], dtype=torch.bool).triu(1)
    return (q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])).masked_fill(hidden, -torch.inf).softmax(-1)


def test_attention_is_minilms_divergence_of_where_heads_look_and_of_how_values_relate() -> None:
    make = torch.Generator().manual_seed(5)
    own = Attended(*(torch.randn(1, 2, 10, 6, generator=make) for _ in range(3)))
    its = Attended(*(torch.randn(1, 2, 10, 7, generator=make) for _ in range(3)))
    targets = scores(2)[0].argmax(-1)
    first = 10 - 1 - POSITIONS
    batch = Scored(
        dataclasses.replace(view(logits=scores(1)), attended={1: own}),
        targets,
        teacher=dataclasses.replace(view(logits=scores(2)), attended={1: its}),
        spans=[Span(0, 0, first, 10)],
    )
    hard = cross_entropy(scores(1)[0], targets, reduction="none")

    def divergence_of(which: str, seen: str) -> torch.Tensor:
        p = attention_by_hand(getattr(its, which)[0], getattr(its, seen)[0])
        q = attention_by_hand(getattr(own, which)[0], getattr(own, seen)[0])
        found: torch.Tensor = torch.special.xlogy(p, p / q).nan_to_num().sum(-1).mean(0)[first:-1]
        return found

    looks, values = divergence_of("queries", "keys"), divergence_of("values", "values")
    found = plugins.build("losses", "attention:values=no,weight=2").token_losses(batch)
    torch.testing.assert_close(found, hard + 2 * looks)
    torch.testing.assert_close(plugins.build("losses", "attention").token_losses(batch), hard + looks + values)
    other = targets.clone()
    other[0] = (other[0] + 1) % VOCABULARY
    there = dataclasses.replace(batch, targets=other)
    hard = cross_entropy(scores(1)[0], other, reduction="none")
    gated = plugins.build("losses", "attention").token_losses(there)
    torch.testing.assert_close(gated[0], hard[0])
    torch.testing.assert_close(gated[1:], (hard + looks + values)[1:])
    open_ = plugins.build("losses", "attention:gate=no").token_losses(there)
    torch.testing.assert_close(open_, hard + looks + values)


def step(
    teacher: Path, loss: str, rows: TokenRows, *, packed: bool, compact: bool = True
) -> tuple[float, torch.Tensor]:
    """Loss of all rows as one batch, and one of the student's gradients, by the trainer that finetune uses."""
    config = distilled(teacher, loss)
    model, tokenizer = load.student("tiny", seed=3)
    objective = Objective.of(config, tokenizer, rows.longest)
    objective.prepare(model, packed=packed)
    objective.attach(model, config)
    numbers = list(range(len(rows)))
    data = examples([numbers] if packed else [[number] for number in numbers])
    collate = Collator(rows, tokenizer.pad_token_id, packed, compact)
    with students.quiet():
        args = arguments(config, schedule(rows, config, packed=packed), Path("unused"))
        trainer = Trainer(model=model, args=args, train_dataset=data, processing_class=tokenizer, data_collator=collate)
    trainer.objective = objective
    model.train()
    (batch,), items = trainer.get_batch_samples(iter([collate(list(data))]), 1, trainer.args.device)
    found = trainer.compute_loss(model, batch, num_items_in_batch=items)
    weight = model.model.layers[0].self_attn.v_proj.weight
    return float(found.detach()), torch.autograd.grad(found, weight)[0]


@pytest.mark.parametrize("loss", ["soft:gate=no", "hidden:gate=no", "attention:layers=uniform,gate=no"])
def test_padded_rows_packed_rows_and_a_model_that_scores_every_position_have_one_loss(teacher: Path, loss: str) -> None:
    rows = uneven_rows((1.0, 0.25, 3.0))
    expected, gradient = step(teacher, loss, rows, packed=False)
    for more in ({"packed": True}, {"packed": False, "compact": False}):
        found, its = step(teacher, loss, rows, **more)
        assert found == pytest.approx(expected, rel=1e-5)
        torch.testing.assert_close(its, gradient, rtol=1e-4, atol=1e-6)
    assert expected != pytest.approx(step(teacher, "nll", rows, packed=False)[0], rel=1e-3)


def test_nothing_of_the_teacher_or_of_the_projections_is_in_the_student(teacher: Path, tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.jsonl", chain_rows(8))
    notes = Notes()
    manifest = finetune.run(rows, tmp_path / "student", distilled(teacher, "hidden", packing="bfd"), notes)
    weights = load_file(tmp_path / "student/model.safetensors")
    assert weights.keys() == tiny.model(tiny.tokenizer(), 0).state_dict().keys()
    assert manifest.options["loss"] == "hidden" and manifest.options["teacher"] == f"local:{teacher}"
    assert [one.path for one in manifest.inputs if one.option == "teacher"] == [str(teacher / "config.json")]
    card = (tmp_path / "student/README.md").read_text()
    assert "| loss | hidden |\n| teacher | big |" in card and "and of `big` go on to hold" in card


@pytest.mark.parametrize("at_once", [1, 3, 4])
@pytest.mark.parametrize("packed", [False, True])
def test_the_loss_on_held_out_rows_is_the_mean_of_their_tokens_whatever_is_trained_and_shares_a_batch(
    teacher: Path, packed: bool, at_once: int, tmp_path: Path
) -> None:
    weights = (1.0, 0.25, 3.0, 0.5)
    rows, config = uneven_rows(weights), distilled(teacher, "soft:gate=no", batch_size=at_once)
    model, tokenizer = load.student("tiny", seed=3)
    objective = Objective.of(config, tokenizer, rows.longest)
    data = examples([[row] for row in range(len(rows))], held_out=True)
    collate = Collator(rows, tokenizer.pad_token_id, packed, held_out=rows)
    with students.quiet():
        trainer = Trainer(
            model=model,
            args=arguments(config, schedule(rows, config, packed=packed), tmp_path, evaluating=True),
            train_dataset=data,
            eval_dataset=data,
            processing_class=tokenizer,
            data_collator=collate,
        )
        trainer.objective = objective
        found = trainer.evaluate()["eval_loss"]
    assert found == pytest.approx(loss_by_hand(rows, weights), rel=1e-5)


@pytest.mark.parametrize("loss", ["soft", "attention"])
def test_a_dry_run_says_how_sure_the_teacher_is_and_what_it_takes(teacher: Path, tmp_path: Path, loss: str) -> None:
    rows, notes = write(tmp_path / "rows.jsonl", chain_rows(8)), Notes()
    made = finetune.run(rows, tmp_path / "student", distilled(teacher, loss, dry_run=True), notes)
    model, _ = load.student(str(teacher))
    entropy, other, tokens = 0.0, 0, 0
    for row in chain_rows(8):
        one = render(tiny.tokenizer(), row)
        with torch.no_grad():
            distributions = model(torch.tensor([one.input_ids])).logits[0, one.n_prompt - 1 : -1].log_softmax(-1)
        trained = torch.tensor(one.input_ids[one.n_prompt :])
        entropy -= float((distributions.exp() * distributions).sum())
        other += int((distributions.argmax(-1) != trained).sum())
        tokens += len(trained)
    assert made.results["teacher_entropy"] == pytest.approx(entropy / tokens, abs=1e-4)
    assert made.results["teacher_disagrees_share"] == pytest.approx(other / tokens, abs=1e-4)
    assert made.results["teacher_gb"] >= 0
    assert any("its first choice is another one" in note for note in notes.notes)
    assert "expect of --loss soft what nll gives" in Sureness(100, 0.03).words()
    assert "expect" not in Sureness(100, 80.0, 10).words()
    assert "expect" not in Sureness(100, 0.03).words("hidden"), "its hidden states may say more"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            {"loss": "soft", "teacher": "openai:gpt-5"},
            "--teacher: 'openai:gpt-5': a loss asks .* generate --logprobs",
        ),
        ({"loss": "soft", "teacher": "local:"}, "--teacher: 'local:': a loss asks a model on this machine"),
        ({"teacher": "local:x"}, "--teacher: goes with --on-policy, or with a loss that asks one, such as --loss soft"),
        ({"on_policy": 5, "loss": "hidden", "max_steps": None}, "--loss: hidden needs rows; --on-policy takes soft"),
        ({"on_policy": 5, "loss": "soft:alpha=1"}, "--loss: alpha: is about a row's own token"),
        (
            {"on_policy": 5, "loss": "soft:divergence=reverse", "teacher": "vllm:x"},
            "--loss: divergence: needs all",
        ),
        ({"loss": "hidden"}, "--loss: hidden looks into the teacher; it needs --teacher local:DIR"),
        ({"loss": "soft:temperature=2"}, "--loss: temperature: what a recorded teacher would say"),
        ({"loss": "soft:half"}, "--loss: 'soft:half': expected name:option=value, found 'half'"),
    ],
)
def test_options_that_do_not_go_together_are_refused_beforehand(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        config.check(tiny_config(**options))


def test_a_teacher_with_another_vocabulary_is_refused_with_the_first_token_that_differs(tmp_path: Path) -> None:
    model, tokenizer = load.student("tiny")
    tokenizer.add_tokens(["<|tool|>"])
    model.save_pretrained(tmp_path / "other")
    tokenizer.save_pretrained(tmp_path / "other")
    rows = write(tmp_path / "rows.jsonl", chain_rows(4))
    expected = r"--teacher local:.*other: has another vocabulary .* 1 tokens differ, the first is '<\|tool\|>'"
    with pytest.raises(UsageError, match=expected):
        finetune.run(rows, tmp_path / "student", distilled(tmp_path / "other", "soft"), Silent())


@pytest.mark.parametrize(
    ("teacher_name", "row", "problem"),
    [
        ("tiny", {}, "^--teacher local:tiny: has random weights; name the directory of a trained model"),
        ("/none/x", {}, "^--teacher local:/none/x: no model"),
        ("", {"content": "why? " * 120}, "reads 512 tokens, and the longest row has .*; give --max-length 512"),
    ],
)
def test_a_teacher_that_cannot_teach_these_rows_is_refused(
    teacher: Path, tmp_path: Path, teacher_name: str, row: dict[str, str], problem: str
) -> None:
    first = chain_rows(1)[0]
    rows = write(tmp_path / "rows.jsonl", [{**first, "prompt": [{**first["prompt"][0], **row}]}])
    with pytest.raises(UsageError, match=problem):
        finetune.run(rows, tmp_path / "student", distilled(Path(teacher_name or teacher), "soft"), Silent())


def test_a_loss_of_ones_own_that_returns_no_loss_a_token_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from dataclasses import dataclass\n\n@dataclass\nclass Loss:\n    def token_losses(self, batch):\n"
        "        return batch.scores(batch.student).sum()\n"
    )
    rows = write(tmp_path / "rows.jsonl", chain_rows(4))
    with pytest.raises(Exception, match=r"mine.py': expected a loss for each of the \d+ trained tokens, got a tensor"):
        finetune.run(rows, tmp_path / "student", tiny_config(loss=str(tmp_path / "mine.py"), max_steps=1), Silent())


@pytest.mark.slow
def test_a_killed_lora_run_with_projections_has_the_weights_of_an_undisturbed_one(
    teacher: Path, tmp_path: Path
) -> None:
    """A LoRA checkpoint holds the adapter alone, so the projections have a file of their own."""
    model, tokenizer = load.student("tiny")
    model.save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    rows, base = write(tmp_path / "train.jsonl", chain_rows(16)), str(tmp_path / "base")
    words = ("--loss", "hidden:gate=no", "--teacher", f"local:{teacher}", "--student", base, "--lora-rank", "4")
    training(tmp_path, *words, "--max-steps", "12", before=strike(signal.SIGKILL, after_step=7)).communicate()
    assert not (tmp_path / "student").exists(), "it was killed in time"
    options = distilled(teacher, "hidden:gate=no", student=base, lora_rank=4, max_steps=12, batch_size=8)
    finetune.run(rows, tmp_path / "student", dataclasses.replace(options, resume=True), Silent())
    finetune.run(rows, tmp_path / "undisturbed", options, Silent())
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("student", "undisturbed"))
    assert all(torch.equal(one[name], other[name]) for name in other)
    assert losses(tmp_path / "student") == losses(tmp_path / "undisturbed")


def test_the_usual_loss_goes_the_usual_way(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is asked, kept or computed besides, where the loss is nll."""
    monkeypatch.setattr(Objective, "token_losses", lambda *_: pytest.fail("a detour"))
    rows = write(tmp_path / "rows.jsonl", chain_rows(4))
    finetune.run(rows, tmp_path / "student", tiny_config(max_steps=1), Silent())
