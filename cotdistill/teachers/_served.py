"""A local student that a server of its own answers for: started with the run, ended with it.

Request keys, prompts and stored replies are those of `local`, with the engine's name: the port is in none of them.
"""

import asyncio
import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Self

import msgspec

from cotdistill import servers
from cotdistill.errors import UsageError
from cotdistill.providers.connections import UnreachableError
from cotdistill.providers.http1 import LostError
from cotdistill.providers.types import Failure, Request
from cotdistill.records import Usage, as_dicts
from cotdistill.students import on_disk
from cotdistill.students.generator import Answer
from cotdistill.students.prompts import Prompt
from cotdistill.teachers.local import Teacher as LocalTeacher
from cotdistill.teachers.openai import Teacher as OpenAITeacher

log = logging.getLogger(__name__)

DAY_S = 24 * 3600.0
"""The limit of one request is the run's own; a server may make it wait for its turn."""


@dataclass
class Teacher(LocalTeacher):
    """`concurrency` 0: as many requests as the engine takes at once."""

    concurrency: int = 0
    engine: str = ""
    _server: servers.Server = field(init=False, repr=False)
    _running: servers.Running = field(init=False, repr=False)
    _wire: OpenAITeacher = field(init=False, repr=False)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack, init=False, repr=False)
    _warned: bool = field(default=False, init=False, repr=False)
    _written_tokens: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._server = servers.build(self.engine)
        self.concurrency = self.concurrency or self._server.at_once

    async def __aenter__(self) -> Self:
        self._server.command()  # raises before anything is written or loaded
        async with AsyncExitStack() as stack:
            folder = await asyncio.to_thread(stack.enter_context, on_disk.files(self.model))
            self._prompter = await asyncio.to_thread(on_disk.prompter, self.model, folder)
            marks = self._prompter.special_marks()
            if marks and not self._server.keeps_special:
                raise UsageError(
                    f"engine {self.engine}: leaves special tokens out of its answers, and for {self.model} the marks "
                    f"of the trace are some ({', '.join(marks)}); take --engine local, vllm or sglang"
                )
            self._running = await stack.enter_async_context(
                servers.running(self._server, self.engine, folder, student=self.model, environment=self._environment())
            )
            wire = _Wire(folder, self._running.url, self.concurrency, DAY_S)
            self._wire = await stack.enter_async_context(wire)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def written_tokens(self) -> int:
        return self._written_tokens

    def body(self, request: Request) -> dict[str, Any]:
        return {**super().body(request), "engine": self.engine}

    async def answer(self, prompt: Prompt, request: Request, seed: int) -> Answer:
        """Raises CotDistillError where the server has ended."""
        sampling = servers.Sampling(
            max_tokens=min(request.max_output_tokens, self._prompter.context - len(prompt.ids)),
            temperature=request.temperature or None,
            seed=seed % 2**31,
            end_tokens=self._prompter.end_tokens,
            padding=self._prompter.padding,
            template_kwargs=self._prompter.template_kwargs(),
        )
        body = {
            "model": self._running.model,
            "messages": as_dicts(request.messages),
            **self._server.body(sampling),
        }
        try:
            reply = await self._wire.send(body, f"{seed:x}")
        except Exception as error:
            if not hasattr(error, "status_code"):
                await self._running.check()
            raise
        self._compare(len(prompt.ids), reply.usage)
        self._written_tokens += reply.usage.output_tokens or 0
        text = self._prompter.answer(_text(reply.raw))
        return Answer(text, reply.usage.output_tokens or 0, reply.stop_reason != "length")

    def why_no_logprobs(self, request: Request) -> str:
        return f"--engine {self.engine} passes none on; --engine local does"

    def classify(self, error: Exception) -> Failure:
        wire = isinstance(error, LostError | UnreachableError) or type(error).__module__.partition(".")[0] == "openai"
        if wire or hasattr(error, "status_code"):
            return self._wire.classify(error)
        return super().classify(error)

    def _compare(self, tokens: int, usage: Usage) -> None:
        """A server that reads something else than the student in this process does gives other scores."""
        if usage.input_tokens not in (None, tokens) and not self._warned:
            self._warned = True
            log.warning(
                "engine %s read %s tokens where the student's chat template makes %s: its answers may not compare with "
                "those of another engine",
                self.engine,
                usage.input_tokens,
                tokens,
            )

    def _environment(self) -> dict[str, str]:
        return {"OMP_NUM_THREADS": str(self.threads)} if self.threads else {}


class _Wire(OpenAITeacher):
    """The server is ours and takes any key: a person's own is for OpenAI alone."""

    def api_key(self) -> str:
        return "unused"


def _text(raw: bytes) -> str:
    """All that was written, also where the server has put the trace into a field of its own."""
    message = msgspec.json.decode(raw, type=_Completion).choices[0].message
    trace = message.reasoning_content or message.reasoning
    content = message.content or ""
    return f"<think>{trace}</think>{content}" if trace else content


class _Message(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class _Choice(msgspec.Struct):
    message: _Message


class _Completion(msgspec.Struct):
    choices: list[_Choice]
