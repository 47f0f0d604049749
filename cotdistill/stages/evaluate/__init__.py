"""Prompts -> scores: ask the student and its baselines the same questions, judge with filter's verifiers."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from cotdistill import artifacts, exports
from cotdistill.artifacts import ArtifactWriter, FileInfo, Manifest, json_lines, outputs
from cotdistill.artifacts.earlier import normalized, written_before
from cotdistill.artifacts.outputs import Place
from cotdistill.config import EvaluateConfig, check, idle_notes
from cotdistill.dispatch.budget import Budget
from cotdistill.dispatch.session import Session
from cotdistill.errors import CotDistillError
from cotdistill.exports import PromptsExport
from cotdistill.inputs import hub
from cotdistill.inputs.prompt_files import PromptFile
from cotdistill.progress import Progress
from cotdistill.records import Judged, Prompt, Response, money
from cotdistill.stages.evaluate import answers, draft, guard, guessing, overlap
from cotdistill.stages.evaluate.heeded import pays, unheeded
from cotdistill.stages.evaluate.scores import compare, in_words, is_not_judged, is_right, score
from cotdistill.stages.verification import Judge, none_judged
from cotdistill.store.location import store_path
from cotdistill.students import recorded_files
from cotdistill.wording import counted

PACKAGES = ("torch", "transformers", "math-verify", "openai", "anthropic")


def run(
    prompts: Path, scores: Path, config: EvaluateConfig, progress: Progress, *, month: Budget | None = None
) -> Manifest:
    """Write `scores` (JSON: an entry for each student, and the student against each baseline) and every judged answer
    to `<stem>.answers.jsonl`; what `guard` asks stands in `<stem>.guard.answers.jsonl`.

    Greedy answers give the accuracy with its 95 % Wilson interval; with `samples` > 1 that many sampled answers also
    give pass@k and the majority's accuracy. A prompt without a reference is refused where the verifier needs one.
    `month` is what a recipe's month has left.
    """
    check(config)
    prompts = hub.fetch(prompts, progress.note)
    guarded = hub.fetch(Path(config.guard), progress.note) if config.guard else None
    judge = Judge(config.verify)
    students = (config.student, *config.baseline)
    held_against = guard.opponent(config) if guarded else None
    guarding = (config.student, held_against) if held_against else ()
    store = store_path(config.cache)
    files = [artifacts.sibling(scores, ending) for ending in ("answers.jsonl", "guard.answers.jsonl")]
    with (
        artifacts.run(
            "evaluate",
            scores,
            dataclasses.asdict(config),
            PACKAGES,
            siblings=files,
            also=_extra_places(scores, config),
            stores=[store],
            inputs=[prompts, guarded] if guarded else [prompts],
        ) as current,
        Session.on(store if pays(config, judge) else None, config.max_cost, month, progress, "evaluate") as session,
    ):
        current.read(prompts)
        current.notes += idle_notes(config, unheeded(config, judge))
        current.read_named(_files_of(config, judge, guarded, held_against))
        asked, columns = _read(prompts, config, judge, progress)
        guards = _read(guarded, config, judge, progress)[0] if guarded else []
        judge.join(session)

        def judged_by(student: str) -> list[list[Judged]]:
            """Its answers to each set that it is asked."""
            sets = [asked] * (student in students) + [guards] * (student in guarding)
            found = [_judge_all(judge, one) for one in answers.ask(student, sets, config, session, progress)]
            current.notes += [note for one in found for note in _not_judged(student, one, judge)]
            if said := answers.of_temperature(student, config):
                current.notes.append(said)
            return found

        # First, for it refuses another vocabulary, and answers may cost money.
        drafted = draft.result(config, asked, progress) if config.draft_for else None
        with ArtifactWriter(scores) as writer, ExitStack() as stack:
            by_student = {student: judged_by(student) for student in dict.fromkeys((*students, *guarding))}
            judged = {student: by_student[student][0] for student in students}
            on_guard = {student: by_student[student][-1] for student in guarding}
            written = [
                stack.enter_context(_written(path, found))
                for path, found in zip(files, (judged, on_guard), strict=True)
                if found
            ]
            scored = {"prompts": len(asked), **_scores(judged, on_guard)}
            if drafted:
                scored["draft"] = drafted
            writer.write(scored)
            extras, of_extras = _extras(scores, asked, judged[config.student], config)
            said = _notes(config, scored, (asked, guards))
            current.notes += [judge.describe(), *judge.notes(), *said, *of_extras]
            results: dict[str, Any] = {
                name: scored[name] for name in ("students", "guessing", "guard", "draft") if name in scored
            }
            if session.spent:
                results["spent_usd"] = money(session.spent)
            return current.publish(
                [writer, *written],
                beside=extras,
                counts={
                    "prompts": len(asked),
                    "students": len(judged),
                    "answers": sum(one.records for one in written),
                    **judge.unanswered,
                },
                complete=not judge.unanswered,
                stopped_by="budget" if "not_asked" in judge.unanswered else None,
                results={**results, "columns": columns},
            )


def _scores(judged: Mapping[str, Sequence[Judged]], on_guard: Mapping[str, Sequence[Judged]]) -> dict[str, Any]:
    """An entry for each student, the first one against each other, and what a blind guess would be right on. `on_guard`
    are the answers of the student and of the one that --guard holds it against; empty without a guard."""
    ours, *baselines = judged
    blind = guessing.guess(judged[ours])
    scored: dict[str, Any] = {
        "students": [score(student, found) for student, found in judged.items()],
        "against": {name: compare(judged[ours], judged[name]) for name in baselines},
        **(blind.entry() if blind else {}),
    }
    if on_guard:
        student, opponent = on_guard
        scored["guard"] = guard.result(student, opponent, on_guard)
    return scored


def _notes(config: EvaluateConfig, scored: Mapping[str, Any], sets: Sequence[Sequence[Prompt]]) -> Iterator[str]:
    """What a person should know of the scores; `sets` are the prompts, and those of the guard."""
    names = [entry["student"] for entry in scored["students"]]
    yield from (words for prompts in sets for name in names if (words := overlap.note(name, prompts)))
    yield from (in_words(config.student, name, found) for name, found in scored["against"].items())
    yield from guard.nothing_learnt(config.student, scored["against"])
    if "guessing" in scored:
        yield guessing.note(scored["students"][0], guessing.Guess(**scored["guessing"]))
    yield from (scored[name]["says"] for name in ("draft", "guard") if name in scored)


def _files_of(
    config: EvaluateConfig, judge: Judge, guarded: Path | None, held_against: str | None
) -> Iterable[tuple[str, Path]]:
    """What is read besides the prompts, with the option that names it."""
    if guarded:
        yield "guard", guarded
    named = [("student", config.student), *(("baseline", one) for one in config.baseline)]
    for option, student in [*named, *([("guard_against", held_against)] if held_against else [])]:
        yield from ((option, path) for path in recorded_files(student))
    yield from (("draft_for", path) for path in draft.files(config.draft_for or "") if config.draft_for)
    yield from (("verify", path) for path in judge.files())


@contextmanager
def _written(path: Path, judged: Mapping[str, Iterable[Judged]]) -> Iterator[ArtifactWriter]:
    """Every judged answer, student by student."""
    with ArtifactWriter(path) as writer:
        for answers_of_one in judged.values():
            for one in answers_of_one:
                writer.write(one)
        yield writer


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


def _extra_places(scores: Path, config: EvaluateConfig) -> list[Place]:
    """Where --write-weak and --export write; what stands there is replaced where an earlier run on this output wrote
    it."""
    before = written_before(scores, "evaluate")
    wanted: list[tuple[Path, str, bool]] = []
    if config.write_weak:
        wanted.append((Path(config.write_weak), f"--write-weak {config.write_weak}", True))
    if config.export:
        harness: PromptsExport = exports.build(config.export, "prompts", "--export")
        wanted += [(path, f"--export {config.export}", False) for path in harness.files(scores)]
    found: list[Place] = []
    for path, because, held in wanted:
        found += outputs.replaced(Place(path, lambda one: normalized(one) in before, because, held=held))
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
        weak = artifacts.write_whole(Path(config.write_weak), b"".join(lines))
        files.append(msgspec.structs.replace(weak, records=len(lines)))
        prompts_that = counted(len(lines), "prompt that", "prompts that")
        notes.append(f"written to {config.write_weak}: {prompts_that} {config.student} gets wrong; generate more")
    if config.export:
        harness: PromptsExport = exports.build(config.export, "prompts", "--export")
        written = harness.prompts(scores, prompts, config.student, config.max_output_tokens)
        files += written
        notes.append(f"{written[0].path}: a task for {config.export}; the README beside it has the command")
    return files, notes


def _read(path: Path, config: EvaluateConfig, judge: Judge, progress: Progress) -> tuple[list[Prompt], str]:
    """The prompts, and how their columns are read."""
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
    return prompts, file.describe()


def _judge_all(judge: Judge, responses: Sequence[Sequence[Response]]) -> list[Judged]:
    verdicts = judge.judge_all(responses)
    return [
        Judged(response=response, verdict=verdict)
        for both in zip(responses, verdicts, strict=True)
        for response, verdict in zip(*both, strict=True)
    ]
