"""Real training of the embedded student: what it is taught, what is left behind, and what survives a kill."""

import dataclasses
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

pytest.importorskip("trl", reason="the train extra is not installed")

from cotdistill import students
from cotdistill.artifacts import lineage
from cotdistill.chat.template import Rendered, render
from cotdistill.config import FinetuneConfig, check
from cotdistill.errors import CotDistillError, OutputLockedError, UsageError
from cotdistill.progress import Silent
from cotdistill.stages import finetune
from cotdistill.students import load, tiny
from cotdistill.training import checkpoints, student_directory
from cotdistill.training.token_rows import IGNORED, TokenRows
from tests.conftest import Notes, make_judged, make_prompt, make_response
from tests.training_runs import STEPS, Pulled, chain_rows, losses, strike, tiny_config, training, wait_for, write


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Notes]:
    folder = tmp_path_factory.mktemp("trained")
    progress = Notes()
    rows, held = write(folder / "train.jsonl", chain_rows(64)), write(folder / "held.jsonl", chain_rows(8, seed=9))
    config = tiny_config(eval_data=str(held), show_rows=3)
    return folder / "student", finetune.run(rows, folder / "student", config, progress), progress


def test_the_loss_falls(trained: tuple[Path, Any, Notes]) -> None:
    curve = losses(trained[0])
    assert curve[0][0] == 1 and curve[-1][0] == STEPS
    assert curve[-1][1] < curve[0][1] / 3


def test_the_manifest_counts_rows_steps_and_trained_tokens(trained: tuple[Path, Any, Notes]) -> None:
    student, manifest, _ = trained
    a_row = render(tiny.tokenizer(), chain_rows(1)[0])
    assert manifest.counts["rows"] == 64
    assert manifest.counts["eval_rows"] == 8
    assert manifest.counts["steps"] == STEPS
    assert manifest.counts["trained_tokens"] == STEPS * 8 * (len(a_row.input_ids) - a_row.n_prompt)
    assert manifest.results["parameters"] == load.student("tiny")[0].num_parameters()
    assert json.loads((student / "manifest.json").read_text())["stage"] == "finetune"


def test_loss_on_held_out_rows_is_measured_after_each_pass(trained: tuple[Path, Any, Notes]) -> None:
    logged = [json.loads(line) for line in (trained[0] / "metrics.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in logged if "eval_loss" in entry] == [*range(8, STEPS, 8), STEPS]


def test_progress_is_told_each_step_with_loss_and_speed_and_as_many_rows_as_were_asked_for(
    trained: tuple[Path, Any, Notes],
) -> None:
    _, _, progress = trained
    assert [done for done, _ in progress.steps] == list(range(1, STEPS + 1))
    assert re.fullmatch(r"loss [\d.]+  eval [\d.]+  [\d,]+ tokens/s", progress.steps[-1][1])
    shown = [note for note in progress.notes if note.startswith("row ")]
    assert len(shown) == 3
    assert "【<think>b=" in shown[0] and shown[0].endswith("<|end|>】")


def test_a_log_holds_no_training_row_that_was_not_asked_for(tmp_path: Path) -> None:
    rows = write(tmp_path / "train.jsonl", chain_rows(8))
    progress = Notes()
    finetune.run(rows, tmp_path / "student", tiny_config(max_steps=1), progress)
    assert not [note for note in progress.notes if "<think>" in note or note.startswith("row ")]


def test_plain_transformers_loads_the_student_and_it_answers_to_its_end(trained: tuple[Path, Any, Notes]) -> None:
    script = """
import sys
from transformers import AutoModelForCausalLM, AutoTokenizer
model, tokenizer = (kind.from_pretrained(sys.argv[1]) for kind in (AutoModelForCausalLM, AutoTokenizer))
assert "cotdistill" not in sys.modules
asked = [{"role": "user", "content": "a=6 b=a*3 c=b-9 d=c+8 e=d*7 f=e-3 g=f+1 g?"}]
batch = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_tensors="pt", return_dict=True)
print(tokenizer.decode(model.generate(**batch, max_new_tokens=80, do_sample=False)[0]))
print(model.generation_config.eos_token_id, model.config.use_cache)
"""
    words = [sys.executable, "-c", script, str(trained[0])]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    answer, settings = done.stdout.splitlines()
    assert "<|assistant|><think>b=" in answer
    assert settings == f"{tiny.tokenizer().eos_token_id} True"


def test_the_directory_holds_no_pickle_and_nobody_is_locked_out(trained: tuple[Path, Any, Notes]) -> None:
    files = [file for file in trained[0].rglob("*") if file.is_file()]
    assert {file.suffix for file in files} <= {".json", ".jsonl", ".jinja", ".safetensors", ".md", ".svg"}
    assert {oct(file.stat().st_mode & 0o777) for file in files} == {"0o644"}


def test_work_in_progress_is_gone_once_the_student_is_there(trained: tuple[Path, Any, Notes]) -> None:
    beside = {file.name for file in trained[0].parent.iterdir()}
    assert beside == {"train.jsonl", "held.jsonl", "student"}


def test_only_completion_tokens_have_labels() -> None:
    tokenizer, rows = tiny.tokenizer(), TokenRows()
    for row in chain_rows(3):
        rows.add(render(tokenizer, row))
    for number in range(3):
        ids, labels = list(rows.ids(number)), list(rows.labels(number))
        taught = [token for token in labels if token != IGNORED]
        assert tokenizer.decode(taught).startswith("<think>b=")
        assert taught == ids[-len(taught) :]
        assert tokenizer.decode(ids[: -len(taught)]).endswith("?<|end|><|assistant|>")
        assert taught[-1] == tokenizer.eos_token_id


def test_rows_come_back_from_their_files_as_they_were(tmp_path: Path) -> None:
    tokenizer, rows = tiny.tokenizer(), TokenRows()
    for number, row in enumerate(chain_rows(3)):
        rows.add(render(tokenizer, row), weight=number)
    rows.save(tmp_path)
    loaded = TokenRows.load(tmp_path)
    assert [list(loaded.ids(row)) for row in range(3)] == [list(rows.ids(row)) for row in range(3)]
    assert [list(loaded.labels(row)) for row in range(3)] == [list(rows.labels(row)) for row in range(3)]
    assert [loaded.weight(row) for row in range(3)] == [0.0, 1.0, 2.0]
    assert (loaded.end_tokens, loaded.trained_tokens, loaded.longest) == (
        rows.end_tokens, rows.trained_tokens, rows.longest,
    )  # fmt: skip


def test_rows_of_like_length_share_a_batch_and_each_pass_has_every_row_once() -> None:
    rows = TokenRows()
    for length in (5, 50) * 40:
        rows.add(Rendered([1] * length, 1, "native"))
    order = rows.order(total=160, batch_size=8, seed=0)
    assert sorted(order) == sorted([*range(80)] * 2)
    assert all(len({row % 2 for row in order[start : start + 8]}) == 1 for start in range(0, 160, 8))
    assert list(order) == list(rows.order(total=160, batch_size=8, seed=0))
    assert list(order) != list(rows.order(total=160, batch_size=8, seed=1))
    assert list(rows.order(total=160, batch_size=8, seed=0, shuffled=False)) == [*range(80)] * 2, "a curriculum"


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    rows = write(tmp_path / "train.jsonl", chain_rows(16))
    for name in ("one", "two"):
        finetune.run(rows, tmp_path / name, tiny_config(max_steps=3), Silent())
    assert (tmp_path / "one/model.safetensors").read_bytes() == (tmp_path / "two/model.safetensors").read_bytes()


def test_a_row_too_long_is_left_out_whole_and_counted(tmp_path: Path) -> None:
    long = {**chain_rows(1)[0], "id": "long/0", "prompt": [{"role": "user", "content": "x" * 300}]}
    rows = write(tmp_path / "train.jsonl", [*chain_rows(8), long])
    manifest = finetune.run(rows, tmp_path / "student", tiny_config(max_length=200, dry_run=True), Silent())
    assert manifest.counts["rows"] == 8
    assert manifest.counts["rows_too_long"] == 1


def test_a_dry_run_shows_the_first_batch_with_its_mask_and_leaves_nothing(tmp_path: Path) -> None:
    progress = Notes()
    rows = write(tmp_path / "train.jsonl", chain_rows(8))
    config = FinetuneConfig(student="tiny", batch_size=3, epochs=2, dry_run=True)
    manifest = finetune.run(rows, tmp_path / "student", config, progress)
    batch, reasons = progress.notes[:3], progress.notes[3:]
    assert [note.partition(" of the first batch, ")[0] for note in batch] == ["row 1", "row 2", "row 3"]
    assert all(note.endswith("<|end|>】") and "<|assistant|>【" in note for note in batch), batch
    assert reasons[0] == "learning_rate 0.003: a student of 0.1 M random weights", "below the rows, which fill a screen"
    assert manifest.counts["steps"] == 6
    assert manifest.results["method"] == "full", "an adapter beside random weights would learn nothing"
    assert manifest.options["method"] == "full"
    assert {file.name for file in tmp_path.iterdir()} == {"train.jsonl"}


@pytest.mark.parametrize(("asked", "shown"), [(None, 3), (0, 0), (2, 2), (9, 4)])
def test_a_dry_run_shows_as_many_rows_as_show_rows_says(tmp_path: Path, asked: int | None, shown: int) -> None:
    progress = Notes()
    rows = write(tmp_path / "train.jsonl", chain_rows(4))
    config = FinetuneConfig(student="tiny", batch_size=4, epochs=1, dry_run=True, show_rows=asked)
    finetune.run(rows, tmp_path / "student", config, progress)
    assert len([note for note in progress.notes if "【" in note]) == shown, "at most the batch, three by default"
    assert any(note.startswith("learning_rate") for note in progress.notes), "the reasons are said all the same"


def test_what_a_wrong_value_asks_of_other_options_is_not_guessed() -> None:
    with pytest.raises(UsageError) as caught:
        check(FinetuneConfig(student="x/y", on_policy=0, teacher="vllm:m", temperature=0.5))
    assert str(caught.value) == "--on-policy: expected at least 1, got 0"


BAD_ROW = {"id": "p9/0", "messages": [{"role": "user", "content": "hm?"}]}


@pytest.mark.parametrize(
    ("rows", "options", "problem"),
    [
        ([], {}, "train.jsonl: holds no rows; expected one training row a line"),
        ([{"id": "p1/0", "prompt": "2+2?"}], {}, "train.jsonl:1: prompt: expected array, got str"),
        ([*chain_rows(1), BAD_ROW], {}, "train.jsonl:2: row p9/0: expected the last turn to be the assistant's"),
        (
            [{**chain_rows(1)[0], "prompt": [{"role": "user", "content": "x" * 3000}]}],
            {},
            "every row is longer than 2048 tokens, the shortest has .*This student can read no more; cut the traces",
        ),
        (chain_rows(2), {"max_length": 20}, "every row is longer than 20 tokens, the shortest has 9.*--max-length"),
        (chain_rows(1), {"method": "dora"}, "--method: expected lora, qlora or full, got 'dora'"),
        (chain_rows(1), {"packing": "yes"}, "--packing: expected auto, bfd or none, got 'yes'"),
        (chain_rows(1), {"patience": 2}, "--patience: needs --eval-data"),
        (chain_rows(1), {"rows_at_once": 3}, "--rows-at-once: expected a divisor of --batch-size 8, got 3"),
        (chain_rows(1), {"batch_size": 0}, "--batch-size: expected at least 1, got 0"),
        (chain_rows(1), {"warmup": 2.0}, "--warmup: expected 0 to 1, got 2.0"),
        (chain_rows(1), {"student": "./nothing"}, "no model './nothing': neither a directory nor a .gguf file"),
    ],
)
def test_what_cannot_be_trained_on_is_one_clear_line(
    tmp_path: Path, rows: list[dict[str, Any]], options: dict[str, Any], problem: str
) -> None:
    path = write(tmp_path / "train.jsonl", rows)
    with pytest.raises(CotDistillError, match=problem):
        finetune.run(path, tmp_path / "student", tiny_config(**options), Silent())
    assert not (tmp_path / "student").exists()


def test_bad_rows_are_set_aside_on_request(tmp_path: Path) -> None:
    rows = write(tmp_path / "train.jsonl", [*chain_rows(8), BAD_ROW])
    manifest = finetune.run(rows, tmp_path / "student", tiny_config(max_steps=1, skip_bad=True), Silent())
    assert (manifest.counts["rows"], manifest.counts["rows_bad"]) == (8, 1)
    assert json.loads((tmp_path / "student.bad.jsonl").read_text())["line"] == 9


@pytest.mark.parametrize(
    "said", ["CUDA out of memory. Tried to allocate 20.00 GiB", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"]
)
def test_memory_that_runs_out_is_one_clear_line(said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def full(*_: Any, **__: Any) -> None:
        raise (torch.OutOfMemoryError if "out of" in said else RuntimeError)(said)

    monkeypatch.setattr("transformers.Trainer.training_step", full)
    with pytest.raises(CotDistillError, match=r"smaller --rows-at-once .* --checkpointing on .* smaller student"):
        finetune.run(write(tmp_path / "t.jsonl", chain_rows(8)), tmp_path / "student", tiny_config(), Silent())


def test_a_loss_that_is_no_number_ends_the_run(tmp_path: Path) -> None:
    rows = write(tmp_path / "train.jsonl", chain_rows(8))
    with pytest.raises(CotDistillError, match="the loss is no number any more; give a smaller --learning-rate"):
        finetune.run(rows, tmp_path / "student", tiny_config(learning_rate=1e30, max_steps=5), Silent())


def test_a_missing_extra_names_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(students, "_PACKAGES", ("torch", "no_such_package"))
    rows = write(tmp_path / "train.jsonl", chain_rows(1))
    with pytest.raises(CotDistillError, match=r"needs no_such_package: pip install 'cotdistill\[train\]'"):
        finetune.run(rows, tmp_path / "student", tiny_config(), Silent())


def test_somebody_elses_directory_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/chapter1.tex").touch()
    with pytest.raises(UsageError, match="thesis: exists with files that its manifest does not list"):
        finetune.run(write(tmp_path / "t.jsonl", chain_rows(8)), tmp_path / "thesis", tiny_config(), Silent())


def test_an_earlier_student_stays_until_the_new_one_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = write(tmp_path / "train.jsonl", chain_rows(8))
    finetune.run(rows, tmp_path / "student", tiny_config(max_steps=1), Silent())
    before = (tmp_path / "student/model.safetensors").read_bytes()

    def full(*_: Any, **__: Any) -> None:
        raise CotDistillError("disk")

    with monkeypatch.context() as patch:
        patch.setattr("cotdistill.training.save.save", full)
        with pytest.raises(CotDistillError, match="disk"):
            finetune.run(rows, tmp_path / "student", tiny_config(max_steps=2), Silent())
    assert (tmp_path / "student/model.safetensors").read_bytes() == before
    finetune.run(rows, tmp_path / "student", tiny_config(max_steps=2), Silent())
    assert (tmp_path / "student/model.safetensors").read_bytes() != before


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, float]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    rows = write(folder / "train.jsonl", chain_rows(64))
    finetune.run(rows, folder / "student", tiny_config(max_steps=STEPS), Silent())
    return losses(folder / "student")


@pytest.mark.slow
@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_run_resumes_and_ends_as_if_undisturbed(
    tmp_path: Path, undisturbed: list[tuple[int, float]], blow: signal.Signals
) -> None:
    rows = write(tmp_path / "train.jsonl", chain_rows(64))
    process = training(tmp_path, before=strike(blow, after_step=7))
    _, said = process.communicate()
    if blow == signal.SIGTERM:
        assert process.returncode == 130
        assert "stopped after step" in said and "--resume, and in a recipe the same command, continues there" in said
    assert not (tmp_path / "student").exists()

    other = tiny_config(max_steps=STEPS, resume=True, learning_rate=1e-3)
    with pytest.raises(UsageError, match="was begun with another learning_rate; drop --resume to start afresh"):
        finetune.run(rows, tmp_path / "student", other, Silent())

    progress = Notes()
    manifest = finetune.run(rows, tmp_path / "student", tiny_config(max_steps=STEPS, resume=True), progress)
    assert "continuing after step" in progress.notes[-1]
    assert progress.steps[0][0] > 1
    curve = dict(losses(tmp_path / "student"))
    # A run stopped between two log entries logs there too, so that one average is taken in two parts.
    assert sum(curve[step] != loss for step, loss in undisturbed) <= (blow == signal.SIGTERM)
    assert curve[STEPS] == undisturbed[-1][1]
    assert manifest.counts["trained_tokens"] == 8 * STEPS * 51


def test_a_stopped_runs_checkpoints_are_kept_until_a_new_run_has_one_and_continued_where_it_was_stopped_at_once(
    tmp_path: Path,
) -> None:
    rows, partial = write(tmp_path / "train.jsonl", chain_rows(16)), tmp_path / "student.partial"
    every_step = tiny_config(max_steps=6, checkpoint_minutes=0)
    later = dataclasses.replace(every_step, checkpoint_minutes=60)
    resumed = dataclasses.replace(later, resume=True)
    with pytest.raises(ConnectionResetError):
        finetune.run(rows, tmp_path / "student", every_step, Pulled(at=5))

    notes = Notes()
    notes.update = Pulled(at=2).update  # type: ignore[method-assign]
    with pytest.raises(ConnectionResetError):
        finetune.run(rows, tmp_path / "student", later, notes)
    said = next(note for note in notes.notes if "was stopped" in note)
    assert said.startswith(f"{partial}: a run was stopped after step 4.") and "with --resume" in said
    with pytest.raises(ConnectionResetError):  # once more, and still before a checkpoint of its own
        finetune.run(rows, tmp_path / "student", later, Pulled(at=2))

    notes = Notes()
    finetune.run(rows, tmp_path / "student", resumed, notes)
    assert "continuing after step 4" in notes.notes
    assert sorted(one.name for one in tmp_path.iterdir()) == ["student", "train.jsonl"]
    assert not (tmp_path / "student/earlier").exists()

    with pytest.raises(ConnectionResetError):
        finetune.run(rows, tmp_path / "other", every_step, Pulled(at=5))
    with pytest.raises(ConnectionResetError):
        finetune.run(rows, tmp_path / "other", every_step, Pulled(at=3))
    assert not (tmp_path / "other.partial/earlier").exists(), "the new run has checkpoints of its own"


class Died(BaseException):
    """As by SIGKILL: nothing that was meant to be done afterwards is done."""


@pytest.mark.parametrize("moment", ["artifacts.sha256", "_sync", "Path.rename", "artifacts.write_whole"])
def test_a_run_that_died_while_it_published_is_begun_again_without_a_hand(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, config = write(tmp_path / "train.jsonl", chain_rows(16)), tiny_config(max_steps=1)

    def die(*given: Any, **more: Any) -> None:
        raise Died

    with monkeypatch.context() as here, pytest.raises(Died):
        here.setattr(f"cotdistill.training.student_directory.{moment}", die)
        finetune.run(rows, tmp_path / "student", config, Silent())
    assert not (tmp_path / "student").exists()
    assert finetune.run(rows, tmp_path / "student", config, Silent()).complete
    assert sorted(path.name for path in tmp_path.glob("student*")) == ["student"]


def test_what_torch_says_of_a_full_disk_is_said_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It closes a file that it could not write, and calls that an unexpected position."""
    said = RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 858176 vs 858064")
    work = tmp_path / "student.partial"
    work.mkdir()
    monkeypatch.setattr(student_directory, "_LITTLE_BYTES", 0)
    with pytest.raises(RuntimeError, match="unexpected pos"), student_directory.full_disk_explained(work):
        raise said
    monkeypatch.setattr(student_directory, "_LITTLE_BYTES", 2**62)
    words = "cannot write it: no space left on the disk; nothing of it is left"
    with pytest.raises(CotDistillError, match=words), student_directory.full_disk_explained(work):
        raise said


def test_a_directory_is_cleared_so_that_its_owner_is_known_to_the_end(tmp_path: Path) -> None:
    for name in ("run.json", "manifest.json", "a.safetensors", "checkpoints/b"):
        (tmp_path / "s.partial" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "s.partial" / name).write_text("")
    with pytest.MonkeyPatch.context() as here:
        here.setattr("shutil.rmtree", lambda path, **_: None)
        student_directory._clear(tmp_path / "s.partial")
    assert not (tmp_path / "s.partial" / "a.safetensors").exists()
    assert {"run.json", "manifest.json"} <= {one.name for one in (tmp_path / "s.partial").iterdir()}, (
        "they go with the directory"
    )


@pytest.mark.slow
def test_a_second_run_on_the_same_student_ends_at_once(tmp_path: Path) -> None:
    rows = write(tmp_path / "train.jsonl", chain_rows(64))
    process = training(tmp_path, "--max-steps", "4000")
    wait_for(lambda: (tmp_path / "student.partial").exists(), process)
    try:
        with pytest.raises(OutputLockedError, match="is writing it"):
            finetune.run(rows, tmp_path / "student", tiny_config(), Silent())
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_lora_run_resumes_too(precision: Literal["float32", "bfloat16"], tmp_path: Path) -> None:
    model, tokenizer = load.student("tiny")
    model.save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    rows = write(tmp_path / "train.jsonl", chain_rows(16))
    config = tiny_config(student=str(tmp_path / "base"), max_steps=6, lora_rank=4, checkpoint_minutes=0)
    config = dataclasses.replace(config, precision=precision)
    finetune.run(rows, tmp_path / "undisturbed", config, Silent())
    with pytest.raises(ConnectionResetError):
        finetune.run(rows, tmp_path / "student", config, Pulled(at=4))
    finetune.run(rows, tmp_path / "student", dataclasses.replace(config, resume=True), Silent())
    assert losses(tmp_path / "student") == losses(tmp_path / "undisturbed")
    adapters = [tmp_path / name / "adapter/adapter_model.safetensors" for name in ("student", "undisturbed")]
    assert adapters[0].read_bytes() == adapters[1].read_bytes(), "in the same number format too"


def test_a_half_written_checkpoint_is_not_continued_from(tmp_path: Path) -> None:
    for step, finished in ((10, True), (20, True), (100, False)):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}/trainer_state.json").write_text("{}")
        if finished:
            checkpoints.finish(tmp_path / f"checkpoint-{step}")
    assert checkpoints.newest(tmp_path) == (tmp_path / "checkpoint-20", [])
    assert checkpoints.newest(tmp_path / "nowhere") == (None, [])


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:3]), "damaged"),
        (lambda path: path.write_bytes(b"x" * path.stat().st_size), "damaged"),
        (lambda path: path.unlink(), "missing"),
    ],
)
@pytest.mark.parametrize("name", ["adapter_model.safetensors", "optimizer.pt", "trainer_state.json", "sub/part.bin"])
def test_a_torn_newest_checkpoint_is_passed_over_for_the_one_before_it(
    tmp_path: Path, name: str, spoil: Callable[[Path], object], problem: str
) -> None:
    for step in (10, 20):
        for file in ("adapter_model.safetensors", "optimizer.pt", "trainer_state.json", "sub/part.bin"):
            path = tmp_path / f"checkpoint-{step}" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"content of {file}")
        checkpoints.finish(tmp_path / f"checkpoint-{step}")
    assert checkpoints.newest(tmp_path) == (tmp_path / "checkpoint-20", [])
    spoil(tmp_path / "checkpoint-20" / name)
    found, (words,) = checkpoints.newest(tmp_path)
    assert found == tmp_path / "checkpoint-10"
    assert Path(name).name in words
    assert problem in words
    checkpoints.remove_newer(tmp_path, found)
    assert not (tmp_path / "checkpoint-20").exists()
    spoil(tmp_path / "checkpoint-10" / name)
    assert checkpoints.newest(tmp_path)[0] is None


@pytest.mark.parametrize("mark", [b"", b"{}", b"{", b"[]"])
def test_a_checkpoint_whose_mark_says_nothing_of_its_files_is_not_trusted(tmp_path: Path, mark: bytes) -> None:
    (tmp_path / "checkpoint-10").mkdir()
    (tmp_path / "checkpoint-10" / "trainer_state.json").write_bytes(b"")
    (tmp_path / "checkpoint-10" / "finished").write_bytes(mark)
    found, (words,) = checkpoints.newest(tmp_path)
    assert found is None
    assert "checkpoint-10: finished " in words


def test_a_training_whose_every_checkpoint_is_spoilt_says_so_and_begins_anew(tmp_path: Path) -> None:
    rows = write(tmp_path / "train.jsonl", chain_rows(8))
    config = tiny_config(max_steps=3, checkpoint_minutes=0)
    with pytest.raises(KeyboardInterrupt):
        finetune.run(rows, tmp_path / "student", config, Interrupted(after=2))
    for file in (tmp_path / "student.partial/checkpoints").glob("checkpoint-*/*"):
        file.write_bytes(b"")  # as a disk leaves them that lost its power
    notes = Notes()
    finetune.run(rows, tmp_path / "student", dataclasses.replace(config, resume=True), notes)
    assert any("finished is damaged" in note for note in notes.notes), "why what was trained is not gone on with"
    assert "no whole checkpoint to continue from; starting afresh" in notes.notes
    assert (tmp_path / "student/model.safetensors").is_file()


def test_training_goes_on_from_the_older_checkpoint_and_says_so(tmp_path: Path) -> None:
    rows = write(tmp_path / "train.jsonl", chain_rows(16))
    config = tiny_config(max_steps=5, checkpoint_minutes=0)
    finetune.run(rows, tmp_path / "undisturbed", config, Silent())
    stopping = Interrupted(after=4)
    with pytest.raises(KeyboardInterrupt):
        finetune.run(rows, tmp_path / "student", config, stopping)
    newest, _ = checkpoints.newest(tmp_path / "student.partial/checkpoints")
    assert newest is not None
    weights = newest / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    notes = Notes()
    finetune.run(rows, tmp_path / "student", dataclasses.replace(config, resume=True), notes)
    assert any(f"{newest}: model.safetensors is damaged; an older checkpoint is used" in note for note in notes.notes)
    assert any(f"continuing after step {checkpoints.step(newest) - 1}" in note for note in notes.notes)
    assert (tmp_path / "student/model.safetensors").read_bytes() == (
        tmp_path / "undisturbed/model.safetensors"
    ).read_bytes()


class Interrupted(Notes):
    """Ctrl-C after so many steps."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self._after = after

    def update(self, done: int, detail: str = "") -> None:
        if done == self._after:
            raise KeyboardInterrupt


def test_the_same_training_again_is_not_done_again_and_another_one_says_what_it_replaces(tmp_path: Path) -> None:
    rows = write(tmp_path / "train.jsonl", chain_rows(8))
    finetune.run(rows, tmp_path / "student", tiny_config(max_steps=1), Silent())
    before = (tmp_path / "student/model.safetensors").stat().st_mtime_ns
    again = finetune.run(rows, tmp_path / "student", tiny_config(max_steps=1), Silent())
    assert "nothing new: it was trained on these rows with these options" in again.notes[-1]
    assert (tmp_path / "student/model.safetensors").stat().st_mtime_ns == before
    other = finetune.run(rows, tmp_path / "student", tiny_config(max_steps=2), Silent())
    assert any("it took the place of the student of" in note for note in other.notes)


def test_what_filter_kept_is_formatted_for_the_student_and_kept_as_rows_beside_it(tmp_path: Path) -> None:
    kept = tmp_path / "kept.jsonl"
    judged = [make_judged(f"Answer: {n}", prompt=make_prompt(id=f"p{n}"), reasoning=f"so {n}") for n in range(8)]
    kept.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in judged))
    progress, options = Notes(), tiny_config(max_steps=1, eval_data=str(kept))
    rehearsed = finetune.run(kept, tmp_path / "student", dataclasses.replace(options, dry_run=True), progress)
    assert (rehearsed.counts["rows"], [path.name for path in tmp_path.iterdir()]) == (8, ["kept.jsonl"])
    manifest = finetune.run(kept, tmp_path / "student", options, progress)
    assert (manifest.counts["rows"], manifest.counts["eval_rows"]) == (8, 8)
    assert any("8 rows, each proven with the chat template of tiny -> " in note for note in progress.notes)
    assert len((tmp_path / "student.train.jsonl").read_text().splitlines()) == 8
    rows = Path(manifest.inputs[0].path)
    assert str(kept) in [one.path for made in lineage.manifests(rows) for one in made.inputs], (
        "each trained token can be traced to what filter kept"
    )
    assert not (tmp_path / "README.md").exists()
    again = finetune.run(kept, tmp_path / "student", options, progress)
    assert "nothing new" in again.notes[-1]


def test_responses_that_were_not_judged_are_refused_with_the_way(tmp_path: Path) -> None:
    (tmp_path / "responses.jsonl").write_bytes(msgspec.json.encode(make_response()) + b"\n")
    with pytest.raises(CotDistillError, match=r"responses\.jsonl: holds responses; `generate` writes such"):
        finetune.run(tmp_path / "responses.jsonl", tmp_path / "student", tiny_config(max_steps=1), Silent())
