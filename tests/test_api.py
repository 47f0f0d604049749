"""`import cotdistill`: the stages as functions, with the command line's options, checks and errors."""

import asyncio
import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cotdistill
from cotdistill import config, errors
from cotdistill.errors import UsageError
from tests.conftest import ROOT

PROMPTS = ROOT / "data" / "arithmetic.jsonl"
STAGES = ("generate", "expand", "filter", "format", "finetune", "evaluate", "export")


def test_the_public_names_are_these_and_each_is_there() -> None:
    """Scripts rely on them: a name that goes or changes breaks somebody's program."""
    assert sorted(cotdistill.__all__) == sorted(
        [
            "generate",
            "expand",
            "filter",
            "format",
            "finetune",
            "evaluate",
            "export",
            "ask",
            "conversation",
            "read",
            "show_progress",
            "Result",
            "Responses",
            "NewPrompts",
            "Kept",
            "Rows",
            "Student",
            "Scores",
            "Score",
            "Exported",
            "Answer",
            "CotDistillError",
            "UsageError",
            "BudgetError",
            "OutputLockedError",
            "AccountError",
            "StoppedError",
            "Prompt",
            "Message",
            "Response",
            "Verdict",
            "Judged",
            "Dropped",
            "DroppedPrompt",
        ]
    )
    assert [name for name in cotdistill.__all__ if not hasattr(cotdistill, name)] == []


def test_the_import_brings_nothing_along() -> None:
    code = "import sys; before = set(sys.modules); import cotdistill; print(*set(sys.modules) - before)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True).stdout
    assert [name for name in loaded.split() if name.partition(".")[0] not in sys.stdlib_module_names] == ["cotdistill"]


def test_a_type_checker_finds_the_package_typed() -> None:
    assert (ROOT / "cotdistill" / "py.typed").exists()


@pytest.mark.parametrize("stage", STAGES)
def test_a_function_takes_every_option_of_its_command_and_says_what_it_is(stage: str) -> None:
    function = getattr(cotdistill, stage)
    kind = getattr(config, f"{stage.title()}Config")
    options = list(inspect.signature(kind).parameters)
    assert list(inspect.signature(function).parameters)[2:] == options
    assert [name for name in options if f"    {name}: " not in function.__doc__] == []


def test_the_stages_follow_each_other_and_stream_their_records(tmp_path: Path) -> None:
    responses = cotdistill.generate(PROMPTS, tmp_path / "r.jsonl", teacher=f"mock:{PROMPTS}", samples=2, limit=10)
    assert [one.prompt.id for one in responses.rows()][:3] == ["eggs", "eggs", "train"]
    assert (responses.counts["responses"], responses.complete, responses.exit_code) == (20, True, errors.DONE)
    kept = cotdistill.filter(responses, tmp_path / "k.jsonl", select="first:k=1")
    assert {judged.verdict.status for judged in kept.rows()} == {"correct"}
    assert all(dropped.reason for dropped in kept.dropped())
    assert "sample 0" in kept.explain("eggs")
    rows = cotdistill.format(kept, tmp_path / "t.jsonl", holdout=0.3)
    assert rows.counts["rows"] == sum(1 for _ in rows.rows())
    assert rows.counts["holdout_prompts"] == sum(1 for _ in rows.held_out()) > 0
    assert repr(rows) == f"<Rows {tmp_path / 't.jsonl'}: " + ", ".join(f"{k}={n}" for k, n in rows.counts.items()) + ">"
    assert str(rows).startswith("format: ")
    again = cotdistill.read(tmp_path / "k.jsonl")
    assert isinstance(again, cotdistill.Kept)
    assert (again.counts, again.notes) == (kept.counts, kept.notes)


def test_scores_are_typed(tmp_path: Path) -> None:
    recorded = tmp_path / "r.jsonl"
    cotdistill.generate(PROMPTS, recorded, teacher=f"mock:{PROMPTS}")
    scores = cotdistill.evaluate(PROMPTS, tmp_path / "s.json", student=str(recorded), baseline=("mock:digit-chains",))
    first, second = scores.students
    assert (first.n, first.accuracy, second.accuracy) == (20, 1.0, 0.0)
    assert first.interval[0] > 0.8
    assert scores.p_value("mock:digit-chains") < 0.001
    with pytest.raises(UsageError, match="baseline 'nope': was not scored; those that were: mock:digit-chains"):
        scores.p_value("nope")
    assert sum(1 for _ in scores.rows()) == 40


def test_everything_works_inside_a_running_event_loop(tmp_path: Path) -> None:
    """As in a notebook, whose cells run in one."""

    async def cell() -> cotdistill.Responses:
        return cotdistill.generate(PROMPTS, tmp_path / "r.jsonl", teacher="mock:digit-chains", limit=3)

    assert asyncio.run(cell()).counts["responses"] == 3


def test_a_question_is_answered(tmp_path: Path) -> None:
    with cotdistill.conversation("mock:digit-chains") as talk:
        said = talk.ask("a=6 b=a*3 c=b-9 c?")
    assert said.reply.text.endswith(said.reply.text.strip()[-1])
    assert said.reply.reasoning
    with pytest.raises(cotdistill.UsageError, match="--max-output-tokens: expected at least 1, got 0"):
        cotdistill.ask("mock:digit-chains", "a=6 b=a*3 c=b-9 c?", max_output_tokens=0)


def refused(tmp_path: Path, **options: object) -> cotdistill.CotDistillError:
    with pytest.raises(cotdistill.CotDistillError) as caught:
        cotdistill.generate(PROMPTS, tmp_path / "r.jsonl", **options)  # type: ignore[arg-type]
    return caught.value


def test_errors_are_those_of_the_command_line_with_its_exit_codes(tmp_path: Path) -> None:
    error = refused(tmp_path, teacher="openai:gpt-5-mini")
    assert (error.exit_code, "OPENAI_API_KEY is not set" in str(error)) == (errors.ACCOUNT, True)
    error = refused(tmp_path, teacher="mock:digit-chains", samples=0, max_cost=-1)
    assert error.exit_code == errors.USAGE
    assert str(error).splitlines() == [
        "2 options do not fit:",
        "  --samples: expected 1 to 10000, got 0",
        "  --max-cost: expected at least 0, got -1",
    ]
    assert "(did you mean 'samples'?)" in str(refused(tmp_path, teacher="mock:digit-chains", sample=3))
    assert "teacher: expected by name" in str(refused(tmp_path))
    missing = tmp_path / "none" / "p.jsonl"
    with pytest.raises(cotdistill.CotDistillError, match=str(missing)):
        cotdistill.generate(missing, tmp_path / "r.jsonl", teacher="mock:digit-chains")
    with pytest.raises(cotdistill.UsageError, match="no stage of cotdistill wrote it"):
        cotdistill.read(PROMPTS)


NO_PATHS: list[Any] = [None, 3, b"p.jsonl", ["p.jsonl"], "", "a\0b", "\ud800", {"path": "p.jsonl"}]


@pytest.mark.parametrize("value", NO_PATHS, ids=ascii)
def test_what_is_no_path_is_refused_as_input_and_as_output_and_no_file_is_called_after_it(
    value: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    calls: list[Callable[[], Any]] = [
        lambda: cotdistill.generate(value, "r.jsonl", teacher="mock"),
        lambda: cotdistill.generate(PROMPTS, value, teacher="mock", limit=1),
        lambda: cotdistill.read(value),
        lambda: cotdistill.ask(value, "a=6 b=a*3 b?"),
    ]
    for call in calls:
        with pytest.raises(UsageError, match=r"expected a (path|name)"):
            call()
    assert not list(tmp_path.iterdir())


def test_a_zero_byte_in_any_text_is_refused_before_a_file_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text('{"question": "a=6 b=a*3 b?", "answer": "8"}\n')
    for option in ("cache", "template"):
        given: dict[str, Any] = {option: "a\0b"}
        with pytest.raises(UsageError, match=f"--{option}: expected a text without a zero byte"):
            cotdistill.generate(tmp_path / "p.jsonl", tmp_path / "r.jsonl", teacher="mock", **given)


def test_texts_that_utf_8_cannot_write_are_refused_and_so_is_no_question() -> None:
    with pytest.raises(UsageError, match=r"--system: expected a text that UTF-8 can write, got '\\ud800'"):
        cotdistill.ask("mock", "a=6 b=a*3 b?", system="\ud800")
    questions: list[Any] = [None, 3, " ", "\ud800"]
    with cotdistill.conversation("mock") as talk:
        for question in questions:
            with pytest.raises(UsageError, match="question: expected a text"):
                talk.ask(question)


def test_errors_of_the_code_around_a_conversation_stay_as_they_are() -> None:
    with pytest.raises(FileNotFoundError), cotdistill.conversation("mock"):
        Path("nowhere/at/all").read_text()
    with pytest.raises(KeyboardInterrupt), cotdistill.conversation("mock"):
        raise KeyboardInterrupt


def test_notes_are_log_records_and_progress_shows_when_it_is_asked_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level("INFO", logger="cotdistill"):
        cotdistill.generate(PROMPTS, tmp_path / "r.jsonl", teacher="mock:digit-chains", limit=1)
    assert any("question from" in record.message for record in caplog.records)
    assert capsys.readouterr().err == ""
    cotdistill.show_progress()
    try:
        cotdistill.generate(PROMPTS, tmp_path / "r.jsonl", teacher="mock:digit-chains", limit=1)
    finally:
        cotdistill.show_progress(False)
    assert "question from" in capsys.readouterr().err


def test_filter_reads_and_writes_in_an_object_store_as_on_the_command_line(tmp_path: Path) -> None:
    pytest.importorskip("upath", reason="the extra remote is not installed")
    responses = cotdistill.generate(PROMPTS, tmp_path / "r.jsonl", teacher=f"mock:{PROMPTS}", limit=3)
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe("/bucket/r.jsonl", responses.path.read_bytes())
    kept = cotdistill.filter("memory://bucket/r.jsonl", "memory://bucket/k.jsonl")
    assert memory.exists("/bucket/k.jsonl") and kept.counts["kept"] == 3
    assert [judged.response.prompt.id for judged in kept.rows()] == [one.prompt.id for one in responses.rows()]
