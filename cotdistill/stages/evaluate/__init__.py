"""Prompts -> scores: ask the student and its baselines the same questions, judge with filter's verifiers."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from cotdistill import artifacts, exports
from cotdistill.artifacts import ArtifactWriter, FileInfo, Manifest, json_lines, outputs
from cotdistill.artifacts.manifest import plain, written_before
from cotdistill.artifacts.outputs import Place
from cotdistill.config import EvaluateConfig, check
from cotdistill.dispatch.budget import Budget
from cotdistill.dispatch.session import Session
from cotdistill.errors import CotDistillError
from cotdistill.exports import PromptsExport
from cotdistill.inputs import hub
from cotdistill.inputs.prompt_files import PromptFile
from cotdistill.progress import Progress
from cotdistill.records import Judged, Prompt, Response, money
from cotdistill.stages.evaluate import answers, overlap
from cotdistill.stages.evaluate.scores import compare, in_words, is_not_judged, is_right, score
from cotdistill.stages.verification import Judge
from cotdistill.store.location import store_path
from cotdistill.students import recorded_files

PACKAGES = ("torch", "transformers", "math-verify", "openai", "anthropic")


def run(
    prompts: Path, scores: Path, config: EvaluateConfig, progress: Progress, *, month: Budget | None = None
) -> Manifest:
    """Write `scores` (JSON: an entry for each student, and the student against each baseline) and every judged answer
    to `<stem>.answers.jsonl`.

    Greedy answers give the accuracy with its 95 % Wilson interval; with `samples` > 1 that many sampled answers also
    give pass@k and the majority's accuracy. A prompt without a reference is refused: it cannot be scored. `month` is
    what a recipe's month has left.
    """
    check(config)
    prompts = hub.fetch(prompts, progress.note)
    judge = Judge(config.verify)
    students = (config.student, *config.baseline)
    store = store_path(config.cache)
    paid = judge.asks or any(answers.costs(one) for one in students)
    with (
        artifacts.run(
            "evaluate",
            scores,
            dataclasses.asdict(config),
            PACKAGES,
            siblings=[artifacts.sibling(scores, "answers.jsonl")],
            also=_extra_places(scores, config),
            stores=[store],
            inputs=[prompts],
        ) as current,
        Session.on(store if paid else None, config.max_cost, month, progress, "evaluate") as session,
    ):
        current.read(prompts, allow_modified=config.allow_modified)
        for option, student in (("student", config.student), *(("baseline", one) for one in config.baseline)):
            for path in recorded_files(student):
                current.read(path, allow_modified=config.allow_modified, option=option)
        for path in judge.files():
            current.read(path, allow_modified=config.allow_modified, option="verify")
        file = PromptFile.chosen(prompts, config, bad=json_lines.BadLines(None, skippable=False))
        asked = _read(file)
        progress.note(f"{prompts}: {file.describe()}")
        judge.join(session)
        judged: dict[str, list[Judged]] = {}
        with (
            ArtifactWriter(scores) as writer,
            ArtifactWriter(artifacts.sibling(scores, "answers.jsonl")) as judged_answers,
        ):
            for student in students:
                judged[student] = _judge_all(judge, answers.ask(student, asked, config, session, progress))
                current.notes += _not_judged(student, judged[student])
                for one in judged[student]:
                    judged_answers.write(one)
            entries = [score(student, found) for student, found in judged.items()]
            against = {name: compare(judged[config.student], judged[name]) for name in list(judged)[1:]}
            writer.write({"prompts": len(asked), "students": entries, "against": against})
            current.notes += [judge.describe(), *judge.notes()]
            current.notes += [words for student in judged if (words := overlap.note(student, asked))]
            current.notes += [in_words(config.student, name, found) for name, found in against.items()]
            extras, notes = _extras(scores, asked, judged[config.student], config)
            current.notes += notes
            counts = {"prompts": len(asked), "students": len(entries), "answers": judged_answers.records}
            results: dict[str, Any] = {"students": entries, "columns": file.describe()}
            if paid and session.spent:
                results["spent_usd"] = money(session.spent)
            return current.publish([writer, judged_answers], counts=counts, beside=extras, results=results)


def _not_judged(student: str, judged: Sequence[Judged]) -> list[str]:
    """A note where some answers could not be judged. Raises CotDistillError where no greedy one could: that is no
    score."""
    lost = [one.verdict for one in judged if is_not_judged(one)]
    if not lost:
        return []
    first = f"{lost[0].status} by {lost[0].method}: {lost[0].detail or 'no reason is given'}"
    if all(is_not_judged(one) for one in judged if one.response.sample == 0):
        raise CotDistillError(f"{student}: none of its answers could be judged; the first: {first}")
    return [
        f"{student}: {len(lost)} answers could not be judged and count neither as right nor as wrong; "
        f"the first: {first}"
    ]


def _extra_places(scores: Path, config: EvaluateConfig) -> list[Place]:
    """Where --write-weak and --export write; what stands there is replaced where an earlier run on this output wrote
    it."""
    before = written_before(scores, "evaluate")
    wanted = [(Path(config.write_weak), f"--write-weak {config.write_weak}")] if config.write_weak else []
    if config.export:
        harness: PromptsExport = exports.build(config.export, "prompts", "--export")
        wanted += [(path, f"--export {config.export}") for path in harness.files(scores)]
    found: list[Place] = []
    for path, because in wanted:
        found += outputs.replaced(Place(path, lambda one: plain(one) in before, because))
    return found


def _extras(
    scores: Path, prompts: Sequence[Prompt], judged: Sequence[Judged], config: EvaluateConfig
) -> tuple[list[FileInfo], list[str]]:
    """Files that were asked for besides, and what to say of them."""
    files: list[FileInfo] = []
    notes = []
    if config.write_weak:
        greedy = [one for one in judged if one.response.sample == 0 and not is_not_judged(one)]
        wrong = {one.response.prompt.id for one in greedy if not is_right(one)}
        lines = [msgspec.json.encode(prompt) + b"\n" for prompt in prompts if prompt.id in wrong]
        files.append(artifacts.write_whole(Path(config.write_weak), b"".join(lines)))
        notes.append(f"{len(lines)} prompts that {config.student} gets wrong are in {config.write_weak}: generate more")
    if config.export:
        harness: PromptsExport = exports.build(config.export, "prompts", "--export")
        written = harness.prompts(scores, prompts, config.student, config.max_output_tokens)
        files += written
        notes.append(f"{written[0].path}: a task for {config.export}; the README beside it has the command")
    return files, notes


def _read(file: PromptFile) -> list[Prompt]:
    prompts = list(file)
    without = [prompt.id for prompt in prompts if prompt.reference is None]
    if without:
        raise CotDistillError(
            f"{file.path}: {len(without)} of {len(prompts)} prompts have no reference to score against, the first is "
            f"{without[0]!r} ({file.describe()}). Name the column with --reference-field"
        )
    return prompts


def _judge_all(judge: Judge, responses: Sequence[Sequence[Response]]) -> list[Judged]:
    verdicts = judge.judge_all(responses)
    return [
        Judged(response=response, verdict=verdict)
        for both in zip(responses, verdicts, strict=True)
        for response, verdict in zip(*both, strict=True)
    ]
