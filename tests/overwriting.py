"""Attempts to make a command write over something that is not its own: each must be refused, with every file as it was.

ATTEMPTS              name, the command's words, and what stands there besides
prepare(folder)       files of every kind, and real runs of the stages, in a folder of their own
attempt(one, folder)  runs it there; gives the exit code, the message, and the paths that changed
"""

import contextlib
import hashlib
import io
import os
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from cotdistill.config import FilterConfig
from cotdistill.errors import CotDistillError
from cotdistill.progress import Silent
from cotdistill.stages import filter as filtering
from tests.conftest import make_judged, make_prompt, make_response
from tests.scored_runs import scored

Run = Callable[[list[str]], tuple[int, str]]
"""Words of a command line in, exit code and stderr out."""


@dataclass(frozen=True)
class Attempt:
    """`words` is a command line, seen from the folder. `files` are made before: a text, or -> and what a link names."""

    name: str
    words: str
    files: tuple[tuple[str, str], ...] = ()
    root: bool = False
    """Needs a device node, which root alone may make."""


class Outcome(NamedTuple):
    code: int
    message: str
    changed: list[str]

    @property
    def refused(self) -> bool:
        return self.code == 2 and not self.changed


_GENERATE = "generate prompts.jsonl --teacher mock:digit-chains"
_EXPAND = "expand prompts.jsonl --teacher mock --count 1"
_EVALUATE = "evaluate prompts.jsonl --student tiny"
_GUARD = "--guard-against smollm2-135m --guard"
_OWN = "a text of my own\n"


def _own(*names: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, _OWN) for name in names)


ATTEMPTS: tuple[Attempt, ...] = (
    Attempt("expand over its seeds", f"{_EXPAND} -o prompts.jsonl"),
    Attempt(
        "expand, its seeds named like what it leaves out",
        "expand x.dropped.jsonl --teacher mock -o x.jsonl",
        (("x.dropped.jsonl", '{"question":"q"}\n'),),
    ),
    Attempt("expand over a file of one's own", f"{_EXPAND} -o notes.txt"),
    Attempt(
        "expand over a file of one's own, named like what it leaves out",
        f"{_EXPAND} -o x.jsonl",
        _own("x.dropped.jsonl"),
    ),
    Attempt("expand over what filter kept", f"{_EXPAND} -o made/kept.jsonl"),
    Attempt("expand over the store", f"{_EXPAND} -o store.sqlite --cache store.sqlite"),
    Attempt(
        "expand over the evaluation set",
        f"{_EXPAND} -o exam.jsonl --against exam.jsonl",
        (("exam.jsonl", '{"question":"q"}\n'),),
    ),
    Attempt(
        "expand over its document",
        "expand mine.md --teacher mock --method document -o mine.md",
        (("mine.md", "word " * 30),),
    ),
    Attempt("expand over a link", f"{_EXPAND} -o link.jsonl"),
    Attempt(
        "expand, a file of one's own where it puts things together",
        f"{_EXPAND} -o x.jsonl",
        _own("x.jsonl.partial.work"),
    ),
    Attempt("generate over its prompts", f"{_GENERATE} -o prompts.jsonl"),
    Attempt("generate over its prompts, spelt another way", f"{_GENERATE} -o folder/../prompts.jsonl"),
    Attempt("generate over its prompts, through a linked folder", f"{_GENERATE} -o linked/prompts.jsonl"),
    Attempt("generate over the store that it would make", f"{_GENERATE} -o x.jsonl --cache x.jsonl"),
    Attempt("generate over the store", f"{_GENERATE} -o store.sqlite --cache store.sqlite"),
    Attempt("generate over another store", f"{_GENERATE} -o store.sqlite --cache other.sqlite"),
    Attempt("generate, the store named like its failures", f"{_GENERATE} -o x.jsonl --cache x.failed.jsonl"),
    Attempt("generate, the store named like its manifest", f"{_GENERATE} -o x.jsonl --cache x.manifest.json"),
    Attempt("generate, the store named like its partial file", f"{_GENERATE} -o x.jsonl --cache x.jsonl.partial"),
    Attempt("generate, the prompts as the store", f"{_GENERATE} -o x.jsonl --cache prompts.jsonl"),
    Attempt("generate over a file of one's own", f"{_GENERATE} -o notes.txt"),
    Attempt("generate over responses without a manifest", f"{_GENERATE} -o responses.jsonl"),
    Attempt("generate over what filter kept", f"{_GENERATE} -o made/kept.jsonl"),
    Attempt("generate over a directory", f"{_GENERATE} -o folder"),
    Attempt("generate over a link", f"{_GENERATE} -o link.jsonl"),
    Attempt("generate over a link to nothing", f"{_GENERATE} -o dangling.jsonl"),
    Attempt("generate over a pipe", f"{_GENERATE} -o pipe"),
    Attempt("generate over a device", f"{_GENERATE} -o device", root=True),
    Attempt("generate beside failures of one's own", f"{_GENERATE} -o x.jsonl", _own("x.failed.jsonl")),
    Attempt("generate beside a manifest of one's own", f"{_GENERATE} -o x.jsonl", _own("x.manifest.json")),
    Attempt("generate beside bad lines of one's own", f"{_GENERATE} -o x.jsonl --skip-bad", _own("x.bad.jsonl")),
    Attempt(
        "generate over its examples",
        f"{_GENERATE} -o x.jsonl --few-shot x.failed.jsonl",
        (("x.failed.jsonl", '{"question": "q", "answer": "a"}\n'),),
    ),
    Attempt("generate over its template", f"{_GENERATE} -o x.md --template x.md", (("x.md", "Solve: $question"),)),
    Attempt(
        "generate, its store is a link",
        f"{_GENERATE} -o x.jsonl --no-cache",
        (("x.jsonl.partial.sqlite", "->notes.txt"),),
    ),
    Attempt("generate, its partial file is a link", f"{_GENERATE} -o x.jsonl", (("x.jsonl.partial", "->notes.txt"),)),
    Attempt("generate, its lock is a link", f"{_GENERATE} -o x.jsonl", ((".x.jsonl.lock", "->notes.txt"),)),
    Attempt("filter over its responses", "filter responses.jsonl -o responses.jsonl"),
    Attempt(
        "filter over its dropped ones", "filter z.dropped.jsonl -o z.jsonl", (("z.dropped.jsonl", "=responses.jsonl"),)
    ),
    Attempt(
        "filter over its suspects", "filter z.suspects.jsonl -o z.jsonl", (("z.suspects.jsonl", "=responses.jsonl"),)
    ),
    Attempt(
        "filter over its bad lines", "filter z.bad.jsonl -o z.jsonl --skip-bad", (("z.bad.jsonl", "=responses.jsonl"),)
    ),
    Attempt(
        "filter over its partial file", "filter z.jsonl.partial -o z.jsonl", (("z.jsonl.partial", "=responses.jsonl"),)
    ),
    Attempt("filter over its lock", "filter .z.jsonl.lock -o z.jsonl", ((".z.jsonl.lock", "=responses.jsonl"),)),
    Attempt("filter beside dropped ones of one's own", "filter responses.jsonl -o z.jsonl", _own("z.dropped.jsonl")),
    Attempt("filter over its evaluation set", "filter responses.jsonl -o prompts.jsonl --against prompts.jsonl"),
    Attempt(
        "filter over its evaluation set, as dropped ones",
        "filter responses.jsonl -o z.jsonl --against z.dropped.jsonl",
        (("z.dropped.jsonl", "=prompts.jsonl"),),
    ),
    Attempt(
        "filter over a filter's evaluation set",
        "filter responses.jsonl -o z.jsonl --filter contamination:against=z.dropped.jsonl",
        (("z.dropped.jsonl", "=prompts.jsonl"),),
    ),
    Attempt("filter beside another file's manifest", "filter responses.jsonl -o made/kept.json"),
    Attempt("filter over a device", "filter responses.jsonl -o device", root=True),
    Attempt("filter over a pipe", "filter responses.jsonl -o pipe"),
    Attempt("filter over a link", "filter responses.jsonl -o link.jsonl"),
    Attempt("format over its input", "format kept.jsonl -o kept.jsonl"),
    Attempt("format over its holdout", "format v.holdout.jsonl -o v.jsonl", (("v.holdout.jsonl", "=kept.jsonl"),)),
    Attempt("format, holdout prompts of one's own", "format kept.jsonl -o v.jsonl", _own("v.holdout.prompts.jsonl")),
    Attempt("format, holdout rows of one's own", "format kept.jsonl -o v.jsonl --holdout 0.5", _own("v.holdout.jsonl")),
    Attempt("format over what filter kept", "format kept.jsonl -o made/kept.jsonl"),
    Attempt("format over a device", "format kept.jsonl -o device", root=True),
    Attempt(
        "format over an entry of one's own",
        "format kept.jsonl -o v.jsonl --format alpaca --export llama-factory",
        (("dataset_info.json", '{"v": {"file_name": "other.jsonl"}}'),),
    ),
    Attempt(
        "format over broken settings",
        "format kept.jsonl -o v.jsonl --format alpaca --export llama-factory",
        _own("dataset_info.json"),
    ),
    Attempt(
        "format over settings of one's own",
        "format kept.jsonl -o v.jsonl --format alpaca --export axolotl",
        _own("v.axolotl.yaml"),
    ),
    Attempt("finetune over a project with a manifest", "finetune train.jsonl -o webapp --student tiny"),
    Attempt("finetune over a file", "finetune train.jsonl -o notes.txt --student tiny"),
    Attempt("finetune over its rows", "finetune train.jsonl -o train.jsonl --student tiny"),
    Attempt("finetune over the directory of its rows", "finetune made/rows.jsonl -o made --student tiny"),
    Attempt("finetune over a student with notes in it", "finetune train.jsonl -o student --student tiny"),
    Attempt("finetune over a link to a directory", "finetune train.jsonl -o linked --student tiny"),
    Attempt(
        "finetune beside work of one's own", "finetune train.jsonl -o s --student tiny", _own("s.partial/thesis.txt")
    ),
    Attempt(
        "finetune beside an old one of one's own", "finetune train.jsonl -o s --student tiny", _own("s.old/thesis.txt")
    ),
    Attempt(
        "finetune beside bad lines of one's own",
        "finetune train.jsonl -o s --student tiny --skip-bad",
        _own("s.bad.jsonl"),
    ),
    Attempt("evaluate, weak prompts over its prompts", f"{_EVALUATE} -o s.json --write-weak prompts.jsonl"),
    Attempt("evaluate, weak prompts over any file", f"{_EVALUATE} -o s.json --write-weak kept.jsonl"),
    Attempt("evaluate, weak prompts over an artifact", f"{_EVALUATE} -o s.json --write-weak made/kept.jsonl"),
    Attempt("evaluate, weak prompts over its scores", f"{_EVALUATE} -o s.json --write-weak s.json"),
    Attempt("evaluate, weak prompts over its answers", f"{_EVALUATE} -o s.json --write-weak s.answers.jsonl"),
    Attempt("evaluate, weak prompts into a pipe", f"{_EVALUATE} -o s.json --write-weak pipe"),
    Attempt("evaluate, weak prompts over a device", f"{_EVALUATE} -o s.json --write-weak device", root=True),
    Attempt(
        "evaluate over its answers",
        "evaluate x.answers.jsonl -o x.json --student tiny",
        (("x.answers.jsonl", "=prompts.jsonl"),),
    ),
    Attempt("evaluate over a baseline", f"{_EVALUATE} -o responses.jsonl --baseline responses.jsonl"),
    Attempt(
        "evaluate, a baseline named like its answers",
        f"{_EVALUATE} -o x.json --baseline x.answers.jsonl",
        (("x.answers.jsonl", "=responses.jsonl"),),
    ),
    Attempt(
        "evaluate, a task over a folder of one's own",
        f"{_EVALUATE} -o s.json --export lm-eval",
        _own("s.lm_eval/data.jsonl"),
    ),
    Attempt("evaluate over scores with another's manifest", f"{_EVALUATE} -o made/kept.json"),
    Attempt("report over a file of the run", "report made -o made/kept.jsonl"),
    Attempt("report over a file of one's own", "report made -o notes.txt"),
    Attempt("report over a link", "report made -o link.jsonl"),
    Attempt("report over a pipe", "report made -o pipe"),
    Attempt("report over a directory", "report made -o folder"),
    Attempt("report over a device", "report made -o device", root=True),
    Attempt("compare, a table over a file of one's own", "compare scored --csv notes.txt"),
    Attempt("compare, a table over its scores", "compare scored/scores.json --csv scored/scores.json"),
    Attempt("compare, a page over a file of one's own", "compare scored --csv new.csv --html notes.txt"),
    Attempt("compare, table and page in one file", "compare scored --csv new --html new"),
    Attempt("compare, a page through a link", "compare scored --html link.jsonl"),
    Attempt("evaluate over its guard", f"{_EVALUATE} -o x.json {_GUARD} x.json", (("x.json", "=prompts.jsonl"),)),
    Attempt(
        "evaluate, answers over its guard",
        f"{_EVALUATE} -o x.json {_GUARD} x.guard.answers.jsonl",
        (("x.guard.answers.jsonl", "=prompts.jsonl"),),
    ),
    Attempt("export over a file of one's own", "export tiny -o x.gguf", _own("x.gguf")),
    Attempt("export over a link", "export tiny -o x.gguf", (("x.gguf", "->notes.txt"),)),
    Attempt("export beside a Modelfile of one's own", "export tiny -o x.gguf", _own("x.Modelfile")),
    Attempt("export beside a manifest of one's own", "export tiny -o x.gguf", _own("x.manifest.json")),
    Attempt("export over its student", "export x.gguf -o x.gguf", _own("x.gguf")),
    Attempt("cache export over the store", "cache export --cache store.sqlite -o store.sqlite"),
    Attempt("cache export over the store's log", "cache export --cache store.sqlite -o store.sqlite-wal"),
    Attempt("cache export over a file of one's own", "cache export --cache store.sqlite -o notes.txt"),
    Attempt("cache export over an artifact", "cache export --cache store.sqlite -o made/kept.jsonl"),
    Attempt("cache export over a link", "cache export --cache store.sqlite -o link.jsonl"),
    Attempt("cache export over a device", "cache export --cache store.sqlite -o device", root=True),
    Attempt("init over a recipe", "init r --task maths --yes", _own("r/recipe.toml")),
    Attempt("init through a link", "init r --task maths --yes", (("r/prompts.jsonl", "->../nowhere"),)),
    Attempt("demo over prompts of one's own", "demo -o folder2", _own("folder2/prompts.jsonl")),
    Attempt("demo over a README of one's own", "demo -o folder2", _own("folder2/README.md")),
    Attempt("demo over a student of one's own", "demo -o folder2", _own("folder2/student-all/weights.bin")),
    Attempt("mock-teacher adds to a file of one's own", "mock-teacher --port 0 --ledger notes.txt"),
    Attempt("mock-teacher adds to a link", "mock-teacher --port 0 --ledger link.jsonl"),
    Attempt("mock-teacher adds to a device", "mock-teacher --port 0 --ledger device", root=True),
    Attempt(
        "mock-teacher adds to what it replays", "mock-teacher --port 0 --replay prompts.jsonl --ledger prompts.jsonl"
    ),
)


def prepare(folder: Path) -> None:
    """What the attempts find: files without manifests, a run of filter, a student, links, a pipe, for root a device."""
    prompts = [make_prompt(f"p{n}", f"What is {n}+1?", str(n + 1)) for n in range(4)]
    records: dict[str, list[Any]] = {
        "prompts": [{"id": one.id, "question": one.messages[0].content, "answer": one.reference} for one in prompts],
        "responses": [make_response(f"Answer: {n + 1}", prompt) for n, prompt in enumerate(prompts)],
        "kept": [make_judged(f"Answer: {n + 1}", prompt=prompt) for n, prompt in enumerate(prompts)],
        "train": [{"id": "a/0", "prompt": [{"role": "user", "content": "2+2?"}],
                   "completion": [{"role": "assistant", "content": "4"}]}],
    }  # fmt: skip
    for name, given in records.items():
        (folder / f"{name}.jsonl").write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in given))
    _write(folder / "notes.txt", _OWN)
    _write(folder / "webapp" / "manifest.json", '{"name": "my web app"}')
    _write(folder / "webapp" / "src" / "app.js", _OWN)
    (folder / "folder").mkdir()
    _make_store(folder / "store.sqlite")
    made = folder / "made"
    filtering.run(folder / "responses.jsonl", made / "kept.jsonl", FilterConfig(), Silent())
    (made / "rows.jsonl").write_bytes((folder / "train.jsonl").read_bytes())
    scored(folder / "scored" / "scores.json", {"student": [True, False]})
    listed = {"stage": "finetune", "outputs": [{"path": "student/model.safetensors"}]}
    _write(folder / "student" / "manifest.json", msgspec.json.encode(listed).decode())
    _write(folder / "student" / "model.safetensors", "weights")
    _write(folder / "student" / "notes.txt", _OWN)
    (folder / "link.jsonl").symlink_to("notes.txt")
    (folder / "dangling.jsonl").symlink_to("nowhere.jsonl")
    (folder / "linked").symlink_to(".")
    os.mkfifo(folder / "pipe")
    if os.geteuid() == 0:
        with contextlib.suppress(PermissionError):  # a container may forbid it
            os.mknod(folder / "device", stat.S_IFCHR | 0o666, os.makedev(1, 3))


def attempt(one: Attempt, folder: Path, run: Run | None = None) -> Outcome:
    """Make the attempt's own files, run its command in `folder`, and compare everything there with before. The files
    of the attempt are removed afterwards, so that one folder serves them all."""
    made = [_place(folder / name, content, folder) for name, content in one.files]
    before = snapshot(folder)
    with contextlib.chdir(folder):
        code, message = (run or in_process)(one.words.split())
    after = snapshot(folder)
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    for path in made:
        path.unlink(missing_ok=True)
        for parent in path.relative_to(folder).parents:
            with contextlib.suppress(OSError):  # the folder itself, or one that others stand in
                (folder / parent).rmdir()
    return Outcome(code, message, changed)


def in_process(words: list[str]) -> tuple[int, str]:
    """The command line in this process, as `cotdistill.cli.main.main` runs it."""
    from cotdistill.cli import main

    said = io.StringIO()
    argv, sys.argv = sys.argv, ["cotdistill", *words]
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            main.main()
    except SystemExit as ended:
        return int(ended.code or 0), said.getvalue()
    except CotDistillError as error:
        return error.exit_code, str(error)
    finally:
        sys.argv = argv
    return 0, said.getvalue()


def snapshot(folder: Path) -> dict[str, tuple[int, str]]:
    """Every path below with its kind and mode, and the hash of its content or a link's target."""
    return {str(path.relative_to(folder)): (path.lstat().st_mode, _content(path)) for path in _walk(folder)}


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)


def _content(path: Path) -> str:
    if path.is_symlink():
        return str(path.readlink())
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _place(path: Path, content: str, folder: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if content.startswith("->"):
        path.symlink_to(content[2:])
    elif content.startswith("="):
        path.write_bytes((folder / content[1:]).read_bytes())
    else:
        path.write_text(content)
    return path


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def _make_store(path: Path) -> None:
    import asyncio

    from cotdistill.store.answers import Store

    store = Store(path)

    async def pay() -> None:
        await store.put("key", 0, "key", "mock", "m", b'{"paid": true}')

    asyncio.run(pay())
    store.close()
