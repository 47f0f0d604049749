"""Prompts -> scores: ask the student and its baselines the same questions, judge with filter's verifiers."""

import asyncio
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from cotdistill import artifacts, plugins, teachers
from cotdistill.artifacts import ArtifactWriter, FileInfo, Manifest, json_lines, outputs
from cotdistill.artifacts.manifest import plain, written_before
from cotdistill.artifacts.outputs import Place
from cotdistill.config import EvaluateConfig, check
from cotdistill.dispatch.asking import Job, Limits, ask_all
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.exports import lm_eval
from cotdistill.inputs import hub
from cotdistill.inputs.prompt_files import PromptFile
from cotdistill.progress import Progress
from cotdistill.providers.types import Reply, Request, Teacher
from cotdistill.records import Judged, Prompt, Response, TeacherInfo
from cotdistill.stages.evaluate import overlap
from cotdistill.stages.evaluate.scores import compare, in_words, is_not_judged, is_right, score
from cotdistill.stages.verification import Judge
from cotdistill.store.answers import Store, request_key
from cotdistill.store.location import default_path

PACKAGES = ("torch", "transformers", "math-verify", "openai", "anthropic")


def run(prompts: Path, scores: Path, config: EvaluateConfig, progress: Progress) -> Manifest:
    """Write `scores` (JSON: an entry for each student, and the student against each baseline) and every judged answer
    to `<stem>.answers.jsonl`.

    Greedy answers give the accuracy with its 95 % Wilson interval; with `samples` > 1 that many sampled answers also
    give pass@k and the majority's accuracy. A prompt without a reference is refused: it cannot be scored.
    """
    check(config)
    prompts = hub.fetch(prompts, progress.note)
    judge = Judge(config.verify)
    with artifacts.run(
        "evaluate",
        scores,
        dataclasses.asdict(config),
        PACKAGES,
        siblings=[artifacts.sibling(scores, "answers.jsonl")],
        also=_extra_places(scores, config),
        stores=[default_path()],
    ) as current:
        current.read(prompts, allow_modified=config.allow_modified)
        for option, student in (("student", config.student), *(("baseline", one) for one in config.baseline)):
            for path in _files_of(student):
                current.read(path, allow_modified=config.allow_modified, option=option)
        for path in judge.files():
            current.read(path, allow_modified=config.allow_modified, option="verify")
        file = PromptFile.chosen(prompts, config, bad=json_lines.BadLines(None, skippable=False))
        asked = _read(file)
        progress.note(f"{prompts}: {file.describe()}")
        judged: dict[str, list[Judged]] = {}
        with (
            ArtifactWriter(scores) as writer,
            ArtifactWriter(artifacts.sibling(scores, "answers.jsonl")) as answers,
        ):
            for student in (config.student, *config.baseline):
                judged[student] = _answers(student, asked, judge, config, progress)
                current.notes += _not_judged(student, judged[student])
                for one in judged[student]:
                    answers.write(one)
            entries = [score(student, found) for student, found in judged.items()]
            against = {name: compare(judged[config.student], judged[name]) for name in list(judged)[1:]}
            writer.write({"prompts": len(asked), "students": entries, "against": against})
            current.notes += [judge.describe(), *judge.notes()]
            current.notes += [words for student in judged if (words := overlap.note(student, asked))]
            current.notes += [in_words(config.student, name, found) for name, found in against.items()]
            extras, notes = _extras(scores, asked, judged[config.student], config)
            current.notes += notes
            counts = {"prompts": len(asked), "students": len(entries), "answers": answers.records}
            results = {"students": entries, "columns": file.describe()}
            return current.publish([writer, answers], counts=counts, beside=extras, results=results)


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
        wanted += [(path, f"--export {config.export}") for path in lm_eval.files(_lm_eval_folder(scores))]
    found: list[Place] = []
    for path, because in wanted:
        found += outputs.replaced(Place(path, lambda one: plain(one) in before, because))
    return found


def _lm_eval_folder(scores: Path) -> Path:
    return artifacts.sibling(scores, "lm_eval")


def _files_of(student: str) -> list[Path]:
    """Recorded responses, a .gguf file, or what tells one state of a student's directory from another."""
    path = Path(student)
    if path.is_file():
        return [path]
    return [file for name in ("manifest.json", "config.json") if (file := path / name).is_file()][:1]


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
        written = lm_eval.export(_lm_eval_folder(scores), prompts, config.student, config.max_output_tokens)
        files += written
        notes.append(f"{written[0].path}: a task for lm-eval; the README beside it has the command")
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


def _answers(
    student: str, prompts: Sequence[Prompt], judge: Judge, config: EvaluateConfig, progress: Progress
) -> list[Judged]:
    """All answers of one student, judged, in prompt order."""
    if Path(student).suffix == ".jsonl" and Path(student).is_file():
        return _judge_all(judge, _recorded(Path(student), prompts))
    asker = Asker(_teacher(student, config), config)
    progress.begin(f"evaluate {student}", len(prompts) * len(asker.passes()))
    replies = asyncio.run(asker.replies(prompts, progress))
    samples = range(len(asker.passes()))
    return _judge_all(
        judge, [[asker.response(prompt, n, replies[prompt.id, n]) for n in samples] for prompt in prompts]
    )


def _recorded(path: Path, prompts: Sequence[Prompt]) -> list[list[Response]]:
    """The first answers of a file of responses, such as the teacher's, to the prompts that are asked."""
    wanted = {prompt.id: prompt for prompt in prompts}
    found = {
        one.prompt.id: [msgspec.structs.replace(one, prompt=wanted[one.prompt.id])]
        for one in json_lines.read_records(path, Response)
        if one.sample == 0 and one.prompt.id in wanted
    }
    missing = [name for name in wanted if name not in found]
    if missing:
        raise CotDistillError(
            f"{path}: no answer to {len(missing)} of {len(wanted)} prompts, the first is {missing[0]!r}"
        )
    return [found[name] for name in wanted]


def _judge_all(judge: Judge, responses: Sequence[Sequence[Response]]) -> list[Judged]:
    verdicts = judge.judge_all(responses)
    return [
        Judged(response=response, verdict=verdict)
        for both in zip(responses, verdicts, strict=True)
        for response, verdict in zip(*both, strict=True)
    ]


def _teacher(student: str, config: EvaluateConfig) -> Teacher:
    """A student is asked like a teacher: over an API when it reads as PROVIDER:MODEL, else in this process."""
    provider, colon, _ = student.partition(":")
    if colon and provider in plugins.names("teachers") and provider != "local":
        return teachers.build(student, config.base_url, config.concurrency, timeout_s=600)
    from cotdistill.teachers.local import Teacher as LocalTeacher

    return LocalTeacher(
        model=student.removeprefix("local:"), batch_size=config.batch_size, threads=config.threads, seed=config.seed
    )


@dataclass
class Asker:
    teacher: Teacher
    config: EvaluateConfig

    def passes(self) -> list[float | None]:
        """The temperature of each answer to one prompt: greedy first, then the sampled ones."""
        sampled = self.config.samples if self.config.samples > 1 else 0
        return [self._temperature(0.0), *[self._temperature(self.config.temperature)] * sampled]

    def _temperature(self, temperature: float) -> float | None:
        """None where the provider takes none (Anthropic)."""
        try:
            self.teacher.body(Request((), 1, temperature))
        except UsageError:
            return None
        return temperature

    async def replies(self, prompts: Sequence[Prompt], progress: Progress) -> dict[tuple[str, int], Reply]:
        """Every reply, from the store where an API was asked this before. Raises CotDistillError for a prompt
        that got none: a score over fewer prompts would not compare."""
        store = None if self.teacher.provider in ("local", "mock") else Store(default_path())
        replies: dict[tuple[str, int], Reply] = {}

        def missing() -> Iterator[Job]:
            for job in self._jobs(prompts):
                raw = store.get(job.key, job.sample) if store else None
                if raw is None:
                    yield job
                else:
                    replies[job.prompt.id, job.sample] = self.teacher.read(raw)

        async def keep(job: Job, reply: Reply) -> None:
            if store:
                await store.put(job.key, job.sample, job.key, self.teacher.provider, self.teacher.model, reply.raw)
            replies[job.prompt.id, job.sample] = reply

        local = self.teacher.provider == "local"
        asked = await ask_all(
            self.teacher,
            missing(),
            keep,
            limits=Limits(self.teacher.concurrency, at_once=local or self.config.concurrency is not None),
            timeout_s=24 * 3600 if local else 600,  # a local answer waits for its whole batch
            max_attempts=8,
            progress=progress,
        )
        if store:
            store.close()
        for (prompt, _), failure in asked.failures.items():
            raise CotDistillError(f"{self.teacher.model}: no answer to prompt {prompt!r}: {failure.message}")
        return replies

    def _jobs(self, prompts: Sequence[Prompt]) -> Iterator[Job]:
        """Longest first, so that a batch holds prompts of one length and memory peaks at the start."""
        for sample, temperature in enumerate(self.passes()):
            for prompt in sorted(prompts, key=lambda one: -sum(len(turn.content) for turn in one.messages)):
                request = Request(prompt.messages, self.config.max_output_tokens, temperature)
                yield Job(prompt, sample, self._key(request), request)

    def _key(self, request: Request) -> str:
        return request_key(self.teacher.base_url, self.teacher.body(request))

    def response(self, prompt: Prompt, sample: int, reply: Reply) -> Response:
        teacher = self.teacher
        request = Request(prompt.messages, self.config.max_output_tokens, self.passes()[sample])
        return Response(
            prompt=prompt,
            sample=sample,
            reasoning=reply.reasoning,
            reasoning_kind=reply.reasoning_kind,
            text=reply.text,
            stop_reason=reply.stop_reason,
            teacher=TeacherInfo(provider=teacher.provider, model=teacher.model, base_url=teacher.base_url),
            usage=reply.usage,
            request_key=self._key(request),
        )


def read_scores(path: Path) -> dict[str, Any]:
    with json_lines.open_input(path) as file:
        scores: dict[str, Any] = msgspec.json.decode(file.read())
    return scores
