"""Log-probabilities as each server writes them, and who is asked for them at all."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from cotdistill.artifacts.logprobs import LogprobsReader, Position, Token
from cotdistill.config import GenerateConfig
from cotdistill.dispatch.lookup import keys_of
from cotdistill.errors import UsageError
from cotdistill.mock.server import running
from cotdistill.mock.sources import open_source
from cotdistill.mock.teacher import ServerConfig
from cotdistill.progress import Silent
from cotdistill.providers.chat_stream import collect
from cotdistill.providers.logprobs import MOST_ALTERNATIVES, TokenLogprobs, check_logprobs
from cotdistill.providers.types import Request
from cotdistill.records import Message
from cotdistill.stages import generate
from tests.conftest import Notes, make_teacher
from tests.scripted_server import Scripted, completion, serving

ASKED = (Message(role="user", content="a=6 b=a*3 c=b-9 c?"),)
OPENAI = {
    "content": [
        {
            "token": "\\xf0\\x9f",
            "logprob": -0.5,
            "bytes": [240, 159],
            "top_logprobs": [{"token": "x", "logprob": -9999.0, "bytes": [120]}],
        }
    ]
}


def choice(logprobs: Any, **more: Any) -> bytes:
    reply = completion("4")
    reply["choices"][0] |= {"logprobs": logprobs, **more}
    return json.dumps(reply).encode()


X = Token(raw=b"x")
ENTRY = {"token": "x", "bytes": [120], "logprob": -1.0}


@pytest.mark.parametrize(
    ("provider", "raw", "found"),
    [
        ("openai", choice(OPENAI), TokenLogprobs([Position(Token(raw=b"\xf0\x9f"), -0.5, ((X, -9999.0),))])),
        (
            "vllm",
            choice(
                {
                    "content": [
                        {
                            "token": "token_id:7",
                            "logprob": -1.0,
                            "bytes": list("\ufffd".encode()),
                            "top_logprobs": [{"token": "token_id:9", "logprob": -2.0, "bytes": [65]}],
                        }
                    ]
                }
            ),
            TokenLogprobs([Position(Token(id=7), -1.0, ((Token(id=9), -2.0),))]),
        ),
        (  # llama.cpp
            "openai",
            choice({"content": [{"id": 5, "token": "x", "bytes": [120], "logprob": -1.0, "top_logprobs": []}]}),
            TokenLogprobs([Position(Token(id=5), -1.0)]),
        ),
        (
            "fireworks",
            choice({"content": [{"token_id": 5, "token": "x", "bytes": [120], "logprob": -1.0}]}),
            TokenLogprobs([Position(Token(id=5), -1.0)]),
        ),
        (
            "cerebras",
            choice(
                {"content": [{"token": "x", "bytes": [120], "logprob": -1.0}]},
                reasoning_logprobs={"content": [{"token": "x", "bytes": [120], "logprob": -2.0}]},
            ),
            TokenLogprobs([Position(X, -2.0), Position(X, -1.0)], reasoning=1),
        ),
        (
            "deepseek",
            choice(
                {
                    "content": [{"token": "x", "bytes": [120], "logprob": -1.0}],
                    "reasoning_content": [{"token": "x", "bytes": [120], "logprob": -3.0}],
                }
            ),
            TokenLogprobs([Position(X, -3.0), Position(X, -1.0)], reasoning=1),
        ),
        (
            "together",
            choice({"tokens": ["x"], "token_ids": [3], "token_logprobs": [-1.5], "top_logprobs": [{"x": -1.5}]}),
            TokenLogprobs([Position(Token(id=3), -1.5)]),
        ),
        (  # SGLang makes bytes of a string: half a character has lost its own
            "sglang",
            choice({"content": [{"token": "\ufffd", "bytes": list("\ufffd".encode()), "logprob": -1.0}]}),
            TokenLogprobs([Position(None, -1.0)]),
        ),
        ("ollama", choice({"content": [{"token": "x", "logprob": -1.0}]}), TokenLogprobs([Position(None, -1.0)])),
        (
            "openai",
            choice({"content": None, "refusal": [{"token": "x", "bytes": [120], "logprob": -1.0}]}),
            TokenLogprobs([Position(X, -1.0)]),
        ),
        ("openai", choice(None), None),
        (  # a vocabulary at one token would make room for as much at every token
            "openai",
            choice({"content": [{"token": "x", "bytes": [120], "logprob": -1.0, "top_logprobs": [ENTRY] * 90_000}]}),
            TokenLogprobs([Position(X, -1.0, ((X, -1.0),) * MOST_ALTERNATIVES)]),
        ),
        ("openai", choice({"content": "no list"}), None),
        (
            "openai_responses",
            json.dumps(
                {
                    "output": [
                        {"type": "reasoning", "summary": []},
                        {
                            "type": "message",
                            "content": [
                                {
                                    "type": "output_text",
                                    "text": "x",
                                    "logprobs": [{"token": "x", "bytes": [120], "logprob": -1.0, "top_logprobs": []}],
                                }
                            ],
                        },
                    ]
                }
            ).encode(),
            TokenLogprobs([Position(X, -1.0)]),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_token_is_known_by_its_id_or_else_by_its_bytes_and_never_by_its_string(
    provider: str, raw: bytes, found: TokenLogprobs | None
) -> None:
    one = make_teacher(provider)
    assert one.token_logprobs(raw) == found
    confidence = one.read(raw).confidence
    assert (confidence and confidence.tokens) == (found and len(found.positions))


def test_a_streamed_answer_has_the_same_log_probabilities_as_the_whole_one() -> None:
    def entry(byte: int) -> dict[str, Any]:
        return {"token": chr(byte), "bytes": [byte], "logprob": -1.0 * byte, "top_logprobs": []}

    parts: list[dict[str, Any]] = [
        {"delta": {"content": "a"}, "logprobs": {"content": [entry(97)], "refusal": None}},
        {
            "delta": {"content": "b"},
            "logprobs": {"content": [entry(98)]},
            "reasoning_logprobs": {"content": [entry(9)]},
        },
        {"delta": {}, "logprobs": None, "finish_reason": "stop"},
    ]

    async def chunks() -> Any:
        for part in parts:
            yield b"data: " + json.dumps({"choices": [{"index": 0, **part}]}).encode() + b"\n\n"
        yield b"data: [DONE]\n\n"

    found = make_teacher("openai").token_logprobs(asyncio.run(collect(chunks())))
    assert [position.token.raw for position in found.positions] == [b"\t", b"a", b"b"]
    assert found.reasoning == 1


@pytest.mark.parametrize(
    ("provider", "sent"),
    [
        ("openai", {"logprobs": True, "top_logprobs": 3}),
        ("vllm", {"logprobs": True, "top_logprobs": 3, "return_tokens_as_token_ids": True}),
        ("sglang", {"logprobs": True, "top_logprobs": 3}),
        ("together", {"logprobs": 3}),
        ("openrouter", {"logprobs": True, "top_logprobs": 3, "provider": {"require_parameters": True}}),
        ("openai_responses", {"include": ["message.output_text.logprobs"], "top_logprobs": 3}),
    ],
)
def test_each_server_is_asked_in_its_own_words(provider: str, sent: dict[str, Any]) -> None:
    one = make_teacher(provider)
    wire = one.wire(one.body(Request(ASKED, 100, logprobs=3)))
    assert {name: wire.get(name) for name in sent} == sent


def test_request_keys_hold_k_and_stay_as_they_were_without_it() -> None:
    one = make_teacher("openai")
    keys = [keys_of(one, Request(ASKED, 100, logprobs=k)).key for k in (None, 1, 2)]
    assert len(set(keys)) == 3
    assert keys[0] == "s1:185b274f622becefe05a713e7b7e6c8ef0d9376d31bc2a011b77a292b97eadf4", (
        "the key that versions without --logprobs gave"
    )


@pytest.mark.parametrize(
    ("provider", "more", "request_", "why"),
    [
        ("anthropic", {}, {}, "gives none"),
        ("groq", {}, {}, "Groq gives none"),
        ("gemini", {"model": "gemini-3.5-flash"}, {}, "Gemini 3 gives none"),
        ("openai", {"model": "gpt-6-luna"}, {"effort": "low"}, "with --effort none"),
        ("openai_responses", {"model": "o3"}, {}, "with --effort none"),
        ("deepseek", {}, {}, "with --effort none"),
        ("fireworks", {}, {"logprobs": 6}, "up to 5"),
        ("mock", {"model": "recorded.jsonl"}, {}, "a recording"),
        ("openai", {"model": "gpt-6-luna"}, {"effort": "none"}, None),
        ("openai", {"model": "gpt-4.1"}, {}, None),
        ("openai", {"model": "gpt-6-luna", "base_url": "http://localhost:8080/v1"}, {}, None),
        ("deepseek", {}, {"effort": "none"}, None),
        ("gemini", {"model": "gemini-2.5-flash"}, {}, None),
        ("fireworks", {}, {"logprobs": 5}, None),
    ],
)
def test_who_gives_none_is_refused_with_who_does(
    provider: str, more: dict[str, Any], request_: dict[str, Any], why: str | None
) -> None:
    asked = Request(ASKED, 100, **{"logprobs": 3, **request_})
    if why is None:
        check_logprobs(make_teacher(provider, **more), asked)
        return
    with pytest.raises(UsageError, match=rf"--logprobs \d: {provider}:.*{why}.*; those that do: vllm, sglang, ollama"):
        check_logprobs(make_teacher(provider, **more), asked)


def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.jsonl"
    questions = [f"a={digit} b=a-7 c=b*3 c?" for digit in (1, 8)]
    path.write_text("".join(json.dumps({"id": str(n), "question": one}) + "\n" for n, one in enumerate(questions)))
    return path


def asked(tmp_path: Path, name: str, **more: Any) -> list[dict[str, Any]]:
    config = GenerateConfig(**{"teacher": "mock:digit-chains", "cache": str(tmp_path / "store.sqlite"), **more})
    generate.run(prompts(tmp_path), tmp_path / name, config, Silent())
    return [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]


def test_generate_keeps_every_token_beside_the_responses_and_its_confidence_in_them(tmp_path: Path) -> None:
    responses = asked(tmp_path, "r.jsonl", logprobs=5, samples=2)
    with LogprobsReader(tmp_path / "r.logprobs") as reader:
        for response in responses:
            one = reader.of(response["request_key"], response["sample"])
            assert one
            positions = reader.positions(one)
            text = b"".join(position.token.raw or b"" for position in positions if position.token).decode()
            assert text == response["reasoning"] + response["text"]
            assert (one.k, one.reasoning) == (5, len(response["reasoning"]))
    unsure, sure = responses[0], responses[-1]
    assert unsure["confidence"]["worst_logprob"] < -0.4, "1-7 needs a borrow, which the habit decides"
    assert sure["confidence"]["worst_logprob"] > -0.01
    manifest = json.loads((tmp_path / "r.manifest.json").read_text())
    assert [Path(one["path"]).name for one in manifest["outputs"]] == ["r.jsonl", "r.logprobs"]

    (tmp_path / "r.jsonl").unlink()
    assert "confidence" not in asked(tmp_path, "r.jsonl", samples=2)[0], "asked without, it is another request"
    assert not (tmp_path / "r.logprobs").exists(), "what an earlier run wrote goes with it"


@pytest.mark.parametrize("provider", ["openai", "vllm", "openai_responses"])
def test_a_whole_reply_and_a_stream_bring_the_same_tokens(provider: str) -> None:
    async def run() -> list[list[Position]]:
        found = []
        async with running(ServerConfig(source=open_source("digit-chains"))) as url:
            one = make_teacher(provider, base_url=url + "/v1")
            async with one:
                for streams in (False, True) if provider != "openai_responses" else (False,):
                    one._streams = streams
                    reply = await one.ask(Request(ASKED, 200, logprobs=4), "s1:k-0")
                    found.append(one.token_logprobs(reply.raw).positions)
        return found

    first, *others = asyncio.run(run())
    assert all(other == first for other in others)
    assert all(position.token and (position.token.id is not None) == (provider == "vllm") for position in first)
    assert {len(position.top) for position in first} == {4}


def test_a_server_that_sends_none_is_told_of_at_the_first_answer_and_the_answers_are_kept(tmp_path: Path) -> None:
    progress = Notes()

    async def run() -> Any:
        async with serving(lambda number, body: Scripted(completion("#### 4", reasoning_content="2+2"))) as server:
            config = GenerateConfig(
                teacher="openai:m", base_url=f"{server.url}/v1", logprobs=5, cache=str(tmp_path / "s.sqlite")
            )
            return await asyncio.to_thread(generate.run, prompts(tmp_path), tmp_path / "r.jsonl", config, progress)

    manifest = asyncio.run(run())
    assert manifest.counts["responses"] == 2
    assert sum("without the log-probabilities that --logprobs asks for" in one for one in progress.notes) == 1
    assert any(note.startswith("2 of 2 answers came without log-probabilities") for note in manifest.notes)
    assert not (tmp_path / "r.logprobs").exists()


def test_what_a_server_names_by_strings_alone_is_kept_as_confidence_and_told_of(tmp_path: Path) -> None:
    entry = {"token": "x", "logprob": -0.25, "top_logprobs": []}
    reply = completion("#### 4", reasoning_content="2+2")
    reply["choices"][0]["logprobs"] = {"content": [entry, {**entry, "logprob": 10**400}, {**entry, "bytes": [120]}]}

    async def run() -> Any:
        async with serving(lambda number, body: Scripted(reply)) as server:
            config = GenerateConfig(
                teacher="openai:m", base_url=f"{server.url}/v1", logprobs=5, cache=str(tmp_path / "s.sqlite"), limit=1
            )
            return await asyncio.to_thread(generate.run, prompts(tmp_path), tmp_path / "r.jsonl", config, Silent())

    manifest = asyncio.run(run())
    assert any(note.startswith("2 of 3 tokens with log-probabilities are named by neither") for note in manifest.notes)
    assert any(note.startswith("1 of 1 answers have the log-probabilities of their own") for note in manifest.notes)
    (response,) = map(json.loads, (tmp_path / "r.jsonl").read_text().splitlines())
    assert response["confidence"] == {"tokens": 2, "mean_logprob": -0.25, "worst_logprob": -0.25}
