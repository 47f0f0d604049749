"""Sends every request of expand through generate, with its store, budget, batches, retries and errors: turns one round
of requests into generate's input, and its output into answers."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from pathlib import Path

from cotdistill import teachers
from cotdistill.artifacts import ArtifactWriter, Manifest, sibling
from cotdistill.artifacts.json_lines import read_records
from cotdistill.config import ExpandConfig, GenerateConfig
from cotdistill.dispatch.budget import Budget, Tariff
from cotdistill.pricing import plus
from cotdistill.progress import Passed, Progress
from cotdistill.providers.batch_apis import open_batches
from cotdistill.providers.types import Request
from cotdistill.records import Prompt, Response
from cotdistill.stages import generate
from cotdistill.stages.generate.estimate import estimated_tokens
from cotdistill.stages.generate.output import NOT_ASKED, Failed
from cotdistill.stages.generate.settings import prices_of


@dataclass
class Round:
    """The outcome of one round: the answers to each prompt by its id, and the reasons why others have none."""

    answers: dict[str, list[Response]]
    failed: dict[str, str]
    missing: int
    """Requests that were not sent: only stored answers were wanted, or the budget is used up."""


@dataclass
class Measured:
    """How many answers came back. For those with a known usage: their number and their tokens, input as estimated here,
    input and output as billed."""

    answers: int = 0
    billed: int = 0
    estimated: int = 0
    input: int = 0
    output: int = 0

    def add(self, response: Response) -> None:
        self.answers += 1
        usage = response.usage
        if usage.input_tokens is not None and usage.output_tokens is not None:
            self.billed += 1
            self.estimated += estimated_tokens(response.prompt.messages)
            self.input += usage.input_tokens
            self.output += usage.output_tokens


@dataclass
class Asker:
    """Asks one model. With `stored_only` nothing is sent, and only stored answers come back. `work` is a folder for
    generate's files of one round, which the next round replaces: the store keeps all of it."""

    label: str
    config: GenerateConfig
    work: Path
    progress: Progress
    budget: Budget | None = None
    stored_only: bool = False
    bought: int = 0
    spent: Decimal | None = Decimal(0)
    """USD for what was bought in this run; None where a price is not known."""
    exhausted: bool = False
    notes: list[str] = field(default_factory=list)
    measured: Measured = field(default_factory=Measured)

    def for_another(self, label: str, config: GenerateConfig) -> "Asker":
        """An Asker for another model, or for the same one in another way, within the same budget."""
        return Asker(label, config, self.work, self.progress, self.budget, self.stored_only)

    def measured_until_now(self) -> Measured:
        """What was measured so far; measuring starts again."""
        found, self.measured = self.measured, Measured()
        return found

    def ask(self, prompts: Sequence[Prompt]) -> Round:
        """Raises what generate raises; everything paid for is then in the store."""
        if not prompts:
            return Round({}, {}, 0)
        asked, answered = self.work / "requests.jsonl", self.work / "answers.jsonl"
        with ArtifactWriter(asked) as writer:
            for prompt in prompts:
                writer.write(prompt)
            writer.commit()
        config = replace(self.config, reextract=True) if self.stored_only else self.config
        manifest = generate.run(
            asked,
            answered,
            config,
            _Shown(self.progress, self.label, str(asked)),
            month=self.budget,
            asked_by="expand",
        )
        self._count(manifest)
        found = Round({}, {}, manifest.counts.get("not_asked", 0))
        for response in read_records(answered, Response):
            found.answers.setdefault(response.prompt.id, []).append(response)
            self.measured.add(response)
        if (failed := sibling(answered, "failed.jsonl")).exists():
            found.failed = {one.id: one.reason for one in read_records(failed, Failed) if one.reason != NOT_ASKED}
        return found

    def _count(self, manifest: Manifest) -> None:
        self.bought += manifest.counts.get("bought", 0)
        spent = manifest.results.get("spent_usd")
        if manifest.counts.get("bought"):
            self.spent = plus(self.spent, None if spent is None else Decimal(spent))
        self.exhausted = manifest.stopped_by == "budget"
        self.notes += [note for note in manifest.notes if note not in self.notes]


def as_generate(config: ExpandConfig) -> GenerateConfig:
    """Generate's options among those of expand, for the teacher that writes. The cost cap is not among them, because it
    covers both models."""
    shared = {one.name for one in fields(GenerateConfig)} & {one.name for one in fields(ExpandConfig)}
    own = {"samples", "template", "prompt_field", "reference_field", "id_field", "limit", "max_cost"}
    values = {name: getattr(config, name) for name in shared - own - {"dry_run", "skip_bad", "allow_modified"}}
    return GenerateConfig(**values)


SAMPLED_AT = 1.0
"""The temperature where answers without one would be greedy, and all of them would agree."""


def model_of_answers(config: ExpandConfig) -> str:
    return config.solver or config.teacher


def for_answers(config: ExpandConfig, writing: GenerateConfig, samples: int) -> GenerateConfig:
    """Generate's options for the solver. The teacher's own answers are asked as generate would ask them, so that a
    later generate finds them in the store."""
    provider = model_of_answers(config).partition(":")[0]
    temperature = SAMPLED_AT if samples > 1 and teachers.answers_greedily(provider, None) else None
    asked = replace(writing, samples=samples, template=config.template, temperature=temperature)
    if config.solver is None:
        return asked
    return replace(
        asked,
        teacher=config.solver,
        base_url=config.solver_base_url,
        effort=None,
        engine="local",
        price_in=config.solver_price_in,
        price_out=config.solver_price_out,
    )


def check_teacher(asked: GenerateConfig, budget: Budget | None) -> None:
    """Raises, before the first request, for an unknown teacher, for one without a Batch API where --batch is given, or
    for one without a known price where a cap is set."""
    teacher = teachers.build(asked.teacher, asked.base_url, asked.concurrency, asked.timeout_s, engine=asked.engine)
    if asked.batch:
        open_batches(teacher)
    if budget is not None:
        nothing = Request(messages=(), max_output_tokens=asked.max_output_tokens)
        budget.check(Tariff(prices_of(teacher, asked)), nothing)


class _Shown(Passed):
    """Generate's progress as part of expand's: the bar while it asks, and notes that are not about its own input."""

    def __init__(self, progress: Progress, label: str, own: str) -> None:
        super().__init__(progress)
        self._label, self._own, self._asking = label, own, False

    def begin(self, label: str, total: int | None) -> None:
        self._asking = label == "generate"
        if self._asking:
            super().begin(self._label, total)

    def update(self, done: int, detail: str = "") -> None:
        if self._asking:
            super().update(done, detail)

    def note(self, message: str) -> None:
        if not message.startswith(self._own):
            super().note(message)
