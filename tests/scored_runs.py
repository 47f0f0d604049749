"""What finetune and evaluate leave, without a model: manifests, scores and judged answers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from cotdistill import artifacts
from cotdistill.artifacts import ArtifactWriter
from cotdistill.records import Judged, Prompt, Verdict
from cotdistill.stages.evaluate.scores import compare, score
from tests.conftest import make_prompt, make_response


def trained(student: Path, rows: Path, tokens: int = 1_000, **options: Any) -> Path:
    """A student's directory with its manifest, as if it had been trained on `rows`."""
    with artifacts.run("finetune", student, {"student": "tiny", "seed": 0, **options}, directory=True) as current:
        current.read(rows)
        student.mkdir(parents=True)
        current.write_manifest(current.summary(counts={"rows": 1, "trained_tokens": tokens}))
    return student


def scored(path: Path, right: Mapping[str, Sequence[bool]], prompts: Sequence[Prompt] = ()) -> Path:
    """Scores of students, each right on so many prompts; the first is the student, the others are baselines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    asked = list(prompts) or [make_prompt(f"h{n}", f"held out {n}?") for n in range(len(next(iter(right.values()))))]
    judged = {
        name: [
            Judged(
                response=make_response(f"Answer: {4 if fine else 5}", prompt),
                verdict=Verdict(status="correct" if fine else "incorrect", method="test", answer="4" if fine else "5"),
            )
            for prompt, fine in zip(asked, of, strict=True)
        ]
        for name, of in right.items()
    }
    student, *others = right
    entries = [score(name, of) for name, of in judged.items()]
    answers = artifacts.sibling(path, "answers.jsonl")
    with (
        artifacts.run("evaluate", path, {"student": student}, siblings=[answers]) as current,
        ArtifactWriter(path) as writer,
        ArtifactWriter(answers) as written,
    ):
        for name in right:
            if (manifest := Path(name) / "manifest.json").is_file():
                current.read(manifest, option="student")
        for one in (one for of in judged.values() for one in of):
            written.write(one)
        against = {name: compare(judged[student], judged[name]) for name in others}
        writer.write({"prompts": len(asked), "students": entries, "against": against})
        current.publish([writer, written], counts={"prompts": len(asked)}, results={"students": entries})
    assert msgspec.json.decode(path.read_bytes())["prompts"] == len(asked)
    return path
