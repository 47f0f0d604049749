"""The demo's students, trained two at a time in processes of their own."""

import multiprocessing
import queue
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from cotdistill.errors import CotDistillError
from cotdistill.progress import Progress, Silent
from cotdistill.recipes.demo.steps import Step


def train(steps: Sequence[Step], progress: Progress) -> None:
    """Train in two one-thread processes: a model this small is slower on two threads than on one. Each process trains
    one student after the other, for to import torch costs more than to train the shortest."""
    context = multiprocessing.get_context("spawn")
    messages: Any = context.Queue()
    waiting: Any = context.Queue()
    for step in sorted(steps, key=lambda step: step.config.max_steps, reverse=True):
        waiting.put(step)
    running = [context.Process(target=_train_each, args=(waiting, messages), daemon=True) for _ in steps[:2]]
    done = dict.fromkeys((str(step.output) for step in steps), 0)
    unfinished = set(done)
    progress.begin(f"finetune {len(steps)} students", sum(step.config.max_steps for step in steps))
    try:
        for process in running:
            waiting.put(None)
            process.start()
        while unfinished:
            _receive(messages, done, unfinished, running, progress)
        for process in running:
            process.join()
    finally:
        for process in running:
            if process.is_alive():
                process.terminate()


def _receive(messages: Any, done: dict[str, int], unfinished: set[str], running: list[Any], progress: Progress) -> None:
    try:
        name, steps, detail = messages.get(timeout=1.0)
    except queue.Empty:
        for process in running:
            if process.exitcode not in (None, 0):
                raise CotDistillError(f"finetune: a training process ended with code {process.exitcode}") from None
        return
    if isinstance(steps, CotDistillError):
        raise steps
    if steps is None:
        unfinished.remove(name)
        return
    done[name] = steps
    progress.update(sum(done.values()), detail)


def _train_each(waiting: Any, messages: Any) -> None:
    """In a process of its own: for each student its steps, then None; a failure as its message."""
    while (step := waiting.get()) is not None:
        name = str(step.output)
        try:
            step.run(_Relay(partial(_report, messages, name)))
            messages.put((name, None, ""))
        except CotDistillError as error:
            messages.put((name, error, ""))


def _report(messages: Any, name: str, steps: int, detail: str) -> None:
    messages.put((name, steps, detail))


@dataclass
class _Relay(Silent):
    """Progress for a child process: passes on how far it is."""

    report: Callable[[int, str], None]

    def update(self, done: int, detail: str = "") -> None:
        self.report(done, detail)
