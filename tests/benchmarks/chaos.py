"""What goes wrong at once and on purpose: kills, overwriting, lying about money, bad servers, echoed keys, programs.

    python -m tests.benchmarks.chaos [PART…] [--kills N] [--minutes N] [--seed N] [--only KIND]     (default: all parts)

kills        SIGKILL at random moments over every stage, at most --kills and --minutes of them
overwriting  attempts to make a command write over what is not its own
caps         --max-cost under servers that lie about what an answer costs
servers      slow, bursty, lying and failing servers: time, waste, and what a run says while it waits
keys         every byte that was written, searched for the key that a server echoes
programs     hostile and honest programs under the code verifier, as the user that runs this

Exit code 1 where something is not as it should be.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

# Each part imports what it needs itself: every process that is killed reads this module first.


def kills(root: Path, chosen: argparse.Namespace) -> bool:
    from tests.benchmarks import chaos_kills

    found = chaos_kills.run(root, chosen.kills, chosen.minutes * 60, chosen.seed, chosen.only)
    return chaos_kills.report(found)


def overwritten(root: Path, chosen: argparse.Namespace) -> bool:
    from tests import overwriting

    overwriting.prepare(root)
    tried = [one for one in overwriting.ATTEMPTS if not one.root or (root / "device").exists()]
    outcomes = [(one, overwriting.attempt(one, root)) for one in tried]
    got_through = [(one, outcome) for one, outcome in outcomes if not outcome.refused]
    print(f"{len(tried)} attempts in {len({one.words.split()[0] for one in tried})} commands: "
          f"{len(tried) - len(got_through)} refused, every file as it was")  # fmt: skip
    for one, outcome in got_through:
        print(f"    {one.name}: exit {outcome.code}, changed {outcome.changed}: {outcome.message.strip()}")
    return not got_through


def caps(root: Path, chosen: argparse.Namespace) -> bool:
    """Overspent is what was billed beyond the cap, by the dearest answer of that server."""
    import pytest

    from tests.lying_servers import LIES
    from tests.test_lying_servers import CAP, run

    worst = 0.0
    with pytest.MonkeyPatch.context() as quick:
        quick.setattr("tenacity.wait_random_exponential", lambda **_: lambda state: 0.0)
        print(f"{'the server says':44}{'billed':>8}{'of':>7}{'answers':>9}{'overspent, in answers':>23}")
        for number, lie in enumerate(LIES):
            (root / str(number)).mkdir()
            quick.setenv("COTDISTILL_CACHE", str(root / str(number) / "store.sqlite"))
            _, bills = run(root / str(number), lie)
            over = max(0.0, (sum(bills) - CAP) / max(bills))
            worst = max(worst, over)
            print(f"{lie.name:44}{sum(bills):>8}{CAP:>7}{len(bills):>9}{over:>23.2f}", flush=True)
    return worst <= 1


def servers(root: Path, chosen: argparse.Namespace) -> bool:
    from tests.benchmarks import chaos_servers

    paces = chaos_servers.run_paces()
    return chaos_servers.run_wires(root) and paces


def keys(root: Path, chosen: argparse.Namespace) -> bool:
    from tests import key_echo

    leaks = []
    for name, mode in key_echo.MODES.items():
        (root / name).mkdir()
        if key_echo.found_in(key_echo.run(mode, root / name)):
            leaks.append(name)
    print(f"{len(key_echo.MODES)} failure modes, {len(key_echo.SPELLINGS)} spellings: found {len(leaks)} {leaks or ''}")
    return not leaks


def judged(root: Path, chosen: argparse.Namespace) -> bool:
    from tests.benchmarks import programs

    return all([programs.run(isolation) for isolation in programs.found()])


PARTS: dict[str, Callable[[Path, argparse.Namespace], bool]] = {
    "kills": kills,
    "overwriting": overwritten,
    "caps": caps,
    "servers": servers,
    "keys": keys,
    "programs": judged,
}


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART")
    options.add_argument("--kills", type=int, default=500)
    options.add_argument("--minutes", type=float, default=12)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--only", default="", help="kinds of kills whose name holds this")
    chosen = options.parse_args()
    good = True
    for part in chosen.parts or PARTS:
        with tempfile.TemporaryDirectory() as root:
            os.environ["COTDISTILL_CACHE"] = f"{root}/unused.sqlite"
            print(f"\n== {part}", flush=True)
            good &= PARTS[part](Path(root), chosen)
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
