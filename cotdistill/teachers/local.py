"""A model in this process, through transformers: how students are evaluated, and a teacher that needs no server.

Requests that come in together are answered as one batch.
"""

import asyncio
import hashlib
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import msgspec

from cotdistill import students
from cotdistill.errors import UsageError
from cotdistill.providers.logprobs import TokenLogprobs
from cotdistill.providers.types import BadReplyError, Failure, Reply, Request
from cotdistill.reasoning.marks import Tags
from cotdistill.records import as_dicts
from cotdistill.students.generator import MOST_ROWS, Answer, Generator
from cotdistill.students.memory import OutOfMemoryError, memory_explained
from cotdistill.students.prompts import Prompt, Prompter
from cotdistill.teachers._local_reply import Scored, StoredReply, logprobs_of, reply_of

log = logging.getLogger(__name__)

GATHER_S = 0.005
"""A batch starts once it is full, or when no further request came in for this long."""


class _Asked(NamedTuple):
    prompt: Prompt
    request: Request
    seed: int
    reply: asyncio.Future[Answer]

    @property
    def kind(self) -> tuple[int, float | None]:
        """What one batch must have in common."""
        return self.request.max_output_tokens, self.request.temperature or None


class _RefusedError(Exception):
    """This prompt cannot be answered by this model."""


@dataclass
class Teacher:
    """A model on this machine: local:DIRECTORY, local:FILE.gguf, local:HUB_ID.

    `concurrency` is how many requests wait for it, `batch_size` how many it answers at once: None for as many as fit.
    """

    model: str
    base_url: str = "local"
    concurrency: int = MOST_ROWS
    batch_size: int | None = None
    timeout_s: float = 600.0
    threads: int | None = None
    seed: int = 0
    think_tags: Tags = ()
    precision: str = "auto"
    """A torch dtype by name, auto for that of the weights. In bfloat16 the size of a batch moves the last digit of the
    scores, and so some answers; in float32 hardly ever one."""
    confident: bool = False
    """Each greedy answer says how likely it was, also where no log-probabilities are asked for."""
    provider: str = field(default="local", init=False)
    written_tokens: int = field(default=0, init=False)
    """Of all answers so far, those under way among them."""
    _generator: Any = field(default=None, init=False, repr=False)
    _prompter: Prompter = field(init=False, repr=False)
    _waiting: list[_Asked] = field(default_factory=list, init=False, repr=False)
    _fitting: int = field(default=MOST_ROWS, init=False, repr=False)
    """Rows of a batch, since one of more ran out of memory."""
    _fingerprint: str = field(default="", init=False, repr=False)

    def __post_init__(self) -> None:
        self._fingerprint = students.fingerprint(self.model)

    async def __aenter__(self) -> Self:
        # One thread of its own: torch keeps its thread count per thread, and batches must not overlap.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="local-student")
        self._news = asyncio.Event()
        self._generator = await self._in_thread(lambda: Generator(self.model, self.threads, dtype=self.precision))
        self._prompter = self._generator.prompter
        self._serving = asyncio.create_task(self._serve())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._serving.cancel()
        for asked in self._waiting:
            asked.reply.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._generator = None

    def body(self, request: Request) -> dict[str, Any]:
        if request.effort is not None:
            raise UsageError("--effort: a local model has no such setting")
        body = {
            "model": self.model,
            "weights": self._fingerprint,
            "messages": as_dicts(request.messages),
            "max_tokens": request.max_output_tokens,
        }
        if request.logprobs:
            body["logprobs"] = request.logprobs
        if self.precision != "auto":
            body["precision"] = self.precision
        return {**body, "temperature": request.temperature, "seed": self.seed} if request.temperature else body

    async def ask(self, request: Request, idempotency_key: str) -> Reply:
        self.body(request)
        prompt = self.prompt(request)
        answer = await self.answer(prompt, request, self.seed_of(idempotency_key))
        stored = StoredReply(
            model=self.model,
            text=answer.text,
            opened=prompt.opened,
            stop_reason="stop" if answer.ended else "length",
            input_tokens=len(prompt.ids),
            output_tokens=answer.tokens,
            scored=await self._scored(prompt, answer, request.logprobs),
        )
        return self.read(msgspec.json.encode(stored))

    async def _scored(self, prompt: Prompt, answer: Answer, top: int | None) -> Scored | None:
        """What was noted while the answer was written, or with `top` a pass over the finished one."""
        if not top:
            return Scored(list(answer.ids), list(answer.logprobs), []) if answer.logprobs else None
        found = await self._in_thread(lambda: self._generator.scored(prompt, answer, top))
        tops = [list(zip(*both, strict=True)) for both in zip(found.top, found.top_logprobs, strict=True)]
        return Scored(ids=list(answer.ids), logprobs=found.own, top=tops)

    async def answer(self, prompt: Prompt, request: Request, seed: int) -> Answer:
        """The next batch with room for it has this answer too. `seed` has 56 bits."""
        asked = _Asked(prompt, request, seed, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        self._news.set()
        return await asked.reply

    def seed_of(self, idempotency_key: str) -> int:
        """A seed of 56 bits for each request and sample."""
        return int.from_bytes(hashlib.sha256(f"{self.seed} {idempotency_key}".encode()).digest()[:7])

    def read(self, raw: bytes) -> Reply:
        return reply_of(raw, self.think_tags)

    def why_no_logprobs(self, request: Request) -> str:
        return ""

    def token_logprobs(self, raw: bytes) -> TokenLogprobs | None:
        return logprobs_of(raw)

    def classify(self, error: Exception) -> Failure:
        if isinstance(error, _RefusedError):
            return Failure("row", str(error))
        if isinstance(error, BadReplyError):
            return Failure("retry", str(error))
        raise error

    def prompt(self, request: Request) -> Prompt:
        """What the student reads. Raises what `classify` calls a failure of this row alone."""
        try:
            prompt = self._prompter.prompt([msgspec.to_builtins(turn) for turn in request.messages])
        except ValueError as error:
            raise _RefusedError(str(error)) from None
        if len(prompt.ids) >= self._prompter.context:
            raise _RefusedError(f"the prompt has {len(prompt.ids)} tokens, {self.model} reads {self._prompter.context}")
        return prompt

    async def _serve(self) -> None:
        while True:
            await self._news.wait()
            batch = await self._batch()
            if not self._waiting:
                self._news.clear()
            if not batch:
                continue
            before = self.written_tokens
            try:
                loop = asyncio.get_running_loop()
                await self._in_thread(lambda batch=batch, loop=loop: self._answer(batch, loop))
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

    async def _batch(self) -> list[_Asked]:
        """The next requests that can go together, shortest prompts first."""
        seen = -1
        while seen < len(self._waiting) < min(self.concurrency, self._fitting, self.batch_size or self.concurrency):
            seen = len(self._waiting)
            await asyncio.sleep(GATHER_S)
        waiting = [asked for asked in self._waiting if not asked.reply.done()]
        alike = [asked for asked in waiting if asked.kind == waiting[0].kind]
        batch = sorted(alike, key=lambda asked: len(asked.prompt.ids))
        batch = batch[: min(self.concurrency, self._fitting, self.batch_size or self._most_rows(batch))]
        taken = set(map(id, batch))
        self._waiting = [asked for asked in waiting if id(asked) not in taken]
        return batch

    def _most_rows(self, batch: list[_Asked]) -> int:
        if not batch:
            return 1
        longest = max(len(asked.prompt.ids) for asked in batch)
        return int(self._generator.most_rows(longest + batch[0].request.max_output_tokens))

    def _answer(self, batch: list[_Asked], loop: asyncio.AbstractEventLoop) -> None:
        """Settles each reply as its row ends, from the generator's own thread."""
        max_tokens, temperature = batch[0].kind
        with memory_explained("--batch-size or --concurrency, or a smaller --max-output-tokens"):
            for row, answer in self._generator.answers(
                [asked.prompt for asked in batch],
                max_tokens=max_tokens,
                temperature=temperature,
                seeds=[asked.seed for asked in batch],
                wanted=lambda: any(not asked.reply.done() for asked in batch),
                wrote=self._wrote,
                sure=self.confident,
            ):
                loop.call_soon_threadsafe(_settle, batch[row].reply, answer)

    def _wrote(self, tokens: int) -> None:
        self.written_tokens += tokens

    def _in_thread(self, work: Any) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().run_in_executor(self._thread, work)


def _settle(reply: asyncio.Future[Answer], outcome: Answer | Exception) -> None:
    if reply.done():  # its caller waits no more
        return
    if isinstance(outcome, Exception):
        reply.set_exception(outcome)
    else:
        reply.set_result(outcome)
