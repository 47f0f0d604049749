"""Which models read several rows in one sequence: shown by what they make of them, in many architectures."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="the train extra is not installed")

import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, PreTrainedModel

from cotdistill.chat.template import Rendered
from cotdistill.config import FinetuneConfig
from cotdistill.errors import UsageError
from cotdistill.progress import Silent
from cotdistill.stages import finetune
from cotdistill.training import packing, unmasked, varlen
from cotdistill.training.collator import Collator, needs_mask
from cotdistill.training.defaults import Way
from cotdistill.training.loss import is_compact, token_losses
from cotdistill.training.token_rows import TokenRows
from cotdistill.training.trainer import OF_THE_LOSS
from cotdistill.training.unmasked import read_unmasked
from tests.conftest import Notes
from tests.training_runs import chain_rows, losses, tiny_config, write

VOCABULARY = 64
LENGTHS, N_PROMPT = (17, 9, 23, 12), 4
SMALL = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 4,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 128, "n_embd": 32,
    "n_layer": 4, "n_head": 4, "n_positions": 128, "sliding_window": 6, "num_experts": 4, "num_experts_per_tok": 2,
    "moe_intermediate_size": 16, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "initializer_range": 0.3,
    "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0, "state_size": 4,
}  # fmt: skip
"""Windows are shorter than the rows, keys fewer than queries, and weights so large that a token's past matters."""

WINDOWED = {"gemma3_text": ["sliding_attention", "full_attention"] * 2}


def model_of(kind: str, **more: Any) -> PreTrainedModel:
    torch.manual_seed(0)
    known = CONFIG_MAPPING[kind]().to_dict()
    settings = {name: value for name, value in SMALL.items() if name in known} | more
    if kind in WINDOWED:
        settings["layer_types"] = WINDOWED[kind]
    model = AutoModelForCausalLM.from_config(CONFIG_MAPPING[kind](**settings), dtype=torch.float32)
    return model.eval()


def uneven_rows() -> TokenRows:
    rows, random = TokenRows(), torch.Generator().manual_seed(1)
    for length in LENGTHS:
        ids = torch.randint(3, VOCABULARY, (length,), generator=random)
        rows.add(Rendered(ids.tolist(), N_PROMPT, "native"))
    return rows


def of_each_row(model: PreTrainedModel, rows: TokenRows, *, packed: bool) -> tuple[list[float], torch.Tensor]:
    """The loss of each row, and the gradient of their mean."""
    collate = Collator(rows, 0, packed, is_compact(model), needs_mask(model))
    numbers = list(range(len(rows)))
    examples = [numbers] if packed else [[number] for number in numbers]
    batch = collate([{"rows": one, "held_out": False} for one in examples])
    read = {name: value for name, value in batch.items() if name not in OF_THE_LOSS}
    found = token_losses(model(**read, use_cache=False).logits, batch.get("kept"), batch["targets"])
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    gradients = torch.autograd.grad(found.mean(), weights, allow_unused=True)
    parts = torch.split(found.detach(), [length - N_PROMPT for length in LENGTHS])
    whole = torch.cat([one.flatten() for one in gradients if one is not None])
    return [float(part.mean()) for part in parts], whole


def config_of(choice: str, **more: Any) -> FinetuneConfig:
    return tiny_config(packing=choice, **more)


def on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only `auto` asks: what is chosen there is computed here, by the reference."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


@pytest.mark.parametrize("kind", ["llama", "qwen3", "gemma3_text", "mistral", "gpt2", "qwen3_moe", "jetmoe"])
def test_a_packed_row_has_the_loss_and_the_gradient_that_it_has_padded(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, model = uneven_rows(), model_of(kind)
    padded, gradient = of_each_row(model, rows, packed=False)
    on_a_gpu(monkeypatch)
    assert packing.chosen(config_of("auto"), {"the student": model}, rows).value == "bfd"
    monkeypatch.undo()
    assert model.config._attn_implementation == varlen.NAME
    packed, its = of_each_row(model, rows, packed=True)
    assert packed == pytest.approx(padded, abs=1e-4)
    assert float((its - gradient).norm() / gradient.norm()) < 1e-4


@pytest.mark.parametrize(
    ("kind", "why", "said"),
    [
        ("mamba", "a recurrence goes on", "has no attention that reads packs without a mask"),
        ("bloom", "biases of positions count on", "has no attention that reads packs without a mask"),
        ("minimax", "linear attention goes on", "does not read a row in a pack as it reads it alone"),
        ("falcon", "its attention is not told where rows end", "has no attention that reads packs without a mask"),
        (
            "gpt_oss",
            "sinks, which torch's kernel does not know",
            "ValueError: cotdistill_varlen: does not compute s_aux",
        ),
    ],
)
def test_a_model_that_reads_on_from_one_row_into_the_next_is_padded_or_refused(
    kind: str, why: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, model = uneven_rows(), model_of(kind)
    before = model.config._attn_implementation
    with pytest.raises(UsageError, match="--packing bfd: the teacher does not read a row in a pack as it reads it"):
        packing.chosen(config_of("bfd"), {"the teacher": model}, rows)
    on_a_gpu(monkeypatch)
    way = packing.chosen(config_of("auto"), {"the student": model_of("llama"), "the teacher": model}, rows)
    assert way.value == "none" and way.reason.startswith("the teacher ") and said in way.reason and way.notable, why
    assert model.config._attn_implementation == before


@pytest.mark.parametrize(("kind", "packs"), [("llama", True), ("mixtral", True), ("recurrent_gemma", False)])
def test_what_gets_across_is_told_from_the_rounding_of_halves(
    kind: str, packs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows alone are read by another attention, as on a GPU: the two round in different ways."""
    on_a_gpu(monkeypatch)
    model = model_of(kind).to(torch.bfloat16)
    model.set_attn_implementation("eager")
    assert (packing.chosen(config_of("auto"), {"the student": model}, uneven_rows()).value == "bfd") == packs


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB"), "has no memory left for a try"),
        (RuntimeError("no kernel image is available"), "RuntimeError: no kernel image is available"),
        (LookupError("Triton has no compiler"), "LookupError: Triton has no compiler"),
    ],
)
@pytest.mark.parametrize("backward", [False, True])
def test_a_kernel_that_fails_in_a_trial_leads_to_padded_rows_and_a_line(
    error: Exception, said: str, backward: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, given: torch.Tensor) -> torch.Tensor:
            if not backward:
                raise error
            return given.clone()

        @staticmethod
        def backward(context: Any, *given: torch.Tensor) -> torch.Tensor:
            raise error

    attend = varlen.attend

    def failing(module: Any, query: torch.Tensor, *given: Any, **more: Any) -> Any:
        return attend(module, Failing.apply(query), *given, **more)  # type: ignore[no-untyped-call]

    monkeypatch.setattr(varlen, "attend", failing)
    on_a_gpu(monkeypatch)
    model = model_of("llama")
    way = packing.chosen(config_of("auto"), {"the student": model}, uneven_rows())
    assert way.value == "none" and way.notable and said in way.reason
    assert model.config._attn_implementation == "sdpa" and not any(
        weight.grad is not None for weight in model.parameters()
    )


def test_a_run_says_that_its_rows_are_padded_where_packs_were_expected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "chosen", lambda *given: Way("packing", "none", "the student cannot", notable=True))
    rows, progress = write(tmp_path / "rows.jsonl", chain_rows(4)), Notes()
    finetune.run(rows, tmp_path / "student", config_of("auto", max_steps=1), progress)
    assert "packing none: the student cannot" in progress.notes


def test_capped_scores_are_packed_by_the_models_own_attention_where_packs_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows, model = uneven_rows(), model_of("gemma2")
    padded, _ = of_each_row(model, rows, packed=False)
    on_a_gpu(monkeypatch)
    assert packing.chosen(config_of("auto"), {"the student": model}, rows).value == "none", "its mask is T x T"
    monkeypatch.undo()
    assert packing.chosen(config_of("bfd"), {"the student": model}, rows).value == "bfd"
    assert of_each_row(model, rows, packed=True)[0] == pytest.approx(padded, abs=1e-4)


def test_an_attention_with_dropout_is_not_replaced_by_one_without(monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_gpu(monkeypatch)
    model = model_of("gpt2", attn_pdrop=0.1)
    assert packing.chosen(config_of("auto"), {"the student": model}, uneven_rows()).value == "none"


@pytest.mark.parametrize("more", [{"softcap": 50.0}, {"s_aux": torch.zeros(4)}, {"dropout": 0.1}, {"is_causal": False}])
def test_what_the_attention_does_not_compute_is_never_left_out_in_silence(more: dict[str, Any]) -> None:
    q = torch.randn(1, 4, 6, 8)
    with pytest.raises(ValueError, match="does not compute"):
        varlen.attend(torch.nn.Identity(), q, q, q, None, **more)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "mistral", "gemma3_text"])
def test_padded_rows_read_without_a_mask_have_the_same_loss_and_windows_keep_theirs(kind: str) -> None:
    rows, model = uneven_rows(), model_of(kind)
    padded, gradient = of_each_row(model, rows, packed=False)
    read_unmasked(model)
    assert model.config._attn_implementation == unmasked.NAME
    found, its = of_each_row(model, rows, packed=False)
    assert found == pytest.approx(padded, abs=1e-6)
    assert torch.allclose(its, gradient, atol=1e-6)


@pytest.mark.parametrize("kind", ["gemma2", "llama4_text"])
def test_an_attention_that_cannot_do_without_its_mask_keeps_it(kind: str) -> None:
    model = model_of(kind)
    before = model.config._attn_implementation
    read_unmasked(model)
    assert model.config._attn_implementation == before != unmasked.NAME


def test_each_value_of_packing_trains_the_same_loss(tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.jsonl", chain_rows(12))
    for choice in ("auto", "none", "bfd"):
        config = config_of(choice, max_steps=2, batch_size=12)
        finetune.run(rows, tmp_path / choice, config, Silent())
    first = [losses(tmp_path / choice)[0][1] for choice in ("auto", "none", "bfd")]
    assert first == pytest.approx([first[0]] * 3, abs=1e-3)
