"""Training on the student's own answers: what is learnt from whom, what a kill leaves, and what is refused."""

import dataclasses
import json
import signal
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

pytest.importorskip("trl", reason="the train extra is not installed")

import torch

from cotdistill import artifacts, students
from cotdistill import config as options
from cotdistill.artifacts.json_lines import BadLines
from cotdistill.config import FinetuneConfig
from cotdistill.errors import BudgetError, CotDistillError, UsageError
from cotdistill.inputs.prompt_files import PromptFile
from cotdistill.mock import problems
from cotdistill.mock.server import running
from cotdistill.mock.sources import open_source
from cotdistill.mock.teacher import ServerConfig
from cotdistill.providers.scoring import Scores
from cotdistill.recipes.recipe import read as read_recipe
from cotdistill.records import Judged
from cotdistill.stages import finetune
from cotdistill.stages.evaluate import overlap
from cotdistill.stages.on_policy import cold_start, questions
from cotdistill.stages.on_policy.cold_start import ColdStart
from cotdistill.stages.on_policy.served import ServedTeacher
from cotdistill.students import load
from cotdistill.students.next_tokens import NextTokens
from cotdistill.students.prompts import Prompt
from cotdistill.teachers._vllm_scorer import VllmScorer
from cotdistill.training.on_policy.distance import Distance
from cotdistill.training.on_policy.rollout import Rollout, Written
from cotdistill.training.on_policy.teaching import Local, as_batch
from cotdistill.wording import amount
from tests.background import in_background
from tests.conftest import Notes, make_judged, make_prompt, start, write_records
from tests.training_runs import strike

STEPS = 6


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `student` and `teacher`: random weights are enough for all that is not about what is learnt."""
    folder = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("student", "teacher")):
        model, tokenizer = load.student("tiny", seed=seed)
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    questions_ = [problem.as_prompt(f"p{number}") for number, problem in enumerate(problems.generate(12, 0))]
    without = (msgspec.structs.replace(prompt, reference=None) for prompt in questions_)
    write_records(folder / "prompts.jsonl", without)
    write_records(folder / "references.jsonl", questions_)
    return folder


def settings(models: Path, **more: Any) -> FinetuneConfig:
    usual = {
        "student": str(models / "student"),
        "teacher": f"local:{models / 'teacher'}",
        "on_policy": STEPS,
        "method": "full",
        "batch_size": 4,
        "max_output_tokens": 6,
        "learning_rate": 3e-3,
        "threads": 1,
    }
    return FinetuneConfig(**{**usual, **more})


def train(models: Path, output: Path, progress: Any = None, **more: Any) -> Any:
    return finetune.run(models / "prompts.jsonl", output, settings(models, **more), progress or Notes())


def weights(student: Path) -> bytes:
    return (student / "model.safetensors").read_bytes()


def logged(student: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (student / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def undisturbed(models: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Notes]:
    output, progress = tmp_path_factory.mktemp("undisturbed") / "student", Notes()
    return output, train(models, output, progress), progress


def test_each_step_is_told_with_its_divergence_and_the_length_and_cut_share_of_its_answers(
    undisturbed: tuple[Path, Any, Notes],
) -> None:
    output, _, progress = undisturbed
    assert [entry["step"] for entry in logged(output)] == list(range(1, STEPS + 1))
    assert all(0 < entry["answer_tokens"] <= 6 and 0 <= entry["clipped_share"] <= 1 for entry in logged(output))
    assert progress.steps[-1][1].startswith("KL ")
    assert "tokens an answer" in progress.steps[-1][1] and "% cut" in progress.steps[-1][1]


def test_the_manifest_names_prompts_student_and_teacher_and_the_card_says_who_scored(
    undisturbed: tuple[Path, Any, Notes],
) -> None:
    output, manifest, _ = undisturbed
    assert {one.option for one in manifest.inputs} == {None, "student", "teacher"}
    assert manifest.counts["prompts"] == 12 and manifest.counts["steps"] == STEPS
    assert manifest.counts["trained_tokens"] == sum(round(4 * entry["answer_tokens"]) for entry in logged(output))
    assert f"trained for {STEPS} steps on its own answers to 12 prompts" in (output / "README.md").read_text()
    assert "scored by `local:teacher`" in (output / "README.md").read_text()


def test_prompts_that_a_student_answered_itself_are_no_exam_for_it(
    models: Path, tmp_path: Path, undisturbed: tuple[Path, Any, Notes]
) -> None:
    asked = list(PromptFile(models / "prompts.jsonl"))
    assert "was trained on 12 of these 12 prompts" in (overlap.note(str(undisturbed[0]), asked) or "")
    other = [problem.as_prompt(f"p{number}") for number, problem in enumerate(problems.generate(3, 99))]
    assert overlap.note(str(undisturbed[0]), other) is None
    (tmp_path / "next").mkdir()
    manifest = artifacts.read_manifest(undisturbed[0] / "manifest.json")
    rows = msgspec.structs.replace(manifest.inputs[0], path=str(tmp_path / "gone.jsonl"))
    later = msgspec.structs.replace(manifest, inputs=(rows,), options={"student": str(undisturbed[0])})
    (tmp_path / "next" / "manifest.json").write_bytes(msgspec.json.encode(later))
    assert "12 of these 12 prompts" in (overlap.note(str(tmp_path / "next"), asked) or ""), "nor for the next student"


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_weights_bit_for_bit(
    models: Path, tmp_path: Path, undisturbed: tuple[Path, Any, Notes]
) -> None:
    config = settings(models, checkpoint_minutes=0)
    words = [
        f"--{name.replace('_', '-')}={value}"
        for name, value in dataclasses.asdict(config).items()
        if value and value != getattr(FinetuneConfig, name, None)
    ] + ["--checkpoint-minutes=0"]
    words = ["finetune", str(models / "prompts.jsonl"), "-o", "student", *words]
    start(*words, cwd=tmp_path, before=strike(signal.SIGKILL, after_step=2)).communicate()
    assert not (tmp_path / "student").exists(), "it was killed in time"
    progress = Notes()
    train(models, tmp_path / "student", progress, checkpoint_minutes=0, resume=True)
    assert any("continuing after step" in note for note in progress.notes)
    assert weights(tmp_path / "student") == weights(undisturbed[0])
    assert logged(tmp_path / "student") == logged(undisturbed[0])


def test_answers_of_a_step_depend_on_seed_and_step_alone(models: Path) -> None:
    model, tokenizer = load.student(str(models / "student"))
    ids = tokenizer("<|user|>a=1 a?<|end|><|assistant|>")["input_ids"]
    prompts = [Prompt(ids, False), Prompt(ids[:-1], False)]

    def write(step: int, *, at_once: int = 2) -> list[Written]:
        return Rollout(prompts, 5, 1.0, 7, at_once).write(model, tokenizer, [0, 1, 0], step)

    assert write(3) == write(3)
    assert write(3) != write(4)
    assert [one.prompt for one in write(3)] == [0, 1, 0]
    assert write(3)[0].answer != write(3)[2].answer, "two answers to one prompt are two draws"


@pytest.fixture
def batch(models: Path) -> tuple[Any, Any, Any, Any]:
    """Student, teacher, tokenizer, and a batch of answers of different lengths."""
    student, tokenizer = load.student(str(models / "student"))
    teacher, _ = load.student(str(models / "teacher"))
    prompt = tokenizer("<|user|>a=6 b=a*3 b?<|end|><|assistant|>")["input_ids"]
    return student, teacher, tokenizer, [(prompt, [40, 41, 42, 43]), (prompt[2:], [50, 51])]


@pytest.mark.parametrize(("kind", "beta"), [("reverse", 1.0), ("forward", 0.0)])
def test_the_loss_of_a_batch_is_that_of_trls_distillation_trainer(
    batch: tuple[Any, Any, Any, Any], kind: Any, beta: float, tmp_path: Path
) -> None:
    from datasets import Dataset
    from trl import DistillationConfig, DistillationTrainer

    student, teacher, tokenizer, rows = batch
    distance = Distance(kind, top=len(tokenizer))
    read = as_batch(rows, tokenizer.pad_token_id, compact=True)
    logits = student(**{name: read[name] for name in ("input_ids", "logits_to_keep")}).logits
    scores = logits.flatten(0, 1)[read["kept"]]
    ours = Local(teacher, distance, tokenizer.pad_token_id, compact=True).losses(scores, read).mean()

    tokenizer.padding_side = "left"
    with students.quiet():
        trainer = DistillationTrainer(
            model=student,
            teacher_model=teacher,
            args=DistillationConfig(
                str(tmp_path), beta=beta, temperature=1.0, use_cpu=True, report_to=[], per_device_train_batch_size=2
            ),
            train_dataset=Dataset.from_dict({"prompt": ["x", "y"]}),
            processing_class=tokenizer,
        )
    longest_prompt, longest = (max(len(row[part]) for row in rows) for part in (0, 1))
    inputs: dict[str, Any] = {name: [] for name in ("prompt_ids", "prompt_mask", "completion_ids", "completion_mask")}
    for prompt, answer in rows:
        gap, rest = longest_prompt - len(prompt), longest - len(answer)
        inputs["prompt_ids"].append([tokenizer.pad_token_id] * gap + list(prompt))
        inputs["prompt_mask"].append([0] * gap + [1] * len(prompt))
        inputs["completion_ids"].append(list(answer) + [tokenizer.pad_token_id] * rest)
        inputs["completion_mask"].append([1] * len(answer) + [0] * rest)
    theirs, _, counted = trainer._compute_loss(student, {k: torch.tensor(v) for k, v in inputs.items()}, None)
    assert int(counted) == read["trained_tokens"] == 6
    assert abs(float(ours.detach()) - float(theirs.detach())) < 1e-6


def test_lora_learns_the_reverse_divergence_from_parts_of_a_step(
    models: Path, tmp_path: Path, undisturbed: tuple[Path, Any, Notes]
) -> None:
    train(models, tmp_path / "s", method="lora", rows_at_once=2, on_policy=2, loss="soft:divergence=reverse")
    assert (tmp_path / "s" / "adapter").is_dir()
    first, whole = logged(tmp_path / "s")[0], logged(undisturbed[0])[0]
    assert first["answer_tokens"] == pytest.approx(whole["answer_tokens"], abs=2.0)
    assert first["loss"] != whole["loss"], "another divergence"


def test_a_recipe_trains_on_own_answers_to_what_a_step_above_asked(models: Path, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(f"""
prompts = "{models / "references.jsonl"}"
runs = "{tmp_path / "runs"}"
[[steps]]
name = "ask"
stage = "generate"
teacher = "mock:digit-chains"
[[steps]]
name = "own"
stage = "finetune"
input = "ask"
student = "{models / "student"}"
on_policy = 2
teacher = "local:{models / "teacher"}"
""")
    own = read_recipe(tmp_path / "recipe.toml").steps[1]
    assert [one.words for one in own.references()] == ["the responses of step ask"]
    rows = (tmp_path / "recipe.toml").read_text().replace("on_policy = 2\n", "")
    (tmp_path / "rows.toml").write_text(rows)
    with pytest.raises(UsageError, match="expected rows or kept responses; step ask makes ask"):
        read_recipe(tmp_path / "rows.toml")


def test_a_recipe_does_not_train_on_prompts_that_it_holds_out(models: Path, tmp_path: Path) -> None:
    steps = f"""
prompts = "{models / "references.jsonl"}"
runs = "{tmp_path / "runs"}"
[[steps]]
name = "ask"
stage = "generate"
teacher = "mock:digit-chains"
[[steps]]
name = "kept"
stage = "filter"
[[steps]]
name = "rows"
stage = "format"
holdout = 0.2
[[steps]]
name = "own"
stage = "finetune"
student = "{models / "student"}"
on_policy = 2
teacher = "local:{models / "teacher"}"
[[steps]]
name = "scores"
stage = "evaluate"
"""
    (tmp_path / "recipe.toml").write_text(steps)
    own = read_recipe(tmp_path / "recipe.toml").steps[3]
    assert [one.words for one in own.references()] == ["the rows of step rows"]
    for name in ("ask", "rows.holdout", str(models / "references.jsonl")):
        (tmp_path / "leak.toml").write_text(steps.replace("on_policy = 2", f'on_policy = 2\ninput = "{name}"'))
        with pytest.raises(UsageError, match=r"own\.input: .* has what rows holds out for scores; leave it out"):
            read_recipe(tmp_path / "leak.toml")


def test_what_a_padded_matrix_has_beyond_the_vocabulary_belongs_to_the_tail() -> None:
    student = torch.zeros(1, 4)
    ids, logprobs = torch.tensor([[1, 9]]), torch.log(torch.tensor([[0.5, 0.25]]))
    known = Distance().from_listed(student, torch.tensor([[1, -1]]), logprobs)
    assert torch.equal(Distance().from_listed(student, ids, logprobs), known)


@contextmanager
def server(models: Path) -> Iterator[str]:
    """A server that stands in for vLLM and SGLang, with the teacher's weights."""
    scorer = NextTokens(str(models / "teacher"))
    with in_background(running(ServerConfig(source=open_source("digit-chains"), scorer=scorer))) as url:
        yield url


def asked(url: str) -> int:
    with urllib.request.urlopen(f"{url}/ledger") as found:
        return int(json.load(found)["answers"])


@pytest.mark.parametrize("provider", ["vllm", "sglang"])
def test_a_server_teaches_what_the_same_model_teaches_on_this_machine(
    models: Path, tmp_path: Path, undisturbed: tuple[Path, Any, Notes], provider: str
) -> None:
    with server(models) as url:
        manifest = train(models, tmp_path / "s", teacher=f"{provider}:m", base_url=f"{url}/v1", price_in=1.0)
        bought = asked(url)
        assert 0 < bought <= 4 * STEPS, "two answers of the same tokens are scored once"
        if provider == "vllm":
            train(models, tmp_path / "again", teacher="vllm:m", base_url=f"{url}/v1", price_in=1.0)
        assert asked(url) == bought, "what is in the store is scored no second time"
    ours = [entry["loss"] for entry in logged(undisturbed[0])]
    assert [entry["loss"] for entry in logged(tmp_path / "s")] == pytest.approx(ours, abs=1e-4)
    assert manifest.results["scored_tokens"] > bought
    written = 1 if provider == "vllm" else 0
    assert float(manifest.results["spent_usd"]) == pytest.approx(
        (manifest.results["scored_tokens"] + written * bought) / 1e6
    )


def test_a_cap_stops_the_run_with_a_checkpoint_and_a_larger_one_goes_on_without_paying_twice(
    models: Path, tmp_path: Path, undisturbed: tuple[Path, Any, Notes]
) -> None:
    with server(models) as url:
        over = {"teacher": "vllm:m", "base_url": f"{url}/v1", "price_in": 1000.0, "concurrency": 1}
        with pytest.raises(BudgetError, match=r"stopped at --max-cost.*--resume and a larger cap") as raised:
            train(models, tmp_path / "s", max_cost=0.4, **over)
        assert raised.value.exit_code == 4
        bought = asked(url)
        checkpoints = sorted((tmp_path / "s.partial/checkpoints").glob("*/finished"))
        assert checkpoints, "what was learnt before the cap is kept"
    with server(models) as url:  # it has moved
        progress = Notes()
        over["base_url"] = f"{url}/v1"
        manifest = train(models, tmp_path / "s", progress, max_cost=50.0, resume=True, **over)
        assert any("continuing after step" in note for note in progress.notes)
        assert 0 < asked(url) < 4 * STEPS and bought + asked(url) <= 4 * (STEPS + 1), "what was scored is not again"
    assert manifest.counts["steps"] == STEPS
    assert logged(tmp_path / "s")[-1]["loss"] == pytest.approx(logged(undisturbed[0])[-1]["loss"], abs=1e-4)


def test_a_dry_run_says_steps_tokens_and_money_and_asks_no_server(models: Path, tmp_path: Path) -> None:
    with server(models) as url:
        found = train(models, tmp_path / "s", teacher="vllm:m", base_url=f"{url}/v1", price_in=10.0, dry_run=True)
        assert asked(url) == 0
    read = found.results["scored_tokens"]
    assert found.counts["steps"] == STEPS and found.results["answers"] == 4 * STEPS
    assert found.results["scored_tokens_at_most"] == read + 4 * STEPS * 6 - found.results["answer_tokens"]
    assert found.results["cost_usd"] == amount((read + 4 * STEPS) * 10 / 1e6)
    assert not list(tmp_path.glob("s*"))


def test_a_model_with_another_vocabulary_is_refused_before_the_first_step(models: Path, tmp_path: Path) -> None:
    model, tokenizer = load.student("tiny")
    vocabulary = tokenizer.backend_tokenizer.to_str().replace('"A":', '"swap":').replace('"B":', '"A":')
    other = models / "other"
    model.save_pretrained(other)
    tokenizer.save_pretrained(other)
    (other / "tokenizer.json").write_text(vocabulary.replace('"swap":', '"B":'))
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text('{"id": "1", "messages": [{"role": "user", "content": "A"}]}\n')
    config = settings(models, teacher=f"local:{other}")
    with pytest.raises(UsageError, match="another vocabulary than the student"):
        finetune.run(prompts, tmp_path / "s", config, Notes())


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (("A", "<|end|>"), None),
        (("A", None), None),
        (("Z", "<|end|>"), "another vocabulary than the student: token 32 is 'Z' there and 'A' here"),
        ((None, None), "does not say what text its tokens stand for"),
    ],
)
def test_a_server_is_known_by_the_texts_of_its_tokens(
    models: Path, texts: tuple[str | None, ...], said: str | None
) -> None:
    tokenizer = load.tokenizer("tiny")
    ids = tokenizer("aA<|end|>")["input_ids"]
    scores = Scores(np.zeros((2, 1), np.int32), np.zeros((2, 1), np.float32), texts)
    teacher = ServedTeacher(VllmScorer("m", "http://h/v1"), settings(models), None, [], tokenizer)  # type: ignore[arg-type]
    written = Written(0, tuple(ids), 1, True)
    if said is None:
        teacher.check_vocabulary([written], [scores])
        return
    with pytest.raises(CotDistillError, match=said):
        teacher.check_vocabulary([written], [scores])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"teacher": "anthropic:claude-opus-4"}, "cannot score tokens that it did not write.*local:DIR, sglang:MODEL"),
        ({"teacher": "local:"}, "cannot score tokens"),
        ({"teacher": None}, "needs a --teacher that scores tokens"),
        ({"student": "tiny"}, "random weights.*train on traces first"),
        ({"epochs": 2.0}, "is about rows"),
        ({"eval_data": "x.jsonl"}, "is about rows"),
        ({"base_url": "http://h/v1"}, "goes with a teacher on a server"),
        ({"on_policy": None}, "goes with --on-policy"),
        (
            {"loss": "soft:divergence=reverse", "teacher": "vllm:m"},
            "needs all probabilities of a teacher on this machine",
        ),
        ({"loss": "soft:alpha=0.5"}, "alpha: is about a row's own token"),
    ],
)
def test_what_does_not_go_with_training_on_own_answers_is_refused(
    models: Path, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        options.check(settings(models, **changed))


def test_a_student_that_is_never_right_is_refused_before_anything_is_trained(models: Path, tmp_path: Path) -> None:
    with pytest.raises(CotDistillError, match=r"is right on 0 of 12 prompts.*train on traces first"):
        finetune.run(models / "references.jsonl", tmp_path / "s", settings(models), Notes())
    assert not list(tmp_path.glob("s*"))


@pytest.mark.parametrize(
    ("right", "chance", "good"), [(16, 0.1, True), (6, 0.1, False), (7, 0.1, True), (18, 0.5, False)]
)
def test_a_cold_start_is_ten_points_above_the_best_single_answer(right: int, chance: float, good: bool) -> None:
    start = ColdStart(10.0, 32, right, chance)
    if good:
        start.check("s")
    else:
        with pytest.raises(CotDistillError, match="On-policy training needs a student"):
            start.check("s")


def test_without_references_it_is_said_that_nothing_is_known() -> None:
    start = ColdStart(10.0, 0, 0, 0.0)
    start.check("s")
    assert "no prompt has a reference" in start.describe()


def solved(count: int) -> Iterator[Judged]:
    for number, problem in enumerate(problems.generate(count, 0)):
        prompt = make_prompt(f"p{number}", problem.text, problem.answer)
        yield make_judged(problem.answer, prompt=prompt, reasoning=f"the trace of {number}")


def kept(path: Path, judged: Sequence[Judged]) -> Path:
    write_records(path, judged)
    return path


def test_the_student_teaches_itself_in_sight_of_the_trace(models: Path, tmp_path: Path) -> None:
    path = kept(tmp_path / "kept.jsonl", [*solved(6), make_judged("5", "incorrect", prompt=make_prompt("wrong"))])
    seen: list[str] = []
    tokenizer = load.tokenizer(str(models / "student"))
    original = Local.losses

    def watched(self: Local, student: torch.Tensor, batch: Any) -> torch.Tensor:
        seen.extend(tokenizer.batch_decode(batch["read_by_teacher"]["input_ids"]))
        return original(self, student, batch)

    with pytest.MonkeyPatch.context() as here:
        here.setattr(Local, "losses", watched)
        here.setattr(cold_start, "ABOVE_CHANCE", -1.0)
        manifest = finetune.run(path, tmp_path / "s", settings(models, teacher="self", on_policy=2), Notes())
    assert all("Here is a solution that is known to be right:" in text and "the trace of" in text for text in seen)
    assert manifest.counts["prompts"] == 6 and manifest.counts["prompts_without_trace"] == 1
    assert "1 prompts have no trace to show and are left out" in manifest.notes
    assert "itself, shown the teacher's traces" in (tmp_path / "s" / "README.md").read_text()


def test_prompts_alone_are_no_input_for_a_student_that_teaches_itself(models: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no traces.*give what filter kept, or the rows that format wrote"):
        train(models, tmp_path / "s", teacher="self")


def test_rows_are_read_as_prompts_with_their_final_answer_as_reference(models: Path, tmp_path: Path) -> None:
    row = {
        "id": "p7/1",
        "prompt": [{"role": "user", "content": "2+2?"}],
        "completion": [{"role": "assistant", "reasoning_content": "two and two", "content": "The answer is 4."}],
    }
    (tmp_path / "train.jsonl").write_text(json.dumps(row) + "\n" + json.dumps({**row, "id": "p7/2"}) + "\n")
    found, how = questions.read(tmp_path / "train.jsonl", settings(models), BadLines(None))
    assert [(one.prompt.id, one.prompt.reference) for one in found] == [("p7", "4")]
    assert found[0].solved is not None and found[0].solved.reasoning_content == "two and two"
    assert "training rows" in how


def test_a_prompt_without_room_for_an_answer_is_left_out_and_counted(models: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.jsonl"
    lines = [{"id": str(n), "messages": [{"role": "user", "content": "a" * n}]} for n in (3, 400)]
    prompts.write_text("".join(json.dumps(line) + "\n" for line in lines))
    manifest = finetune.run(prompts, tmp_path / "s", settings(models, max_length=100, on_policy=1), Notes())
    assert manifest.counts["prompts"] == 1 and manifest.counts["prompts_too_long"] == 1
