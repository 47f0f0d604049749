"""Replies whose bytes are no proper JSON: they were paid for, so they are read."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from cotdistill.providers.types import BadReplyError, Reply, Request
from cotdistill.records import Message
from cotdistill.stages.generate import batch
from cotdistill.stages.generate.batch.calls import Pace
from cotdistill.teachers.anthropic import MOST_UNSTREAMED
from cotdistill.teachers.anthropic import Teacher as Anthropic
from cotdistill.teachers.ollama import Teacher as Ollama
from cotdistill.teachers.openai import Teacher as OpenAI
from cotdistill.teachers.openai_responses import Teacher as Responses
from tests.batch_world import PROVIDERS, QUICK, Handler, world
from tests.faulty_teacher import rehearsing
from tests.scripted_server import Scripted, completion, message, serving

BAD = {
    "cut in two bytes": b"caf\xc3",
    "cut in three": b"x\xe2\x82",
    "cut in four": b"x\xf0\x9f\x92",
    "a stray continuation": b"x\x80y",
    "overlong": b"x\xc0\xafy",
    "half a surrogate pair, encoded": b"x\xed\xa0\xbdy",
    "CESU-8": b"\xed\xa0\xbd\xed\xb8\x80",
    "Latin-1": "caf\u00e9 cr\u00e8me".encode("latin-1"),
    "GBK": "\u7b54\u6848".encode("gbk"),
    "above Unicode": b"x\xf5\x80\x80\x80y",
}

RESPONSE = {
    "status": "completed",
    "output": [{"type": "message", "content": [{"type": "output_text", "text": "TEXT 12"}]}],
    "usage": {"input_tokens": 7, "output_tokens": 5},
}
TEACHERS: dict[str, tuple[Any, Any]] = {
    "openai": (OpenAI, completion("TEXT 12")),
    "ollama": (Ollama, completion("TEXT 12")),
    "anthropic": (Anthropic, message({"type": "text", "text": "TEXT 12"})),
    "openai_responses": (Responses, RESPONSE),
}
QUESTION = (Message(role="user", content="2+2?"),)


def ask(kind: Any, body: bytes, content_type: str = "application/json", cap: int = 100) -> Reply:
    async def run() -> Reply:
        scripted = Scripted(body, headers={"content-type": content_type})
        async with (
            serving(lambda number, asked: scripted) as server,
            kind(model="m", base_url=server.url) as teacher,
        ):
            reply: Reply = await teacher.ask(Request(QUESTION, cap), "k-0")
        assert teacher.read(reply.raw).text == reply.text, "what is stored reads the same"
        return reply

    return asyncio.run(run())


@pytest.mark.parametrize("teacher", TEACHERS)
@pytest.mark.parametrize("bad", BAD)
def test_bytes_that_are_no_utf_8_are_read_with_a_replacement_mark(teacher: str, bad: str) -> None:
    kind, body = TEACHERS[teacher]
    reply = ask(kind, json.dumps(body).encode().replace(b"TEXT", BAD[bad]))
    assert reply.text.endswith(" 12") and "\ufffd" in reply.text
    assert reply.usage.output_tokens == 5


@pytest.mark.parametrize("bad", BAD)
def test_the_same_bytes_in_a_stream(bad: str) -> None:
    events = [
        {"type": "message_start", "message": message()},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "TEXT 12"}},
        {"type": "message_stop"},
    ]
    body = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in events).replace(b"TEXT", BAD[bad])
    reply = ask(Anthropic, body, "text/event-stream", MOST_UNSTREAMED + 1)
    assert reply.text.endswith(" 12") and "\ufffd" in reply.text


def test_a_bad_byte_in_the_name_of_a_field_is_passed_over() -> None:
    raw = json.dumps(completion("12")).encode().replace(b'"id"', b'"i\xc3d"')
    assert ask(OpenAI, raw).text == "12"


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: b"\xef\xbb\xbf" + raw,
        lambda raw: raw.decode().encode("utf-16"),
        lambda raw: b"\n\n  " + raw + b"\n",
        lambda raw: raw + raw,
        lambda raw: raw + b"\n" + raw,
        lambda raw: raw + b"\n<!-- proxy -->",
        lambda raw: raw.replace(b'"created": 1', b'"created": NaN'),
        lambda raw: raw.replace(b'"created": 1', b'"created": -Infinity'),
        lambda raw: raw.replace(b'"created": 1', b'"created": 1e999'),
        lambda raw: raw.replace(b'"served"', b'"ser\tved"'),
        lambda raw: raw.replace(b'"served"', b'"ser\\ud83dved"'),
    ],
    ids=["bom", "utf-16", "blanks", "twice", "two-lines", "comment", "nan", "infinity", "huge", "control", "surrogate"],
)
def test_json_that_is_nearly_json_is_read(change: Any) -> None:
    assert ask(OpenAI, change(json.dumps(completion("12")).encode())).text == "12"


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b"12", b'{"choices', b"[" * 100_000, b'{"a":' * 5000])
def test_what_is_no_json_is_a_bad_reply_and_nothing_else(body: bytes) -> None:
    for kind, _ in TEACHERS.values():
        with pytest.raises(BadReplyError):
            kind(model="m").read(body)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_bad_bytes_in_the_results_of_a_batch_are_read(
    provider: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "PACE", Pace(**QUICK))

    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if request.path.endswith(("/content", "/results")):
            assert isinstance(response, web.Response) and isinstance(response.body, bytes)
            return web.Response(body=response.body.replace(b"b=", b"b\xc3=").replace(b'"usage"', b'"x":NaN,"usage"'))
        return response

    async def run() -> None:
        async with world(tmp_path) as here:
            here.around = answer
            manifest = await here.generate(provider, len(BAD))
            assert (manifest.complete, manifest.counts["responses"]) == (True, len(BAD))
            assert here.ledger["answers"] == len(BAD), "none was bought again"
            marked = [one for one in here.responses() if "\ufffd" in (one.reasoning or "")]
            assert len(marked) == len(BAD) - 1, "all but the one asked online first"

    asyncio.run(run())


def test_one_reply_that_lays_a_bug_bare_is_one_failed_prompt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extract = OpenAI.extract

    def failing(self: OpenAI, raw: bytes) -> Reply:
        reply = extract(self, raw)
        if reply.text == "5":
            raise AttributeError("'NoneType' object has no attribute 'get'")
        return reply

    monkeypatch.setattr(OpenAI, "extract", failing)

    async def run() -> None:
        async with rehearsing(tmp_path) as here:
            manifest = await here.generate(30)
            assert manifest.counts["failed"] > 0 and manifest.counts["responses"] > 0
            assert here.requests == 30, "and it is not bought again at once"
        failed = (tmp_path / "r.failed.jsonl").read_text()
        assert "the reply cannot be read (AttributeError: 'NoneType' object has no attribute 'get')" in failed

    asyncio.run(run())
