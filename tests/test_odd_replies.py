"""Servers that are nearly compatible: errors, waits, encodings, streams and shapes that only some of them send."""

import asyncio
import gzip
import json
import time
import zlib
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from cotdistill.providers import http
from cotdistill.providers.batch_api import Result
from cotdistill.providers.error_body import problem_in
from cotdistill.providers.errors import failure_of
from cotdistill.providers.openai_batch import OpenAIBatches
from cotdistill.providers.types import BadReplyError, Reply, Request
from cotdistill.reasoning import split
from cotdistill.records import Message
from cotdistill.teachers.anthropic import MOST_UNSTREAMED
from cotdistill.teachers.anthropic import Teacher as Anthropic
from cotdistill.teachers.openai import Teacher as OpenAI
from cotdistill.teachers.openai_responses import Teacher as Responses
from tests.batch_world import Handler, world
from tests.scripted_server import Scripted, completion, message, serving

QUESTION = (Message(role="user", content="9+8?"),)
ANSWER = "It is 17."
STREAM = {"content-type": "text/event-stream"}


def ask(kind: Any, scripted: Scripted, cap: int = 100) -> Reply:
    """Over HTTP; what is kept must read the same again."""

    async def run() -> Reply:
        async with (
            serving(lambda number, asked: scripted) as server,
            kind(model="m", base_url=server.url) as teacher,
        ):
            reply: Reply = await teacher.ask(Request(QUESTION, cap), "k-0")
        assert teacher.read(reply.raw).text == reply.text
        return reply

    return asyncio.run(run())


# Errors


def inside(code: int, words: str) -> dict[str, Any]:
    return {"choices": None, "base_resp": {"status_code": code, "status_msg": words}}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, [{"error": {"code": 400, "status": "FAILED_PRECONDITION",
                          "message": "User location is not supported for the API use."}}], "account"),
        (429, [{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Your prepayment credits are "
                          "depleted. Please go to AI Studio to manage your project and billing."}}], "account"),
        (429, {"code": "Some resource has been exhausted", "error": "Your team 1 has either used all available credits "
               "or reached its monthly spending limit."}, "account"),
        (400, {"error": {"code": "blocked_api_access", "type": "invalid_request_error", "message": "x"}}, "account"),
        (412, {"error": {"code": "PRECONDITION_FAILED", "message": "Account a-b is suspended, possibly due to reaching "
               "the monthly spending limit or failure to pay past invoices."}}, "account"),
        (400, {"type": "error", "error": {"type": "invalid_request_error",
                                          "message": "This organization has been disabled."}}, "account"),
        (400, {"message": "Invocation of model ID anthropic.claude-x with on-demand throughput isn\u2019t supported. "
               "Retry your request with the ID or ARN of an inference profile."}, "account"),
        (None, {"error": "Unexpected endpoint or method. (POST /chat/completions)"}, "account"),
        (None, inside(1008, "insufficient balance"), "account"),
        (None, inside(2049, "invalid api key"), "account"),
        (None, inside(1026, "input new_sensitive"), "row"),
        (None, inside(1002, "rate limit"), "retry"),
        (400, {"error": {"code": 1008, "message": "another server's number"}}, "row"),
        (400, {"result": None, "success": False, "errors": [{"code": 5007, "message": "no such field"}]}, "row"),
        (400, {"error": {"message": "echo: Your prepayment credits are depleted. Why?"}}, "row"),
        (307, b"", "account"),
    ],
)  # fmt: skip
def test_an_error_in_the_words_of_a_server_of_its_own_means_the_same(status: int | None, body: Any, kind: str) -> None:
    found = failure_of(status, problem_in(json.dumps(body).encode() if not isinstance(body, bytes) else body))
    assert found.kind == kind, found.message
    assert ".." not in found.message


@pytest.mark.parametrize(
    "body", [inside(1008, "insufficient balance"), {"code": 402, "msg": "pay first", "data": None}]
)
def test_an_error_without_choices_under_status_200_is_read_as_an_error(body: Any) -> None:
    with pytest.raises(BadReplyError) as caught:
        OpenAI("m").read(json.dumps(body).encode())
    assert OpenAI("m").classify(caught.value).kind == "account"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2s"}, 2.0),
        ({"retry-after": "1m30s"}, 90.0),
        ({"retry-after": " 2 "}, 2.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "-5"}, 0.0),
        ({"x-ms-retry-after-ms": "2200"}, 2.2),
        ({"retry-after-ms": "300", "retry-after": "9"}, 0.3),
        ({"x-ratelimit-reset": "2"}, 2.0),
        ({"ratelimit-reset": "2", "ratelimit-remaining": "0"}, 2.0),
        ({"ratelimit": '"default";r=0;t=2', "ratelimit-policy": '"default";q=100;w=60'}, 2.0),
    ],
)
def test_a_wait_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    found = failure_of(429, problem_in(b"{}"), headers)
    assert found.wait_s == (seconds if seconds is None else pytest.approx(seconds, abs=0.01))


def test_a_moment_to_wait_for_is_read_in_every_form() -> None:
    at = int(time.time()) + 600
    iso = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
    for headers in ({"retry-after": formatdate(at, usegmt=True)}, {"retry-after": iso}, {"x-ratelimit-reset": str(at)}):
        assert failure_of(429, problem_in(b"{}"), headers).wait_s == pytest.approx(600, abs=60), headers


def test_a_wait_as_an_object_of_protobuf_is_read() -> None:
    details = [
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": {"seconds": "2", "nanos": 5 * 10**8}}
    ]
    assert failure_of(429, problem_in({"error": {"code": 429, "details": details}})).wait_s == 2.5


# Bytes

PLAIN = json.dumps(completion(ANSWER)).encode()
RAW = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (zlib.compress(PLAIN), "deflate"),
        (RAW.compress(PLAIN) + RAW.flush(), "deflate"),
        (gzip.compress(gzip.compress(PLAIN)), "gzip, gzip"),
        (gzip.compress(PLAIN[:50]) + gzip.compress(PLAIN[50:]), "GZIP"),
        (gzip.compress(PLAIN), ""),
        (PLAIN, "gzip"),
    ],
    ids=["zlib", "raw deflate", "twice", "in two members", "not said", "said, and not done"],
)
def test_a_compressed_reply_is_unpacked_whatever_is_said_of_it(content: bytes, encoding: str) -> None:
    headers = {"content-encoding": encoding} if encoding else {}
    assert ask(OpenAI, Scripted(content, headers=headers)).text == ANSWER


@pytest.mark.parametrize("content", [gzip.compress(PLAIN)[:-20], b"\x1f\x8b\x08zzzzzz"])
def test_a_broken_compression_is_a_lost_reply(content: bytes) -> None:
    with pytest.raises(Exception) as caught:
        ask(OpenAI, Scripted(content, headers={"content-encoding": "gzip"}))
    failure = OpenAI("m").classify(caught.value)
    assert failure.kind == "retry" and "compression is broken" in failure.message


@pytest.mark.parametrize(
    ("text", "sent_as", "named"),
    [
        ("caf\u00e9 17", "latin-1", "ISO-8859-1"),
        ("\u7b54\u6848 17", "gbk", "GBK"),
        ("\u7b54\u6848 17", "utf-16", "utf-16"),
        ("caf\u00e9 17", "utf-8", "ISO-8859-1"),
        ("caf\u00e9 17", "utf-8", "no-such-charset"),
    ],
)
def test_a_reply_is_read_in_the_encoding_that_it_names_unless_it_is_utf_8(text: str, sent_as: str, named: str) -> None:
    body = json.dumps(completion(text), ensure_ascii=False).encode(sent_as)
    reply = ask(OpenAI, Scripted(body, headers={"content-type": f"application/json; charset={named}"}))
    assert reply.text == text


# Streams


def sse(*data: Any, end: str = "\n\n", done: bool = True) -> bytes:
    listed = [one if isinstance(one, str) else json.dumps(one) for one in data] + ["[DONE]"] * done
    return "".join(f"data: {one}{end}" for one in listed).encode()


def chunk(text: str | None = None, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}


WHOLE = (chunk("It is "), chunk("17."), chunk(None, "stop"))
RESPONSE = {
    "status": "completed",
    "output": [{"type": "message", "content": [{"type": "output_text", "text": ANSWER}]}],
    "usage": {"input_tokens": 7, "output_tokens": 5},
}
MESSAGE = (
    {"type": "message_start", "message": message()},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ANSWER}},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
)


@pytest.mark.parametrize(
    ("kind", "body", "headers"),
    [
        (OpenAI, sse(*WHOLE), {}),
        (OpenAI, b": keep-alive\n\n" + sse(*WHOLE), {}),
        (OpenAI, sse(*WHOLE, end="\r\n\r\n"), STREAM),
        (OpenAI, sse(*WHOLE, end="\r\r"), STREAM),
        (OpenAI, sse(*WHOLE, end="\n"), STREAM),
        (OpenAI, b'data: {"choices":[{"index":0,\ndata: "delta":{"content":"It is 17."},"finish_reason":"stop"}]}\n\n',
         STREAM),
        (OpenAI, PLAIN, STREAM),
        (OpenAI, b": keep-alive\n\n: PROCESSING\n\n" + PLAIN, {}),
        (Responses, sse({"type": "response.created", "response": {**RESPONSE, "status": "in_progress", "output": []}},
                        {"type": "response.completed", "response": RESPONSE}, done=False), STREAM),
        (Anthropic, sse(*MESSAGE, {"type": "message_stop"}, done=False), {}),
    ],
    ids=["as JSON", "a comment first", "CRLF", "CR", "no blank lines", "data on two lines", "JSON as a stream",
         "comments before JSON", "a response", "a message"],
)  # fmt: skip
def test_a_stream_that_was_not_asked_for_is_read_in_every_form(kind: Any, body: bytes, headers: dict[str, str]) -> None:
    reply = ask(kind, Scripted(body, headers=headers))
    assert (reply.text, reply.stop_reason) == (ANSWER, "stop")


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        (OpenAI, sse(WHOLE[0], done=False) + b'data: {"choices":[{"ind', "chunk of a chat completion"),
        (OpenAI, sse(WHOLE[0], done=False), "ended before the answer"),
        (OpenAI, sse(), "ended before the answer"),
        (OpenAI, sse(WHOLE[0], {"error": {"message": "broken", "code": 502}}, done=False), "broken"),
        (Responses, sse({"type": "error", "code": "server_error", "message": "broken"}), "broken"),
        (Responses, sse({"type": "response.created", "response": {}}, done=False), "ended before the response"),
    ],
)
def test_a_stream_that_breaks_off_is_no_answer(kind: Any, body: bytes, words: str) -> None:
    with pytest.raises(BadReplyError, match=words) as caught:
        ask(kind, Scripted(body, headers=STREAM))
    assert kind("m").classify(caught.value).kind == "retry"


def test_a_message_that_was_asked_for_as_a_stream_may_come_whole_or_without_its_last_event() -> None:
    whole = message({"type": "text", "text": ANSWER})
    for body in (sse(*MESSAGE, done=False), json.dumps(whole).encode()):
        reply = ask(Anthropic, Scripted(body, headers=STREAM), cap=MOST_UNSTREAMED + 1)
        assert (reply.text, reply.stop_reason) == (ANSWER, "stop")


def test_blank_lines_while_one_waits_are_passed_over() -> None:
    whole = json.dumps(message({"type": "text", "text": ANSWER})).encode()
    for body in (sse(*MESSAGE), whole):
        reply = ask(Anthropic, Scripted(b" \n" * 200_000 + body, headers=STREAM), cap=MOST_UNSTREAMED + 1)
        assert (reply.text, reply.stop_reason) == (ANSWER, "stop")


# Batches

BATCH = {
    "id": "b", "object": "batch", "status": "completed", "output_file_id": "f", "error_file_id": None,
    "endpoint": "/v1/chat/completions", "completion_window": "24h", "created_at": 1, "input_file_id": "i",
}  # fmt: skip


def results(path: Path, lines: bytes) -> list[Result]:
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        return web.Response(body=lines) if request.path.endswith("/content") else web.json_response(BATCH)

    async def run() -> list[Result]:
        async with world(path) as here:
            here.around = answer
            async with OpenAIBatches(f"{here.url}/v1", f"{here.url}/v1") as batches:
                return [one async for one in batches.items("b")]

    return asyncio.run(run())


def test_a_result_of_a_batch_is_its_request_s_whatever_the_types_around_it_are(tmp_path: Path) -> None:
    """A line that is not read belongs to no request, and what it answers would be bought again."""
    paid = completion(ANSWER)
    lines = [
        {"custom_id": "0", "response": {"status_code": "200", "body": paid}, "error": None},
        {"custom_id": "1", "response": {"status_code": 201, "body": paid}},
        {"custom_id": "2", "response": {"body": json.dumps(paid)}},
        {"custom_id": "3", "response": None, "error": "out of tokens"},
        {"custom_id": "4", "error": {"code": 429, "message": "later"}},
        {"custom_id": "5", "error": {"code": "batch_cancelled", "message": "by you"}},
        {"custom_id": "6"},
        {"custom_id": "7", "response": {"status_code": "401", "body": {"error": {"code": "invalid_api_key"}}}},
    ]
    found = results(tmp_path, b"\xef\xbb\xbf" + "\r\n".join(map(json.dumps, lines)).encode())
    assert [one.custom_id for one in found] == [str(number) for number in range(len(lines))]
    texts = [OpenAI("m").read(one.raw).text for one in found if one.raw is not None]
    assert texts == [ANSWER] * 3
    assert [one.failure and one.failure.kind for one in found[3:]] == ["retry", "retry", "row", "retry", "account"]
    assert found[3].failure is not None and found[3].failure.message == "out of tokens"


def test_the_results_of_a_batch_may_be_larger_than_one_reply(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "LARGEST_REPLY", 10_000)
    line = json.dumps({"custom_id": "0", "response": {"status_code": 200, "body": completion(ANSWER)}}).encode() + b"\n"
    assert len(results(tmp_path, line * 200)) == 200


# Shapes

COUNTED = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}


def choice(**fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "finish_reason": "stop", **fields}], "usage": COUNTED}


@pytest.mark.parametrize(
    "body",
    [
        {"code": 0, "data": completion(ANSWER)},
        {"success": True, "result": completion(ANSWER)},
        [completion(ANSWER)],
        json.dumps(completion(ANSWER)),
        choice(message=ANSWER),
        choice(text=ANSWER),
        choice(delta={"content": ANSWER}),
        choice(messages=[{"role": "assistant", "content": ANSWER}]),
        {**choice(), "choices": choice(message={"content": ANSWER})["choices"][0]},
        {"choices": [{"index": 1, "message": {"content": "?"}}, *choice(message={"content": ANSWER})["choices"]]},
        choice(message={"content": [{"type": "text", "text": {"value": ANSWER, "annotations": []}}]}),
        completion(ANSWER + "<|im_end|>"),
        completion(ANSWER + "<|eot_id|>\n"),
        completion(ANSWER + "</s>"),
    ],
)
def test_an_answer_in_an_envelope_or_a_shape_of_another_api_is_read(body: Any) -> None:
    reply = OpenAI("m").read(json.dumps(body).encode())
    assert (reply.text, reply.stop_reason) == (ANSWER, "stop")


@pytest.mark.parametrize(("content", "text"), [(17, "17"), (0.5, "0.5"), (True, "true"), ({"sum": 17}, '{"sum":17}')])
def test_an_answer_that_the_server_has_parsed_is_written_out_again(content: Any, text: str) -> None:
    assert OpenAI("m").read(json.dumps(completion(content)).encode()).text == text


@pytest.mark.parametrize("usage", [
    {"promptTokens": 7, "completionTokens": 5},
    {"promptTokenCount": 7, "candidatesTokenCount": 2, "thoughtsTokenCount": 3, "totalTokenCount": 12},
    {"usage": COUNTED},
    [COUNTED],
    {"completion_tokens": 5, "total_tokens": 12},
])  # fmt: skip
def test_counts_under_other_names_or_in_a_wrapper_are_read(usage: Any) -> None:
    found = OpenAI("m").read(json.dumps({**choice(message={"content": ANSWER}), "usage": usage}).encode()).usage
    assert (found.input_tokens, found.output_tokens) == (7, 5)


def test_counts_are_read_where_groq_and_moonshot_have_them() -> None:
    said = {"message": {"content": ANSWER}, "finish_reason": "stop"}
    for body in ({"choices": [said], "x_groq": {"usage": COUNTED}}, {"choices": [{**said, "usage": COUNTED}]}):
        found = OpenAI("m").read(json.dumps(body).encode()).usage
        assert (found.input_tokens, found.output_tokens) == (7, 5)


def test_log_probabilities_are_read_as_a_list_alone_and_as_texts() -> None:
    listed = [{"token": "17", "bytes": [49, 55], "logprob": "-0.25"}, {"token": ".", "bytes": [46], "logprob": -0.5}]
    reply = OpenAI("m").read(json.dumps(choice(message={"content": ANSWER}, logprobs=listed)).encode())
    assert reply.confidence is not None
    assert (reply.confidence.tokens, reply.confidence.mean_logprob) == (2, -0.375)


def test_the_word_of_the_provider_behind_counts_where_the_server_has_none() -> None:
    said = {"message": {"content": ANSWER}, "finish_reason": None, "native_finish_reason": "MAX_TOKENS"}
    assert OpenAI("m").read(json.dumps({"choices": [said], "usage": COUNTED}).encode()).stop_reason == "length"


def test_traces_one_after_the_other_are_one_and_end_tokens_that_are_spoken_of_stay() -> None:
    found = split("<think>9 and</think><think>8 make 17.</think>It is 17.")
    assert (found.reasoning, found.answer) == ("9 and\n\n8 make 17.", "It is 17.")
    for text in ("The token that ends a turn is <|im_end|>", "<s>16</s>"):
        assert split(text).answer == text
