from pathlib import Path

import pytest

from cotdistill.errors import CotDistillError
from cotdistill.inputs import templates
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


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("no field", r"expected the one field \$question, found none"),
        ("$question $name", r"expected the one field \$question, found \$name, \$question"),
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
