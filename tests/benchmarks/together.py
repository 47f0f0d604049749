"""Two commands at the same moment: everything that two cron jobs or two people may begin in one place, some killed.

    python -m tests.benchmarks.together [--pairs 30] [--only NAME…] [--seed 0] [--kills 0.25]

Each pair begins in a fresh copy of a small finished chain, up to 300 ms apart. Either both must be right, or one ends
with a single line and code 5. Afterwards each command runs once more by itself: it must end well, every file must be
whole and as its manifest says, no file of work in progress may be left, and no answer may have been bought twice.
"""

import argparse
import hashlib
import json
import random
import shlex
import shutil
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cotdistill.mock import problems
from tests.command_server import Command
from tests.conftest import start

PROMPTS = 12
TEACHER = "--teacher mock:digit-chains --cache store.sqlite"
GENERATE = f"generate prompts.jsonl {TEACHER} --quiet -o"
FINETUNE = "finetune train.jsonl --student tiny --max-steps 2 --batch-size 2 --quiet -o"
EVALUATE = "evaluate prompts.jsonl --student mock:digit-chains --cache store.sqlite --quiet -o"
LLAMA = "format kept.jsonl --format alpaca --export llama-factory --quiet -o"
EXPAND = "expand prompts.jsonl --teacher mock:digit-chains --cache store.sqlite --count 3 --quiet -o"
RECIPE = """runs = "{runs}"
prompts = "{prompts}.jsonl"
[generate]
teacher = "mock:digit-chains"
cache = "{store}.sqlite"
[filter]
[format]
"""


@dataclass(frozen=True)
class Pair:
    """`dear` ones take seconds, and run a tenth as often. `may_end` are the codes of a pair that was not killed."""

    name: str
    first: str
    second: str
    dear: bool = False
    may_end: tuple[int, ...] = (0, 5)


PAIRS = [
    Pair("generate, one output", f"{GENERATE} new.jsonl", f"{GENERATE} new.jsonl"),
    Pair("generate, one new folder", f"{GENERATE} a/b/1.jsonl", f"{GENERATE} a/b/2.jsonl"),
    Pair(
        "generate, a store of the output's own",
        f"{GENERATE} new.jsonl --no-cache".replace("--cache store.sqlite", ""),
        f"{GENERATE} new.jsonl --no-cache".replace("--cache store.sqlite", ""),
    ),
    Pair(
        "generate, a new store in a new folder",
        f"{GENERATE} c/1.jsonl".replace("store.sqlite", "c/s.sqlite"),
        f"{GENERATE} d/2.jsonl".replace("store.sqlite", "c/s.sqlite"),
    ),
    Pair("expand, one output", f"{EXPAND} more.jsonl", f"{EXPAND} more.jsonl"),
    Pair("expand and generate", f"{EXPAND} more.jsonl", f"{GENERATE} new.jsonl"),
    Pair(
        "filter, one output", "filter responses.jsonl -o k.jsonl --quiet", "filter responses.jsonl -o k.jsonl --quiet"
    ),
    Pair("generate and filter of it", f"{GENERATE} responses.jsonl --samples 3", "filter responses.jsonl -o k.jsonl"),
    Pair("format, one output", "format kept.jsonl -o t.jsonl --quiet", "format kept.jsonl -o t.jsonl --quiet"),
    Pair("format, one folder", "format kept.jsonl -o f/1.jsonl --quiet", "format kept.jsonl -o f/2.jsonl --quiet"),
    Pair("format, one dataset_info.json", f"{LLAMA} f/1.jsonl", f"{LLAMA} f/2.jsonl"),
    Pair("finetune, one output", f"{FINETUNE} s", f"{FINETUNE} s", dear=True),
    Pair("finetune, resumed twice", f"{FINETUNE} s --resume", f"{FINETUNE} s --resume", dear=True),
    Pair("evaluate, one output", f"{EVALUATE} e.json", f"{EVALUATE} e.json"),
    Pair("evaluate, one store", f"{EVALUATE} e1.json --samples 2", f"{EVALUATE} e2.json --samples 3"),
    Pair("run, one recipe", "run recipe.toml --quiet --set generate.samples=2", "run recipe.toml --quiet"),
    Pair("run, a first time", "run first.toml --quiet", "run first.toml --quiet"),
    Pair("run, two recipes a first time", "run first.toml --quiet", "run second.toml --quiet"),
    Pair("run and status", "run recipe.toml --quiet --set generate.samples=2 --keep 1", "status recipe.toml"),
    Pair("run and plan", "run recipe.toml --quiet --set generate.samples=2 --keep 1", "run recipe.toml --plan"),
    Pair("run and report", "run recipe.toml --quiet --set generate.samples=2 --keep 1", "report runs/latest -o r.html"),
    Pair("run and grid", "run recipe.toml --quiet", "run recipe.toml --quiet --grid generate.samples=1,2", dear=True),
    Pair("report, one page", "report . -o r.html", "report . -o r.html"),
    Pair("compare, one table", "compare scores.json --csv c.csv", "compare scores.json --csv c.csv --html c.html"),
    Pair("init, one folder", "init n --task maths --yes", "init n --task code --yes", may_end=(0, 2, 5)),
    Pair("generate and cache stats", f"{GENERATE} new.jsonl --samples 3", "cache stats --cache store.sqlite"),
    Pair("generate and cache check", f"{GENERATE} new.jsonl --samples 3", "cache check --cache store.sqlite"),
    Pair("generate and cache spent", f"{GENERATE} new.jsonl --samples 3", "cache spent --cache store.sqlite"),
    Pair("generate and export", f"{GENERATE} new.jsonl --samples 3", "cache export -o x.jsonl --cache store.sqlite"),
    Pair(
        "generate and prune",
        f"{GENERATE} new.jsonl --samples 3",
        "cache prune --older-than-days 1000 --cache store.sqlite",
    ),
    Pair("cache export, one output", *2 * ("cache export -o x.jsonl --cache store.sqlite",)),
    Pair("demo, one folder", *2 * ("demo -o d --problems 20 --steps 2",), dear=True),
]


def chain(folder: Path) -> None:
    """A small finished chain."""
    names = ("prompts", "others")
    for number, name in enumerate(names):
        chosen = problems.generate(PROMPTS, seed=number)
        prompts = [msgspec.json.encode(one.as_prompt(f"{name}{n}")) + b"\n" for n, one in enumerate(chosen)]
        (folder / f"{name}.jsonl").write_bytes(b"".join(prompts))
    (folder / "recipe.toml").write_text(RECIPE.format(runs="runs", prompts="prompts", store="store"))
    (folder / "first.toml").write_text(RECIPE.format(runs="fresh", prompts="prompts", store="fresh"))
    (folder / "second.toml").write_text(RECIPE.format(runs="fresh", prompts="others", store="fresh"))
    for words in (
        f"{GENERATE} responses.jsonl",
        "filter responses.jsonl -o kept.jsonl --quiet",
        "format kept.jsonl -o train.jsonl --quiet",
        f"{EVALUATE} scores.json",
        "run recipe.toml --quiet",
    ):
        assert (code := ended(words, folder).code) == 0, (words, code)


@dataclass(frozen=True)
class Ended:
    code: int
    said: str

    @property
    def in_words(self) -> str:
        return f"{self.code}: {self.said.strip()[-700:]}"


def ended(words: str, folder: Path) -> Ended:
    run = begun(words, folder)
    said = run.communicate()[1]
    return Ended(run.wait(), said)


def begun(words: str, folder: Path) -> Command:
    return start(*shlex.split(words), cwd=folder, environment={"COTDISTILL_CACHE": str(folder / "default.sqlite")})


def together(pair: Pair, folder: Path, chance: random.Random, kills: float) -> Iterator[str]:
    """What is wrong with one pair, in words."""
    killed = chance.random() < kills
    first = begun(pair.first, folder)
    time.sleep(chance.uniform(0, 0.3) if chance.random() < 0.7 else 0)
    second = begun(pair.second, folder)
    if killed:
        time.sleep(chance.uniform(0, 3 if pair.dear else 0.5))
        chance.choice((first, second)).kill()
    ends = []
    for run in (first, second):
        _, said = run.communicate()
        ends.append(Ended(run.wait(), said))
    for end in ends:
        if "Traceback" in end.said:
            yield f"traceback, {end.in_words}"
        elif end.code != -9 and end.code not in pair.may_end:
            yield f"ended with {end.in_words}"
        elif end.code == 5 and len(end.said.strip().splitlines()) != 1:
            yield f"more than a line, {end.in_words}"
    for words in dict.fromkeys((pair.first, pair.second)):
        if (again := ended(words, folder)).code not in {0, *pair.may_end} - {5}:
            yield f"the same command once more, {again.in_words}"
    yield from left_over(folder)


def left_over(folder: Path) -> Iterator[str]:
    """Files of work in progress, files that are not whole, and what was paid twice."""
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if ".partial" in name or name.endswith((".lock", ".room", ".old")):
            yield f"left over: {name}"
        if path.suffix == ".jsonl" and any(not whole(line) for line in path.read_bytes().splitlines()):
            yield f"not whole: {name}"
        if path.suffix == ".json" and not whole(path.read_bytes()):
            yield f"not whole: {name}"
        if path.name.endswith("manifest.json"):
            yield from differing(path)
        if path.suffix == ".sqlite":
            yield from paid_twice(path)


def whole(content: bytes) -> bool:
    try:
        json.loads(content)
    except ValueError:
        return False
    return True


def differing(manifest: Path) -> Iterator[str]:
    for output in json.loads(manifest.read_bytes())["outputs"]:
        inside = Path(output["path"]).name if manifest.name != "manifest.json" else None
        file = manifest.parent / inside if inside else None
        if file and (not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != output["sha256"]):
            yield f"not as its manifest says: {file.name}"


def paid_twice(store: Path) -> Iterator[str]:
    with closing(sqlite3.connect(store)) as database:
        query = "SELECT key, sample, count(*) FROM spending WHERE key NOT NULL GROUP BY key, sample HAVING count(*) > 1"
        try:
            for key, sample, count in database.execute(query):
                yield f"{store.name}: paid {count} times: {key[:12]} {sample}"
        except sqlite3.Error as error:
            yield f"{store.name}: {error}"


def everything(pairs: int, only: Sequence[str], seed: int, kills: float) -> int:
    """Prints a line a pair of commands; returns how many pairs went wrong."""
    chance, wrong = random.Random(seed), 0
    with tempfile.TemporaryDirectory(prefix="together-") as place:
        template = Path(place) / "template"
        template.mkdir()
        chain(template)
        for pair in PAIRS:
            if only and not any(one in pair.name for one in only):
                continue
            rounds = max(1, pairs // 10) if pair.dear else pairs
            found: Counter[str] = Counter()
            bad = 0
            for _ in range(rounds):
                folder = Path(place) / "pair"
                shutil.copytree(template, folder, symlinks=True)
                problems_ = list(together(pair, folder, chance, kills))
                bad += bool(problems_)
                found.update(one.replace(str(folder), "") for one in problems_)
                shutil.rmtree(folder)
            wrong += bad
            print(f"{pair.name:<45} {rounds - bad:>4} of {rounds} right", flush=True)
            for words, count in found.most_common(6):
                print(f"    {count} x {words}", flush=True)
    return wrong


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--pairs", type=int, default=30)
    options.add_argument("--only", nargs="*", default=[])
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--kills", type=float, default=0.25)
    chosen = options.parse_args()
    raise SystemExit(bool(everything(chosen.pairs, chosen.only, chosen.seed, chosen.kills)))


if __name__ == "__main__":
    main()
