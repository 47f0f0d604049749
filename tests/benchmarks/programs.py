"""Honest, cheating and harmful programs under the code verifier, with each isolation that works here.

    python -m tests.benchmarks.programs [--isolation bubblewrap]

Run it as root and as an ordinary user: these are two ways in. The programs are those of `tests/programs.py`. A cheat is
forged where its verdict is `correct`; a harmful program has escaped where it got hold of something, a file of the
person changed, somebody reached the listening port, or the secret stands in the verdict.
"""

import argparse
import getpass
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cotdistill.records import Verdict
from cotdistill.sandbox.isolation import find
from cotdistill.verifiers.code import Verifier
from tests.conftest import make_prompt, make_response
from tests.programs import CHEATS, GREEDY, HONEST, SECRET, Program, harmful, plant, snapshot


def judged(verifier: Verifier, one: Program) -> Verdict:
    return verifier.judge(make_response(f"```python\n{one.program}\n```", make_prompt(reference=one.spelling)))


def escapes(verifier: Verifier) -> tuple[int, list[str]]:
    """How many tried to get out, and who did."""
    with tempfile.TemporaryDirectory() as directory, socket.create_server(("127.0.0.1", 0)) as server:
        place = Path(directory)
        before = plant(place)
        server.setblocking(False)
        tried = harmful(place, server.getsockname()[1])
        found = []
        for one in tried:
            verdict = judged(verifier, one)
            if verdict.status != "correct" or SECRET in repr(verdict) or snapshot(place) != before:
                found.append(f"{one.name}: {verdict.status}, {verdict.detail}")
                before = snapshot(place)
        try:
            server.accept()
            found.append("somebody reached the port")
        except BlockingIOError:
            pass
    return len(tried), found


def run(isolation: str) -> bool:
    verifier = Verifier(deadline_s=2, memory_mb=512, isolation=isolation)  # type: ignore[arg-type]
    wrong = [one.name for one in HONEST if judged(verifier, one).status != ("correct" if one.right else "incorrect")]
    forged = [one.name for one in CHEATS if judged(verifier, one).status == "correct"]
    tried, escaped = escapes(verifier)
    greedy = [name for name, program, status in GREEDY
              if judged(verifier, Program(name, program, "assert add(1, 2) == 3")).status != status]  # fmt: skip
    print(f"{isolation}, {getpass.getuser()}: honest {len(HONEST) - len(wrong)} of {len(HONEST)} right {wrong or ''}; "
          f"forged {len(forged)} of {len(CHEATS)} {forged or ''}; escaped {len(escaped)} of {tried} {escaped or ''}; "
          f"unlimited {len(greedy)} of {len(GREEDY)} {greedy or ''}", flush=True)  # fmt: skip
    return not (wrong or forged or escaped or greedy)


def found(wanted: tuple[str, ...] = ("bubblewrap", "namespaces")) -> Iterator[str]:
    """Those of them that work here; of the others it prints why they do not."""
    for isolation in wanted:
        try:
            find(isolation)
        except ValueError as error:
            print(f"{isolation}: {error}")
        else:
            yield isolation


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--isolation", action="append")
    chosen = options.parse_args().isolation
    for isolation in found(tuple(chosen)) if chosen else found():
        run(isolation)


if __name__ == "__main__":
    main()
