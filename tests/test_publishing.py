"""What others need of our data sets and students: cards, settings of other trainers, the hub."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cotdistill import artifacts, students
from cotdistill.errors import UsageError
from cotdistill.publishing.hub import check_name
from cotdistill.stages.format.features import Features
from cotdistill.students import load
from tests.conftest import cotdistill, make_judged, make_prompt, write_records
from tests.hub_stand_in import TOKEN, Hub, hub

pytest.importorskip("datasets", reason="data sets are read back with the extra train")


def kept(path: Path, count: int = 40) -> Path:
    """Half of the answers have a trace of their own, the later half, so that the first rows do not show the field."""
    judged = [
        make_judged(
            f"Answer: {n}",
            prompt=make_prompt(f"p{n}", f"What is {n} + 0?", str(n)),
            reasoning=f"Adding nothing to {n} changes nothing." if n >= count // 2 else None,
        )
        for n in range(count)
    ]
    write_records(path, judged)
    return path


def chain(directory: Path) -> Path:
    """generate and filter for real, by the simulated teacher; gives kept.jsonl."""
    (directory / "p.txt").write_text("".join(f"a={n} b=a+1 c=b*3 c?\n" for n in range(10)))
    steps = [
        ("generate", directory / "p.txt", "-o", directory / "r.jsonl", "--teacher", "mock:digit-chains"),
        ("filter", directory / "r.jsonl", "-o", directory / "kept.jsonl", "--verify", "none"),
    ]
    for words in steps:
        done = cotdistill(*words)
        assert done.returncode == 0, done.stderr
    return directory / "kept.jsonl"


def formatted(directory: Path, *words: str, name: str = "train.jsonl") -> str:
    done = cotdistill("format", directory / "kept.jsonl", "-o", directory / name, *words)
    assert done.returncode == 0, done.stderr
    return done.stderr


def loaded(directory: Path, name: str, cache: Path) -> Any:
    import datasets

    return datasets.load_dataset(str(directory), name, cache_dir=str(cache))


def test_datasets_opens_the_directory_and_finds_only_the_rows(tmp_path: Path) -> None:
    made = tmp_path / "sums"
    made.mkdir()
    kept(made / "kept.jsonl")
    formatted(made, "--holdout", "0.3")
    formatted(made, "--format", "alpaca", name="alpaca.train.jsonl")
    rows = loaded(made, "default", tmp_path / "cache")
    assert (set(rows), rows["train"].num_rows + rows["test"].num_rows) == ({"train", "test"}, 40)
    assert set(rows["train"].column_names) == {"id", "prompt", "completion"}
    assert loaded(made, "alpaca", tmp_path / "cache")["train"].num_rows == 40


def test_two_files_never_share_a_configuration(tmp_path: Path) -> None:
    kept(tmp_path / "kept.jsonl")
    for name in ("sums.jsonl", "sums.train.jsonl", "train.jsonl"):
        formatted(tmp_path, name=name)
    card = (tmp_path / "README.md").read_text()
    assert [f'config_name: "{name}"' in card for name in ("sums", "sums.train", "default")] == [True] * 3


@pytest.mark.slow
def test_a_field_that_the_first_megabytes_lack_does_not_stop_datasets(tmp_path: Path) -> None:
    judged = [make_judged("Answer: 4 " + "x" * 4000, reasoning=None if n < 9_000 else "2+2=4") for n in range(10_000)]
    write_records(tmp_path / "kept.jsonl", judged)
    formatted(tmp_path)
    rows = loaded(tmp_path, "default", tmp_path / "cache")["train"]
    assert rows[0]["completion"][0]["reasoning_content"] is None
    assert rows[9_999]["completion"][0]["reasoning_content"] == "2+2=4"


def test_the_card_says_who_answered_what_was_checked_and_whose_rights_hold(tmp_path: Path) -> None:
    chain(tmp_path)
    formatted(tmp_path)
    card = (tmp_path / "README.md").read_text()
    for words in (
        "`mock:digit-chains`, a simulated teacher",
        "Prompts: `p.txt`",
        "Contamination: not checked",
        "Licence of the teacher's answers: not recorded",
        "| default | train | train.jsonl | 10 | prompt_completion |",
    ):
        assert words in card, card
    assert str(tmp_path) not in card, "a card is published; paths of this machine say nothing elsewhere"


def test_somebody_s_readme_stays_and_that_is_told(tmp_path: Path) -> None:
    kept(tmp_path / "kept.jsonl")
    (tmp_path / "README.md").write_text("# My project\n")
    told = formatted(tmp_path)
    assert (tmp_path / "README.md").read_text() == "# My project\n"
    assert "is not ours and stays" in told


def test_features_know_nested_fields_that_only_some_rows_have() -> None:
    features = Features()
    features.see({"id": "a", "history": [["q", "a"]], "turns": [{"role": "user"}], "weight": None})
    features.see({"id": "b", "history": [], "turns": [{"role": "user", "content": "x"}], "weight": 0.5})
    assert features.declared() == [
        {"name": "id", "dtype": "string"},
        {"name": "history", "list": {"list": "string"}},
        {"name": "turns", "list": [{"name": "role", "dtype": "string"}, {"name": "content", "dtype": "string"}]},
        {"name": "weight", "dtype": "float64"},
    ]


def test_llama_factory_s_file_gets_an_entry_for_each_data_set_and_keeps_those_of_others(tmp_path: Path) -> None:
    kept(tmp_path / "kept.jsonl")
    (tmp_path / "dataset_info.json").write_text('{"mine": {"file_name": "mine.json"}}')
    formatted(tmp_path, "--format", "sharegpt", "--export", "llama-factory", "--holdout", "0.3")
    formatted(tmp_path, "--format", "think_messages", "--export", "llama-factory", name="open.jsonl")
    info = json.loads((tmp_path / "dataset_info.json").read_text())
    assert set(info) == {"mine", "train", "train.holdout", "open"}
    assert info["train"] == {
        "file_name": "train.jsonl",
        "formatting": "sharegpt",
        "columns": {"messages": "conversations"},
    }
    assert info["open"]["tags"]["assistant_tag"] == "assistant"


def test_a_broken_dataset_info_is_not_overwritten(tmp_path: Path) -> None:
    kept(tmp_path / "kept.jsonl")
    (tmp_path / "dataset_info.json").write_text("{oops")
    words = ("format", tmp_path / "kept.jsonl", "-o", tmp_path / "t.jsonl", "--format", "sharegpt")
    done = cotdistill(*words, "--export", "llama-factory")
    assert (done.returncode, "fix or remove it" in done.stderr) == (2, True), done.stderr
    assert (tmp_path / "dataset_info.json").read_text() == "{oops"


def test_axolotl_s_section_names_the_field_of_the_trace(tmp_path: Path) -> None:
    kept(tmp_path / "kept.jsonl")
    formatted(tmp_path, "--format", "messages", "--export", "axolotl", "--holdout", "0.3")
    lines = (tmp_path / "train.axolotl.yaml").read_text().splitlines()
    assert [line for line in lines if line.endswith(":")] == ["datasets:", "test_datasets:"]
    entry = json.loads(lines[2].removeprefix("- "))
    assert (entry["type"], entry["field_thinking"]) == ("chat_template", "reasoning_content")


@pytest.mark.parametrize("layout", ["prompt_completion", "messages", "dpo"])
def test_a_layout_whose_trace_a_trainer_would_lose_is_refused(tmp_path: Path, layout: str) -> None:
    kept(tmp_path / "kept.jsonl")
    words = ("format", tmp_path / "kept.jsonl", "-o", tmp_path / "t.jsonl", "--format", layout)
    done = cotdistill(*words, "--export", "llama-factory")
    assert (done.returncode, "would not find the trace" in done.stderr) == (2, True), done.stderr


def list_as_student(directory: Path) -> None:
    """A manifest of finetune that lists the files there, the weights first."""
    files = sorted(
        (path for path in directory.rglob("*") if path.is_file()), key=lambda path: path.suffix != ".safetensors"
    )
    manifest = artifacts.Manifest(
        stage="finetune",
        version="0",
        complete=True,
        options={},
        inputs=(),
        outputs=tuple(
            artifacts.FileInfo(path=f"typed/{path.relative_to(directory)}", sha256=artifacts.sha256(path))
            for path in files
        ),
        counts={},
        packages={},
        started_at="",
        ended_at="",
    )
    (directory / "manifest.json").write_bytes(msgspec.json.encode(manifest))


def push(state: Hub, directory: Path, *words: str, token: str = TOKEN) -> Any:
    environment = {"HF_ENDPOINT": state.url, "HF_TOKEN": token, "HF_HUB_DISABLE_XET": "1"}
    return cotdistill("push", directory, "me/sums", *words, **environment)


def test_a_data_set_goes_to_the_hub_privately_with_its_card_and_without_manifests(tmp_path: Path) -> None:
    kept(tmp_path / "kept.jsonl")
    formatted(tmp_path)
    with hub() as state:
        done = push(state, tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == f"{state.url}/datasets/me/sums"
        assert state.private == {"datasets/me/sums": True}
        sent = state.files["datasets/me/sums"]
    assert set(sent) == {"README.md", "train.jsonl"}
    assert sent["train.jsonl"] == (tmp_path / "train.jsonl").read_bytes()


def test_a_student_goes_to_the_hub_with_its_weights_and_without_its_manifest(tmp_path: Path) -> None:
    with students.quiet():
        model, tokenizer = load.student("tiny")
        model.save_pretrained(tmp_path)
        tokenizer.save_pretrained(tmp_path)
    list_as_student(tmp_path)
    with hub() as state:
        done = push(state, tmp_path, "--public")
        assert done.returncode == 0, done.stderr
        assert state.private == {"models/me/sums": False}
        sent = state.files["models/me/sums"]
    assert sent["model.safetensors"] == (tmp_path / "model.safetensors").read_bytes()
    assert "config.json" in sent and "manifest.json" not in sent


@pytest.mark.parametrize(("base", "goes"), [("me/base", True), ("/home/me/base", False)])
def test_an_adapter_goes_along_only_where_its_base_can_be_found_by_others(
    tmp_path: Path, base: str, goes: bool
) -> None:
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter/adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base}))
    for name in ("config.json", "adapters.txt", "model.safetensors"):
        (tmp_path / name).write_text("{}")
    list_as_student(tmp_path)
    done = cotdistill("push", tmp_path, "me/sums", "--dry-run")
    assert done.returncode == 0, done.stderr
    sent = [line.strip() for line in done.stderr.splitlines() if line.startswith("  ")]
    others = ["adapters.txt", "config.json", "model.safetensors"]
    assert sent == [*(["adapter/adapter_config.json"] if goes else []), *others]
    assert ("adapter/ stays here" in done.stderr) is not goes


def test_nothing_goes_to_a_public_repository_by_accident(tmp_path: Path) -> None:
    kept(tmp_path / "kept.jsonl")
    formatted(tmp_path)
    with hub() as state:
        state.private["datasets/me/sums"], state.files["datasets/me/sums"] = False, {}
        done = push(state, tmp_path)
        assert (done.returncode, "is public" in done.stderr) == (2, True), done.stderr
        assert state.files["datasets/me/sums"] == {}


def test_a_refused_token_and_a_missing_one_are_matters_of_the_account(tmp_path: Path) -> None:
    kept(tmp_path / "kept.jsonl")
    formatted(tmp_path)
    with hub() as state:
        refused, missing = push(state, tmp_path, token="hf_wrong"), push(state, tmp_path, token="")
    assert (refused.returncode, "401" in refused.stderr) == (6, True), refused.stderr
    assert (missing.returncode, "HF_TOKEN" in missing.stderr) == (6, True), missing.stderr
    assert "hf_wrong" not in refused.stderr


def test_a_dry_run_of_push_says_what_would_go(tmp_path: Path) -> None:
    kept(tmp_path / "kept.jsonl")
    formatted(tmp_path)
    card = tmp_path / "README.md"
    card.write_text(card.read_text() + "\nA line of mine.\n")
    done = cotdistill("push", tmp_path, "me/sums", "--dry-run", HF_ENDPOINT="http://127.0.0.1:9")
    assert (done.returncode, "data set, 2 files" in done.stderr) == (0, True), done.stderr
    assert card.read_text().endswith("A line of mine.\n")  # only a real push writes the card anew
    card.unlink()
    done = cotdistill("push", tmp_path, "me/sums", "--dry-run", HF_ENDPOINT="http://127.0.0.1:9")
    assert (done.returncode, card.exists()) == (0, False), done.stderr


@pytest.mark.parametrize(
    ("repository", "problem"),
    [("sums", "the owner is missing"), ("me/my sums", "alphanumeric"), ("me/sums/x", "OWNER/NAME"), ("me/a--b", "--")],
)
def test_a_dry_run_of_push_finds_a_name_that_the_hub_would_not_take(repository: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        check_name(repository)


def test_a_directory_of_neither_kind_is_not_pushed(tmp_path: Path) -> None:
    done = cotdistill("push", tmp_path, "me/sums")
    assert (done.returncode, "neither a student" in done.stderr) == (2, True)


def test_what_the_manifest_does_not_list_stays_here(tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors", "README.md", "sub/more.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    list_as_student(tmp_path)
    for name in ("sub/.env", "id_rsa", "x/.git/config", "responses.sqlite", ".netrc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("secret")
    (tmp_path / "link.txt").symlink_to("/etc/hostname")
    (tmp_path / "README.md").write_text("a card that was edited")
    with hub() as state:
        done = push(state, tmp_path)
        assert done.returncode == 0, done.stderr
        sent = state.files["models/me/sums"]
    assert set(sent) == {"config.json", "model.safetensors", "README.md", "sub/more.json"}
    assert sent["README.md"] == b"a card that was edited"


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda at: (at / "sub/more.json").write_text("other"), "changed since its manifest was written"),
        (lambda at: (at / "sub/more.json").unlink(), "is listed in the manifest and is not there"),
        (lambda at: replace_by_link(at / "sub/more.json"), "is a link, or in a linked directory"),
        (lambda at: replace_by_link(at / "sub"), "is a link, or in a linked directory"),
        (lambda at: list_hidden(at), "hidden files are not sent"),
    ],
)
def test_a_listed_file_that_is_not_as_listed_is_not_sent(
    tmp_path: Path, spoil: Callable[[Path], object], problem: str
) -> None:
    at = tmp_path / "student"
    (at / "sub").mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "sub/more.json"):
        (at / name).write_text(name)
    list_as_student(at)
    spoil(at)
    done = cotdistill("push", at, "me/sums", "--dry-run")
    assert (done.returncode, problem in done.stderr) == (1, True), done.stderr


def replace_by_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def list_hidden(directory: Path) -> None:
    (directory / "sub/.env").write_text("secret")
    (directory / "manifest.json").unlink()
    list_as_student(directory)


def test_a_name_that_looks_like_a_pattern_is_sent_as_it_is(tmp_path: Path) -> None:
    kept(tmp_path / "kept.jsonl")
    formatted(tmp_path, name="train[v2].jsonl")
    (tmp_path / "trainv.jsonl").write_text("another file")
    with hub() as state:
        done = push(state, tmp_path)
        assert done.returncode == 0, done.stderr
        sent = state.files["datasets/me/sums"]
    assert set(sent) == {"README.md", "train[v2].jsonl"}


def test_a_licence_and_a_name_stand_in_a_card_as_text_and_as_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "p|`.txt").write_text("a=1 b=a+1 b?\n")
    evil = "mit\n---\n# Free <script>x</script> [y](javascript:z)\x1b[31m"
    for words in (
        ("generate", tmp_path / "p|`.txt", "-o", tmp_path / "r.jsonl", "--teacher", "mock:digit-chains",
         "--license", evil),
        ("filter", tmp_path / "r.jsonl", "-o", tmp_path / "kept.jsonl", "--verify", "none"),
        ("format", tmp_path / "kept.jsonl", "-o", tmp_path / "a|b.jsonl"),
    ):  # fmt: skip
        done = cotdistill(*words)
        assert done.returncode == 0, done.stderr
    head, _, body = (tmp_path / "README.md").read_text().partition("\n---\n")
    assert f"license_name: {json.dumps(evil)}" in head
    assert r"answers: mit --- # Free \<script\>x\</script\> \[y\](javascript:z)\\u001b\[31m. The terms" in body
    assert r"| default | train | a\|b.jsonl | 1 |" in body.replace("a_b", "default") and r"`p\|'.txt`" in body
