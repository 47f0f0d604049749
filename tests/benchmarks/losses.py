"""What mistakes and impatience cost: truncated answers, a bad key, and samples that nobody needed.

    python -m tests.benchmarks.losses [--prompts N]

Each case is a run of `generate` against the embedded teacher over HTTP, in one process. The baseline of the bad key is
a bare AsyncOpenAI loop with a semaphore of 64 that gathers all its requests; the baseline of `--until-accepted 1` is
the same run without it.
"""

import argparse
import asyncio
import os
import random
import tempfile
from pathlib import Path
from typing import Any

from cotdistill.errors import AccountError
from cotdistill.mock.sources import Answer
from tests.faulty_teacher import Rehearsal, rehearsing

RIGHT = 0.7
SAMPLES = 8


class Usually:
    """Right in 70 % of all samples, whatever the question."""

    name = "usually-right"

    def answer(self, question: str, sample: int) -> Answer:
        from cotdistill.mock import problems

        problem = problems.parse(question)
        assert problem
        right = random.Random(f"{question}/{sample}").random() < RIGHT
        return Answer("trace", problem.answer if right else str((int(problem.answer) + 1) % 10))


async def truncated(path: Path, prompts: int) -> list[str]:
    async with rehearsing(path, truncate=True) as here:
        await here.generate(prompts)
        once = here.answers
        await here.generate(prompts)
        return [f"{once} answers for {prompts} prompts", f"{here.answers - once} more on a second run"]


async def bad_key(path: Path, prompts: int) -> list[str]:
    async with rehearsing(path, api_key="another") as here:
        code = 0
        try:
            await here.generate(prompts)
        except AccountError as error:
            code = error.exit_code
        ours = here.requests
        await bare(here, prompts)
        return [f"{ours} requests sent, exit {code}", f"AsyncOpenAI loop: {here.requests - ours}"]


async def bare(here: Rehearsal, prompts: int) -> None:
    import openai

    slots = asyncio.Semaphore(64)
    async with openai.AsyncOpenAI(api_key="wrong", base_url=f"{here.url}/v1") as client:

        async def one(number: int) -> None:
            async with slots:
                messages: Any = [{"role": "user", "content": f"{number}+1?"}]
                await client.chat.completions.create(model="m", messages=messages)

        await asyncio.gather(*map(one, range(prompts)), return_exceptions=True)


async def samples(path: Path, prompts: int, **options: Any) -> list[str]:
    async with rehearsing(path, source=Usually()) as here:
        await here.generate(prompts, samples=SAMPLES, **options)
        found = here.responses()
        solved = {one.prompt.id for one in found if one.text == one.prompt.reference}
        return [f"{here.answers} answers bought", f"{len(solved)} of {prompts} prompts solved"]


async def run(path: Path, prompts: int) -> None:
    until_accepted = {"until_accepted": 1, "verify": "exact"}
    cases = {
        "every answer truncated, 50 prompts": truncated(path, 50),
        "bad key, 100 prompts": bad_key(path, 100),
        f"--samples {SAMPLES}, teacher 70 % right": samples(path, prompts),
        f"--samples {SAMPLES} --until-accepted 1": samples(path, prompts, **until_accepted),
    }
    for name, case in cases.items():  # each has a server, and so a URL and answers, of its own
        print(f"{name:36}{'; '.join(await case)}", flush=True)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--prompts", type=int, default=200)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        os.environ["COTDISTILL_CACHE"] = f"{directory}/store.sqlite"
        asyncio.run(run(Path(directory), chosen.prompts))


if __name__ == "__main__":
    main()
