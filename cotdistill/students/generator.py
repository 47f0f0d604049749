"""A loaded student that answers a batch of prompts at once."""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Self

import torch
from transformers import GenerationConfig

from cotdistill.chat.template import read_back
from cotdistill.students import load, memory
from cotdistill.students.device import Arriving, has_bfloat16
from cotdistill.students.next_tokens import Scored, distributions, scored
from cotdistill.students.prompts import Prompt, Prompter
from cotdistill.students.sampling import Note, Sampler

ROWS_ON_A_PROCESSOR = 32
"""The largest batch on a processor."""
MOST_ROWS = 1024
"""The largest batch on a GPU, however much memory is free."""
ENOUGH = 0.7
"""The share of the free memory that a batch may fill. Keys and values count twice: a cache grows by copying."""

SMALL = 5_000_000
"""Weights below which a second thread costs more than it gives."""


@dataclass(frozen=True)
class Answer:
    """`tokens` counts the end token too; `ended` is false where the cap cut it. `ids` are the tokens, where they were
    written in this process; `logprobs` their log-probabilities, where those were asked for."""

    text: str
    tokens: int
    ended: bool
    ids: Sequence[int] = ()
    logprobs: Sequence[float] = ()


class Generator:
    """Holds the model. Not thread-safe: one batch at a time."""

    def __init__(self, student: str, threads: int | None = None, *, dtype: str = "auto") -> None:
        model, tokenizer = load.student(student, dtype=dtype)
        set_threads(model, threads)
        if model.dtype != torch.float32 and not has_bfloat16():
            model.to(torch.float32)  # emulated half precision is slower than none
        self._hold(model.to("cuda" if torch.cuda.is_available() else "cpu").eval(), tokenizer)

    @classmethod
    def of(cls, model: Any, tokenizer: Any) -> Self:
        """A generator on a model that is in training: each answer comes from its weights at that time. The caller
        switches the model to `eval` and back."""
        found = cls.__new__(cls)
        found._hold(model, tokenizer)
        found._without_gradients = torch.no_grad  # the model may keep a tensor, and train with it
        return found

    def _hold(self, model: Any, tokenizer: Any) -> None:
        self._model, self._tokenizer = model, tokenizer
        self._without_gradients: Callable[[], AbstractContextManager[None]] = torch.inference_mode
        self.prompter = Prompter(self._tokenizer, self._model.config, self._model.generation_config)
        self.context = self.prompter.context
        self._ends, self._padding = self.prompter.end_tokens, self.prompter.padding

    def prompt(self, messages: Sequence[Mapping[str, str]]) -> Prompt:
        """As the prompter's."""
        return self.prompter.prompt(messages)

    def answer(
        self,
        prompts: Sequence[Prompt],
        *,
        max_tokens: int,
        temperature: float | None,
        seeds: Sequence[int],
        wanted: Callable[[], bool] = lambda: True,
    ) -> list[Answer]:
        """The answers in the prompts' order."""
        found = dict(self.answers(prompts, max_tokens=max_tokens, temperature=temperature, seeds=seeds, wanted=wanted))
        return [found[row] for row in range(len(prompts))]

    def answers(
        self,
        prompts: Sequence[Prompt],
        *,
        max_tokens: int,
        temperature: float | None,
        seeds: Sequence[int],
        wanted: Callable[[], bool] = lambda: True,
        wrote: Callable[[int], None] = lambda tokens: None,
        sure: bool = False,
    ) -> Iterator[tuple[int, Answer]]:
        """Yields pairs of a prompt's number and its answer, as they leave the batch.

        Each answer has up to `max_tokens`, fewer where the context ends; generation ends early once nothing is
        `wanted`. It is greedy without a temperature; otherwise each row is drawn with its own seed, whatever stands
        beside it. After each step `wrote` is called with the number of tokens that were added. With `sure`, greedy
        answers have their log-probabilities, at the price of a sum over the vocabulary for each token.
        """
        longest = max(len(prompt.ids) for prompt in prompts)
        gaps = [longest - len(prompt.ids) for prompt in prompts]
        padded = [[self._padding] * gap + prompt.ids for gap, prompt in zip(gaps, prompts, strict=True)]
        seen = [[0] * gap + [1] * len(prompt.ids) for gap, prompt in zip(gaps, prompts, strict=True)]
        device = self._model.device
        batch = _Batch(list(range(len(prompts))), torch.tensor(padded).to(device), torch.tensor(seen).to(device))
        cap = min(max_tokens, self.context - longest)
        draw = Sampler(temperature, seeds, longest) if temperature else None
        batch.logprobs = batch.mask.new_zeros((len(prompts), 0), dtype=torch.float32) if sure and not draw else None
        while batch.rows:
            with self._without_gradients():
                batch = self._go_on(batch, longest, cap, draw, wanted, wrote)
                done = _always if batch.ids.shape[1] - longest >= cap or not wanted() else self._ends_in
                left = batch.take_out(done, longest)
            for row, (ids, logprobs) in left.items():
                yield row, self._answer(ids, logprobs)

    def scored(self, prompt: Prompt, answer: Answer, top: int = 0) -> Scored:
        """The log-probability of each token of an answer, its end token included, and the `top` likeliest tokens there.
        The answer is scored alone, so that nothing beside it in a batch moves a digit, and without temperature."""
        return scored(self._model, [*prompt.ids, *answer.ids], len(prompt.ids), top)

    def distributions(self, ids: Sequence[int], start: int) -> Iterator[torch.Tensor]:
        """As `next_tokens.distributions`."""
        return distributions(self._model, ids, start)

    def most_rows(self, tokens: int) -> int:
        """How many rows of this many tokens, prompt included, fit into the free memory: keys and values of each layer,
        and a few copies of the scores. On a processor at most `ROWS_ON_A_PROCESSOR`."""
        most = MOST_ROWS if self._model.device.type == "cuda" else ROWS_ON_A_PROCESSOR
        config = self._model.config.get_text_config()
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        kept = 2 * config.num_hidden_layers * heads * width * self._model.dtype.itemsize * min(tokens, self.context)
        scores = 4 * 4 * config.vocab_size
        return max(1, min(most, int(ENOUGH * memory.free_bytes() / (2 * kept + scores))))

    def forget(self) -> None:
        """Free what a failed batch left in memory."""
        gc.collect()
        if self._model.device.type == "cuda":
            torch.cuda.empty_cache()

    def _go_on(
        self,
        batch: "_Batch",
        start: int,
        cap: int,
        draw: Sampler | None,
        wanted: Callable[[], bool],
        wrote: Callable[[int], None],
    ) -> "_Batch":
        """Generate until every row has ended, or so many that the rest is faster without them."""
        settings = GenerationConfig(
            max_new_tokens=cap - (batch.ids.shape[1] - start),
            do_sample=False,
            eos_token_id=self._ends,
            pad_token_id=self._padding,
            return_dict_in_generate=True,
        )
        note = None if batch.logprobs is None else Note()
        processor = note if draw is None else draw.processor(batch.rows)
        output = self._model.generate(
            input_ids=batch.ids,
            attention_mask=batch.mask,
            past_key_values=batch.cache,
            generation_config=settings,
            logits_processor=[] if processor is None else [processor],
            stopping_criteria=[_unless(wanted), _once_thin(self._ends, wrote)],
        )
        added = output.sequences.shape[1] - batch.mask.shape[1]
        mask = torch.cat([batch.mask, batch.mask.new_ones(len(batch.rows), added)], dim=1)
        logprobs = None if note is None else torch.cat([batch.logprobs, torch.stack(note.logprobs, dim=1)], dim=1)
        return _Batch(batch.rows, output.sequences, mask, output.past_key_values, logprobs)

    def _ends_in(self, row: Sequence[int]) -> int:
        """The number of tokens up to and including the first end token; 0 without one."""
        return next((place for place, token in enumerate(row, 1) if token in self._ends), 0)

    def _answer(self, row: list[int], logprobs: list[float]) -> Answer:
        count = self._ends_in(row)
        written = count or len(row)
        text_ids = row[: count - 1] if count else row
        # Marks that a tokenizer calls special may be the very tags around the trace, so none is skipped.
        text = self._tokenizer.decode(text_ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return Answer(read_back(self._tokenizer, text), written, bool(count), row[:written], logprobs[:written])


def set_threads(model: Any, threads: int | None) -> None:
    """Use the given number of threads, else one for a small model."""
    if threads or model.num_parameters() < SMALL:
        torch.set_num_threads(threads or 1)


@dataclass
class _Batch:
    """Rows in progress: their prompts' numbers, (rows, length) token ids and mask, the model's cache, and, if wanted,
    (rows, written) log-probabilities."""

    rows: list[int]
    ids: Any
    mask: Any
    cache: Any = None
    logprobs: Any = None

    def take_out(self, done: Callable[[list[int]], int], start: int) -> dict[int, tuple[list[int], list[float]]]:
        """Remove the rows whose tokens from `start` on are `done`. Returns those tokens and their log-probabilities."""
        taken: dict[int, tuple[list[int], list[float]]] = {}
        left = []
        for place, (row, new) in enumerate(zip(self.rows, self.ids[:, start:].tolist(), strict=True)):
            if done(new):
                taken[row] = new, [] if self.logprobs is None else self.logprobs[place].tolist()
            else:
                left.append(place)
        self.rows = [self.rows[place] for place in left]
        if left:
            self.ids, self.mask = self.ids[left], self.mask[left]
            self.logprobs = None if self.logprobs is None else self.logprobs[left]
            try:
                self.cache.batch_select_indices(left)
            except (AttributeError, NotImplementedError):
                self.cache = None  # some caches cannot forget a row: the rest is read again
        return taken


def _always(row: Sequence[int]) -> int:
    return True


def _unless(wanted: Callable[[], bool]) -> Callable[..., Any]:
    def stop(ids: Any, scores: Any, **_: Any) -> Any:
        return torch.full((ids.shape[0],), not wanted(), dtype=torch.bool, device=ids.device)

    return stop


def _once_thin(ends: Sequence[int], wrote: Callable[[int], None]) -> Callable[..., Any]:
    """Stop every row once half have ended, so that those that go on do not carry the others along. How many go on is
    read when the next token comes: by then transformers has waited for the GPU itself."""
    marks: Any = None
    ended: Any = None
    count: Arriving | None = None

    def stop(ids: Any, scores: Any, **_: Any) -> Any:
        nonlocal marks, ended, count
        if marks is None:
            marks = torch.tensor(ends, device=ids.device)
        wrote(len(ids) - (0 if count is None else int(count.read()[0])))
        last = torch.isin(ids[:, -1], marks)
        ended = last if ended is None else ended | last
        gone = ended.sum().reshape(1)
        count = Arriving(gone)
        return (2 * gone >= len(ids)).expand(len(ids))

    return stop
