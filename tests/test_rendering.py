"""Rows in the student's own tokens: the trace is there once, and the boundary is what inference sees."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers", reason="the train extra is not installed")

from cotdistill.chat import apply
from cotdistill.chat import template as chat_template
from cotdistill.chat.template import render
from cotdistill.errors import CotDistillError
from cotdistill.students import load, tiny

TRACE = "two and two\n\nmake 4"
ANSWER = "It is 4."

DROPS_THE_TRACE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
OPENS_THE_TRACE = (
    "{% for m in messages %}<|{{ m.role }}|>{% if m.role == 'assistant' %}{{ m.content.split('</think>')[-1] }}"
    "{% else %}{{ m.content }}{% endif %}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|><think>\n{% endif %}"
)
WRITES_IT_TWICE = (
    "{% for m in messages %}<|{{ m.role }}|>{% if m.reasoning_content %}{{ m.reasoning_content }}"
    "<think>{{ m.reasoning_content }}</think>{% endif %}{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CUTS_LONG_TRACES = (
    "{% for m in messages %}<|{{ m.role }}|>{% if m.reasoning_content %}"
    "<think>{{ m.reasoning_content[:16] }}</think>{% endif %}{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
USES_A_CHANNEL = (
    "{% for m in messages %}<|{{ m.role }}|>{% if m.reasoning_content %}[thought]{{ m.reasoning_content }}[said]"
    "{% endif %}{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
HAS_NO_END = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"  # noqa: E501
DROPS_THE_ANSWER = "{% for m in messages %}<|{{ m.role }}|>{% endfor %}"
REFUSES = "{{ raise_exception('roles must alternate') }}"


def with_template(template: str = tiny.CHAT_TEMPLATE) -> Any:
    tokenizer = tiny.tokenizer()
    tokenizer.chat_template = template
    return tokenizer


def row(answer: str = ANSWER, reasoning: str | None = TRACE, question: str = "2+2?", **more: Any) -> dict[str, Any]:
    turn = {"role": "assistant", "content": answer, **({"reasoning_content": reasoning} if reasoning else {})}
    return {"id": "p1/0", "prompt": [{"role": "user", "content": question}], "completion": [turn], **more}


def parts(tokenizer: Any, rendered: chat_template.Rendered) -> tuple[str, str]:
    ids, n = rendered.input_ids, rendered.n_prompt
    return tokenizer.decode(ids[:n]), tokenizer.decode(ids[n:])


@pytest.mark.parametrize(
    ("template", "how", "completion"),
    [
        (tiny.CHAT_TEMPLATE, "native", f"<think>{TRACE}</think>{ANSWER}<|end|>"),
        (DROPS_THE_TRACE, "inline", f"<think>\n{TRACE}\n</think>\n\n{ANSWER}<|end|>"),
        (OPENS_THE_TRACE, "prefilled", f"{TRACE}\n</think>\n\n{ANSWER}<|end|>"),
        (WRITES_IT_TWICE, "inline", f"<think>\n{TRACE}\n</think>\n\n{ANSWER}<|end|>"),
        (CUTS_LONG_TRACES, "inline", f"<think>\n{TRACE}\n</think>\n\n{ANSWER}<|end|>"),
        (USES_A_CHANNEL, "native", f"[thought]{TRACE}[said]{ANSWER}<|end|>"),
        (HAS_NO_END, "inline", f"<think>\n{TRACE}\n</think>\n\n{ANSWER}<|end|>"),
    ],
    ids=["tiny", "drops", "opens", "twice", "cuts", "channel", "no end"],
)
def test_a_trace_is_written_in_a_way_proven_on_the_row(template: str, how: str, completion: str) -> None:
    tokenizer = with_template(template)
    rendered = render(tokenizer, row())
    assert rendered.how == how
    assert parts(tokenizer, rendered)[1] == completion


@pytest.mark.parametrize("template", [tiny.CHAT_TEMPLATE, DROPS_THE_TRACE, OPENS_THE_TRACE, HAS_NO_END])
def test_what_stands_before_the_boundary_is_what_inference_reads(template: str) -> None:
    tokenizer = with_template(template)
    rendered = render(tokenizer, row())
    asked = tokenizer.apply_chat_template([{"role": "user", "content": "2+2?"}], tokenize=False, add_generation_prompt=True)  # noqa: E501  # fmt: skip
    assert rendered.input_ids[: rendered.n_prompt] == chat_template.encode(tokenizer, asked)


@pytest.mark.parametrize("template", [tiny.CHAT_TEMPLATE, DROPS_THE_TRACE, OPENS_THE_TRACE, HAS_NO_END])
def test_a_completion_ends_with_the_end_token_and_holds_it_once(template: str) -> None:
    tokenizer = with_template(template)
    trained = render(tokenizer, row()).input_ids[render(tokenizer, row()).n_prompt :]
    assert [place for place, token in enumerate(trained) if token == tokenizer.eos_token_id] == [len(trained) - 1]


def test_an_answer_without_trace_is_written_alone() -> None:
    tokenizer = with_template()
    assert parts(tokenizer, render(tokenizer, row(reasoning=None)))[1] == "It is 4.<|end|>"


def test_an_answer_without_trace_closes_a_trace_that_the_template_opened() -> None:
    tokenizer = with_template(OPENS_THE_TRACE)
    assert parts(tokenizer, render(tokenizer, row(reasoning=None)))[1] == "\n</think>\n\nIt is 4.<|end|>"


@pytest.mark.parametrize(
    "other",
    [
        {"messages": [{"role": "user", "content": "2+2?"},
                      {"role": "assistant", "content": ANSWER, "reasoning_content": TRACE}]},
        {"messages": [{"role": "user", "content": "2+2?"},
                      {"role": "assistant", "content": f"<think>\n{TRACE}\n</think>\n\n{ANSWER}"}]},
        {"prompt": [{"role": "user", "content": "2+2?"}],
         "completion": [{"role": "assistant", "content": f"<think>{TRACE}</think>{ANSWER}"}]},
    ],
    ids=["messages", "think tags in messages", "think tags in a completion"],
)  # fmt: skip
def test_rows_of_every_layout_come_to_the_same_tokens(other: dict[str, Any]) -> None:
    tokenizer = with_template()
    assert render(tokenizer, other) == render(tokenizer, row())


def test_earlier_turns_are_read_and_only_the_last_one_is_trained() -> None:
    tokenizer = with_template()
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "1+1?"},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": "2+2?"},
        {"role": "assistant", "content": "4"},
    ]
    read, written = parts(tokenizer, render(tokenizer, {"messages": messages}))
    assert read == "<|system|>Be brief.<|end|><|user|>1+1?<|end|><|assistant|>2<|end|><|user|>2+2?<|end|><|assistant|>"
    assert written == "4<|end|>"


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (row(question="what does <|end|> mean?"), "the user's text holds '<|end|>', a control token of this student"),
        (row(reasoning="so <|assistant|> it is"), "the assistant's text holds '<|assistant|>', a control token"),
        (row(reasoning="a</think>b"), "'</think>', a control token of this student"),
        (row(answer="", reasoning=None), "the completion is empty"),
        (row(answer="<think>never closed", reasoning=None), "the trace is not closed by </think>"),
        ({"id": "p1/0"}, "expected prompt and completion, or messages; found neither"),
        ({"id": "p1/0", "prompt": row()["prompt"]}, "expected prompt and completion, or messages; found neither"),
        (row(completion=row()["completion"] * 2), "expected one assistant turn as completion, found more"),
        ({"id": "p1/0", "messages": row()["prompt"]}, "expected the last turn to be the assistant's"),
        (row(prompt=[{"role": "user"}]), r"prompt\[0\]: .*content"),
    ],
)
def test_a_row_that_cannot_be_taught_is_named_with_the_reason(broken: dict[str, Any], reason: str) -> None:
    with pytest.raises(CotDistillError, match=f"row p1/0: .*{reason.replace('|', '[|]')}"):
        render(with_template(), broken)


def test_think_tags_inside_a_trace_are_refused_by_students_without_such_tokens() -> None:
    plain = _without_think_tokens()
    with pytest.raises(CotDistillError, match="holds <think> or </think> inside trace or answer"):
        render(plain, row(reasoning="a</think>b"))
    assert render(plain, row(question="what is a <think> tag?")).how == "native"


def _without_think_tokens() -> Any:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    full = tiny.tokenizer()
    state = full.backend_tokenizer.to_str()
    core = Tokenizer.from_str(re.sub(r',\s*\{[^{}]*"content":\s*"</?think>"[^{}]*\}', "", state))
    return PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token=tiny.END, pad_token=tiny.PAD, chat_template=tiny.CHAT_TEMPLATE
    )


@pytest.mark.parametrize(
    ("template", "reason"),
    [(DROPS_THE_ANSWER, "drops the answer of an assistant turn"), (REFUSES, "refuses the conversation: roles must")],
)
def test_a_template_that_cannot_hold_the_row_is_an_error(template: str, reason: str) -> None:
    with pytest.raises(CotDistillError, match=f"row p1/0: this student's chat template {reason}"):
        render(with_template(template), row())


@pytest.mark.parametrize(
    "text",
    ["<think>a</think>4", "[thought]a[said]4"],
    ids=["tags", "other marks"],
)
def test_a_trace_is_read_back_whatever_marks_the_template_has_for_it(text: str) -> None:
    assert chat_template.read_back(with_template(USES_A_CHANNEL), text) == "<think>a</think>4"


def test_an_unfinished_trace_in_other_marks_stays_unfinished() -> None:
    assert chat_template.read_back(with_template(USES_A_CHANNEL), "[thought]a and") == "<think>a and"


def test_a_template_with_a_switch_for_thinking_is_switched_on() -> None:
    template = "{% if enable_thinking %}on{% else %}off{% endif %}"
    tokenizer = with_template(load.thinking(template))
    question = [{"role": "user", "content": "2+2?"}]
    assert tokenizer.apply_chat_template(question, tokenize=False) == "on"
    assert tokenizer.apply_chat_template(question, tokenize=False, enable_thinking=False) == "off"
    assert load.thinking(load.thinking(template)) == load.thinking(template)


def shipped_templates() -> list[Path]:
    """Chat templates of real models, as trl carries them; those of vision models take other messages."""
    spec = importlib.util.find_spec("trl")
    folder = Path((spec.submodule_search_locations or [""])[0]) / "chat_templates" if spec else Path()
    vision = ("idefics", "smolvlm", "llava")
    return [file for file in sorted(folder.glob("*.jinja")) if not file.stem.startswith(vision)]


@pytest.mark.parametrize("file", shipped_templates(), ids=lambda file: file.stem)
def test_no_shipped_template_loses_the_trace_or_the_answer(file: Path) -> None:
    tokenizer = with_template(load.thinking(file.read_text(encoding="utf-8")))
    marks = re.findall(r"<\|[^|<>\s']+\|>|<[｜][^<>]+[｜]>|<(?:start|end)_of_turn>|<turn\|>|<\|turn>", tokenizer.chat_template)  # noqa: E501  # fmt: skip
    tokenizer.add_special_tokens({"extra_special_tokens": sorted(set(marks))}, replace_extra_special_tokens=False)
    tokenizer.bos_token = tiny.PAD
    rendered = render(tokenizer, row())
    _, written = parts(tokenizer, rendered)
    assert written.count(TRACE) == written.count(ANSWER) == 1
    assert written.index(TRACE) < written.index(ANSWER)
    assert rendered.input_ids[-1] in tokenizer.added_tokens_decoder
    assert len(re.findall("<think>", "".join(parts(tokenizer, rendered)))) <= 1


CLOSES_AN_EMPTY_TRACE = (
    "{% for m in messages %}<|{{ m.role }}|>{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>"
    "{% endif %}{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>"
    "{% if not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
WRITES_THE_DATE = (
    "{% if date_string is not defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}"
    "Today is {{ date_string }}. {% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def test_a_template_that_switches_thinking_off_is_told_to_switch_it_on() -> None:
    tokenizer = with_template(CLOSES_AN_EMPTY_TRACE)
    assert apply.template_kwargs(tokenizer) == {"enable_thinking": True}
    read, trained = parts(tokenizer, render(tokenizer, row()))
    assert "</think>" not in read
    assert trained == f"<think>{TRACE}</think>{ANSWER}<|end|>"


def test_a_template_that_writes_the_date_is_given_one_so_that_rows_stay_the_same() -> None:
    tokenizer = with_template(WRITES_THE_DATE)
    assert apply.template_kwargs(tokenizer) == {"date_string": apply.PINNED_DATE}
    read, _ = parts(tokenizer, render(tokenizer, row()))
    assert read.startswith(f"Today is {apply.PINNED_DATE}. ")


def test_most_templates_need_nothing_besides_the_conversation() -> None:
    assert apply.template_kwargs(with_template()) == {}


def test_a_row_in_which_the_student_has_answered_before_is_known() -> None:
    tokenizer, first = with_template(), row()
    before = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi."}]
    asked = first["prompt"]
    goes_on = [*before, {"role": "assistant", "content": "Hello."}, *asked]
    assert not render(tokenizer, first).goes_on
    assert not render(tokenizer, {**first, "prompt": [before[0], *asked]}).goes_on
    assert render(tokenizer, {**first, "prompt": goes_on}).goes_on
