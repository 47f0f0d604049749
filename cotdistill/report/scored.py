"""A student's scores out of a file that evaluate wrote: what it got right, and where it comes from."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from cotdistill import artifacts
from cotdistill.artifacts import Manifest, lineage
from cotdistill.artifacts.json_lines import read_records
from cotdistill.artifacts.lineage import Found
from cotdistill.artifacts.scores import Score, scores_of
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.records import Judged, Prompt, is_right


@dataclass(frozen=True)
class Scored:
    """`student` is what evaluate was given, `score` what it says of it. `right` has each judged prompt by its id, from
    the greedy answers; `asked` has a digest of each prompt, to compare what two students saw. `origin` are the
    manifests that the student goes back to, the newest first; none where it was not trained here, or files are gone."""

    student: str
    scores: Path
    score: Score
    right: dict[str, bool]
    asked: dict[str, bytes]
    manifest: Manifest
    origin: tuple[Found, ...] = ()
    baseline: bool = False

    def made_by(self, stage: str) -> Found | None:
        """The run of a stage that the student goes back to."""
        return next((one for one in self.origin if one.manifest.stage == stage), None)


@dataclass
class _Block:
    """The answers of one student in the file of answers, which has them student by student."""

    right: dict[str, bool] = field(default_factory=dict)
    asked: dict[str, bytes] = field(default_factory=dict)

    def add(self, judged: Judged) -> None:
        prompt = judged.response.prompt
        if judged.response.sample:
            return
        self.asked[prompt.id] = digest(prompt)
        if judged.verdict.status not in ("error", "bad_reference"):
            self.right[prompt.id] = is_right(judged.response, judged.verdict)


def read(scores: Path) -> list[Scored]:
    """Student and baselines of one file. Raises CotDistillError where its answers are not beside it, or are not
    those of its manifest."""
    manifest = artifacts.manifest_of(scores)
    found = scores_of(manifest) if manifest is not None and manifest.stage == "evaluate" else []
    if manifest is None or not found:
        raise UsageError(f"{scores}: expected scores that `cotdistill evaluate` wrote, with their manifest beside them")
    blocks = [_Block() for _ in found]
    for place, judged in answers(scores, manifest):
        blocks[place].add(judged)
    return [
        Scored(
            student=score.student,
            scores=scores,
            score=score,
            right=block.right,
            asked=block.asked,
            manifest=manifest,
            origin=tuple(_origin(score.student, scores.parent, manifest)),
            baseline=place > 0,
        )
        for place, (score, block) in enumerate(zip(found, blocks, strict=True))
    ]


def answers(scores: Path, manifest: Manifest) -> Iterator[tuple[int, Judged]]:
    """Every judged answer with the place of its student, one student after the other. `manifest` is that of the scores.

    A student's first prompt comes again where the next one begins; how many answers each has may differ, for recorded
    ones are one a prompt."""
    path = artifacts.sibling(scores, "answers.jsonl")
    if not path.is_file():
        raise CotDistillError(f"{path}: missing; it holds the answers to {scores}. Run the same `evaluate` again")
    students, place = len(scores_of(manifest)), -1
    first: tuple[str, int] | None = None
    for judged in read_records(path, Judged):
        name = judged.response.prompt.id, judged.response.sample
        first = first or name
        place += name == first
        if place >= students:
            break
        yield place, judged
    if place != students - 1:
        raise CotDistillError(f"{path}: not the answers of the {students} students in {scores}. Run `evaluate` again")


def _origin(student: str, near: Path, scores: Manifest) -> Iterator[Found]:
    """finetune's manifest, and those of what it was trained on. `near` is where the scores lie, for directories that
    were moved together; the manifest must be the one that was there when the student was scored."""
    given = Path(student.removeprefix("local:"))
    then = [info.sha256 for info in scores.inputs if Path(info.path) == given / "manifest.json"]
    places = [one for one in (given, near / given.name) if (one / "manifest.json").is_file()]
    found = next((one for one in places if artifacts.sha256(one / "manifest.json") in then), None)
    if found is None:
        return
    try:
        manifest = artifacts.read_manifest(found / "manifest.json")
    except CotDistillError:
        return
    yield Found(manifest, found)
    if manifest.inputs and (rows := lineage.locate(Path(manifest.inputs[0].path), found.parent)):
        yield from lineage.chain(rows)


def digest(prompt: Prompt) -> bytes:
    """Of what was asked, and of the right answer."""
    return hashlib.sha256(msgspec.json.encode((prompt.messages, prompt.reference))).digest()


def short_names(students: Sequence[str]) -> list[str]:
    """As much of each path, from its end, as tells them apart: runs/a/student and runs/b/student are a/student and
    b/student. Names that are no paths stay."""
    parts = [Path(one).parts for one in students]
    names = list(students)
    for place, of in enumerate(parts):
        for many in range(1, len(of) + 1):
            ending = of[-many:]
            if sum(other[-many:] == ending for other in set(parts)) == 1:
                names[place] = str(Path(*ending))
                break
    return names
