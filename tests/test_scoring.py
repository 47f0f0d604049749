"""Teachers that score given tokens: what is sent to vLLM and SGLang, what is kept of it, and what is refused."""

import asyncio
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

pytest.importorskip("transformers", reason="the train extra is not installed")

import torch

from cotdistill import plugins, teachers
from cotdistill.dispatch.budget import Worst
from cotdistill.dispatch.lookup import keys_of
from cotdistill.mock.server import running
from cotdistill.mock.sources import open_source
from cotdistill.mock.teacher import ServerConfig
from cotdistill.providers.scoring import ScoreRequest, Scores, SdkScorer
from cotdistill.providers.types import BadReplyError
from cotdistill.records import Message
from cotdistill.students import load
from cotdistill.students.next_tokens import NextTokens
from tests.scripted_server import Scripted, serving

IDS = tuple(load.tokenizer("tiny")("<|user|>a=6 a?<|end|><|assistant|><think></think>6<|end|>")["input_ids"])
START = len(IDS) - 4


def request(ids: Sequence[int] = IDS, start: int = START, top: int = 5) -> ScoreRequest:
    return ScoreRequest((Message(role="user", content="a=6 a?"),), 1, ids=tuple(ids), start=start, top=top)


def scorer(provider: str, url: str) -> SdkScorer:
    found: SdkScorer = teachers.build(f"{provider}:m", f"{url}/v1").scorer()  # type: ignore[attr-defined]
    return found


async def asked(provider: str, wanted: ScoreRequest) -> tuple[Scores, bytes]:
    config = ServerConfig(source=open_source("digit-chains"), scorer=NextTokens("tiny"))
    async with running(config) as url, scorer(provider, url) as teacher:
        reply = await teacher.ask(wanted, "key-0")
        return teacher.scores(reply.raw), reply.raw


@pytest.mark.parametrize("provider", ["vllm", "sglang"])
def test_a_server_gives_the_likeliest_tokens_of_each_scored_place_in_order(provider: str) -> None:
    scores, _ = asyncio.run(asked(provider, request()))
    model, _ = load.student("tiny")
    with torch.inference_mode():
        logits = model.float()(torch.tensor([IDS])).logits[0, START - 1 : -1]
    likeliest = torch.log_softmax(logits, dim=-1).topk(5, dim=-1)
    assert scores.ids.tolist() == likeliest.indices.tolist()
    assert np.allclose(scores.logprobs, likeliest.values.numpy(), atol=1e-6)
    assert scores.texts == ("<think>", "</think>", "6", "<|end|>")


def test_the_store_keeps_an_eighth_of_what_the_server_sends() -> None:
    scores, raw = asyncio.run(asked("vllm", request(top=20)))
    assert len(raw) < 260 * len(scores.ids) + 200
    assert b"decoded_token" not in raw


def test_the_key_is_that_of_model_and_tokens_whatever_prompt_they_answer() -> None:
    teacher = scorer("vllm", "http://127.0.0.1:1")
    other_prompt = ScoreRequest((Message(role="user", content="other"),), 1, ids=IDS, start=START, top=5)
    assert keys_of(teacher, request()) == keys_of(teacher, other_prompt)
    assert keys_of(teacher, request()) != keys_of(teacher, request(ids=(*IDS, 1)))
    assert keys_of(teacher, request()) != keys_of(teacher, request(top=6))


def test_scored_tokens_are_reserved_as_input_tokens() -> None:
    assert Worst.of(request()).input_tokens - Worst.of(request(ids=IDS[:-2])).input_tokens == 2
    assert Worst.of(request()).output_tokens == 1


def test_sglang_is_asked_beside_the_api_that_is_like_openais_and_from_one_place_before() -> None:
    teacher = scorer("sglang", "http://127.0.0.1:1")
    assert (teacher.base_url, teacher.path) == ("http://127.0.0.1:1", "/generate")
    assert teacher.body(request())["logprob_start_len"] == START - 1
    assert "model" not in teacher.wire(teacher.body(request()))


def test_a_server_that_does_not_know_the_option_is_named_with_those_that_do() -> None:
    teacher = scorer("vllm", "http://127.0.0.1:1")
    plain = {"choices": [{"text": "6", "prompt_logprobs": None}], "usage": {"prompt_tokens": len(IDS)}}
    with pytest.raises(BadReplyError, match=r"without prompt_logprobs.*vLLM and SGLang do.*local:DIR") as raised:
        teacher.places(plain, request())
    assert raised.value.final
    assert raised.value.usage.input_tokens == len(IDS)


def test_scores_of_other_tokens_than_were_sent_are_no_scores() -> None:
    teacher = scorer("vllm", "http://127.0.0.1:1")
    other = {"7": {"logprob": -0.1, "rank": 1, "decoded_token": "x"}}
    places = teacher.places({"choices": [{"prompt_logprobs": [None, *[other] * (len(IDS) - 1)]}]}, request())
    assert [place.id for place in places] == [-1] * 4


@pytest.mark.parametrize(
    ("more", "logprob", "problem"),
    [
        ({}, math.nan, "no log-probability is a number"),
        ({}, None, "no log-probability is a number"),
        ({}, 5.0, r"the probabilities add up to 2.72 or more; expected 1 at most \(the highest logarithm is 5\)"),
        ({"7": {"logprob": -0.1}, "8": {"logprob": -0.2}}, -0.3, r"add up to 2\.\d+ or more"),
        ({"-5": {"logprob": -3.0}}, -0.3, r"a token has no id of a vocabulary"),
        ({"99999999999": {"logprob": -3.0}}, -0.3, r"a token has no id of a vocabulary"),
        ({"abc": {"logprob": -3.0}}, -0.3, r"the scores cannot be read \(invalid literal.*'abc'\)"),
    ],
)
def test_what_is_no_distribution_over_tokens_teaches_nothing(
    more: dict[str, Any], logprob: float | None, problem: str
) -> None:
    def answer(number: int, body: dict[str, Any]) -> Scripted:
        listed = [{str(token): {"logprob": logprob, "decoded_token": 7}, **more} for token in body["prompt"]]
        return Scripted({"choices": [{"prompt_logprobs": listed}], "usage": {"prompt_tokens": len(IDS)}})

    async def ask() -> None:
        async with serving(answer) as server, scorer("vllm", server.url) as teacher:
            await teacher.ask(request(), "key-0")

    with pytest.raises(BadReplyError, match=problem) as raised:
        asyncio.run(ask())
    assert raised.value.final and raised.value.usage.input_tokens == len(IDS), "it was billed all the same"


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        ("Requested prompt logprobs of 20, which is greater than max allowed: 5", "--max-logprobs 20"),
        ("CUDA out of memory. Tried to allocate 304.00 MiB", "--gpu-memory-utilization"),
        ("EngineDeadError: EngineCore encountered an issue", "--max-num-batched-tokens"),
    ],
)
def test_the_error_of_a_server_that_cannot_score_so_much_names_the_remedy(words: str, remedy: str) -> None:
    import httpx2
    import openai

    teacher = scorer("vllm", "http://127.0.0.1:1")
    body = {"error": {"message": words, "type": "BadRequestError", "code": 400}}
    answer = httpx2.Response(500 if "memory" in words else 400, json=body, request=httpx2.Request("POST", "http://h"))
    assert remedy in teacher.classify(openai.APIStatusError("", response=answer, body=body)).message


def test_the_simulated_teacher_scores_only_where_a_student_stands_in() -> None:
    async def without() -> Any:
        async with running(ServerConfig(source=open_source("digit-chains"))) as url, scorer("vllm", url) as teacher:
            await teacher.ask(request(), "key-0")

    with pytest.raises(Exception, match="no such path"):
        asyncio.run(without())


def test_teachers_that_score_say_so_in_their_class() -> None:
    assert plugins.names("teachers", "scorer") == ["sglang", "vllm"]


def test_what_the_store_keeps_is_read_back_as_it_was(tmp_path: Path) -> None:
    scores, raw = asyncio.run(asked("sglang", request()))
    again = scorer("sglang", "http://127.0.0.1:1").scores(raw)
    assert again.ids.tolist() == scores.ids.tolist()
    assert again.logprobs.tolist() == scores.logprobs.tolist()
    assert msgspec.json.decode(raw)["input_tokens"] == len(IDS)
