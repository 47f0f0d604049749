"""SIGKILL at random moments, over every stage and both wires, until the command ends by itself; then its files are
compared with those of a run that nobody disturbed.

An answer is lost that the store had at a kill and has not at the end. One is bought again that was billed more than
once; it was in flight where it had been asked for and was in no store when the process was dead.
"""

import os
import random
import re
import shutil
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from tests.background import in_background
from tests.batch_world import PRELOADED, forked, forks
from tests.faulty_teacher import Rehearsal, rehearsing

_KEY = re.compile(rb'"request_key":"[^"]*"')

SLOW = ("cotdistill.training.train", "cotdistill.students.generator", "trl")
"""Loaded once for all processes, beside what every test of processes loads."""

PROMPTS = 60
STORE = "store.sqlite"
LATER = 2.0
"""Several run at once, so each takes longer than the undisturbed one did alone."""

QUIET_S = 0.4
"""So long after a kill the server has read every request that was sent."""

_GENERATE = f"generate prompts.jsonl -o responses.jsonl --cache {STORE} --concurrency 8"
_RECIPE = f"""
prompts = "prompts.jsonl"
[generate]
teacher = "openai:simulated"
base_url = "URL/v1"
cache = "{STORE}"
samples = 2
concurrency = 8
[filter]
verify = "math"
[format]
holdout = 0.2
[finetune]
student = "tiny"
max_steps = 6
checkpoint_minutes = 0.01
[evaluate]
limit = 8
max_output_tokens = 16
"""


class Kind(NamedTuple):
    """A command, where it is killed, and where its answers are kept. `weight` is its share of the kills."""

    name: str
    words: str
    weight: int
    teacher: str | None = None
    store: str = STORE


KINDS = (
    Kind("generate, openai", f"{_GENERATE} --samples 2", 10, "openai"),
    Kind("generate, anthropic", f"{_GENERATE} --samples 2 --max-cost 9 --price-in 1 --price-out 1", 10, "anthropic"),
    Kind("generate, until accepted", f"{_GENERATE} --samples 4 --until-accepted 1 --verify math", 10, "openai"),
    Kind("generate, no cache", f"{_GENERATE.replace(f'--cache {STORE}', '--no-cache')}", 10, "anthropic",
         "responses.jsonl.partial.sqlite"),
    Kind("batch, openai", f"{_GENERATE} --batch", 10, "openai"),
    Kind("batch, anthropic", f"{_GENERATE} --batch", 10, "anthropic"),
    Kind("filter", "filter responses.jsonl -o kept.jsonl --verify math --filter near_duplicate", 10),
    Kind("format", "format kept.jsonl -o train.jsonl --student tiny --holdout 0.2", 10),
    Kind("finetune", "finetune train.jsonl -o student --student tiny --max-steps 12 --checkpoint-minutes 0.005 "
         "--resume", 8),
    Kind("evaluate", "evaluate prompts.jsonl -o scores.json --student student --limit 16 --max-output-tokens 32", 6),
    Kind("run", "run recipe.toml", 10, "recipe"),
)  # fmt: skip


@dataclass
class Tally:
    """What the kills of one kind came to."""

    kills: int = 0
    campaigns: int = 0
    stored_at_kills: int = 0
    lost: int = 0
    again: int = 0
    again_unflown: int = 0
    """Bought again, and not in flight at a kill: this must be 0."""
    oldest_s: float = 0.0
    """Between the request and the kill, of what was in flight and bought again."""
    differing: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    left_running: int = 0

    @property
    def good(self) -> bool:
        return not (self.lost or self.again_unflown or self.differing or self.failed or self.left_running)


@dataclass
class Campaigns:
    """The runs of one kind, each in a fresh copy of the same inputs; all of them ask one server."""

    kind: Kind
    root: Path
    here: Rehearsal
    lots: random.Random
    tally: Tally = field(default_factory=Tally)
    busy: bool = False
    expected: dict[str, bytes] = field(default_factory=dict)
    takes_s: float = 0.0

    @property
    def inputs(self) -> Path:
        return self.root / "inputs"

    def undisturbed(self) -> Path:
        folder = self.fresh("calm")
        began = time.monotonic()
        code = self.start(folder).wait(300)
        if code:
            raise SystemExit(f"{self.kind.name}: undisturbed, and it ends with {code}: {said(folder)}")
        self.expected, self.takes_s = self.files(folder), time.monotonic() - began
        return folder

    def fresh(self, name: str) -> Path:
        """A folder with what the command reads, and nothing of what it writes."""
        folder = self.root / name / self.kind.name.replace(", ", "-").replace(" ", "-")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.inputs, folder, ignore=shutil.ignore_patterns(*_written_by(self.kind)))
        if self.kind.teacher == "recipe":
            (folder / "recipe.toml").write_text(_RECIPE.replace("URL", self.here.url))
        return folder

    def start(self, folder: Path) -> "Process":
        words = self.kind.words.split()
        if self.kind.teacher not in (None, "recipe"):
            words += self.here.words(str(self.kind.teacher))
        return Process(forked(words, folder / ".stderr", folder))

    def files(self, folder: Path) -> dict[str, bytes]:
        """What the command has made: names, and the bytes of what promises to be the same each time."""
        whole = self.kind.name == "run"
        top = (folder / "runs" / "latest").resolve() if whole else folder
        there = [path for path in sorted(top.rglob("*")) if path.is_file() and not _passing(path)]
        given = {path.relative_to(self.inputs) for path in self.inputs.rglob("*")}
        own = [path for path in there if whole or _mine(self.kind, path.relative_to(top), given)]
        day = top.name.encode()  # a run's scores name its student by its path, and so do the keys of its answers
        content = {path: b"" if _dated(path) else _KEY.sub(b"", path.read_bytes().replace(day, b"DAY")) for path in own}
        return {str(path.relative_to(top)): found for path, found in content.items()}

    def campaign(self, most: int) -> None:
        """Kill the command until it ends by itself, or has been killed so often; then let it end."""
        tally, folder = self.tally, self.fresh("killed")
        bills = len(self.here.bills())
        flying: dict[str, float] = {}
        stored: set[str] = set()
        asked, process = len(self.here.headers), self.start(folder)
        for _ in range(most):
            if process.ends_within(self.takes_s * LATER * max(self.lots.random(), self.lots.random())):
                break
            process.kill()
            dead = time.time()
            if "--no-cache" in self.kind.words and _complete(folder / "responses.manifest.json"):
                break  # its store went with its last answer: the same command would ask for all of them
            tally.kills += 1
            tally.left_running += process.left_running()
            if self.kind.teacher:
                time.sleep(QUIET_S)
                held = keys(folder / self.kind.store)
                tally.lost += len(stored - held)
                stored |= held
                flying |= {key: dead - when for key, when in self._asked(asked) if key not in stored}
            asked, process = len(self.here.headers), self.start(folder)
        code = max(0, process.wait(300))  # below 0: killed when it was complete
        tally.campaigns += 1
        if code:
            tally.failed.append(f"exit {code}: {said(folder)}")
            return
        if self.kind.teacher:
            self._count(folder, bills, stored, flying)
        found = self.files(folder)
        names = self.expected.keys() | found.keys()
        tally.differing += sorted(name for name in names if self.expected.get(name) != found.get(name))

    def _count(self, folder: Path, bills: int, stored: set[str], flying: dict[str, float]) -> None:
        tally = self.tally
        tally.stored_at_kills += len(stored)
        if "--no-cache" not in self.kind.words:
            tally.lost += len(stored - keys(folder / self.kind.store))
        bought = Counter(bill["idempotency_key"] for bill in self.here.bills()[bills:])
        twice = {key: count - 1 for key, count in bought.items() if count > 1}
        tally.again += sum(twice.values())
        tally.again_unflown += sum(count for key, count in twice.items() if key not in flying)
        tally.oldest_s = max([tally.oldest_s, *(flying[key] for key in twice if key in flying)])

    def _asked(self, since: int) -> Iterable[tuple[str, float]]:
        """Idempotency keys of the online requests since then, and when they came."""
        pairs = zip(self.here.headers[since:], self.here.arrivals[since:], strict=False)
        return [(headers["idempotency-key"], when) for headers, when in pairs if "idempotency-key" in headers]


@dataclass
class Process:
    process: Any

    def ends_within(self, seconds: float) -> bool:
        self.process.join(seconds)
        return self.process.exitcode is not None

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.join()

    def wait(self, seconds: float) -> int:
        """Its exit code; 124 where it had to be ended."""
        self.process.join(seconds)
        if self.process.exitcode is None:
            self.kill()
            return 124
        return int(self.process.exitcode)

    def left_running(self) -> bool:
        """Whether a process that it started lives on, half a minute after it; one that still loads takes seconds."""
        for _ in range(300):
            try:
                os.killpg(self.process.pid, 0)
            except ProcessLookupError:
                return False
            except PermissionError:
                pass
            time.sleep(0.1)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return True


def keys(store: Path) -> set[str]:
    """The idempotency keys of what it holds."""
    if not store.exists():
        return set()
    with closing(sqlite3.connect(store, timeout=30)) as database:
        try:
            return {f"{key}-{sample}" for key, sample in database.execute("SELECT key, sample FROM answers")}
        except sqlite3.OperationalError:  # killed before there was a table
            return set()


def said(folder: Path) -> str:
    path = folder / ".stderr"
    return path.read_text()[-400:].strip() if path.exists() else "it did not begin"


def _written_by(kind: Kind) -> tuple[str, ...]:
    words = kind.words.split()
    return (Path(words[words.index("-o") + 1]).stem + "*",) if "-o" in words else ()


def _mine(kind: Kind, path: Path, given: set[Path]) -> bool:
    return path not in given or any(path.parts[0].startswith(name.rstrip("*")) for name in _written_by(kind))


def _complete(manifest: Path) -> bool:
    return manifest.exists() and '"complete": true' in manifest.read_text()


def _passing(path: Path) -> bool:
    """No artifact: the store, a lock, what was said."""
    return path.suffix == ".lock" or ".sqlite" in path.name or path.name == ".stderr"


def _dated(path: Path) -> bool:
    """It holds times, or paths: only its name is compared."""
    return "manifest" in path.name or path.name in ("run.json", "report.html", "loss.jsonl", "README.md")


def run(root: Path, kills: int, limit_s: float, seed: int, only: str = "", at_once: int = 4) -> dict[str, Tally]:
    """At least so many kills over all kinds, by their weights, unless the time is over before."""
    os.environ["COTDISTILL_CACHE"] = str(root / "unused.sqlite")
    forks.set_forkserver_preload([*PRELOADED, *SLOW])
    with ExitStack() as servers, ThreadPoolExecutor(at_once) as threads:
        kinds = [_opened(kind, root / str(number), servers, seed) for number, kind in enumerate(KINDS)]
        forked(["list", "teachers"], root / ".stderr", root).join()  # starts the server that all are forked from
        _prepare(root, kinds)
        chosen = [one for one in kinds if only in one.kind.name]
        for one in chosen:
            if not one.expected:
                one.undisturbed()
        ends, lock = time.monotonic() + limit_s, Lock()
        weights = sum(one.kind.weight for one in chosen)

        def work() -> None:
            while time.monotonic() < ends:
                with lock:
                    if sum(one.tally.kills for one in chosen) >= kills:
                        return
                    idle = [one for one in chosen if not one.busy]
                    mine = min(idle, key=lambda one: one.tally.kills / (kills * one.kind.weight / weights))
                    mine.busy = True
                mine.campaign(most=6)
                mine.busy = False

        for done in [threads.submit(work) for _ in range(min(at_once, len(chosen)))]:
            done.result()
    return {one.kind.name: one.tally for one in chosen}


def _opened(kind: Kind, path: Path, servers: ExitStack, seed: int) -> Campaigns:
    path.mkdir(parents=True)
    here = servers.enter_context(in_background(rehearsing(path, latency_s=0.02, latency_tail=1.0)))
    return Campaigns(kind, path.parent, here, random.Random(f"{kind.name}/{seed}"))


def _prepare(root: Path, kinds: list[Campaigns]) -> None:
    """The inputs of each stage, made by the stage before it."""
    inputs = root / "inputs"
    inputs.mkdir()
    kinds[0].here.prompts(PROMPTS).rename(inputs / "prompts.jsonl")
    for name in ("generate, openai", "filter", "format", "finetune"):
        made = next(one for one in kinds if one.kind.name == name).undisturbed()
        for path in made.iterdir():
            if not _passing(path) and path.name != "README.md" and not (inputs / path.name).exists():
                copy = shutil.copytree if path.is_dir() else shutil.copy2
                copy(path, inputs / path.name)


def report(tallies: dict[str, Tally]) -> bool:
    print(f"{'':26}{'kills':>6}{'runs':>6}{'stored':>8}{'lost':>6}{'again':>7}{'not in flight':>15}{'oldest, s':>11}"
          f"{'differ':>8}{'failed':>8}{'left running':>14}")  # fmt: skip
    for name, one in tallies.items():
        print(f"{name:26}{one.kills:>6}{one.campaigns:>6}{one.stored_at_kills:>8}{one.lost:>6}{one.again:>7}"
              f"{one.again_unflown:>15}{one.oldest_s:>11.2f}{len(one.differing):>8}{len(one.failed):>8}"
              f"{one.left_running:>14}")  # fmt: skip
        for what in (*Counter(one.differing), *Counter(one.failed)):
            print(f"    {what}")
    names = ("kills", "lost", "again", "again_unflown")
    kills, lost, again, unflown = (sum(getattr(one, name) for one in tallies.values()) for name in names)
    differing = sum(len(one.differing) for one in tallies.values())
    print(f"{kills} kills; answers lost {lost}; bought again {again}, of which not in flight {unflown}; files that "
          f"differ {differing}")  # fmt: skip
    return all(one.good for one in tallies.values())
