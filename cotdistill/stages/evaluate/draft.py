"""--draft-for: the acceptance rate that a student would have as the draft of a teacher in speculative decoding."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cotdistill.artifacts import json_lines
from cotdistill.artifacts.logprobs import LogprobsReader, logprobs_path
from cotdistill.config import EvaluateConfig
from cotdistill.errors import CotDistillError, UsageError, said_of
from cotdistill.progress import Progress
from cotdistill.records import Prompt, Response, as_dicts
from cotdistill.stages.evaluate.answers import is_recorded
from cotdistill.students import recorded_files

if TYPE_CHECKING:
    from cotdistill.students.drafting import Accepted, Listed

LEAST_ALIGNED = 0.9
"""Of the recorded answers. A teacher that samples writes a word in other tokens than its tokenizer would now and then;
one with another vocabulary does it everywhere."""

DRAFTED = 4
"""Tokens that a draft writes ahead, in the figure of tokens a call."""

PUBLISHED = (
    "published drafts: 0.53 to 0.75 (T5-small for T5-XXL, Leviathan et al. 2023); 0.69 of a dense draft of the same "
    "family brought no speed, so measure that too"
)


def files(teacher: str) -> list[Path]:
    """What is read of a teacher, to be recorded."""
    beside = [logprobs_path(Path(teacher))] if is_recorded(teacher) else []
    return [*recorded_files(teacher), *(path for path in beside if path.is_file())]


def result(config: EvaluateConfig, prompts: Sequence[Prompt], progress: Progress) -> dict[str, Any]:
    """For the scores: `agreement` of the first choices, with an interval by answers, and `acceptance`, the mean over
    tokens of sum min(p, q), with `acceptance_at_most` where the teacher gave its likeliest tokens alone.

    Raises UsageError for a teacher with another vocabulary, CotDistillError for one whose files lack the tokens."""
    teacher = config.draft_for or ""
    if is_recorded(config.student):
        raise UsageError(f"--draft-for: recorded answers cannot draft; give --student the model, not {config.student}")
    progress.begin(f"draft for {teacher}", len(prompts))
    if is_recorded(teacher):
        found, used = _recorded(config, Path(teacher), prompts, progress)
    else:
        found, used = _local(config, teacher, prompts, progress)
    low, high = found.agreed.interval()
    acceptance = found.least / found.tokens
    scored = {
        "teacher": teacher,
        "answers": used,
        "tokens": found.tokens,
        "agreement": round(found.agreed.share, 4),
        "agreement_interval": [round(low, 4), round(high, 4)],
        "acceptance": round(acceptance, 4),
        "acceptance_at_most": round(found.most / found.tokens, 4),
        "tokens_a_call": round(tokens_a_call(acceptance), 2),
    }
    return {**scored, "says": _in_words(config.student, scored)}


def tokens_a_call(acceptance: float, drafted: int = DRAFTED) -> float:
    """Tokens that each call of the teacher yields, were every drafted one accepted with the same probability, each for
    itself (equation 1 of Leviathan et al.)."""
    if acceptance >= 1:
        return drafted + 1.0
    return (1 - acceptance ** (drafted + 1)) / (1 - acceptance)


def _in_words(student: str, scored: dict[str, Any]) -> str:
    most = scored["acceptance_at_most"]
    bound = f" to {most:.1%}" if most - scored["acceptance"] >= 0.0005 else ""
    return (
        f"{student} as the draft of {scored['teacher']}: {scored['acceptance']:.1%}{bound} of sampled tokens would be "
        f"accepted, {scored['agreement']:.1%} of greedy ones, over {scored['tokens']:,} tokens; "
        f"{scored['tokens_a_call']:.2f} tokens a call with {DRAFTED} drafted ahead. {PUBLISHED}"
    )


def _local(
    config: EvaluateConfig, teacher: str, prompts: Sequence[Prompt], progress: Progress
) -> "tuple[Accepted, int]":
    from cotdistill.students import drafting, vocabulary
    from cotdistill.students.generator import Generator

    name = teacher.removeprefix("local:")
    draft = Generator(config.student.removeprefix("local:"), config.threads)
    with said_of(f"--draft-for {teacher}"):
        whole = Generator(name, config.threads)
    vocabulary.check_same(draft.prompter.tokenizer, whole.prompter.tokenizer, teacher, "--draft-for")
    asked = [whole.prompt(as_dicts(prompt.messages)) for prompt in prompts]
    return drafting.with_local(draft, whole, asked, config.max_output_tokens, progress.update), len(prompts)


def _recorded(
    config: EvaluateConfig, path: Path, prompts: Sequence[Prompt], progress: Progress
) -> "tuple[Accepted, int]":
    from cotdistill.students import drafting
    from cotdistill.students.aligned import Aligner
    from cotdistill.students.generator import Generator

    beside = logprobs_path(path)
    if not beside.is_file():
        raise CotDistillError(
            f"--draft-for {path}: expected {beside.name} beside it, which `generate --logprobs K` writes; found nothing"
        )
    wanted = {prompt.id for prompt in prompts}
    responses = [one for one in json_lines.read_records(path, Response) if one.prompt.id in wanted and one.confidence]
    if not responses:
        raise UsageError(
            f"--draft-for {path}: it has no answer with log-probabilities to any of the {len(wanted)} prompts; give "
            f"the prompts that it answers, or its answers to these"
        )
    draft = Generator(config.student.removeprefix("local:"), config.threads)
    with ExitStack() as stack:
        reader = stack.enter_context(LogprobsReader(beside))
        aligned = list(_aligned(responses, reader, draft.prompter.tokenizer, Aligner(draft.prompter.tokenizer)))
    answers = [one for one in aligned if one is not None]
    if len(answers) < LEAST_ALIGNED * len(responses):
        raise UsageError(
            f"--draft-for {path}: {len(responses) - len(answers)} of {len(responses)} answers to these prompts are "
            f"made of other tokens than {config.student} cuts them into: another vocabulary. A draft must share its "
            f"teacher's tokens; take a student of the teacher's own family"
        )
    return drafting.with_listed(draft, answers, progress.update), len(answers)


def _aligned(
    responses: Sequence[Response], reader: LogprobsReader, tokenizer: Any, aligner: Any
) -> "Iterator[Listed | None]":
    """Each answer as the student would be trained on it, with the places of the teacher's tokens; None where they are
    not the student's."""
    from cotdistill.chat.template import render
    from cotdistill.students.drafting import Listed

    for response in responses:
        columns = reader.of(response.request_key, response.sample)
        if columns is None or not columns.k:
            yield None
            continue
        positions = reader.positions(columns)
        answer = {"role": "assistant", "content": response.text, "reasoning_content": response.reasoning}
        try:
            asked = as_dicts(response.prompt.messages)
            row = render(tokenizer, {"id": response.prompt.id, "prompt": asked, "completion": [answer]})
        except CotDistillError:
            yield None
            continue
        ids = aligner.ids([one.token for one in positions])
        places = aligner.places(row.input_ids, row.n_prompt, ids, columns.reasoning)
        if not places:
            yield None
            continue
        tops = [one.top + ((None, float("-inf")),) * (columns.k - len(one.top)) for one in positions[: len(places)]]
        yield Listed(
            row.input_ids,
            places,
            [aligner.ids([token for token, _ in top]) for top in tops],
            [[logprob for _, logprob in top] for top in tops],
        )
