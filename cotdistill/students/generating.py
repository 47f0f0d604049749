"""A loaded student that answers a batch of prompts at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cotdistill import students
from cotdistill.students.rendering import encode, generation_prompt, opens_think, read_back

SMALL = 5_000_000
"""Weights below which a second thread costs more than it gives."""


@dataclass(frozen=True)
class Prompt:
    """`opened`: the template has begun the trace already, so the answer starts inside it."""

    ids: list[int]
    opened: bool


@dataclass(frozen=True)
class Answer:
    """`tokens` counts the end token too; `ended` is false where the cap cut it."""

    text: str
    tokens: int
    ended: bool


class Generator:
    """Holds the model. Not thread-safe: one batch at a time."""

    def __init__(self, student: str, threads: int | None = None) -> None:
        import torch

        from cotdistill.students.training import has_bfloat16

        self._model, self._tokenizer = students.load(student)
        small = self._model.num_parameters() < SMALL
        if threads or small:
            torch.set_num_threads(threads or 1)
        if self._model.dtype != torch.float32 and not has_bfloat16():
            self._model.to(torch.float32)  # emulated half precision is slower than none
        self._model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        self.context = int(getattr(self._model.config.get_text_config(), "max_position_embeddings", 1 << 30))
        self._ends = self._end_tokens()

    def prompt(self, messages: Sequence[Mapping[str, str]]) -> Prompt:
        """Raises ValueError when the chat template refuses the conversation."""
        text = generation_prompt(self._tokenizer, messages)
        return Prompt(encode(self._tokenizer, text), opens_think(text))

    def answer(
        self,
        prompts: Sequence[Prompt],
        *,
        max_tokens: int,
        temperature: float | None,
        seeds: Sequence[int],
        wanted: Callable[[], bool] = lambda: True,
    ) -> list[Answer]:
        """Up to `max_tokens` for each prompt, fewer where the context ends; ends early once nothing is `wanted`.
        Greedy without a temperature; else each row is drawn with its own seed, whatever stands beside it."""
        import torch
        from transformers import GenerationConfig

        longest = max(len(prompt.ids) for prompt in prompts)
        settings = GenerationConfig(
            max_new_tokens=min(max_tokens, self.context - longest),
            do_sample=False,
            eos_token_id=self._ends,
            pad_token_id=self._padding,
        )
        gaps = [longest - len(prompt.ids) for prompt in prompts]
        device = self._model.device
        ids = torch.tensor([[self._padding] * gap + prompt.ids for gap, prompt in zip(gaps, prompts, strict=True)])
        mask = torch.tensor([[0] * gap + [1] * len(prompt.ids) for gap, prompt in zip(gaps, prompts, strict=True)])
        with torch.inference_mode():
            output = self._model.generate(
                input_ids=ids.to(device),
                attention_mask=mask.to(device),
                generation_config=settings,
                logits_processor=[_drawing(temperature, seeds)] if temperature else [],
                stopping_criteria=[_unless(wanted)],
            )
        return [self._answer(row) for row in output[:, longest:].tolist()]

    def _answer(self, row: list[int]) -> Answer:
        end = next((place for place, token in enumerate(row) if token in self._ends), None)
        # Marks that a tokenizer calls special may be the very tags around the trace, so none is skipped.
        text = self._tokenizer.decode(row[:end], skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return Answer(read_back(self._tokenizer, text), len(row) if end is None else end + 1, end is not None)

    def _end_tokens(self) -> list[int]:
        configured = self._model.generation_config.eos_token_id
        configured = configured if isinstance(configured, list) else [configured]
        return sorted({*configured, self._tokenizer.eos_token_id} - {None})

    @property
    def _padding(self) -> int:
        pad = self._tokenizer.pad_token_id
        return int(self._ends[0] if pad is None else pad)


def _drawing(temperature: float, seeds: Sequence[int]) -> Callable[[Any, Any], Any]:
    """Sampling as the largest of the logits plus Gumbel noise: with a generator a row, an answer does not depend
    on which other prompts happened to share its batch."""
    import torch

    generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def draw(ids: Any, scores: Any) -> Any:
        noise = torch.stack([torch.empty(scores.shape[1]).exponential_(generator=one) for one in generators])
        return scores / temperature - noise.to(scores.device).log()

    return draw


def _unless(wanted: Callable[[], bool]) -> Callable[..., Any]:
    import torch

    def stop(ids: Any, scores: Any, **_: Any) -> Any:
        return torch.full((ids.shape[0],), not wanted(), dtype=torch.bool, device=ids.device)

    return stop
