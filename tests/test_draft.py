"""--draft-for: the acceptance rate against a count by hand, and who is refused."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from cotdistill import artifacts
from cotdistill.artifacts import ArtifactWriter
from cotdistill.artifacts.logprobs import LogprobsWriter, Position, Token, logprobs_path
from cotdistill.config import EvaluateConfig, GenerateConfig, check
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.mock import problems
from cotdistill.progress import Silent
from cotdistill.records import Confidence
from cotdistill.stages import evaluate, generate
from cotdistill.stages.evaluate.draft import tokens_a_call
from cotdistill.students import tiny
from cotdistill.students.aligned import Aligner, token_bytes
from cotdistill.students.drafting import Listed, _of_listed, with_listed
from cotdistill.students.generator import Generator
from tests.conftest import make_prompt, make_response, write_records

QUESTIONS = 20


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two students of the embedded kind with other random weights, of which the teacher writes letters alone."""
    found = {}
    for name, seed in (("draft", 1), ("teacher", 2)):
        found[name] = tmp_path_factory.mktemp(name)
        tools = tiny.tokenizer()
        model, letters = tiny.model(tools, seed), tools("abcdefghijklmnopqrstuvwxyz")["input_ids"]
        if name == "teacher":
            others = torch.ones(len(tools), dtype=torch.bool).index_fill(0, torch.tensor(letters), False)
            model.lm_head.weight.data[others] = 0
        model.save_pretrained(found[name])
        tools.save_pretrained(found[name])
    return found


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prompts") / "prompts.jsonl"
    made = problems.generate(QUESTIONS, 3, steps=(2,))
    write_records(path, (one.as_prompt(str(n)) for n, one in enumerate(made)))
    return path


def scored(models: dict[str, Path], prompts: Path, tmp_path: Path, teacher: str) -> dict[str, Any]:
    config = EvaluateConfig(student=str(models["draft"]), draft_for=teacher, max_output_tokens=8)
    manifest = evaluate.run(prompts, tmp_path / "scores.json", config, Silent())
    assert manifest.results["draft"]["says"] in manifest.notes
    found: dict[str, Any] = json.loads((tmp_path / "scores.json").read_text())["draft"]
    return found


def by_hand(models: dict[str, Path], prompts: Path) -> dict[str, float]:
    """Token by token in Python, without the product's own arithmetic."""
    draft, teacher = (Generator(str(models[name]))._model for name in ("draft", "teacher"))
    tools = Generator(str(models["teacher"])).prompter
    agreed, shared, tokens = 0, 0.0, 0
    for line in prompts.read_text().splitlines():
        ids = list(tools.prompt(json.loads(line)["messages"]).ids)
        for _ in range(8):
            p, q = (_chances(model, ids) for model in (teacher, draft))
            token = max(range(len(p)), key=p.__getitem__)
            agreed += token == max(range(len(q)), key=q.__getitem__)
            shared += sum(map(min, p, q))
            tokens += 1
            ids.append(token)
            if token in tools.end_tokens:
                break
    return {"agreement": agreed / tokens, "acceptance": shared / tokens, "tokens": tokens}


def _chances(model: Any, ids: list[int]) -> list[float]:
    with torch.no_grad():
        chances: list[float] = torch.softmax(model(torch.tensor([ids])).logits[0, -1].double(), 0).tolist()
    return chances


def test_the_rate_for_a_local_teacher_is_that_of_a_count_by_hand_on_twenty_prompts(
    models: dict[str, Path], prompts: Path, tmp_path: Path
) -> None:
    found, counted = scored(models, prompts, tmp_path, f"local:{models['teacher']}"), by_hand(models, prompts)
    assert found["tokens"] == counted["tokens"]
    assert found["answers"] == QUESTIONS
    assert found["agreement"] == pytest.approx(counted["agreement"], abs=5e-5)
    assert found["acceptance"] == found["acceptance_at_most"] == pytest.approx(counted["acceptance"], abs=5e-5)
    assert 0.02 < found["acceptance"] < 0.98, "two models that differ, and yet share some mass"


def test_a_student_is_the_perfect_draft_of_itself(models: dict[str, Path], prompts: Path, tmp_path: Path) -> None:
    found = scored({"draft": models["teacher"]}, prompts, tmp_path, str(models["teacher"]))
    assert (found["agreement"], found["acceptance"], found["tokens_a_call"]) == (1.0, 1.0, 5.0)


def test_recorded_log_probabilities_bound_the_rate_that_the_local_teacher_has(
    models: dict[str, Path], prompts: Path, tmp_path: Path
) -> None:
    config = GenerateConfig(teacher=f"local:{models['teacher']}", logprobs=20, max_output_tokens=8, temperature=0)
    generate.run(prompts, tmp_path / "r.jsonl", config, Silent())
    exact = scored(models, prompts, tmp_path, str(models["teacher"]))
    bounded = scored(models, prompts, tmp_path, str(tmp_path / "r.jsonl"))
    assert bounded["tokens"] == exact["tokens"]
    assert bounded["agreement"] == exact["agreement"]
    assert bounded["acceptance"] - 0.005 <= exact["acceptance"] <= bounded["acceptance_at_most"] + 0.005
    assert bounded["acceptance_at_most"] > bounded["acceptance"]


def recorded(tmp_path: Path, cut: Any) -> Path:
    """Answers whose teacher cuts text into tokens by `cut`, with the trace apart."""
    path = tmp_path / "r.jsonl"
    with (
        artifacts.run("generate", path, {}, siblings=[logprobs_path(path)]) as current,
        ArtifactWriter(path) as writer,
        LogprobsWriter(logprobs_path(path)) as logprobs,
    ):
        for number in range(QUESTIONS):
            confidence = Confidence(tokens=1, mean_logprob=-0.1, worst_logprob=-0.1)
            response = make_response(
                "8", make_prompt(str(number)), reasoning="b=6*3=8", confidence=confidence, request_key=f"s1:{number}"
            )
            writer.write(response)
            parts = [cut("b=6*3=8"), cut("8")]
            positions = [Position(Token(raw=one), -0.1, ((Token(raw=one), -0.1),)) for part in parts for one in part]
            logprobs.add(response.request_key, 0, positions, reasoning=len(parts[0]))
        current.publish([writer, logprobs], counts={"responses": QUESTIONS})
    return path


def test_another_vocabulary_is_refused_for_recorded_tokens_and_taken_where_the_bytes_are_the_same(
    models: dict[str, Path], prompts: Path, tmp_path: Path
) -> None:
    bytewise = recorded(tmp_path, lambda text: [letter.encode() for letter in text])
    found = scored(models, prompts, tmp_path, str(bytewise))
    assert (found["answers"], found["tokens"]) == (QUESTIONS, 8 * QUESTIONS)
    pairs = recorded(tmp_path, lambda text: [text[at : at + 2].encode() for at in range(0, len(text), 2)])
    with pytest.raises(UsageError, match=r"20 of 20 answers to .* are made of other tokens than .* another voc"):
        scored(models, prompts, tmp_path, str(pairs))
    logprobs_path(pairs).unlink()
    with pytest.raises(CotDistillError, match=r"expected r\.logprobs beside it, which `generate --logprobs K` writes"):
        scored(models, prompts, tmp_path, str(pairs))


def test_another_vocabulary_is_refused_for_a_local_teacher(
    models: dict[str, Path], prompts: Path, tmp_path: Path
) -> None:
    other = tiny.tokenizer()
    other.add_tokens(["<extra>"])
    tiny.model(other, 3).save_pretrained(tmp_path / "other")
    other.save_pretrained(tmp_path / "other")
    with pytest.raises(UsageError, match=r"--draft-for local:.*another vocabulary than the student: 1 tokens differ"):
        scored(models, prompts, tmp_path, f"local:{tmp_path / 'other'}")


def test_a_model_over_an_api_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(UsageError, match=r"--draft-for: compares models of this machine and .*; vllm:"):
        check(EvaluateConfig(student="tiny", draft_for="vllm:m"))


def test_a_teacher_that_is_missing_is_named_with_its_option(prompts: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^--draft-for \./none: no model '\./none': neither a directory"):
        evaluate.run(prompts, tmp_path / "s.json", EvaluateConfig(student="tiny", draft_for="./none"), Silent())


def test_the_bounds_of_a_list_hold_the_shared_mass_of_whole_distributions() -> None:
    torch.manual_seed(0)
    p, q = (torch.log_softmax(3 * torch.randn(50, 40), dim=1) for _ in range(2))
    shared = torch.minimum(p, q).exp().sum(dim=1)
    best = p.topk(5, dim=1)
    same, least, most = _of_listed(q, best.indices, best.values)
    assert (least <= shared + 1e-6).all() and (shared <= most + 1e-6).all()
    assert (same == (p.argmax(dim=1) == q.argmax(dim=1))).all()
    whole = p.topk(40, dim=1)
    _, least, most = _of_listed(q, whole.indices, whole.values)
    assert torch.allclose(least, most, atol=1e-6) and torch.allclose(least, shared.double(), atol=1e-6)


def test_long_answers_are_scored_block_by_block_as_whole(models: dict[str, Path]) -> None:
    generator = Generator(str(models["draft"]))
    ids = [(7 * number) % 256 for number in range(1200)]
    listed = Listed(ids, list(range(100, 1200)), [[5]] * 1100, [[-0.5]] * 1100)
    blocks = torch.cat(list(generator.distributions(ids, 100)))
    with torch.no_grad():
        whole = torch.log_softmax(generator._model(torch.tensor([ids])).logits[0, 99:-1], dim=-1)
    assert torch.allclose(blocks, whole, atol=1e-4)
    found = with_listed(generator, [listed], lambda done: None)
    assert found.tokens == 1100
    assert found.least == pytest.approx(float(whole[:, 5].exp().clamp(max=math.exp(-0.5)).sum()), rel=1e-4)


def test_tokens_are_found_in_a_row_by_their_bytes_with_the_student_s_marks_between() -> None:
    tools = tiny.tokenizer()
    aligner = Aligner(tools)
    ids = aligner.ids([Token(raw=b"a"), Token(raw=b"b"), Token(raw=b"zz"), None, Token(id=3), Token(id=10**6)])
    assert ids[2:] == [-1, -1, 3, -1]
    row = tools("<|user|>ab<|assistant|><think>ab</think>b<|end|>", add_special_tokens=False)["input_ids"]
    start = row.index(tools.convert_tokens_to_ids("<|assistant|>")) + 1
    assert aligner.places(row, start, [*ids[:2], ids[1]], reasoning=2) == [start + 1, start + 2, start + 4]
    assert aligner.places(row, start, [ids[1], ids[0]], reasoning=0) is None
    assert token_bytes(tools)[ids[0]] == b"a"


def test_tokens_a_call_is_the_published_formula() -> None:
    """Equation 1 of Leviathan et al.: each drafted token counts if all before it were accepted."""
    assert tokens_a_call(0.5, 2) == pytest.approx(1 + 0.5 + 0.25)
    assert tokens_a_call(1.0, 7) == 8
