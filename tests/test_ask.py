"""Talking to students, over real HTTP to the simulated teacher and with the embedded student."""

import json
from pathlib import Path
from typing import Literal

import pytest

from cotdistill.config import AskConfig
from cotdistill.errors import ACCOUNT, DONE, SOME_FAILED, UsageError
from cotdistill.mock.problems import EXAMPLE, parse
from cotdistill.mock.server import running
from cotdistill.mock.solver import solve
from cotdistill.mock.sources import Scripted
from cotdistill.mock.teacher import ServerConfig
from cotdistill.progress import Silent
from cotdistill.stages import ask
from cotdistill.students import settings
from cotdistill.students.settings import Settings
from tests.background import in_background
from tests.conftest import AT_ONCE, Notes, cotdistill
from tests.training_runs import save_tiny


@pytest.fixture
def recorded(tmp_path: Path) -> str:
    """A simulated student whose second answer depends on the first turn."""
    turns = [
        {"role": "user", "content": "I am Ana."},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": "Who am I?"},
        {"role": "assistant", "content": "Ana"},
    ]
    lines = [{"messages": turns[:2]}, {"messages": turns, "reasoning": "I am told: Ana."}]
    (tmp_path / "chat.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return f"mock:{tmp_path / 'chat.jsonl'}"


def test_the_answer_is_on_stdout_and_trace_time_and_tokens_are_on_stderr() -> None:
    problem = parse(EXAMPLE)
    assert problem is not None
    trace, answer = solve(problem, 0)
    done = cotdistill("ask", "mock:digit-chains", EXAMPLE)
    assert (done.returncode, done.stdout) == (DONE, f"{answer}\n"), done.stderr
    said, took = done.stderr.splitlines()
    assert said == trace and took.startswith("(") and took.endswith(" tokens)")
    assert "\x1b" not in done.stdout + done.stderr


def test_a_conversation_reads_lines_and_remembers_its_turns(recorded: str) -> None:
    done = cotdistill("ask", recorded, given="I am Ana.\n\n  Who am I?\n")
    assert (done.returncode, done.stdout) == (DONE, "Hello!\nAna\n"), done.stderr


def test_each_student_has_a_conversation_of_its_own(recorded: str) -> None:
    with ask.conversations(recorded, AskConfig(beside=("mock:digit-chains",)), Silent()) as (first, second):
        assert first.ask("I am Ana.").reply.text == "Hello!"
        assert second.ask("a=1 b=a+1 b?").reply.text == "2"
        said = first.ask("Who am I?")
        assert (said.reply.text, said.reply.reasoning, said.from_store) == ("Ana", "I am told: Ana.", False)


def test_a_question_asked_again_with_a_temperature_is_drawn_again_and_a_seed_draws_others() -> None:
    pytest.importorskip("trl", reason="the train extra is not installed")

    def answers(seed: int) -> list[str]:
        config = AskConfig(temperature=1.0, seed=seed, turns="one", max_output_tokens=8)
        with ask.conversations("tiny", config, Silent()) as (conversation,):
            return [conversation.ask("a=1 b=a+1 b?").reply.text for _ in range(2)]

    first, again, other = answers(0), answers(0), answers(1)
    assert first == again, "the same commands draw the same"
    assert len({*first, *other}) == 4, "each question and each seed has a draw of its own"


@pytest.mark.parametrize(
    ("single", "turns", "remembers"),
    [(True, "auto", False), (True, "all", True), (False, "auto", True), (None, "auto", True), (None, "one", False)],
)
def test_a_student_of_single_questions_is_asked_each_by_itself(
    single: bool | None, turns: Literal["auto", "all", "one"], remembers: bool, tmp_path: Path
) -> None:
    pytest.importorskip("trl", reason="the train extra is not installed")
    student = save_tiny(tmp_path / "student")
    settings.write(student, Settings(single_questions=single))
    notes = Notes()
    with ask.conversations(str(student), AskConfig(turns=turns, max_output_tokens=2), notes) as (conversation,):
        read = [conversation.ask("a=1 b=a+1 b?").reply.usage.input_tokens for _ in range(3)]
    assert None not in read and (len(set(read)) > 1) == remembers
    said = [note for note in notes.notes if "was trained on single questions, so each is asked by itself" in note]
    assert len(said) == (turns == "auto" and not remembers), "once, and where nobody chose it"


def test_a_student_that_is_paid_for_is_not_paid_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-of-ask")
    with in_background(running(ServerConfig(source=Scripted()))) as url:
        manner = AskConfig(base_url=f"{url}/v1")
        for known in (False, True):
            with ask.conversations("openai:gpt-5-mini", manner, Silent()) as (student,):
                said = student.ask("a=1 b=a+1 b?")
                assert (said.reply.text, said.from_store) == ("2", known)


def test_a_question_without_an_answer_is_said_and_the_conversation_goes_on() -> None:
    pytest.importorskip("trl", reason="the train extra is not installed")
    done = cotdistill("ask", "tiny", "--max-output-tokens", "3", given="a" * 3000 + "\nhi\n" + "b" * 2045 + "\n")
    assert done.returncode == SOME_FAILED
    assert "tiny: the prompt has 3003 tokens, tiny reads 2048" in done.stderr
    assert "3 tokens, cut at --max-output-tokens" in done.stderr, "the second question was answered"
    alone, grown = [line for line in done.stderr.splitlines() if "the prompt has" in line]
    assert "earlier" not in alone
    assert grown.endswith(". It read 2 earlier turns too; a new conversation has none, nor has --turns one")


def test_a_server_that_is_away_is_said_at_each_question_and_a_refused_key_ends_the_conversation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-of-ask")
    words = ("ask", "openai:m", "--base-url", "http://127.0.0.1:9/v1")
    away = cotdistill(*words, given="one?\ntwo?\n", before=AT_ONCE)
    assert (away.returncode, away.stderr.count("cannot connect to 127.0.0.1:9")) == (SOME_FAILED, 2), away.stderr
    with in_background(running(ServerConfig(source=Scripted(), api_key="sk-another"))) as url:
        refused = cotdistill("ask", "openai:m", "--base-url", f"{url}/v1", given="one?\ntwo?\n")
    assert (refused.returncode, refused.stderr.count("refuses the key")) == (ACCOUNT, 1), refused.stderr


def test_a_student_given_twice_and_an_empty_question_are_slips() -> None:
    with (
        pytest.raises(UsageError, match="'tiny' is given twice"),
        ask.conversations("tiny", AskConfig(beside=("tiny",)), Silent()),
    ):
        pass
    for student, config, words in (
        ("tiny", AskConfig(base_url="http://host/v1"), "--base-url: goes with a student PROVIDER:MODEL on a server"),
        ("tiny", AskConfig(seed=1), "--seed: goes with --temperature"),
        ("mock", AskConfig(seed=1, temperature=1.0), "--seed: goes with a student of this machine; none is given"),
        ("mock", AskConfig(engine="vllm"), "--engine: vllm answers for students of this machine; none is given"),
    ):
        with pytest.raises(UsageError, match=words), ask.conversations(student, config, Silent()):
            pass
    done = cotdistill("ask", "mock:digit-chains", " ")
    assert (done.returncode, "expected a text" in done.stderr) == (2, True)
