import json
from pathlib import Path

import pytest

from cotdistill.errors import CotDistillError
from cotdistill.inputs import templates
from cotdistill.inputs.prompt_files import PromptFile
from cotdistill.records import Message

QUESTION = (Message(role="user", content="What costs $5?"),)


@pytest.mark.parametrize("name", templates.names())
def test_every_shipped_template_carries_the_question_unchanged(name: str) -> None:
    (turn,) = templates.dress(QUESTION, templates.load(name), None)
    assert "What costs $5?" in turn.content


def test_only_the_last_user_turn_is_wrapped_and_the_system_prompt_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "t.md"
    path.write_text("Q: $question")
    turns = (
        Message(role="user", content="a"),
        Message(role="assistant", content="b"),
        Message(role="user", content="c"),
    )
    dressed = templates.dress(turns, templates.load(str(path)), "Be brief.")
    assert [turn.content for turn in dressed] == ["Be brief.", "a", "b", "Q: c"]
    told = (Message(role="system", content="Be brief."), *turns)
    assert templates.dress(told, system="") == turns, "an empty one is none, which servers would refuse"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("no field", r"expected \$question, or columns of the prompt file such as \$context, found none"),
        ("$question costs $ 5", r"a lone \$ in the template; write \$\$"),
    ],
)
def test_a_broken_template_says_what_is_wrong(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "t.md").write_text(text)
    with pytest.raises(CotDistillError, match=problem):
        templates.load(str(tmp_path / "t.md"))


def test_an_unknown_template_lists_the_known_ones() -> None:
    with pytest.raises(CotDistillError, match=r"no template named 'worekd'; there are: .*\(did you mean 'worked'\?\)"):
        templates.load("worekd")


def asked(tmp_path: Path, template: str, *records: dict[str, object]) -> list[str]:
    """What each record is asked as, through the template."""
    (tmp_path / "t.md").write_text(template)
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    loaded = templates.load(str(tmp_path / "t.md"))
    names = templates.fields(loaded)
    return [
        templates.dress(entry.prompt.messages, loaded, values=entry.filling(names))[-1].content
        for entry in PromptFile(tmp_path / "p.jsonl", fields=names).entries()
    ]


@pytest.mark.parametrize(
    ("template", "record", "text"),
    [
        ("$question [$level]", {"question": "a?", "Level": 3}, "a? [3]"),
        ("$question", {"question": "a?", "context": "Ann fell."}, "Ann fell.\n\na?"),
        ("<$context> $question", {"question": "a?", "context": "Ann fell."}, "<Ann fell.> a?"),
        ("$question\n$choices", {"question": "a?", "choices": ["x", "y"], "answer": 0}, "a?\nA) x\nB) y"),
        ("$text: one of $labels", {"prompt": "ignored", "text": "a", "labels": ["x", "y"]}, "a: one of x, y"),
        ("$question $note", {"question": "costs $5?", "note": ""}, "costs $5? "),
    ],
)
def test_a_template_takes_any_column_and_the_question_without_what_it_names_itself(
    tmp_path: Path, template: str, record: dict[str, object], text: str
) -> None:
    assert asked(tmp_path, template, record) == [text]


def test_a_record_without_a_column_that_the_template_takes_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        CotDistillError, match=r"p\.jsonl:2: the template needs \$level, .* no column 'level'; its colu"
    ):
        asked(tmp_path, "$question [$level]", {"question": "a?", "level": 1}, {"question": "b?"})
    with pytest.raises(
        CotDistillError, match=r"p\.jsonl:1: the template needs \$level, .* nothing in the column 'Level'"
    ):
        asked(tmp_path, "$question [$level]", {"question": "a?", "Level": None})


def test_worked_examples_have_any_layout_and_fill_the_templates_columns(tmp_path: Path) -> None:
    (tmp_path / "t.md").write_text("[$level] $question")
    (tmp_path / "shots.csv").write_text('question;level;answer\n1+1?;easy;"One and one.\n#### 2"\n')
    template = templates.load(str(tmp_path / "t.md"))
    shots = templates.examples(str(tmp_path / "shots.csv"), template)
    dressed = templates.dress(QUESTION, template, "Be brief.", shots, {"level": "hard"})
    assert [turn.content for turn in dressed] == [
        "Be brief.",
        "[easy] 1+1?",
        "One and one.\n#### 2",
        "[hard] What costs $5?",
    ]
    (tmp_path / "bare.jsonl").write_text('{"question": "1+1?"}\n')
    with pytest.raises(CotDistillError, match=r"bare\.jsonl:1: an example without an answer; expected a question and"):
        templates.examples(str(tmp_path / "bare.jsonl"))
