"""docs/fields.md is what scripts go by: every field of every file that one whole chain of real commands writes."""

import json
import random
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from cotdistill import records
from cotdistill.artifacts import FileInfo, Manifest
from cotdistill.recipes.record import RunRecord, StageRecord
from cotdistill.stages.filter.funnel import Suspect
from cotdistill.stages.generate.output import Failed
from tests.command_server import ROOT
from tests.conftest import cotdistill, mock_teacher


class Field(NamedTuple):
    type: str
    optional: bool


def tables() -> dict[str, dict[str, Field]]:
    """Heading -> field -> its type, and whether it may be absent."""
    found: dict[str, dict[str, Field]] = {}
    for part in re.split(r"^### ", (ROOT / "docs" / "fields.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        name, _, body = part.partition("\n")
        rows = re.findall(r"^\| (\w+) \| ([^|]+) \|[^|]*\|([^|]*)\|$", body, re.MULTILINE)
        found[name] = {field: Field(kind, bool(absent.strip())) for field, kind, absent in rows if field != "field"}
    return found


TABLES = tables()

PLAIN: dict[str, Callable[[Any], bool]] = {
    "any": lambda value: True,
    "text": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "count": lambda value: type(value) is int and value >= 0,
    "share": lambda value: isinstance(value, int | float) and 0 <= value <= 1,
    "yes/no": lambda value: isinstance(value, bool),
    "money": lambda value: isinstance(value, str) and bool(re.fullmatch(r"\d+(\.\d+)?", value)),
    "time": lambda value: bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", value)),
    "hash": lambda value: bool(re.fullmatch("[0-9a-f]{64}", value)),
}


def problems(value: Any, kind: str, place: str, seen: set[str], also: frozenset[str] = frozenset()) -> Iterator[str]:
    """What of a value is not as the page says; `also` are further fields of this one object."""
    kind, _, null = kind.partition(" or ")
    if null and value is None:
        return
    if kind.startswith(("[", "{")):
        if not isinstance(value, list if kind[0] == "[" else dict):
            yield f"{place}: expected {kind}, got {value!r:.80}"
            return
        parts: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
        for name, one in parts:
            yield from problems(one, kind[1:-1], f"{place}.{name}", seen)
        return
    if kind in PLAIN:
        if not PLAIN[kind](value):
            yield f"{place}: expected {kind}, got {value!r:.80}"
        return
    fields = TABLES[kind]
    yield from (f"{place}: {kind}.{name} is not on the page" for name in value.keys() - fields.keys() - also)
    for name, field in fields.items():
        if name in value:
            seen.add(f"{kind}.{name}")
            yield from problems(value[name], field.type, f"{place}.{name}", seen)
        elif not field.optional:
            yield f"{place}: {kind}.{name} is absent"


STRUCTS: dict[str, type[msgspec.Struct]] = {
    **{name: getattr(records, name) for name in ("Prompt", "Message", "Response", "Usage", "Confidence", "Judged",
                                                 "Verdict", "Dropped", "DroppedPrompt")},
    "Teacher": records.TeacherInfo, "Failed": Failed, "Suspect": Suspect, "Manifest": Manifest, "File": FileInfo,
    "Run": RunRecord, "Stage": StageRecord,
}  # fmt: skip


@pytest.mark.parametrize("name", STRUCTS)
def test_the_page_has_the_fields_of_a_record_in_their_order(name: str) -> None:
    assert [*TABLES[name]] == [*STRUCTS[name].__struct_fields__]


RECIPE = """
prompts = "prompts.jsonl"
runs = "runs"
[generate]
teacher = "mock:digit-chains"
limit = 3
[filter]
"""


def chain(here: Path, url: str) -> dict[str, str]:
    """Run each command once; gives what those wrote that write on stdout."""

    def run(*words: str, code: int = 0) -> str:
        done = cotdistill(*(str(here / word[2:]) if word.startswith("./") else word for word in words))
        assert done.returncode == code, (words, done.stderr)
        return done.stdout

    prices = ["--price-in", "1", "--price-out", "2"]
    teacher = ["--teacher", "openai:sim", "--base-url", f"{url}/v1", *prices]
    said = {
        "Manifest": run("generate", "./prompts.jsonl", "-o", "./r.jsonl", *teacher, "--samples", "4", "--logprobs", "3",
                        "--license", "MIT", "--skip-bad", "--json", "--concurrency", "1", code=3),
    }  # fmt: skip
    weighed = ["--keep-incorrect", "--weight", "difficulty", "--incorrect-weight", "0.5"]
    run("filter", "./r.jsonl", "-o", "./kept.jsonl", *weighed)
    (here / "edited.jsonl").write_bytes((here / "kept.jsonl").read_bytes() + b"\n")
    (here / "edited.manifest.json").write_text(
        (here / "kept.manifest.json").read_text().replace("kept.jsonl", "edited.jsonl")
    )
    for layout in ("prompt_completion", "answer_only", "messages", "think_messages", "sharegpt", "alpaca", "dpo"):
        run("format", "./edited.jsonl", "-o", f"./{layout}.jsonl", "--format", layout, "--allow-modified")
    run("format", "./kept.jsonl", "-o", "./train.jsonl", "--holdout", "0.4")
    run("expand", "./prompts.jsonl", "-o", "./more.jsonl", "--teacher", "mock:digit-chains", "--count", "12",
        "--samples", "0", "--skip-bad")  # fmt: skip
    run("finetune", "./train.jsonl", "-o", "./student", "--student", "tiny", "--max-steps", "2", "--eval-data",
        "./train.holdout.jsonl")  # fmt: skip
    asked = ["./train.holdout.prompts.jsonl", "--samples", "2", "--max-output-tokens", "8"]
    run("evaluate", *asked, "-o", "./s.json", "--student", "./student", "--baseline", "mock:digit-chains",
        "--guard", "./guard.jsonl", "--guard-against", "mock:digit-chains", "--write-weak", "./weak.jsonl",
        code=3)  # fmt: skip
    run("run", "./recipe.toml")
    (here / "recipe.toml").write_text(RECIPE.replace("limit = 3", "limit = 4"))
    said["Plan"] = run("run", "./recipe.toml", "--plan", "--json")
    said["Run"] = run("run", "./recipe.toml", "--json")
    said["Status"] = run("status", "./recipe.toml", "--json")
    said["Comparison"] = run("compare", "./s.json", "--json")
    said["Stored by teacher"] = run("cache", "stats", "--json")
    said["Spent"] = run("cache", "spent", "--json")
    run("cache", "export", "-o", "./stored.jsonl")
    said["Doctor"] = cotdistill("doctor", "--json").stdout
    return said


LINES = {
    "prompts.jsonl": "Prompt", "more.jsonl": "Prompt", "weak.jsonl": "Prompt", "train.holdout.prompts.jsonl": "Prompt",
    "r.jsonl": "Response", "kept.jsonl": "Judged", "kept.dropped.jsonl": "Dropped", "kept.suspects.jsonl": "Suspect",
    "r.failed.jsonl": "Failed", "r.bad.jsonl": "BadLine", "more.dropped.jsonl": "DroppedPrompt",
    "s.answers.jsonl": "Judged", "s.guard.answers.jsonl": "Judged", "train.jsonl": "prompt_completion",
    "train.holdout.jsonl": "prompt_completion", "prompt_completion.jsonl": "prompt_completion",
    "answer_only.jsonl": "prompt_completion", "messages.jsonl": "messages", "think_messages.jsonl": "messages",
    "sharegpt.jsonl": "sharegpt", "alpaca.jsonl": "alpaca", "dpo.jsonl": "dpo", "student/metrics.jsonl": "Metrics",
    "stored.jsonl": "Stored",
}  # fmt: skip

ELSEWHERE = {
    "Teacher.served_model", "Response.stop_detail",  # what this server never says
    "Manifest.stopped_by", "Run.begun", "Stage.complete", "Stage.guard_failed", "Score.not_judged",  # ill runs
    "Score.by_class", "Scores.guessing", "Guess.accuracy", "Guess.how",  # labels
    "Scores.draft", "Metrics.answer_tokens", "Metrics.clipped_share",  # --draft-for and --on-policy
}  # fmt: skip
"""Fields that this chain does not write."""


def write_prompts(path: Path, draw: random.Random, count: int) -> None:
    lines = []
    for n in range(count):
        a, b, c = (draw.randrange(10) for _ in range(3))
        turns = [{"role": "user", "content": f"a={a} b=a*{b} c=b-{c} c?"}]
        if n % 3 == 0:
            before = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Hello!"}]
            turns = [{"role": "system", "content": "Be brief."}, *before, *turns]
        right = str((a * b - c) % 10 if n % 4 else 11)  # some references are wrong
        prompt = {"id": f"{path.stem}{n}", "messages": turns, "reference": right, "verifier": "math"}
        lines.append(json.dumps({**prompt, "tags": {"of": str(n % 2)}}))
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.slow
def test_every_field_that_the_commands_write_is_on_the_page_and_of_its_type(tmp_path: Path) -> None:
    pytest.importorskip("trl", reason="the train extra is not installed")
    draw = random.Random(4)
    write_prompts(tmp_path / "prompts.jsonl", draw, 24)
    write_prompts(tmp_path / "guard.jsonl", draw, 12)
    (tmp_path / "recipe.toml").write_text(RECIPE)
    clean = (tmp_path / "prompts.jsonl").read_text()
    (tmp_path / "prompts.jsonl").write_text(clean + "no JSON\n")
    with mock_teacher("--faults", "400@5") as url:
        said = chain(tmp_path, url)
    (tmp_path / "prompts.jsonl").write_text(clean)
    files = [(name, kind, line) for name, kind in LINES.items() for line in (tmp_path / name).read_text().splitlines()]
    whole = [(path.name, "Manifest", path.read_text()) for path in tmp_path.rglob("*manifest.json")]
    whole += [(str(path), "Run", path.read_text()) for path in tmp_path.glob("runs/2*/run.json")]
    whole += [("cotdistill.json", "Settings", (tmp_path / "student" / "cotdistill.json").read_text())]
    shown = [("stdout", kind, line) for kind, text in said.items() for line in text.splitlines()]
    seen: set[str] = set()
    found = [
        problem
        for name, kind, line in [*files, *whole, ("s.json", "Scores", (tmp_path / "s.json").read_text()), *shown]
        for problem in problems(json.loads(line), kind, name, seen, frozenset({"new"} if name == "stdout" else ()))
    ]
    assert not found, "\n".join(dict.fromkeys(found))
    every = {f"{kind}.{name}" for kind, fields in TABLES.items() for name in fields}
    assert every - seen == ELSEWHERE


def test_the_records_of_each_file_are_counted_in_its_manifest_and_where_it_is_read(tmp_path: Path) -> None:
    write_prompts(tmp_path / "prompts.jsonl", random.Random(1), 8)
    with (tmp_path / "prompts.jsonl").open("a") as file:
        file.write("\n  \n")
    commands: list[list[str | Path]] = [
        ["generate", tmp_path / "prompts.jsonl", "-o", tmp_path / "r.jsonl", "--teacher", "mock:digit-chains"],
        ["filter", tmp_path / "r.jsonl", "-o", tmp_path / "kept.jsonl"],
    ]
    for words in commands:
        assert cotdistill(*words).returncode == 0
    read = [json.loads((tmp_path / f"{name}.manifest.json").read_text())["inputs"] for name in ("r", "kept")]
    assert [[one["records"] for one in inputs] for inputs in read] == [[8], [8]]
