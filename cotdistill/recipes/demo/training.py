"""The demo's students, trained two at a time in processes of their own."""

import multiprocessing
import queue
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cotdistill.errors import CotDistillError
from cotdistill.progress import Progress
from cotdistill.recipes.demo.steps import Step


def train(steps: Sequence[Step], progress: Progress) -> None:
    """Train in two one-thread processes: a model this small is slower on two threads than on one."""
    context = multiprocessing.get_context("spawn")
    messages: Any = context.Queue()
    waiting = sorted(steps, key=lambda step: step.config.max_steps, reverse=True)
    running: dict[str, Any] = {}
    done = dict.fromkeys((str(step.output) for step in steps), 0)
    progress.begin(f"finetune {len(steps)} students", sum(step.config.max_steps for step in steps))
    try:
        while waiting or running:
            while waiting and len(running) < 2:
                step = waiting.pop(0)
                process = context.Process(target=_train_one, args=(step, messages), daemon=True)
                process.start()
                running[str(step.output)] = process
            _receive(messages, done, running, progress)
    finally:
        for process in running.values():
            process.terminate()


def _receive(messages: Any, done: dict[str, int], running: dict[str, Any], progress: Progress) -> None:
    try:
        name, steps, detail = messages.get(timeout=1.0)
    except queue.Empty:
        for name, process in running.items():
            if process.exitcode not in (None, 0):
                raise CotDistillError(f"{name}: its training process ended with code {process.exitcode}") from None
        return
    if isinstance(steps, str):
        raise CotDistillError(steps)
    if steps is None:
        running.pop(name).join()
        return
    done[name] = steps
    progress.update(sum(done.values()), detail)


def _train_one(step: Step, messages: Any) -> None:
    """In a process of its own: report steps, then None; a failure as its message."""
    name = str(step.output)
    try:
        step.run(_Relay(lambda steps, detail: messages.put((name, steps, detail))))
        messages.put((name, None, ""))
    except CotDistillError as error:
        messages.put((name, str(error), ""))


@dataclass
class _Relay:
    """Progress for a child process: passes on how far it is."""

    report: Callable[[int, str], None]

    def begin(self, label: str, total: int | None) -> None: ...

    def update(self, done: int, detail: str = "") -> None:
        self.report(done, detail)

    def note(self, message: str) -> None: ...
    def close(self) -> None: ...
