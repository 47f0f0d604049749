"""The sets of prompts of an evaluation, each with its students and their judged answers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cotdistill.artifacts import ArtifactWriter, json_lines
from cotdistill.config import EvaluateConfig
from cotdistill.dispatch.session import Session
from cotdistill.errors import CotDistillError
from cotdistill.inputs.prompt_files import PromptFile
from cotdistill.progress import Progress
from cotdistill.records import Judged, Prompt, Response
from cotdistill.stages.evaluate import answers
from cotdistill.stages.evaluate.scores import is_not_judged
from cotdistill.stages.verification import Judge, none_judged
from cotdistill.wording import counted


@dataclass(frozen=True)
class PromptSet:
    """The prompts of one file, and the students that are asked them: the held-out prompts, or those of --guard."""

    prompts: Sequence[Prompt]
    columns: str
    """Which columns of the file were read as what, in words."""
    students: Sequence[str]
    answers_file: Path
    judged: dict[str, list[Judged]] = field(default_factory=dict)
    """Every answer of each student, in prompt order."""

    @contextmanager
    def written(self) -> Iterator[ArtifactWriter]:
        """The file of answers, student by student."""
        with ArtifactWriter(self.answers_file) as writer:
            for found in self.judged.values():
                for one in found:
                    writer.write(one)
            yield writer


def read(
    path: Path,
    students: Sequence[str],
    answers_file: Path,
    config: EvaluateConfig,
    judge: Judge,
    progress: Progress,
) -> PromptSet:
    """Raises CotDistillError for a prompt without a reference, where the verifier needs one."""
    file = PromptFile.chosen(path, config, bad=json_lines.BadLines(None, skippable=False))
    prompts = list(file)
    without = [prompt.id for prompt in prompts if prompt.reference is None and judge.needs_reference(prompt)]
    if without:
        raise CotDistillError(
            f"{file.path}: {len(without)} of {len(prompts)} prompts have no reference to score against, the first is "
            f"{without[0]!r} ({file.describe()}). Name the column with --reference-field, or "
            f"--verify with what needs none, such as judge:teacher=PROVIDER:MODEL"
        )
    progress.note(f"{path}: {file.describe()}")
    return PromptSet(prompts, file.describe(), students, answers_file)


def ask_all(
    sets: Sequence[PromptSet], judge: Judge, config: EvaluateConfig, session: Session, progress: Progress
) -> list[str]:
    """Fill in `judged` of each set. A student is loaded once, whatever the number of sets. Returns notes.

    Raises CotDistillError for a prompt without an answer, and for a student none of whose answers could be judged."""
    notes = []
    for student in dict.fromkeys(student for one in sets for student in one.students):
        asked = [one for one in sets if student in one.students]
        responses = answers.ask(student, [one.prompts for one in asked], config, session, progress)
        for one, by_prompt in zip(asked, responses, strict=True):
            one.judged[student] = _judge(judge, by_prompt)
            notes += _not_judged(student, one.judged[student], judge)
        if said := answers.note_on_temperature(student, config):
            notes.append(said)
    return notes


def _judge(judge: Judge, responses: Sequence[Sequence[Response]]) -> list[Judged]:
    return [
        Judged(response=response, verdict=verdict)
        for samples, verdicts in zip(responses, judge.judge_all(responses), strict=True)
        for response, verdict in zip(samples, verdicts, strict=True)
    ]


def _not_judged(student: str, judged: Sequence[Judged], judge: Judge) -> list[str]:
    """A note where some answers could not be judged. Raises CotDistillError where no greedy one could: that is no
    score."""
    lost = [one.verdict for one in judged if is_not_judged(one)]
    if not lost:
        return []
    first = f"{lost[0].status} by {lost[0].method}: {lost[0].detail or 'no reason is given'}"
    if all(is_not_judged(one) for one in judged if one.response.sample == 0):
        raise none_judged(judge)(f"{student}: none of its answers could be judged; the first: {first}")
    return [
        f"{student}: {counted(len(lost), 'answer')} could not be judged, neither right nor wrong; the first: {first}"
    ]
