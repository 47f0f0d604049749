"""Prompts by `hf:` name: from a directory that `datasets` opens, and with a hub that does not answer."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cotdistill.errors import UsageError
from cotdistill.inputs.hub import fetch
from cotdistill.inputs.prompt_files import PromptFile
from cotdistill.store.location import default_path
from tests.conftest import cotdistill
from tests.hub_stand_in import TOKEN, hub

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "sums"
    folder.mkdir()
    rows = [{"question": f"1+{n}?", "answer": str(1 + n)} for n in range(3)]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_a_path_that_names_no_hub_is_left_alone(tmp_path: Path) -> None:
    assert fetch(tmp_path / "p.jsonl", print) == tmp_path / "p.jsonl"


def test_a_directory_is_read_as_datasets_reads_it_and_again_when_it_changed(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "hub"))
    source = Path(f"hf:{data}:train")
    assert [one.reference for one in PromptFile(fetch(source, print))] == ["1", "2", "3"]
    with (data / "train.jsonl").open("a") as file:
        file.write('{"question": "1+3?", "answer": "4"}\n')
    assert [one.reference for one in PromptFile(fetch(source, print))] == ["1", "2", "3", "4"]


@pytest.mark.parametrize("name", ["hf:gsm8k", "hf::train", "hf:a:b:c:d"])
def test_a_name_without_a_split_is_a_slip_that_says_the_form(name: str) -> None:
    with pytest.raises(UsageError, match="expected hf:NAME:SPLIT"):
        fetch(Path(name), print)


def generate(source: str, output: Path) -> subprocess.CompletedProcess[str]:
    return cotdistill("generate", source, "-o", output, "--teacher", "mock:arithmetic", HF_ENDPOINT=NOWHERE)


@pytest.mark.slow
def test_a_hub_that_does_not_answer_is_one_clear_line_or_what_was_fetched_before(tmp_path: Path) -> None:
    source = "hf:openai/gsm8k:main:train"
    first = generate(source, tmp_path / "r.jsonl")
    assert first.returncode == 1 and "Traceback" not in first.stderr
    assert f"{source}: cannot ask the hub for it" in first.stderr
    folder = default_path().parent / "prompts"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "openai_gsm8k-main-train-0123456789ab.jsonl").write_text('{"question": "1+1?", "answer": "2"}\n')
    again = generate(source, tmp_path / "r.jsonl")
    assert "the hub does not answer; using what was fetched before" in again.stderr


@pytest.mark.slow
def test_a_new_revision_on_the_hub_is_run_again_and_only_its_new_prompts_are_paid_for(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(
        'prompts = "hf:me/sums:train"\n[generate]\nteacher = "mock:digit-chains"\n[filter]\nverify = "none"\n'
    )
    rows = [json.dumps({"question": f"a={n} b=a+1 b?", "answer": str(n + 1)}) + "\n" for n in range(4)]

    with hub() as state:
        state.private["datasets/me/sums"], state.files["datasets/me/sums"] = True, {}

        def run(count: int) -> dict[str, Any]:
            state.files["datasets/me/sums"]["train.jsonl"] = "".join(rows[:count]).encode()
            places = {"HF_HOME": str(tmp_path / "hub"), "HF_DATASETS_CACHE": str(tmp_path / "hub")}
            environment = {"HF_ENDPOINT": state.url, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1", **places}
            done = cotdistill("run", tmp_path / "recipe.toml", "--json", **environment)
            assert done.returncode == 0, done.stderr
            found: dict[str, Any] = json.loads(done.stdout)
            return found

        assert run(3)["stages"]["generate"]["counts"]["bought"] == 3
        assert run(3)["new"] is False, "the same revision"
        assert run(4)["stages"]["generate"]["counts"]["bought"] == 1
