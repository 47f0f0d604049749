"""The student's own answers to a step's prompts, with the weights that it has at that step."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cotdistill.students.generator import Generator
from cotdistill.students.prompts import Prompt


@dataclass(frozen=True)
class Written:
    """`ids[:n_prompt]` is prompt number `prompt`, the rest the answer with its end token; `ended` is false where the
    cap cut it."""

    prompt: int
    ids: tuple[int, ...]
    n_prompt: int
    ended: bool

    @property
    def answer(self) -> tuple[int, ...]:
        return self.ids[self.n_prompt :]


@dataclass(frozen=True)
class Rollout:
    """How answers are drawn. A step's answers are a function of `seed`, step and weights alone, so that a run that was
    killed writes them again. `at_once` prompts are in one batch."""

    prompts: Sequence[Prompt]
    max_tokens: int
    temperature: float
    seed: int
    at_once: int

    def write(self, model: Any, tokenizer: Any, numbers: Sequence[int], step: int) -> list[Written]:
        """An answer to each of the prompts with these numbers, in their order. `model` is left in `train` mode."""
        generator = Generator.of(model, tokenizer)
        model.eval()
        written: list[Written] = []
        for start in range(0, len(numbers), self.at_once):
            part = numbers[start : start + self.at_once]
            answers = generator.answer(
                [self.prompts[number] for number in part],
                max_tokens=self.max_tokens,
                temperature=self.temperature,
                seeds=[self._seed(step, start + place) for place in range(len(part))],
            )
            for number, answer in zip(part, answers, strict=True):
                ids = self.prompts[number].ids
                written.append(Written(number, (*ids, *answer.ids), len(ids), answer.ended))
        model.train()
        return written

    def _seed(self, step: int, place: int) -> int:
        """56 bits."""
        return int.from_bytes(hashlib.sha256(f"{self.seed} {step} {place}".encode()).digest()[:7])
