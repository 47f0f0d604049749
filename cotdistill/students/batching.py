"""A student that is asked from an event loop: requests that come in together are answered as one batch."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple, Self, TypeVar

from cotdistill.students.generator import MOST_ROWS, Answer, Generator
from cotdistill.students.memory import OutOfMemoryError, memory_explained
from cotdistill.students.next_tokens import Scored
from cotdistill.students.prompts import Prompt

log = logging.getLogger(__name__)

GATHER_S = 0.005
"""A batch starts once it is full, or when no further request came in for this long."""

T = TypeVar("T")


class _Asked(NamedTuple):
    prompt: Prompt
    max_tokens: int
    temperature: float | None
    seed: int
    reply: asyncio.Future[Answer]

    @property
    def kind(self) -> tuple[int, float | None]:
        """What one batch must have in common."""
        return self.max_tokens, self.temperature


class Batching:
    """Loads the model on entering. `concurrency` is how many requests wait for it, `batch_size` how many it answers at
    once: None for as many as fit. With `confident` each greedy answer says how likely it was."""

    def __init__(
        self, load: Callable[[], Generator], *, concurrency: int, batch_size: int | None, confident: bool
    ) -> None:
        self._load, self._concurrency, self._batch_size, self._confident = load, concurrency, batch_size, confident
        self.written_tokens = 0
        """Of all answers so far, those in progress among them."""
        self._waiting: list[_Asked] = []
        self._fitting = MOST_ROWS
        """Rows of a batch, since one of more ran out of memory."""

    async def __aenter__(self) -> Self:
        # One thread of its own: torch keeps its thread count per thread, and batches must not overlap.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="local-student")
        self._news = asyncio.Event()
        self._generator = await self._in_thread(self._load)
        self.prompter = self._generator.prompter
        self._serving = asyncio.create_task(self._serve())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._serving.cancel()
        for asked in self._waiting:
            asked.reply.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)
        del self._generator  # frees its memory

    async def answer(self, prompt: Prompt, max_tokens: int, temperature: float | None, seed: int) -> Answer:
        """The answer, written in the next batch with room for it. `seed` has 56 bits.

        Raises CotDistillError where the memory holds not even this answer alone.
        """
        reply: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Asked(prompt, max_tokens, temperature or None, seed, reply))
        self._news.set()
        return await reply

    async def scored(self, prompt: Prompt, answer: Answer, top: int) -> Scored:
        """As the generator's."""
        return await self._in_thread(lambda: self._generator.scored(prompt, answer, top))

    async def _serve(self) -> None:
        while True:
            await self._news.wait()
            batch = await self._next_batch()
            if not self._waiting:
                self._news.clear()
            if not batch:
                continue
            before = self.written_tokens
            try:
                await self._in_thread(partial(self._answer, batch, asyncio.get_running_loop()))
                continue
            except OutOfMemoryError as error:
                failure: Exception = error
                left = [asked for asked in batch if not asked.reply.done()]
            except Exception as error:
                failure, left = error, []
            if len(left) > 1:
                self._go_on_with_fewer(batch, left, before)
                continue
            for asked in batch:  # the requests must hear of it, not this task
                _settle(asked.reply, failure)

    def _go_on_with_fewer(self, batch: list[_Asked], left: list[_Asked], before: int) -> None:
        """What was answered stays; the rest begins again, half as many at once. An answer is the same in any batch."""
        self._fitting = max(1, min(len(batch), len(left)) // 2)
        log.warning("out of memory with %s answers at once: going on with %s at most", len(batch), self._fitting)
        ended = [asked.reply.result().tokens for asked in batch if asked.reply.done() and not asked.reply.cancelled()]
        self.written_tokens = before + sum(ended)
        self._waiting = [*left, *self._waiting]
        self._news.set()
        self._generator.forget()

    async def _next_batch(self) -> list[_Asked]:
        """The next requests that can go together, shortest prompts first."""
        seen, most = -1, min(self._concurrency, self._fitting)
        while seen < len(self._waiting) < min(most, self._batch_size or most):
            seen = len(self._waiting)
            await asyncio.sleep(GATHER_S)
        waiting = [asked for asked in self._waiting if not asked.reply.done()]
        alike = [asked for asked in waiting if asked.kind == waiting[0].kind]
        batch = sorted(alike, key=lambda asked: len(asked.prompt.ids))
        batch = batch[: min(most, self._batch_size or self._most_rows(batch))]
        taken = set(map(id, batch))
        self._waiting = [asked for asked in waiting if id(asked) not in taken]
        return batch

    def _most_rows(self, batch: list[_Asked]) -> int:
        if not batch:
            return 1
        longest = max(len(asked.prompt.ids) for asked in batch)
        return self._generator.most_rows(longest + batch[0].max_tokens)

    def _answer(self, batch: list[_Asked], loop: asyncio.AbstractEventLoop) -> None:
        """Settle each reply as its row ends. It runs in the generator's own thread."""
        max_tokens, temperature = batch[0].kind
        with memory_explained("--batch-size or --concurrency, or a smaller --max-output-tokens"):
            for row, answer in self._generator.answers(
                [asked.prompt for asked in batch],
                max_tokens=max_tokens,
                temperature=temperature,
                seeds=[asked.seed for asked in batch],
                wanted=lambda: any(not asked.reply.done() for asked in batch),
                wrote=self._wrote,
                sure=self._confident,
            ):
                loop.call_soon_threadsafe(_settle, batch[row].reply, answer)

    def _wrote(self, tokens: int) -> None:
        self.written_tokens += tokens

    def _in_thread(self, work: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._thread, work)


def _settle(reply: asyncio.Future[Answer], outcome: Answer | Exception) -> None:
    if reply.done():  # its caller waits no more
        return
    if isinstance(outcome, Exception):
        reply.set_exception(outcome)
    else:
        reply.set_result(outcome)
