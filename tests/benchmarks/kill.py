"""What SIGKILL costs: a run is killed at random moments and begun again until it is done.

    python -m tests.benchmarks.kill [--prompts N] [--kills N] [--concurrency N] [--seed N]

The teacher is the embedded one in this process, with heavy-tailed latency. "in flight" is what had been asked for, and
was not in the store, when the process was dead: requests, and with 128 at once or more an eighth as many answers on
their way to the disk. "bought again" are answers beyond one a prompt.
"""

import argparse
import asyncio
import os
import random
import signal
import tempfile
from collections import Counter
from pathlib import Path

from cotdistill.dispatch.retry import unsaved_beside
from tests.faulty_teacher import Rehearsal, rehearsing


async def killed_after(here: Rehearsal, prompts: int, concurrency: int, answers: int) -> int:
    """Kill a run once so many answers are billed; gives what was in flight."""
    process = here.start(prompts, "killed", "--concurrency", str(concurrency), "--quiet")
    while here.answers < answers and process.poll() is None:
        await asyncio.sleep(0.001)
    if process.poll() is not None:
        raise SystemExit("it ended before it could be killed: give more --prompts")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    await asyncio.sleep(0.5)  # requests that were sent, and not read yet
    return len({headers["idempotency-key"] for headers in here.headers} - here.stored())


async def run(path: Path, prompts: int, kills: int, concurrency: int, seed: int) -> None:
    moments = random.Random(seed)
    async with rehearsing(path, latency_s=0.02, latency_tail=1.0) as here:
        flying = []
        print(f"{'kill':>4}{'answers billed':>16}{'in store':>10}{'in flight':>11}")
        for number in range(1, kills + 1):
            aim = here.answers + moments.randint(1, prompts // (kills + 1))
            flying.append(await killed_after(here, prompts, concurrency, aim))
            print(f"{number:>4}{here.answers:>16}{len(here.stored()):>10}{flying[-1]:>11}", flush=True)
        process = here.start(prompts, "killed", "--concurrency", str(concurrency), "--quiet")
        _, words = await asyncio.to_thread(process.communicate, 3600)
        if process.returncode:
            raise SystemExit(words)
        bought, stored = Counter(bill["idempotency_key"] for bill in here.bills()), here.stored()
        await here.generate(prompts, output="undisturbed", cache=str(path / "other.sqlite"))
        same = (path / "killed.jsonl").read_bytes() == (path / "undisturbed.jsonl").read_bytes()
        print(f"{prompts} prompts; bought again {bought.total() - prompts}, in flight at the kills {sum(flying)}")
        most = concurrency + unsaved_beside(concurrency)
        print(f"in flight at one kill {max(flying)} at most; {most} may be: {concurrency} requests, the rest answers")
        print(f"ledger equals store: {set(bought) == stored}; artifact identical to an undisturbed run's: {same}")


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--prompts", type=int, default=600)
    options.add_argument("--kills", type=int, default=10)
    options.add_argument("--concurrency", type=int, default=16)
    options.add_argument("--seed", type=int, default=0)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        os.environ["COTDISTILL_CACHE"] = f"{directory}/store.sqlite"
        asyncio.run(run(Path(directory), chosen.prompts, chosen.kills, chosen.concurrency, chosen.seed))


if __name__ == "__main__":
    main()
