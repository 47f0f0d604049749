"""The whole chain, offline, in minutes: a simulated teacher with a habit, and what three students learn from it.

All students have the same model, seed and steps. One sees answers only, one sees whatever the teacher wrote, one
sees the traces whose answer was verified. Each step is data (`Step`): it is run from it, and its command is
printed from it.
"""

import dataclasses
import multiprocessing
import queue
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cotdistill import artifacts
from cotdistill.artifacts import ArtifactWriter, Manifest
from cotdistill.artifacts.summary import one_line
from cotdistill.config import EvaluateConfig, FilterConfig, FinetuneConfig, FormatConfig, GenerateConfig
from cotdistill.errors import CotDistillError
from cotdistill.mock.problems import EXAMPLE
from cotdistill.progress import Progress

TEACHER = "mock:digit-chains"
CHANCE = 0.1
"""Each operation permutes the ten digits, so every final digit is equally likely."""


@dataclass(frozen=True)
class Step:
    """One command: a stage, its input and output, its options."""

    stage: str
    source: Path
    output: Path
    config: Any

    def command(self) -> str:
        """The command line that does the same by hand."""
        words = ["cotdistill", self.stage, str(self.source), "-o", str(self.output)]
        for field in dataclasses.fields(self.config):
            value = getattr(self.config, field.name)
            if value == field.default:
                continue
            for one in value if isinstance(value, tuple) else (value,):
                words.append("--" + field.name.replace("_", "-"))
                words += [] if one is True else [str(one)]
        return shlex.join(words)

    def run(self, progress: Progress) -> Manifest:
        import importlib

        stage = importlib.import_module(f"cotdistill.stages.{self.stage}")
        manifest: Manifest = stage.run(self.source, self.output, self.config, progress)
        progress.note(one_line(manifest))
        return manifest


@dataclass(frozen=True)
class Arm:
    """One student: what it is called and what it is trained on."""

    name: str
    learns_from: str
    finetune: Step


@dataclass(frozen=True)
class Demo:
    directory: Path
    problems: int = 2000
    held_out: int = 300
    samples: int = 4
    steps: int = 900
    seed: int = 0

    def teaching(self) -> list[Step]:
        """Problems to training rows."""
        at = self.directory
        ask = GenerateConfig(teacher=TEACHER, samples=self.samples, cache=str(at / "store.sqlite"))
        return [
            Step("generate", at / "prompts.jsonl", at / "responses.jsonl", ask),
            Step("filter", at / "responses.jsonl", at / "verified.jsonl", FilterConfig(select="first:k=1")),
            Step(
                "filter",
                at / "responses.jsonl",
                at / "all.jsonl",
                FilterConfig(select="first:k=1", keep_incorrect=True),
            ),
            Step("format", at / "verified.jsonl", at / "verified.train.jsonl", FormatConfig()),
            Step("format", at / "all.jsonl", at / "all.train.jsonl", FormatConfig()),
            Step("format", at / "verified.jsonl", at / "answers.train.jsonl", FormatConfig(format="answer_only")),
        ]

    def arms(self) -> list[Arm]:
        """The students; the last is the answers-only one again with twice the steps, about as many tokens."""
        return [
            Arm("verified traces", "traces whose answer is right", self._finetune("verified", self.steps)),
            Arm("all traces", "the first trace of each problem, right or wrong", self._finetune("all", self.steps)),
            Arm("answers only", "right answers, no traces", self._finetune("answers", self.steps)),
            Arm("answers only, 2x", "the same, twice the steps", self._finetune("answers", 2 * self.steps, "-2x")),
        ]

    def _finetune(self, rows: str, steps: int, suffix: str = "") -> Step:
        config = FinetuneConfig(student="tiny", max_steps=steps, batch_size=16, seed=self.seed)
        return Step(
            "finetune", self.directory / f"{rows}.train.jsonl", self.directory / f"student-{rows}{suffix}", config
        )

    def scoring(self) -> Step:
        first, *others = (str(arm.finetune.output) for arm in self.arms())
        config = EvaluateConfig(student=first, baseline=tuple(others), max_output_tokens=128, batch_size=100)
        return Step("evaluate", self.directory / "heldout.jsonl", self.directory / "scores.json", config)


def run(demo: Demo, progress: Progress) -> str:
    """Run everything and return the closing report. Raises CotDistillError when a step does."""
    began = time.monotonic()
    check_outputs(demo)
    demo.directory.mkdir(parents=True, exist_ok=True)
    progress.note(
        f"The teacher is simulated: {TEACHER}, a program that solves chains of last-digit operations such as "
        f"{EXAMPLE} and has a habit of forgetting to borrow."
    )
    write_problems(demo)
    manifests = [step.run(progress) for step in demo.teaching()]
    arms = demo.arms()
    _train([arm.finetune for arm in arms], progress)
    scores = demo.scoring().run(progress)
    return report(demo, manifests, scores, time.monotonic() - began)


def check_outputs(demo: Demo) -> None:
    """Raises UsageError, before anything is written, where the demo would replace a file that it did not write."""
    for name in ("prompts", "heldout"):
        artifacts.check_output("demo", demo.directory / f"{name}.jsonl")
    for step in [*demo.teaching(), *(arm.finetune for arm in demo.arms()), demo.scoring()]:
        artifacts.check_output(step.stage, step.output, directory=step.stage == "finetune")


def write_problems(demo: Demo) -> None:
    """Problems to learn from and held-out ones; no problem is in both."""
    from cotdistill.mock import problems

    training = problems.generate(demo.problems, seed=demo.seed)
    held_out = problems.generate(
        demo.held_out, seed=demo.seed + 1_000_003, exclude=frozenset(problem.text for problem in training)
    )
    for name, chosen in (("prompts", training), ("heldout", held_out)):
        path = demo.directory / f"{name}.jsonl"
        with artifacts.run("demo", path, {"seed": demo.seed}) as current, ArtifactWriter(path) as writer:
            for number, problem in enumerate(chosen):
                writer.write(problem.as_prompt(f"{name}-{number:04}"))
            current.publish([writer], counts={"problems": writer.records})


def _train(steps: Sequence[Step], progress: Progress) -> None:
    """Train in two one-thread processes: a model this small is slower on two threads than on one."""
    context = multiprocessing.get_context("spawn")
    news: Any = context.Queue()
    waiting = sorted(steps, key=lambda step: step.config.max_steps, reverse=True)
    running: dict[str, Any] = {}
    done = dict.fromkeys((str(step.output) for step in steps), 0)
    progress.begin(f"finetune {len(steps)} students", sum(step.config.max_steps for step in steps))
    try:
        while waiting or running:
            while waiting and len(running) < 2:
                step = waiting.pop(0)
                process = context.Process(target=_train_one, args=(step, news), daemon=True)
                process.start()
                running[str(step.output)] = process
            _hear(news, done, running, progress)
    finally:
        for process in running.values():
            process.terminate()


def _hear(news: Any, done: dict[str, int], running: dict[str, Any], progress: Progress) -> None:
    try:
        name, steps, detail = news.get(timeout=1.0)
    except queue.Empty:
        for name, process in running.items():
            if process.exitcode not in (None, 0):
                raise CotDistillError(f"{name}: its training process ended with code {process.exitcode}") from None
        return
    if isinstance(steps, str):
        raise CotDistillError(steps)
    if steps is None:
        running.pop(name).join()
        return
    done[name] = steps
    progress.update(sum(done.values()), detail)


def _train_one(step: Step, news: Any) -> None:
    """In a process of its own: report steps, then None; a failure as its message."""
    name = str(step.output)
    try:
        step.run(_Relay(lambda steps, detail: news.put((name, steps, detail))))
        news.put((name, None, ""))
    except CotDistillError as error:
        news.put((name, str(error), ""))


@dataclass
class _Relay:
    """Progress for a child process: passes on how far it is."""

    tell: Callable[[int, str], None]

    def begin(self, label: str, total: int | None) -> None: ...

    def update(self, done: int, detail: str = "") -> None:
        self.tell(done, detail)

    def note(self, message: str) -> None: ...
    def close(self) -> None: ...


def report(demo: Demo, manifests: Sequence[Manifest], scores: Manifest, seconds: float) -> str:
    verified = manifests[1]
    trained = {str(arm.finetune.output): arm for arm in demo.arms()}
    lines = [
        "",
        f"The simulated teacher's traces end right {verified.results['accuracy']:.0%} of the time. "
        f"What {demo.held_out} held-out problems say of students trained on them, seed {demo.seed}:",
        "",
        f"  {'student':<18}{'accuracy':>9}  {'95 % interval':<16}{'steps':>6}  learns from",
    ]
    for entry in scores.results["students"]:
        arm = trained[entry["student"]]
        low, high = entry["interval"]
        lines.append(
            f"  {arm.name:<18}{entry['accuracy']:>9.1%}  {f'{low:.1%} to {high:.1%}':<16}"
            f"{arm.finetune.config.max_steps:>6}  {arm.learns_from}"
        )
    steps = [*demo.teaching(), *(arm.finetune for arm in demo.arms()), demo.scoring()]
    first, _, answers, _ = (arm.finetune.output for arm in demo.arms())
    lines += [
        f"  {'chance':<18}{CHANCE:>9.1%}",
        "",
        "Each step by hand:",
        *(f"  {step.command()}" for step in steps),
        "",
        f'Ask one yourself: cotdistill ask {shlex.quote(str(first))} "{EXAMPLE}" --beside {shlex.quote(str(answers))}',
        "",
        f"Files in {demo.directory}/: prompts, responses (every sample), verified and dropped ones with reasons,",
        "training rows, four student directories that plain transformers loads, scores and every judged answer.",
        f"Took {seconds:.0f} s.",
        "",
        "Next, a page to look through the traces, and a recipe for prompts of your own:",
        f"  cotdistill report {demo.directory} -o report.html",
        "  cotdistill init mine",
    ]
    return "\n".join(lines)
