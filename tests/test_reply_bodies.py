"""Bodies that servers send with status 200, and how each is read: trace, answer, end, tokens, and what is no answer."""

from typing import Any

import msgspec
import pytest

from cotdistill.providers.types import BadReplyError, Failure, Reply
from cotdistill.records import Usage
from cotdistill.teachers.anthropic import Teacher as Anthropic
from cotdistill.teachers.openai import Teacher as OpenAI
from cotdistill.teachers.openai_responses import Teacher as Responses
from cotdistill.teachers.openrouter import Teacher as OpenRouter

TRACE, ANSWER = "9 and 8 make 17.", r"It is \boxed{17}."
COUNTED = {"prompt_tokens": 21, "completion_tokens": 40, "total_tokens": 61}


def chat(content: Any, finish: str | None = "stop", usage: Any = None, model: str = "m", **fields: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **fields}, "finish_reason": finish}
    return msgspec.json.encode({"model": model, "choices": [choice], "usage": COUNTED if usage is None else usage})


def read(content: Any, finish: str | None = "stop", **more: Any) -> Reply:
    return OpenAI("m").read(chat(content, finish, **more))


def messages(*blocks: dict[str, Any], end: str | None = "end_turn", model: str = "m", **more: Any) -> bytes:
    usage = {"input_tokens": 21, "output_tokens": 40, **more}
    return msgspec.json.encode({"model": model, "content": list(blocks), "stop_reason": end, "usage": usage})


def response(*output: dict[str, Any], status: str = "completed", **more: Any) -> bytes:
    usage = {"input_tokens": 21, "output_tokens": 40}
    return msgspec.json.encode({"model": "m", "status": status, "output": list(output), "usage": usage, **more})


def spoken(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}], **more}


# Where a trace stands


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ({"type": "reasoning", "text": TRACE}, "raw"),
        ({"type": "reasoning_text", "text": TRACE}, "raw"),
        ({"type": "reasoning", "reasoning": TRACE}, "raw"),
        ({"type": "reasoning", "content": [{"type": "reasoning_text", "text": TRACE}]}, "raw"),
        ({"type": "reasoning", "summary": [{"type": "summary_text", "text": TRACE, "signature": "x"}]}, "summary"),
        ({"type": "thinking", "thinking": TRACE, "signature": "x"}, "raw"),
        ({"type": "thinking", "thinking": [{"type": "text", "text": "9 and 8"}, {"type": "text", "text": " make 17."}]},
         "raw"),
        ({"type": "reasoning_content", "reasoning_content": {"text": TRACE, "signature": "x"}}, "raw"),
        ({"reasoningContent": {"reasoningText": {"text": TRACE, "signature": "x"}}}, "raw"),
        ({"type": "text", "text": TRACE, "thought": True}, "raw"),
        ({"type": "thought", "text": TRACE}, "raw"),
    ],
)  # fmt: skip
def test_a_part_of_the_content_is_read_by_its_type_and_never_glued_to_the_answer(
    part: dict[str, Any], kind: str
) -> None:
    for content in ([part, {"type": "text", "text": ANSWER}], [part, {"text": ANSWER}], [part, ANSWER]):
        reply = read(content)
        assert (reply.reasoning, reply.reasoning_kind, reply.text) == (TRACE, kind, ANSWER)
        assert reply.reasoning_rule == "thinking part"


def test_parts_that_are_neither_text_nor_thought_are_passed_over() -> None:
    reply = read(
        [{"type": "image_url", "text": "an image"}, {"type": "output_text", "text": ANSWER}, {"type": 3}, None]
    )
    assert (reply.text, reply.reasoning_kind) == (ANSWER, "none")
    refused = read([{"type": "refusal", "refusal": "I will not."}])
    assert (refused.text, refused.stop_reason) == ("I will not.", "refusal")


@pytest.mark.parametrize(
    ("fields", "kind", "rule"),
    [
        ({"reasoning": TRACE}, "raw", "reasoning"),
        ({"reasoning": {"content": TRACE}}, "raw", "reasoning"),
        ({"reasoning": {"text": TRACE, "tokens": 9}}, "raw", "reasoning"),
        ({"reasoning_content": TRACE}, "raw", "reasoning_content"),
        ({"reasoning_content": [{"type": "text", "text": TRACE}]}, "raw", "reasoning_content"),
        ({"reasoning_text": TRACE}, "raw", "reasoning_text"),
        ({"thinking": TRACE}, "raw", "thinking"),
        ({"thinking_blocks": [{"type": "thinking", "thinking": TRACE}]}, "raw", "thinking_blocks"),
        ({"provider_specific_fields": {"reasoning_content": TRACE}}, "raw",
         "provider_specific_fields.reasoning_content"),
        ({"provider_specific_fields": {"thinking_blocks": [{"type": "thinking", "thinking": TRACE}]}}, "raw",
         "provider_specific_fields.thinking_blocks"),
        ({"reasoning_details": [{"type": "reasoning.text", "text": TRACE, "format": "unknown"}]}, "raw",
         "reasoning_details"),
        ({"reasoning_details": [{"type": "reasoning.text", "text": "9 and 8 ", "index": 0},
                                {"type": "reasoning.text", "text": "make 17.", "index": 0}]}, "raw",
         "reasoning_details"),
    ],
)  # fmt: skip
def test_a_field_of_any_name_is_found(fields: dict[str, Any], kind: str, rule: str) -> None:
    reply = read(ANSWER, **fields)
    assert (reply.reasoning, reply.reasoning_kind, reply.reasoning_rule, reply.text) == (TRACE, kind, rule, ANSWER)


def test_a_trace_beside_the_message_is_found_too() -> None:
    choice = {"message": {"content": ANSWER}, "reasoning_content": TRACE, "finish_reason": "stop"}
    reply = OpenAI("m").read(msgspec.json.encode({"choices": [choice], "usage": COUNTED}))
    assert (reply.reasoning, reply.text) == (TRACE, ANSWER)


def test_a_reply_without_choices_may_be_billed() -> None:
    with pytest.raises(BadReplyError, match="the reply holds no choices") as caught:
        OpenAI("m").read(msgspec.json.encode({"choices": [], "usage": COUNTED}))
    assert caught.value.usage == Usage(input_tokens=21, output_tokens=40)


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt_filter_results": [{"content_filter_results": {"violence": {"filtered": True, "severity": "high"}}}]},
        {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}},
    ],
    ids=["Azure", "Gemini"],
)
def test_a_prompt_that_a_filter_stopped_is_not_asked_again(fields: dict[str, Any]) -> None:
    teacher = OpenAI("m")
    with pytest.raises(BadReplyError) as caught:
        teacher.read(msgspec.json.encode({"choices": [], **fields}))
    failure = teacher.classify(caught.value)
    assert (failure.kind, "content policy" in failure.message) == ("row", True)


@pytest.mark.parametrize(
    "content",
    [
        f"</think>\n\n{ANSWER}",
        f"<think>\n\n</think>\n\n{ANSWER}",
        f"<think>{TRACE}</think>{ANSWER}",
        f"<think>\n9 and 8\nmake 17.\n</think>\n{ANSWER}",
        f"{TRACE}</think>{ANSWER}",
        f"<think>17.</think>{ANSWER}",
    ],
)
def test_a_field_and_tags_together_are_one_trace(content: str) -> None:
    reply = read(content, reasoning_content=TRACE)
    assert (reply.reasoning, reply.text, reply.reasoning_kind) == (TRACE, ANSWER, "raw")


def test_a_field_that_holds_half_of_the_trace_gives_way_and_another_trace_is_added() -> None:
    assert read(f"<think>{TRACE} So 17.</think>{ANSWER}", reasoning=TRACE).reasoning == f"{TRACE} So 17."
    assert read(f"<think>Then I check.</think>{ANSWER}", reasoning=TRACE).reasoning == f"{TRACE}\n\nThen I check."


def test_an_unclosed_trace_in_the_content_has_no_answer_and_a_mention_has_one() -> None:
    cut = read(f"<think>\n{TRACE}", "length")
    assert (cut.reasoning, cut.text, cut.stop_reason) == (TRACE, "", "length")
    spoken_of = "Close the trace with `</think>`."
    assert read(spoken_of).text == spoken_of


@pytest.mark.parametrize("tags", ["<think>{}</think>{}", "<thought>{}</thought>{}", "[THINK]{}[/THINK]{}"])
def test_tags_inside_the_text_of_other_wire_formats_are_found_too(tags: str) -> None:
    text = tags.format(TRACE, ANSWER)
    for reply in (
        read(text),
        Anthropic("m").read(messages({"type": "text", "text": text})),
        Anthropic("m").read(msgspec.json.encode({"content": text, "stop_reason": "end_turn"})),
        Responses("m").read(response(spoken(text))),
    ):
        assert (reply.reasoning, reply.reasoning_kind, reply.text) == (TRACE, "raw", ANSWER)


def test_marks_of_ones_own_are_part_of_how_a_reply_is_read() -> None:
    raw = chat(f"<scratch>{TRACE}</scratch>{ANSWER}")
    assert OpenAI("m").read(raw).reasoning is None
    reply = OpenAI("m", think_tags=(("<scratch>", "</scratch>"),)).read(raw)
    assert (reply.reasoning, reply.text, reply.reasoning_rule) == (TRACE, ANSWER, "</scratch>")


def test_of_messages_in_phases_the_last_phase_is_the_answer() -> None:
    output = [spoken("Let me see.", phase="commentary"), spoken(ANSWER, phase="final_answer")]
    assert Responses("m").read(response(*output)).text == ANSWER
    assert Responses("m").read(response(output[0])).text == "Let me see.", "where nothing else is said"


# What kind of trace it is


@pytest.mark.parametrize("form", ["openai-responses-v1", "anthropic-claude-v1", "google-gemini-v1", "xai-responses-v1"])
def test_openrouters_details_are_summaries_where_a_closed_model_wrote_them(form: str) -> None:
    sealed = {"type": "reasoning.encrypted", "data": "gAAA", "format": form, "index": 1}
    for detail in (
        {"type": "reasoning.summary", "summary": TRACE, "format": form, "index": 0},
        {"type": "reasoning.text", "text": TRACE, "format": form, "index": 0},
    ):
        for reasoning in (TRACE, None):
            raw = chat(ANSWER, reasoning=reasoning, reasoning_details=[detail, sealed])
            reply = OpenRouter("m").read(raw)
            assert (reply.reasoning, reply.reasoning_kind) == (TRACE, "summary")
    reply = OpenRouter("m").read(chat(ANSWER, reasoning=None, reasoning_details=[sealed]))
    assert (reply.reasoning, reply.reasoning_kind) == (None, "redacted")


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("anthropic/claude-sonnet-5", "summary"),
        ("us.anthropic.claude-opus-5-v1:0", "summary"),
        ("gemini-3-pro", "summary"),
        ("openai/gpt-5.2", "summary"),
        ("o3-mini", "summary"),
        ("openai/gpt-oss-120b", "raw"),
        ("deepseek-v4", "raw"),
        ("google/gemma-4-27b", "raw"),
        ("Qwen/Qwen3-235B-A22B-Thinking", "raw"),
    ],
)
def test_a_field_of_a_closed_model_holds_a_summary_whichever_server_passes_it_on(model: str, kind: str) -> None:
    assert read(ANSWER, reasoning_content=TRACE, model=model).reasoning_kind == kind
    assert OpenAI(model).read(chat(ANSWER, reasoning=TRACE)).reasoning_kind == kind


def test_thoughts_are_summaries_where_anthropic_signed_them_and_raw_where_nobody_did() -> None:
    answer = {"type": "text", "text": ANSWER}
    signed = Anthropic("m").read(messages({"type": "thinking", "thinking": TRACE, "signature": "s"}, answer))
    assert (signed.reasoning, signed.reasoning_kind) == (TRACE, "summary")
    claude = Anthropic("m").read(messages({"type": "thinking", "thinking": TRACE}, answer, model="claude-opus-5"))
    assert claude.reasoning_kind == "summary"
    own = Anthropic("m").read(messages({"type": "thinking", "thinking": TRACE, "signature": ""}, answer))
    assert own.reasoning_kind == "raw"


@pytest.mark.parametrize(
    ("fields", "usage", "kind"),
    [
        ({}, {**COUNTED, "completion_tokens_details": {"reasoning_tokens": 30}}, "omitted"),
        ({}, {**COUNTED, "reasoning_tokens": 30}, "omitted"),
        ({"reasoning": ""}, {**COUNTED, "reasoning_tokens": 30}, "omitted"),
        ({"reasoning": "  \n"}, {**COUNTED, "reasoning_tokens": 30}, "omitted"),
        ({"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "s"}]}, COUNTED, "omitted"),
        ({"thinking_blocks": [{"type": "redacted_thinking", "data": "s"}]}, COUNTED, "redacted"),
        ({"reasoning_opaque": "s"}, COUNTED, "redacted"),
        ({"reasoning": None, "reasoning_content": "", "thinking_blocks": []}, COUNTED, "none"),
    ],
)
def test_what_was_paid_for_and_does_not_come_is_said_so(
    fields: dict[str, Any], usage: dict[str, Any], kind: str
) -> None:
    reply = read(ANSWER, usage=usage, **fields)
    assert (reply.reasoning, reply.reasoning_kind, reply.text) == (None, kind, ANSWER)


# How an answer ended


STOPPED = ["stop", "STOP", "eos_token", "eos", "end_turn", "stop_sequence", "COMPLETE", "FINISH_REASON_STOP",
           "completed", "FinishReason.STOP", " Stop ", "end-turn"]  # fmt: skip
CUT = ["length", "LENGTH", "max_tokens", "MAX_TOKENS", "model_length", "max_output_tokens", "FINISH_REASON_MAX_TOKENS",
       "max_length", "model_context_window_exceeded"]  # fmt: skip
FILTERED = ["content_filter", "SAFETY", "RECITATION", "content_filter: RECITATION", "PROHIBITED_CONTENT", "sensitive",
            "content-filter", "guardrail_intervened", "BLOCKLIST"]  # fmt: skip
BROKEN = ["abort", "aborted", "error", "ERROR", "load", "insufficient_system_resource", "network_error", "cancelled",
          "in_progress", "queued", "failed"]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "stop_reason"),
    [
        *((one, "stop") for one in STOPPED),
        *((one, "length") for one in CUT),
        *((one, "content_filter") for one in FILTERED),
        *((one, "other") for one in ("tool_calls", "MALFORMED_FUNCTION_CALL", "new_word")),
        ("refusal", "refusal"),
    ],
)
def test_an_end_has_one_meaning_in_every_spelling(given: str, stop_reason: str) -> None:
    for reply in (read(ANSWER, given), Anthropic("m").read(messages({"type": "text", "text": ANSWER}, end=given))):
        assert reply.stop_reason == stop_reason
        assert reply.stop_detail == (given if stop_reason == "other" else None)


@pytest.mark.parametrize(
    ("text", "stop_reason"),
    [
        (ANSWER, "stop"),
        ("Paris", "stop"),
        ("```python\nprint(17)\n```", "stop"),
        (f"<think>{TRACE}</think>17", "stop"),
        ("First, 9 and", "other"),
        ("It is 9 + 8 =", "other"),
        ("The steps are:\n", "other"),
        (f"<think>\n{TRACE}", "other"),
    ],
)
@pytest.mark.parametrize("given", [None, "", "null", "FINISH_REASON_UNSPECIFIED"])
def test_where_a_server_says_nothing_of_the_end_a_whole_text_has_stopped(
    given: str | None, text: str, stop_reason: str
) -> None:
    assert read(text, given).stop_reason == stop_reason


@pytest.mark.parametrize("given", BROKEN)
@pytest.mark.parametrize("text", ["First, 9 and", "", None])
def test_what_the_server_broke_off_is_no_answer_is_asked_again_and_may_be_billed(given: str, text: str | None) -> None:
    for teacher, raw in (
        (OpenAI("m"), chat(text, given)),
        (Anthropic("m"), messages({"type": "text", "text": text or ""}, end=given)),
    ):
        with pytest.raises(BadReplyError, match="the server broke the answer off") as caught:
            teacher.read(raw)
        assert caught.value.usage == Usage(input_tokens=21, output_tokens=40)
        failure = teacher.classify(caught.value)
        assert isinstance(failure, Failure)
        assert failure.kind == "retry"


@pytest.mark.parametrize("status", ["in_progress", "queued", "cancelled", "failed"])
def test_a_response_that_is_not_done_is_no_answer(status: str) -> None:
    with pytest.raises(BadReplyError, match=f"broke the answer off \\({status}\\)"):
        Responses("m").read(response(spoken("First, 9 and"), status=status))
    cut = response(spoken("First"), status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    assert Responses("m").read(cut).stop_reason == "length"


@pytest.mark.parametrize("text", ["", None, "  \n", "<think></think>", [{"type": "text", "text": ""}]])
def test_an_empty_message_that_took_no_tokens_is_asked_again_and_one_that_was_billed_is_kept(text: Any) -> None:
    for given in ("stop", None, "end_turn"):
        with pytest.raises(BadReplyError, match="the reply holds an empty message"):
            read(text, given, usage={"prompt_tokens": 0, "completion_tokens": 0})
    assert read(text, usage={"prompt_tokens": 21, "completion_tokens": 1}).stop_reason == "stop"


def test_a_filtered_answer_without_a_word_is_an_answer() -> None:
    reply = read(None, "content_filter: RECITATION", usage={"prompt_tokens": 21, "completion_tokens": 0})
    assert (reply.text, reply.stop_reason, reply.usage.output_tokens) == ("", "content_filter", 0)


# What gateways write in another shape


def test_an_answer_of_responses_is_read_where_it_is_one_text() -> None:
    written = Responses("m").read(response({"type": "message", "role": "assistant", "content": ANSWER}))
    beside = Responses("m").read(response(output_text=ANSWER))
    assert (written.text, beside.text) == (ANSWER, ANSWER)


def test_a_refusal_without_content_is_a_refusal() -> None:
    body = {"model": "m", "content": None, "stop_reason": "refusal", "usage": {"input_tokens": 21, "output_tokens": 1}}
    assert Anthropic("m").read(msgspec.json.encode(body)).stop_reason == "refusal"


@pytest.mark.parametrize(
    "body",
    [
        {"output": {"choices": [{"message": {"content": ANSWER}}]}, "usage": {"input_tokens": 21, "output_tokens": 40}},
        {"choices": [{"message": {"content": ANSWER}}], "usageMetadata": {"promptTokenCount": 21,
                                                                                  "totalTokenCount": 61}},
        {"choices": [{"message": {"content": ANSWER}}],
         "usage": {"billed_units": {"input_tokens": 21, "output_tokens": 40}, "tokens": {"input_tokens": 99}}},
    ],
    ids=["DashScope", "Gemini", "Cohere"],
)  # fmt: skip
def test_tokens_are_counted_by_a_providers_own_names(body: dict[str, Any]) -> None:
    usage = OpenAI("m").read(msgspec.json.encode(body)).usage
    assert (usage.input_tokens, usage.output_tokens) == (21, 40)
