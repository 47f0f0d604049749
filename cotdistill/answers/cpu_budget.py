"""How much processor time a comparison may still use."""

import time


class CpuBudget:
    """Processor seconds that a comparison may still use, in this thread and in the worker. Not wall time: the same
    question has the same answer on a machine that is busy with something else."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._began = time.thread_time()
        self.spent_elsewhere = 0.0

    def left(self) -> float:
        return self._seconds - self.spent_elsewhere - (time.thread_time() - self._began)

    def spend(self, seconds: float) -> None:
        """Count what another process has used."""
        self.spent_elsewhere += seconds
