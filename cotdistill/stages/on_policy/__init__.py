"""Prompts -> a student that has learnt from its own answers: what finetune does with --on-policy."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cotdistill import artifacts, students
from cotdistill.artifacts import Manifest
from cotdistill.artifacts.json_lines import BadLines
from cotdistill.config import FinetuneConfig, idle_notes
from cotdistill.config.on_policy import TEACHES_ALONE
from cotdistill.dispatch.budget import Budget, Tariff
from cotdistill.dispatch.session import Session
from cotdistill.errors import UsageError
from cotdistill.inputs import hub
from cotdistill.progress import Progress
from cotdistill.stages import training_run
from cotdistill.stages.on_policy import cold_start, questions
from cotdistill.stages.on_policy.cold_start import ColdStart
from cotdistill.store.location import store_path

if TYPE_CHECKING:
    from cotdistill.providers.scoring import SdkScorer
    from cotdistill.stages.on_policy.served import ServedTeacher
    from cotdistill.training.prepared import Job
    from cotdistill.training.train import Trained

PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "tokenizers", "torch-optimi")


def run(
    source: Path, student_dir: Path, config: FinetuneConfig, progress: Progress, *, month: Budget | None = None
) -> Manifest:
    """Train `config.student` on its own answers to the prompts of `source`, and write it to `student_dir`.

    Work in progress, `resume` and what is raised are those of `finetune.run`; scores of a teacher on a server are in
    the store, so a resumed run pays for none twice. `month` is what a recipe's month has left."""
    from cotdistill.stages.on_policy import served
    from cotdistill.training import distributed, student_directory

    if distributed.count() > 1:
        raise UsageError("--on-policy: trains in one process. Start it without accelerate launch")
    source = hub.fetch(source, progress.note)
    scorer = served.scorer_of(config)
    bad = BadLines(artifacts.sibling(student_dir, "bad.jsonl") if config.skip_bad else None)
    store = store_path(config.cache)
    if scorer is not None and (config.max_cost is not None or month is not None):
        Tariff(served.prices_of(scorer, config), _PRICE)  # raises for a price that is not known
    with (
        training_run.opened(source, student_dir, config, PACKAGES, bad, [store]) as current,
        bad,
        Session.on(
            store if scorer and not config.dry_run else None, config.max_cost, month, progress, "finetune"
        ) as session,
    ):
        current.read(source)
        current.notes += idle_notes(config)
        for option, name in (("student", config.student), ("teacher", config.teacher or "")):
            current.read_named((option, path) for path in students.recorded_files(name))
        if not (config.dry_run or config.resume) and (made := student_directory.same(current)):
            return made
        return _train(source, config, scorer, bad, current, session)


def _train(
    source: Path,
    config: FinetuneConfig,
    scorer: "SdkScorer | None",
    bad: BadLines,
    current: artifacts.Run,
    session: Session,
) -> Manifest:
    from cotdistill.stages.on_policy import prompts
    from cotdistill.stages.on_policy.served import ServedTeacher
    from cotdistill.students import load
    from cotdistill.training.on_policy import job as on_policy
    from cotdistill.training.on_policy.distance import Distance

    progress = session.progress
    tokenizer = load.tokenizer(config.student)
    asked, how = questions.read(source, config, bad)
    progress.note(f"{source}: {how}")
    tokenised = prompts.tokenise(asked, tokenizer, config, source, bad)
    current.notes += [*bad.notes(), *tokenised.notes]
    can_be_asked = [one.prompt for one in tokenised.questions]
    start = None
    if not (config.resume and _has_begun(current.output)):
        start = cold_start.look(can_be_asked, config, session, progress)
        progress.note(start.describe())
        start.check(config.student)
    teacher = ServedTeacher(scorer, config, session, can_be_asked, tokenizer) if scorer else None
    prepared = on_policy.prepare(tokenizer, tokenised.read, tokenised.shown, Distance.of(config.loss), config, teacher)
    counts = {"prompts": len(can_be_asked), **tokenised.left_out, "steps": prepared.schedule.steps}
    found = {} if start is None else start.results()
    if config.dry_run:
        rehearsed = _rehearse(prepared, start, teacher, config, progress)
        return current.summary(counts=counts, results={**found, **rehearsed})

    def results_of(trained: "Trained") -> dict[str, Any]:
        current.notes += session.notes()
        return found | _of_answers(trained.history) | (teacher.results() if teacher else {})

    return training_run.train_and_publish(
        current,
        prepared,
        config,
        counts,
        bad,
        progress,
        results_of=results_of,
        trained_on=lambda counts: _trained_on(config, counts),
    )


_PRICE = "--max-cost: the price of {model!r} is not known; give --price-in"


def _has_begun(student_dir: Path) -> bool:
    from cotdistill.training import checkpoints, student_directory

    return checkpoints.newest(student_directory.work_directory(student_dir) / "checkpoints")[0] is not None


def _rehearse(
    prepared: "Job",
    start: ColdStart | None,
    teacher: "ServedTeacher | None",
    config: FinetuneConfig,
    progress: Progress,
) -> dict[str, Any]:
    """What the whole run would take: seconds and memory where the teacher is on this machine, tokens and money where it
    is on a server, which is not asked."""
    from cotdistill.training import rehearsal

    for choice in prepared.choices:
        progress.note(f"{choice.option} {choice.value:g}: {choice.reason}")
    answers = len(prepared.schedule.examples)
    mean = start.answer_tokens if start else float(config.max_output_tokens)
    tokens = {"answers": answers, "answer_tokens": round(answers * mean)}
    if teacher:
        return tokens | teacher.estimate(prepared.schedule.tokens, answers, mean)
    return tokens | rehearsal.rehearse(prepared)


def _of_answers(history: Sequence[dict[str, float]]) -> dict[str, float]:
    """Mean length and share of cut answers, in the first and in the last log entry: where they drift apart, the student
    learns to write longer or shorter than it should."""
    logged = [entry for entry in history if "answer_tokens" in entry]
    if not logged:
        return {}
    return {
        "answer_tokens_at_first": logged[0]["answer_tokens"],
        "answer_tokens_at_last": logged[-1]["answer_tokens"],
        "clipped_share_at_last": logged[-1]["clipped_share"],
    }


def _trained_on(config: FinetuneConfig, counts: Mapping[str, int]) -> str:
    teacher = "itself, shown the teacher's traces" if config.teacher == TEACHES_ALONE else f"`{_public(config)}`"
    return (
        f"trained for {counts['steps']:,} steps on its own answers to {counts['prompts']:,} prompts, whose tokens were "
        f"scored by {teacher}"
    )


def _public(config: FinetuneConfig) -> str:
    """The teacher without the path of its directory."""
    provider, _, model = (config.teacher or "").partition(":")
    return f"{provider}:{Path(model).name if Path(model).exists() else model}"
