"""The embedded teacher, asked through the real SDKs: they must not be able to tell."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import anthropic
import httpx2
import msgspec
import openai
import pytest

from cotdistill import teachers
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.mock import problems, solver
from cotdistill.mock.server import running
from cotdistill.mock.sources import Replay, Scripted, open_source
from cotdistill.mock.teacher import ServerConfig
from cotdistill.providers.types import Reply, Request
from cotdistill.records import Message
from tests.conftest import make_prompt, make_response

T = TypeVar("T")
QUESTION = "a=8 b=a-9 c=b+5 c?"
ASK: Any = [{"role": "user", "content": f"Please work this out: {QUESTION} Thanks."}]
CLIENTS: list[openai.AsyncOpenAI | anthropic.AsyncAnthropic] = []
ADAPTIVE: Any = {"type": "adaptive", "display": "summarized"}


def with_server(use: Callable[[str], Awaitable[T]], **config: Any) -> T:
    async def run() -> T:
        async with running(ServerConfig(**{"source": Scripted(), **config})) as url:
            try:
                return await use(url)
            finally:
                while CLIENTS:
                    await CLIENTS.pop().close()

    return asyncio.run(run())


def openai_at(url: str, key: str = "any") -> openai.AsyncOpenAI:
    client = openai.AsyncOpenAI(api_key=key, base_url=f"{url}/v1", max_retries=0)
    CLIENTS.append(client)
    return client


def anthropic_at(url: str, key: str = "any") -> anthropic.AsyncAnthropic:
    client = anthropic.AsyncAnthropic(api_key=key, base_url=url, max_retries=0)
    CLIENTS.append(client)
    return client


# The problems and the solver


def test_problems_are_distinct_repeatable_and_keep_clear_of_the_excluded() -> None:
    first = problems.generate(500, seed=1)
    assert first == problems.generate(500, seed=1)
    assert len({problem.text for problem in first}) == 500
    others = problems.generate(500, seed=1, exclude=frozenset(problem.text for problem in first))
    assert {problem.text for problem in first} & {problem.text for problem in others} == set()


def test_a_problem_is_found_in_whatever_stands_around_it() -> None:
    for problem in problems.generate(200, seed=2):
        assert problems.parse(f"Hello! Solve:\n\n{problem.text}\n\nShow each step.") == problem
    assert problems.parse("a=1 b=c+1 b?") is None
    assert problems.parse("What is 2+2?") is None


def test_every_answer_is_about_equally_likely_so_chance_is_one_in_ten() -> None:
    counts = Counter(problem.answer for problem in problems.generate(20_000, seed=3))
    assert set(counts) == set("0123456789")
    assert max(counts.values()) < 2_200


def test_the_solver_is_right_58_percent_of_the_time_and_its_mistake_is_a_forgotten_borrow() -> None:
    right = 0
    for problem in problems.generate(2_000, seed=4):
        for sample in range(4):
            trace, answer = solver.solve(problem, sample)
            right += answer == problem.answer
            assert (trace, answer) == solver.solve(problem, sample)
            digit = problem.start
            for step, line in zip(problem.steps, trace.split(), strict=True):
                result = int(line[-1])
                assert line.startswith(f"{step.name}={digit}{step.operator}{step.operand}=")
                if result != step.apply(digit):
                    assert step.operator == "-", "no other mistake"
                    assert digit < step.operand, "only where a borrow is needed"
                    assert result == step.operand - digit
                digit = result
            assert answer == str(digit), "it carries on with the wrong digit"
    assert 0.56 < right / 8_000 < 0.60


# Both wire formats


def test_openai_gets_trace_answer_usage_and_headers() -> None:
    async def use(url: str) -> None:
        raw = await openai_at(url).chat.completions.with_raw_response.create(model="m", messages=ASK)
        reply = raw.parse()
        message = reply.choices[0].message
        right, forgotten = ("b=8-9=9 c=9+5=4", "4"), ("b=8-9=1 c=1+5=6", "6")
        assert message.model_extra is not None
        assert (message.model_extra["reasoning_content"], message.content) in (right, forgotten)
        assert (reply.choices[0].finish_reason, reply.model) == ("stop", "m")
        assert reply.usage and reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
        assert reply.usage.completion_tokens_details and reply.usage.completion_tokens_details.reasoning_tokens == 5
        assert raw.headers["x-request-id"].startswith("req_")
        assert "x-ratelimit-limit-requests" not in raw.headers, "a server without limits tells of none"

    with_server(use)


def test_anthropic_gets_a_thinking_block_when_it_asks_for_one() -> None:
    async def use(url: str) -> None:
        client = anthropic_at(url)
        reply = await client.messages.create(model="m", max_tokens=100, messages=ASK, thinking=ADAPTIVE)
        assert [block.type for block in reply.content] == ["thinking", "text"]
        assert reply.content[0].thinking.startswith("b=8-9=")  # type: ignore[union-attr]
        assert reply.stop_reason == "end_turn"
        assert reply.usage.output_tokens_details and reply.usage.output_tokens_details.thinking_tokens == 5
        omitted = await client.messages.create(model="m", max_tokens=100, messages=ASK, thinking={"type": "adaptive"})
        assert omitted.content[0].thinking == ""  # type: ignore[union-attr]
        plain = await client.messages.create(model="m", max_tokens=100, messages=ASK)
        assert [block.type for block in plain.content] == ["text"]
        assert "Answer: " in plain.content[0].text  # type: ignore[union-attr]

    with_server(use)


def test_responses_gives_a_summary_when_asked_for_one_and_says_what_is_missing() -> None:
    async def use(url: str) -> None:
        responses = openai_at(url).responses
        whole = await responses.create(model="m", input=ASK, reasoning={"summary": "auto"}, store=False)
        reasoning, message = whole.output
        assert reasoning.type == "reasoning"
        assert reasoning.summary[0].text.startswith("b=8-9=")
        assert message.type == "message"
        assert whole.output_text in ("4", "6")
        assert (whole.status, whole.incomplete_details) == ("completed", None)
        assert whole.usage and whole.usage.output_tokens_details.reasoning_tokens == 5
        silent = await responses.create(model="m", input=QUESTION, instructions="Be brief.")
        assert [item.type for item in silent.output] == ["reasoning", "message"]
        assert silent.output[0].summary == []  # type: ignore[union-attr]
        cut = await responses.create(model="m", input=ASK, max_output_tokens=2, reasoning={"summary": "auto"})
        assert [item.type for item in cut.output] == ["reasoning"]
        assert cut.status == "incomplete"
        assert cut.incomplete_details and cut.incomplete_details.reason == "max_output_tokens"
        assert cut.usage and cut.usage.output_tokens == 2

    with_server(use)


def test_models_are_told_in_each_providers_shape() -> None:
    async def use(url: str) -> None:
        listed = (await openai_at(url).models.list()).data
        assert [model.id for model in listed] == ["simulated-digit-chains"]
        assert (await openai_at(url).models.retrieve("org/any-model")).id == "org/any-model"
        described = await anthropic_at(url).models.retrieve("any-model")
        assert (described.id, described.lifecycle) == ("any-model", "active")
        assert described.capabilities
        assert described.capabilities.thinking.types.adaptive.supported
        assert described.capabilities.effort.high.supported
        assert (await anthropic_at(url).models.list()).data[0].max_tokens == 128_000

    with_server(use)


def test_streams_add_up_to_the_same_answer() -> None:
    async def use(url: str) -> None:
        whole = await openai_at(url).chat.completions.create(
            model="m", messages=ASK, extra_headers={"Idempotency-Key": "k-0"}
        )
        stream = await openai_at(url).chat.completions.create(
            model="m", messages=ASK, stream=True, extra_headers={"Idempotency-Key": "k-0"}
        )
        text = reasoning = ""
        async for chunk in stream:
            for choice in chunk.choices:
                text += choice.delta.content or ""
                reasoning += (choice.delta.model_extra or {}).get("reasoning_content", "")
        assert text == whole.choices[0].message.content
        assert reasoning == whole.choices[0].message.model_extra["reasoning_content"]  # type: ignore[index]
        async with anthropic_at(url).messages.stream(
            model="m", max_tokens=100, messages=ASK, thinking=ADAPTIVE, extra_headers={"Idempotency-Key": "k-0"}
        ) as events:
            final = await events.get_final_message()
        assert [block.type for block in final.content] == ["thinking", "text"]
        assert final.content[0].thinking == reasoning  # type: ignore[union-attr]
        assert final.content[1].text == text  # type: ignore[union-attr]
        assert final.usage.output_tokens > 1

    with_server(use)


def test_a_cap_cuts_the_end_and_says_so() -> None:
    async def use(url: str) -> None:
        reply = await openai_at(url).chat.completions.create(model="m", messages=ASK, max_tokens=2)
        choice = reply.choices[0]
        assert (choice.finish_reason, choice.message.content) == ("length", "")
        assert reply.usage and reply.usage.completion_tokens == 2
        cut = await anthropic_at(url).messages.create(model="m", max_tokens=2, messages=ASK, thinking=ADAPTIVE)
        assert (cut.stop_reason, [block.type for block in cut.content]) == ("max_tokens", ["thinking"])

    with_server(use)


def test_errors_arrive_as_the_sdks_own_types() -> None:
    async def use(url: str) -> None:
        with pytest.raises(openai.AuthenticationError, match="Incorrect API key provided"):
            await openai_at(url, "wrong").chat.completions.create(model="m", messages=ASK)
        with pytest.raises(anthropic.AuthenticationError, match="authentication_error"):
            await anthropic_at(url, "wrong").messages.create(model="m", max_tokens=9, messages=ASK)
        with pytest.raises(openai.BadRequestError, match="at least one user turn"):
            await openai_at(url, "right").chat.completions.create(model="m", messages=[])
        with pytest.raises(anthropic.BadRequestError, match="temperature: not supported"):
            await anthropic_at(url, "right").messages.create(
                model="m", max_tokens=9, messages=ASK, extra_body={"temperature": 1}
            )
        with pytest.raises(openai.NotFoundError, match="no such path"):
            await openai_at(url, "right").files.list()

    with_server(use, api_key="right")


def test_the_idempotency_key_decides_the_sample_and_without_one_they_come_in_turn(tmp_path: Path) -> None:
    path = tmp_path / "recorded.jsonl"
    path.write_text(json.dumps({"question": "2+2?", "solutions": ["zero", "one", "two"]}))

    async def use(url: str) -> None:
        async def ask(**headers: str) -> str | None:
            reply = await openai_at(url).chat.completions.create(
                model="m", messages=[{"role": "user", "content": "2+2?"}], extra_headers=headers
            )
            return reply.choices[0].message.content

        assert [await ask(**{"Idempotency-Key": f"x-{n}"}) for n in (2, 0, 0, 5)] == ["two", "zero", "zero", "two"]
        assert [await ask() for _ in range(4)] == ["zero", "one", "two", "zero"]
        several = await openai_at(url).chat.completions.create(
            model="m", messages=[{"role": "user", "content": "2+2?"}], n=2, extra_headers={"Idempotency-Key": "y-0"}
        )
        assert [choice.message.content for choice in several.choices] == ["zero", "one"]

    with_server(use, source=Replay.load(path))


def test_the_ledger_counts_what_was_billed() -> None:
    async def use(url: str) -> None:
        for _ in range(3):
            await openai_at(url).chat.completions.create(model="m", messages=ASK)
        async with httpx2.AsyncClient() as client:
            ledger = (await client.get(f"{url}/ledger")).json()
            assert "simulated teacher" in (await client.get(url)).text
        assert (ledger["requests"], ledger["answers"]) == (3, 3)
        assert ledger["output_tokens"] == 3 * 6

    with_server(use)


def test_garbage_is_always_a_4xx_in_json_never_a_crash() -> None:
    async def use(url: str) -> None:
        source = random.Random(0)
        bodies = [source.randbytes(source.randint(0, 60)) for _ in range(100)]
        shapes: list[Any] = [None, 1, [], {}, {"model": 1}, {"model": "m", "messages": [1]}]
        shapes += [
            {"model": "m", "messages": [{"role": "user", "content": content}]} for content in (None, [1], {"a": 1})
        ]
        asked = {"model": "m", "messages": [{"role": "user", "content": "q"}]}
        shapes += [{**asked, "max_tokens": cap} for cap in ("many", -1, 0, True)]
        shapes += [
            {**asked, "max_tokens": 5, "thinking": thinking} for thinking in ("on", {"type": "x"}, {"type": "enabled"})
        ]
        inputs: list[Any] = [None, 1, "", [1], [{}], [{"role": "user", "content": [1]}], "2+2?"]
        shapes += [{**asked, "input": own} for own in inputs]
        shapes += [{**asked, "input": "q", "reasoning": reasoning} for reasoning in ("on", {"summary": 1}, [1])]
        bodies += [msgspec.json.encode(shape) for shape in shapes]
        headers = {"Authorization": "Bearer x", "anthropic-version": "2026-10-21"}
        async with httpx2.AsyncClient(headers=headers) as client:
            for path in ("/v1/chat/completions", "/v1/messages", "/v1/responses"):
                for body in bodies:
                    reply = await client.post(url + path, content=body)
                    assert reply.status_code < 500, body
                    assert "error" in reply.json() or reply.status_code == 200

    with_server(use)


# Replay


def test_recorded_solutions_are_read_in_all_layouts(tmp_path: Path) -> None:
    lines = [
        {"question": "q1", "solutions": ["a", {"reasoning": "r", "text": "b"}]},
        {"question": "q2", "ground_truth": "#### 1", "6b": {"solution": "A: 1", "is_correct": True}},
        msgspec.to_builtins(make_response("4", make_prompt(question="q3"), reasoning="2+2")),
        msgspec.to_builtins(make_response("5", make_prompt(question="q3"), sample=1)),
        {"question": "q4", "answer": "2+2=4\n#### 4"},
    ]
    path = tmp_path / "recorded.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    source = open_source(str(path))
    assert [source.answer("q1", k) for k in range(3)] == [(None, "a"), ("r", "b"), (None, "a")]
    assert source.answer(" q2 ", 0) == (None, "A: 1")
    assert [source.answer("Answer this: q3 now", k) for k in range(2)] == [("2+2", "4"), (None, "5")]
    assert source.answer("q4", 0) == (None, "2+2=4\n#### 4")
    assert "no recorded answer" in source.answer("something else", 0).text


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{}", "expected {question, answer}.* found nothing"),
        ('{"question": "q"}', "found question"),
        ('{"question": "q", "solutions": []}', "found question, solutions"),
        ('{"question": "q", "solutions": [1]}', "found question, solutions"),
        ("nonsense", "not valid JSON"),
        ("", "no recorded solutions in it"),
    ],
)
def test_a_bad_recording_says_where_and_what(tmp_path: Path, content: str, problem: str) -> None:
    (tmp_path / "r.jsonl").write_text(content)
    with pytest.raises(CotDistillError, match=problem):
        open_source(str(tmp_path / "r.jsonl"))


RECORDINGS = {
    "a.csv": "Question;answer;rationale\n2+2?;4;I count.\n",
    "b.tsv": "problem\tsolution\trationale\n2+2?\t4\tI count.\n",
    "c.json": '[{"problem": "2+2?", "solution": "4", "reasoning": "I count."}, {"problem": "3?"}]',
    "d.jsonl": '{"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}],'
    ' "cot": "I count."}',
    "e.jsonl": '{"question": "3?"}\n{"question": "2+2?", "answer": "4", "reasoning_content": "I count."}',
}


@pytest.mark.parametrize("name", RECORDINGS)
def test_recordings_are_read_like_prompt_files_with_their_traces(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(RECORDINGS[name])
    source = open_source(str(tmp_path / name))
    assert source.answer("2+2?", 0) == ("I count.", "4")
    assert source.answer("3?", 0).text.startswith("I am a simulated teacher")


def test_a_recording_is_another_teacher_where_its_answer_is_another_and_for_no_other_question(tmp_path: Path) -> None:
    file, asked = tmp_path / "p.csv", Request((Message(role="user", content="Think. 2+2?"),), 100)

    def body() -> dict[str, Any]:
        return teachers.build(f"mock:{file}").body(asked)

    file.write_text("question,answer\n2+2?,5\n")
    before = body()
    assert before == body()
    file.write_text("question,answer\n2+2?,5\n3+3?,6\n")
    assert before == body(), "a prompt that is appended asks for no old answer again"
    file.write_text("question,answer\n2+2?,5\n3+3?,6\n2+2?,5\n")
    assert before == body(), "nor does the same one again"
    file.write_text("question,answer\n2+2?,4\n")
    assert body() != before
    assert "recorded" not in teachers.build("mock:digit-chains").body(asked)


def test_that_it_has_no_answer_is_not_taken_for_an_answer(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("question,answer\n2+2?,4\n")

    async def ask(spec: str, question: str) -> Reply:
        async with teachers.build(spec) as teacher:
            reply = await teacher.ask(Request((Message(role="user", content=question),), 100), "s1:k-0")
            assert teacher.read(reply.raw).stop_reason == reply.stop_reason, "and neither when it is stored"
            return reply

    for spec, words in ((f"mock:{tmp_path / 'p.csv'}", "no recorded answer"), ("mock:digit-chains", "only chains")):
        reply = asyncio.run(ask(spec, "Who wrote Faust?"))
        assert (reply.stop_reason, words in (reply.stop_detail or "")) == ("other", True)
    assert asyncio.run(ask(f"mock:{tmp_path / 'p.csv'}", "2+2?")).stop_reason == "stop"


def test_an_unknown_simulated_teacher_says_what_there_is() -> None:
    with pytest.raises(UsageError, match="no simulated teacher named 'gpt'; there is 'digit-chains'"):
        open_source("gpt")
