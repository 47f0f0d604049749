"""A model in this process, through transformers: how students are evaluated, and a teacher that needs no server."""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Self

import msgspec

from cotdistill import students
from cotdistill.errors import UsageError
from cotdistill.providers.logprobs import TokenLogprobs
from cotdistill.providers.types import BadReplyError, Failure, Reply, Request
from cotdistill.reasoning.marks import Tags
from cotdistill.records import as_dicts
from cotdistill.students.batching import Batching
from cotdistill.students.generator import MOST_ROWS, Answer, Generator
from cotdistill.students.prompts import Prompt, Prompter
from cotdistill.teachers._local_reply import Scored, StoredReply, logprobs_of, reply_of


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
    _batching: Batching = field(init=False, repr=False)
    _prompter: Prompter = field(init=False, repr=False)
    _fingerprint: str = field(default="", init=False, repr=False)

    def __post_init__(self) -> None:
        self._fingerprint = students.fingerprint(self.model)
        self._batching = Batching(
            lambda: Generator(self.model, self.threads, dtype=self.precision),
            concurrency=self.concurrency,
            batch_size=self.batch_size,
            confident=self.confident,
        )

    async def __aenter__(self) -> Self:
        await self._batching.__aenter__()
        self._prompter = self._batching.prompter
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._batching.__aexit__(*error)

    @property
    def written_tokens(self) -> int:
        """Of all answers so far, those in progress among them."""
        return self._batching.written_tokens

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
        found = await self._batching.scored(prompt, answer, top)
        tops = [list(zip(*both, strict=True)) for both in zip(found.top, found.top_logprobs, strict=True)]
        return Scored(ids=list(answer.ids), logprobs=found.own, top=tops)

    async def answer(self, prompt: Prompt, request: Request, seed: int) -> Answer:
        """The next batch with room for it has this answer too. `seed` has 56 bits."""
        return await self._batching.answer(prompt, request.max_output_tokens, request.temperature, seed)

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
