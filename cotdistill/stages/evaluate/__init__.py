"""Prompts -> scores: ask the student and its baselines the same questions, judge with filter's verifiers."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from cotdistill import artifacts
from cotdistill.artifacts import ArtifactWriter, Manifest
from cotdistill.config import EvaluateConfig, check, idle_notes
from cotdistill.dispatch.budget import Budget
from cotdistill.dispatch.session import Session
from cotdistill.inputs import hub
from cotdistill.progress import Progress
from cotdistill.records import Judged, Prompt, money
from cotdistill.stages.evaluate import draft, extras, guard, guessing, overlap, prompt_sets
from cotdistill.stages.evaluate.heeded import pays, unheeded
from cotdistill.stages.evaluate.prompt_sets import PromptSet
from cotdistill.stages.evaluate.scores import compare, in_words, score
from cotdistill.stages.verification import Judge
from cotdistill.store.location import store_path
from cotdistill.students import recorded_files

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
    opponent = guard.opponent(config) if guarded else None
    judge = Judge(config.verify)
    store = store_path(config.cache)
    answers_file, guard_answers = (
        artifacts.sibling(scores, ending) for ending in ("answers.jsonl", "guard.answers.jsonl")
    )
    with (
        artifacts.run(
            "evaluate",
            scores,
            dataclasses.asdict(config),
            PACKAGES,
            siblings=[answers_file, guard_answers],
            also=extras.places(scores, config),
            stores=[store],
            inputs=[prompts, guarded] if guarded else [prompts],
        ) as current,
        Session.on(store if pays(config, judge) else None, config.max_cost, month, progress, "evaluate") as session,
    ):
        current.read(prompts)
        current.notes += idle_notes(config, unheeded(config, judge))
        current.read_named(_files_of(config, judge, guarded, opponent))
        students = (config.student, *config.baseline)
        sets = [prompt_sets.read(prompts, students, answers_file, config, judge, progress)]
        if guarded and opponent:
            pair = (config.student, opponent)
            sets.append(prompt_sets.read(guarded, pair, guard_answers, config, judge, progress))
        judge.join(session)
        # First, for it refuses another vocabulary, and answers may cost money.
        drafted = draft.result(config, sets[0].prompts, progress) if config.draft_for else None
        with ArtifactWriter(scores) as writer:
            current.notes += prompt_sets.ask_all(sets, judge, config, session, progress)
            return _publish(current, writer, sets, drafted, judge, config, session)


def _publish(
    current: artifacts.Run,
    writer: ArtifactWriter,
    sets: Sequence[PromptSet],
    drafted: Mapping[str, Any] | None,
    judge: Judge,
    config: EvaluateConfig,
    session: Session,
) -> Manifest:
    held_out, *guards = sets
    scored = {
        "prompts": len(held_out.prompts),
        **_scores(held_out.judged, guards[0].judged if guards else {}),
        **({"draft": drafted} if drafted else {}),
    }
    with ExitStack() as stack:
        written = [stack.enter_context(one.written()) for one in sets]
        writer.write(scored)
        beside, of_extras = extras.write(current.output, held_out.prompts, held_out.judged[config.student], config)
        notes = _notes(config, scored, [one.prompts for one in sets])
        current.notes += [judge.describe(), *judge.notes(), *notes, *of_extras]
        results: dict[str, Any] = {
            name: scored[name] for name in ("students", "guessing", "guard", "draft") if name in scored
        }
        return current.publish(
            [writer, *written],
            beside=beside,
            counts={
                "prompts": len(held_out.prompts),
                "students": len(held_out.judged),
                "answers": sum(one.records for one in written),
                **judge.unanswered,
            },
            complete=not judge.unanswered,
            stopped_by="budget" if "not_asked" in judge.unanswered else None,
            results={
                **results,
                **({"spent_usd": money(session.spent)} if session.spent else {}),
                "columns": held_out.columns,
            },
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
    config: EvaluateConfig, judge: Judge, guarded: Path | None, opponent: str | None
) -> Iterable[tuple[str, Path]]:
    """What is read besides the prompts, with the option that names it."""
    if guarded:
        yield "guard", guarded
    named = [("student", config.student), *(("baseline", one) for one in config.baseline)]
    for option, student in [*named, *([("guard_against", opponent)] if opponent else [])]:
        yield from ((option, path) for path in recorded_files(student))
    yield from (("draft_for", path) for path in draft.files(config.draft_for or "") if config.draft_for)
    yield from (("verify", path) for path in judge.files())
