"""The whole chain, offline, in minutes: a simulated teacher with a habit, and what three students learn from it.

All students have the same model, seed and steps. One sees answers only, one sees whatever the teacher wrote, one
sees the traces whose answer was verified. Each step is data (`Step`): it is run from it, and its command is
printed from it.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cotdistill import artifacts
from cotdistill.artifacts import ArtifactWriter, Manifest
from cotdistill.artifacts.opening import check_directory
from cotdistill.artifacts.scores import scores_of
from cotdistill.config import EvaluateConfig, FilterConfig, FinetuneConfig, FormatConfig, GenerateConfig
from cotdistill.mock.problems import EXAMPLE
from cotdistill.progress import Progress
from cotdistill.recipes.demo import closing, training
from cotdistill.recipes.demo.closing import Result
from cotdistill.recipes.demo.steps import Step

TEACHER = "mock:digit-chains"

LEARNT = (1, 2, 3, 4, 5, 6, 6, 6)
"""Steps of the problems to learn from, each as likely as the others: a student that has seen chains of one length only
answers no other. The held-out ones have six, the most."""


@dataclass(frozen=True)
class Arm:
    """One student: what it learns from, and how it is trained."""

    name: str
    finetune: Step


@dataclass(frozen=True)
class Demo:
    directory: Path
    problems: int = 3000
    held_out: int = 300
    samples: int = 4
    steps: int = 1200
    seed: int = 0

    def asking(self) -> Step:
        config = GenerateConfig(teacher=TEACHER, samples=self.samples, cache=str(self.directory / "store.sqlite"))
        return Step("generate", self.directory / "prompts.jsonl", self.directory / "responses.jsonl", config)

    def filtering(self) -> list[Step]:
        """What is right, and whatever the teacher wrote."""
        at, config = self.directory, FilterConfig(select="first:k=1")
        everything = FilterConfig(select="first:k=1", keep_incorrect=True)
        return [
            Step("filter", at / "responses.jsonl", at / "verified.jsonl", config),
            Step("filter", at / "responses.jsonl", at / "all.jsonl", everything),
        ]

    def formatting(self) -> list[Step]:
        at = self.directory
        return [
            Step("format", at / "verified.jsonl", at / "verified.train.jsonl", FormatConfig()),
            Step("format", at / "all.jsonl", at / "all.train.jsonl", FormatConfig()),
            Step("format", at / "verified.jsonl", at / "answers.train.jsonl", FormatConfig(format="answer_only")),
        ]

    def arms(self) -> list[Arm]:
        """The students; the last is the answers-only one again with twice the steps, about as many tokens."""
        return [
            Arm("verified traces", self._finetune("verified", self.steps)),
            Arm("all traces", self._finetune("all", self.steps)),
            Arm("answers only", self._finetune("answers", self.steps)),
            Arm("answers only, 2x", self._finetune("answers", 2 * self.steps, "-2x")),
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

    def commands(self) -> list[Step]:
        """Every step, in order."""
        finetunes = [arm.finetune for arm in self.arms()]
        return [self.asking(), *self.filtering(), *self.formatting(), *finetunes, self.scoring()]


def run(demo: Demo, progress: Progress) -> str:
    """Run everything, write README.md with the commands, and return the closing words. Raises CotDistillError when a
    step does."""
    with artifacts.lock(demo.directory):
        return _run(demo, progress)


def _run(demo: Demo, progress: Progress) -> str:
    began = time.monotonic()
    check_outputs(demo)
    demo.directory.mkdir(parents=True, exist_ok=True)
    progress.note(closing.opening(EXAMPLE))
    write_problems(demo)
    live = closing.OnlyBars(progress)
    asked = demo.asking().run(live)
    progress.note(
        closing.line("generate", f"asked for {asked.counts['responses']:,} answers, {demo.samples} a problem")
    )
    right, _ = [step.run(live) for step in demo.filtering()]
    progress.note(closing.line("filter", closing.kept(right)))
    for step in demo.formatting():
        step.run(live)
    progress.note(closing.line("format", "rows with right traces, with all traces, with right answers only"))
    arms = demo.arms()
    training.train([arm.finetune for arm in arms], live)
    progress.note(closing.line("finetune", f"4 students of 0.1 M parameters, {demo.steps:,} steps, one twice as many"))
    scores = demo.scoring().run(live)
    progress.note(closing.line("evaluate", f"{demo.held_out} problems that no student has seen"))
    result = Result(demo.directory, demo.seed, _by_arm(arms, scores), time.monotonic() - began)
    closing.write_readme(result, demo.commands(), EXAMPLE)
    return closing.words(result, EXAMPLE)


def _by_arm(arms: Sequence[Arm], scores: Manifest) -> list[closing.Score]:
    known = {one.student: one for one in scores_of(scores)}
    found = [(arm.name, arm.finetune, known[str(arm.finetune.output)]) for arm in arms]
    return [closing.Score(name, step.output, one.accuracy, one.interval) for name, step, one in found]


def check_outputs(demo: Demo) -> None:
    """Raises UsageError, before anything is written, where the demo would replace a file that it did not write."""
    check_directory(demo.directory)
    for name in ("prompts", "heldout"):
        artifacts.check_output("demo", demo.directory / f"{name}.jsonl")
    for step in demo.commands():
        artifacts.check_output(step.stage, step.output, directory=step.stage == "finetune")
    closing.check_readme(demo.directory)


def write_problems(demo: Demo) -> None:
    """Problems to learn from and held-out ones; no problem is in both."""
    from cotdistill.mock import problems

    learnt = problems.generate(demo.problems, seed=demo.seed, steps=LEARNT)
    held_out = problems.generate(
        demo.held_out, seed=demo.seed + 1_000_003, exclude=frozenset(problem.text for problem in learnt)
    )
    for name, chosen in (("prompts", learnt), ("heldout", held_out)):
        path = demo.directory / f"{name}.jsonl"
        with artifacts.run("demo", path, {"seed": demo.seed}) as current, ArtifactWriter(path) as writer:
            for number, problem in enumerate(chosen):
                writer.write(problem.as_prompt(f"{name}-{number:04}"))
            current.publish([writer], counts={"problems": writer.records})
