"""A year of nights: one recipe, prompts added, run by the script of docs/cron.md under a clock that says the
night's date, while everything goes wrong that an unattended machine sees.

    nice -n 19 python -m tests.benchmarks.nights [LAST [FIRST]]

Linux, as root: the year lies on a small tmpfs of a private mount namespace, which is filled to the last byte on some
nights. libfaketime (apt-get install libfaketime) moves the clock. A mail is what the script prints; what a person
would do about it (renew the key, free the disk) is done some nights later. Prints each night that mailed or should
have, and the year by eighths.
"""

import os
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from statistics import mean

import msgspec

from cotdistill.mock import problems
from cotdistill.mock.faults import Faults, parse
from tests.background import in_background
from tests.conftest import ROOT
from tests.faulty_teacher import Rehearsal, rehearsing

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
FIRST_NIGHT = datetime(2027, 1, 1, 2, tzinfo=UTC)
DISK_MB = 160

RECIPE = """\
prompts = "prompts.jsonl"
keep = 5
max_cost_per_month = 0.1
[generate]
teacher = "openai:simulated"
base_url = "{url}/v1"
cache = "store.sqlite"
samples = 2
max_attempts = 3
price_in = 1.0
price_out = 5.0
max_output_tokens = 400
[filter]
verify = "math"
select = "first:k=1"
[format]
"""

TRAINED = (
    RECIPE.replace("keep = 5", 'keep = 2\nruns = "students"').replace("[format]", "[format]\nholdout = 0.1")
    + """\
[finetune]
student = "tiny"
max_steps = 12
[evaluate]
limit = 4
max_output_tokens = 24
"""
)

MAILED = {
    60: "disk",
    102: "server down",
    150: "key",
    177: "budget",
    179: "budget, the recipe that trains",
    200: "slip",
    250: "disk",
    302: "refused prompts",
}
"""The nights on which a person is needed: the first of each trouble, and the third on which prompts fail. An outage of
one night heals itself."""


@dataclass
class Night:
    number: int
    what: str
    mail: str
    code: int
    cpu_s: float
    disk_kb: int
    store_kb: int
    runs: int
    strays: int
    prompts: int


def trouble(number: int) -> str:
    """What goes wrong on this night."""
    if number == 40 or 100 <= number <= 103:
        return "server down"
    if 150 <= number <= 152:
        return "key"
    if number in (200, 201):
        return "slip"
    if 300 <= number <= 304:
        return "refused prompts"
    named = {
        60: "disk",
        250: "disk",
        70: "kill",
        170: "kill",
        270: "kill",
        75: "term",
        80: "two at once",
        90: "in 2031",
        120: "a day back",
    }
    return named.get(number) or ("flaky" if number % 11 == 0 else "")


COLUMNS = (
    "nights",
    "prompts",
    "CPU s a night",
    "nothing new, CPU s",
    "disk MB",
    "of it store MB",
    "disk kB a prompt",
    "run directories",
    "stray files",
)

FAULTS = {"server down": "503:1", "key": "401:1", "flaky": "500:0.15,cut:0.05", "refused prompts": "400:1"}


class Year:
    def __init__(self, home: Path, server: Rehearsal) -> None:
        self.home, self.server = home, server
        self.lots = random.Random(0)
        self.new = (one.as_prompt(f"p{n}") for n, one in enumerate(problems.generate(4000, seed=7)))
        self.prompts = 0
        self.script = home / "nightly.sh"
        page = (ROOT / "docs" / "cron.md").read_text()
        (script,) = re.findall(r"^```bash\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
        self.script.write_text(script)
        (home / "bin").mkdir()
        command = home / "bin" / "cotdistill"
        command.write_text(f'#!/bin/sh\nexec {sys.executable} -m cotdistill "$@"\n')
        command.chmod(0o755)
        (home / "recipe.toml").write_text(RECIPE.format(url=server.url))
        (home / "trained.toml").write_text(TRAINED.format(url=server.url))
        self.add(20)

    def add(self, many: int) -> None:
        with (self.home / "prompts.jsonl").open("a") as file:
            for _ in range(many):
                file.write(msgspec.json.encode(next(self.new)).decode() + "\n")
        self.prompts += many

    def night(self, number: int) -> Night:
        what = trouble(number)
        if number % 7:  # on Sundays nothing is new
            self.add(2)
        if number == 155:
            self.add(400)  # more than a month's money
            what = what or "budget"
        self.server.teacher.faults = Faults(parse(FAULTS.get(what, "")), seed=number)
        recipe = self.home / "recipe.toml"
        if what == "slip":
            recipe.write_text(RECIPE.format(url=self.server.url).replace("samples", "sample"))
        elif number in (202,):
            recipe.write_text(RECIPE.format(url=self.server.url))
        filler = self.home / "filler"
        if what == "disk":
            self.fill(filler)
        began = resource.getrusage(resource.RUSAGE_CHILDREN)
        code, mail = self.run(number, what, recipe)
        if number % 30 == 29 and not what:
            code_trained, mail_trained = self.run(number, "", self.home / "trained.toml")
            code, mail = max(code, code_trained), mail + mail_trained
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        filler.unlink(missing_ok=True)
        cpu_s = used.ru_utime + used.ru_stime - began.ru_utime - began.ru_stime
        return Night(
            number, what, mail, code, cpu_s, self.disk("."), self.disk("store.sqlite*"), *self.counted(), self.prompts
        )

    def run(self, number: int, what: str, recipe: Path) -> tuple[int, str]:
        date = FIRST_NIGHT + timedelta(days=number - 1)
        if what == "in 2031":
            date += timedelta(days=1500)
        elif what == "a day back":
            date -= timedelta(days=1.2)
        environment = {
            "PATH": f"{self.home}/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OPENAI_API_KEY": "sk-simulated-0123456789abcdef",
            "OMP_NUM_THREADS": "1",
            "TZ": "UTC",
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME": f"@{date:%Y-%m-%d %H:%M:%S}",
            "NO_FAKE_STAT": "1",
        }
        words = ["sh", str(self.script), str(recipe), str(self.home / f"{recipe.stem}.log")]

        def start() -> subprocess.Popen[str]:
            return subprocess.Popen(
                words,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )

        began = start()
        second = start() if what == "two at once" else None
        if what in ("kill", "term"):
            time.sleep(0.3 + self.lots.random())
            if began.poll() is None:
                os.killpg(began.pid, signal.SIGKILL if what == "kill" else signal.SIGTERM)
        mail = began.communicate()[0]
        if second is not None:
            mail += second.communicate()[0]
        state = self.home / f"{recipe.stem}.log.state"
        code = int(state.read_text().split()[0]) if state.exists() and state.read_text().strip() else -1
        return (began.returncode if what in ("kill", "term") else code), mail

    def fill(self, filler: Path) -> None:
        """To the last byte."""
        with filler.open("wb") as file:
            for size in (1 << 20, 4096, 1):
                try:
                    for _ in count():
                        os.write(file.fileno(), bytes(size))
                except OSError:
                    continue

    def disk(self, pattern: str) -> int:
        """KB in use, a hard link counted once."""
        found = subprocess.run(
            f"du -skc {pattern} | tail -1", shell=True, cwd=self.home, capture_output=True, text=True
        )
        return int(found.stdout.split()[0])

    def counted(self) -> tuple[int, int]:
        """Run directories, and files that nobody needs: partial ones, locks, temporary ones."""
        runs = [path for folder in ("runs", "students") for path in (self.home / folder).glob("2*") if path.is_dir()]
        names = [path.name for path in self.home.rglob("*") if not path.is_relative_to(self.home / "bin")]
        return len(runs), sum(bool(re.search(r"partial|\.lock$|\.tmp|~$", name)) for name in names)


def nights(home: Path, first: int, last: int) -> Iterator[Night]:
    with in_background(rehearsing(home / "server")) as server:
        (home / "year").mkdir()
        year = Year(home / "year", server)
        for number in range(first, last + 1):
            yield year.night(number)
            server.bodies.clear()
            server.headers.clear()


def main() -> None:
    last = int(sys.argv[1]) if len(sys.argv) > 1 else 365
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    if FAKETIME is None:
        sys.exit("libfaketime is not installed: apt-get install libfaketime")
    if os.environ.get("NIGHTS_INSIDE") != "1":  # in a private mount namespace, so that the tmpfs goes with the process
        os.environ["NIGHTS_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "-m", sys.executable, "-m", "tests.benchmarks.nights", *sys.argv[1:]])
    with tempfile.TemporaryDirectory() as place:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", place], check=True)
        (Path(place) / "server").mkdir()
        try:
            report(list(shown(nights(Path(place), first, last))))
        finally:
            subprocess.run(["umount", "-l", place], check=False)


def shown(found: Iterator[Night]) -> Iterator[Night]:
    for night in found:
        due = night.number in MAILED
        if night.what or night.mail or night.code not in (0, -1) or due:
            wrong = "" if bool(night.mail) == due else "  <-- no mail" if due else "  <-- MAIL"
            print(
                f"night {night.number:3} {night.what or '-':15} exit {night.code:4} {night.mail.strip()[:600]}{wrong}",
                flush=True,
            )
        yield night


def report(year: list[Night]) -> None:
    print(f"\n| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
    size = max(1, len(year) // 8)
    for start in range(0, len(year), size):
        part = year[start : start + size]
        plain = [one.cpu_s for one in part if not one.what and one.number % 7 and one.number % 30 != 29]
        idle = [one.cpu_s for one in part if not one.what and one.number % 7 == 0]
        last = part[-1]
        cells = [
            f"{part[0].number} to {last.number}",
            f"{last.prompts:,}",
            f"{mean(plain) if plain else 0:.2f}",
            f"{mean(idle) if idle else 0:.2f}",
            f"{last.disk_kb / 1024:.1f}",
            f"{last.store_kb / 1024:.1f}",
            f"{last.disk_kb / last.prompts:.1f}",
            last.runs,
            last.strays,
        ]
        print(f"| {' | '.join(map(str, cells))} |")
    mails = {one.number for one in year if one.mail}
    due = {number for number in MAILED if year[0].number <= number <= year[-1].number}
    print(f"\nmails: {len(mails)}; due: {len(due)}; missing: {sorted(due - mails)}; not due: {sorted(mails - due)}")
    print(f"CPU in all: {sum(one.cpu_s for one in year):.0f} s")


if __name__ == "__main__":
    main()
