"""A path that is not there, or that is a directory where a file is meant, is a slip of whoever typed it: exit 2, the
same for every command."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.main import get_command

from cotdistill.artifacts import outputs
from cotdistill.artifacts.outputs import Place
from cotdistill.cli.main import app
from cotdistill.errors import ERROR, USAGE, CotDistillError, UsageError

TEACHER = "--teacher mock:digit-chains"
VERIFY = "filter responses.jsonl -o out.jsonl --verify"

FILES: Mapping[str, str] = {
    "generate": f"generate ./PATH -o out.jsonl {TEACHER}",
    "generate --few-shot": f"generate p.jsonl -o out.jsonl {TEACHER} --few-shot ./PATH",
    "generate --template": f"generate p.jsonl -o out.jsonl {TEACHER} --template ./PATH",
    "generate --teacher": "generate p.jsonl -o out.jsonl --teacher mock:./PATH",
    "expand": f"expand ./PATH -o out.jsonl {TEACHER} --count 3",
    "expand --against": f"expand p.jsonl -o out.jsonl {TEACHER} --count 3 --against ./PATH",
    "filter": "filter ./PATH -o out.jsonl",
    "filter --verify code": f"{VERIFY} code:tests=./PATH",
    "filter --verify label": f"{VERIFY} label:labels=./PATH",
    "filter --verify json_schema": f"{VERIFY} json_schema:schema=./PATH",
    "filter --verify judge": f"{VERIFY} judge:teacher=mock:digit-chains,rubric=./PATH",
    "format": "format ./PATH -o out.jsonl",
    "finetune": "finetune ./PATH -o out --student tiny",
    "finetune --eval-data": "finetune rows.jsonl -o out --student tiny --eval-data ./PATH",
    "finetune --student": "finetune rows.jsonl -o out --student ./PATH",
    "evaluate": "evaluate ./PATH -o out.json --student tiny",
    "evaluate --guard": "evaluate p.jsonl -o out.json --student tiny --guard ./PATH --guard-against base",
    "evaluate --student": "evaluate p.jsonl -o out.json --student ./PATH",
    "ask": "ask ./PATH hi",
    "ask --beside": "ask tiny hi --beside ./PATH",
    "export": "export ./PATH -o out.gguf --to gguf",
    "run": "run ./PATH",
    "run --grid": "run ./PATH --grid filter.select=first,shortest",
    "status": "status ./PATH",
    "compare": "compare ./PATH",
    "report": "report ./PATH -o out.html",
    "push": "push ./PATH someone/something",
    "init": "init out --prompts ./PATH.csv --yes",
    "mock-teacher --replay": "mock-teacher --port 0 --replay ./PATH",
    "mock-teacher --scorer": "mock-teacher --port 0 --scorer ./PATH",
    "cache stats": "cache stats --cache ./PATH",
    "cache spent": "cache spent --cache ./PATH",
    "cache check": "cache check --cache ./PATH",
    "cache prune": "cache prune --cache ./PATH --older-than-days 1",
    "cache export": "cache export -o out.jsonl --cache ./PATH",
}

OUTPUTS: Mapping[str, str] = {
    "generate": f"generate p.jsonl -o PATH {TEACHER}",
    "expand": f"expand p.jsonl -o PATH {TEACHER} --count 3",
    "filter": "filter responses.jsonl -o PATH",
    "format": "format responses.jsonl -o PATH",
    "evaluate": "evaluate p.jsonl -o PATH --student tiny",
}

TAKE_NO_FILE = {"demo", "doctor", "list", "cache path"}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COTDISTILL_CACHE", str(tmp_path / "store.sqlite"))
    Path("p.jsonl").write_text('{"question": "a=6 b=a*3 b?", "answer": "8"}\n')
    Path("responses.jsonl").write_text("")
    Path("rows.jsonl").write_text('{"messages": [{"role": "user", "content": "hi"}]}\n')
    Path("p.xyz").write_text("?")
    Path("mine.md").write_text("$question $zz")
    Path("directory").mkdir()
    Path("directory.csv").mkdir()


def code(words: str) -> tuple[int, str]:
    with pytest.raises(CotDistillError) as caught:
        app(words.split(), standalone_mode=False)
    return caught.value.exit_code, str(caught.value)


@pytest.mark.parametrize("path", ["missing", "directory"])
@pytest.mark.parametrize("words", FILES.values(), ids=FILES.keys())
def test_what_is_not_there_or_no_file_ends_with_the_code_of_a_slip(words: str, path: str) -> None:
    ended, message = code(words.replace("PATH", path))
    assert ended == USAGE
    assert path in message, "the message names what was typed"
    assert not list(Path.cwd().glob("out*")), "nothing is written"


IS_A_FILE = "p.jsonl: is a file, and a directory is needed there; give another path"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        *(
            (f"generate p.jsonl -o out.jsonl {TEACHER} --{option} zz", "no column 'zz'")
            for option in ("prompt-field", "reference-field", "id-field", "tag-field")
        ),
        (f"expand p.jsonl -o out.jsonl {TEACHER} --count 1 --prompt-field zz", "no column 'zz'"),
        ("evaluate p.jsonl -o out.json --student tiny --prompt-field zz", "no column 'zz'"),
        (f"generate p.jsonl -o out.jsonl {TEACHER} --template ./mine.md", "the template needs $zz"),
        (f"generate p.xyz -o out.jsonl {TEACHER}", "p.xyz: expected a name ending in .jsonl"),
        (f"expand p.jsonl -o out.jsonl {TEACHER} --count 1 --method extract", "p.jsonl: expected a document"),
        (f"generate p.jsonl -o p.jsonl/out.jsonl {TEACHER}", IS_A_FILE),
        (f"generate p.jsonl -o out.jsonl {TEACHER} --cache p.jsonl/s.sqlite", IS_A_FILE),
        ("init p.jsonl --yes", IS_A_FILE),
        ("demo -o p.jsonl", IS_A_FILE),
    ],
)
def test_a_column_or_a_folder_that_is_none_ends_with_one_code_in_every_command(words: str, says: str) -> None:
    ended, message = code(words)
    assert (ended, says in message) == (ERROR, True), message
    assert not list(Path.cwd().glob("out*"))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("format p.jsonl -o out.jsonl", "p.jsonl: holds prompts. format reads what `filter` writes"),
        ("finetune p.jsonl -o out --student tiny", "p.jsonl: holds prompts. finetune reads what `format` writes"),
        ("evaluate p.jsonl -o out.json --student none.jsonl", "no model 'none.jsonl'"),
    ],
)
def test_another_kind_of_file_ends_with_the_code_of_a_slip(words: str, says: str) -> None:
    ended, message = code(words)
    assert (ended, says in message) == (USAGE, True), message
    assert not list(Path.cwd().glob("out*"))


@pytest.mark.parametrize("what", ["stats", "spent", "check", "export -o out.jsonl", "prune --older-than-days 1"])
def test_where_there_is_no_default_store_yet_it_is_said_what_makes_one(what: str) -> None:
    ended, message = code(f"cache {what}")
    assert ended == USAGE
    assert "there is no store of answers yet; a command that asks a teacher makes it" in message


@pytest.mark.parametrize("words", OUTPUTS.values(), ids=OUTPUTS.keys())
def test_an_output_that_is_a_directory_ends_with_the_same_code(words: str) -> None:
    assert code(words.replace("PATH", "directory")) == (USAGE, "directory: is a directory; give another path")


def test_every_command_that_takes_a_path_is_in_the_table() -> None:
    known = {word for words in FILES for word in (words, words.partition(" --")[0])} | TAKE_NO_FILE
    commands = get_command(app).commands  # type: ignore[attr-defined]
    names = {name for name in commands if name != "cache"} | {f"cache {name}" for name in commands["cache"].commands}
    assert names <= known


def test_a_hard_link_to_an_input_is_a_file_of_its_own_for_a_rename_leaves_the_input_alone(tmp_path: Path) -> None:
    source, link = tmp_path / "source.jsonl", tmp_path / "link.jsonl"
    source.write_text("{}\n")
    link.hardlink_to(source)
    outputs.check([Place(link, outputs.always)], [source])
    with pytest.raises(UsageError, match="is both input and output"):
        outputs.check([Place(source, outputs.always)], [tmp_path / "." / "source.jsonl"])
