"""What is logged of a training, summed up where it is computed and read one entry later: a processor that reads a loss
of the step at hand waits for the GPU, which then waits for its next step."""

from typing import Any, TypeAlias

import torch

from cotdistill.students.device import Arriving

Entry: TypeAlias = dict[str, float]


class Entries:
    """`add` what each step measures, `close` an entry where one is due, `read` it when the next one is."""

    def __init__(self, accelerator: Any) -> None:
        self._accelerator = accelerator
        self._sums: dict[str, torch.Tensor] = {}
        self._closed: tuple[Entry, list[str], int, Arriving] | None = None

    def add(self, name: str, number: torch.Tensor) -> None:
        """To the sum since the last entry: a number of this process, in one part of a step."""
        number = number.detach()
        self._sums[name] = self._sums[name] + number if name in self._sums else number

    def close(self, known: Entry, steps: int, tokens: int) -> None:
        """An entry over so many steps and trained tokens of this process; `known` is of all of them. The entry before
        it has been read."""
        assert self._closed is None, "an entry that nobody has read would be lost"
        sums = [number.double() for number in self._sums.values()]
        numbers = torch.stack([*sums, torch.full_like(sums[0], tokens)])
        if self._accelerator.num_processes > 1:
            numbers = self._accelerator.reduce(numbers)
        self._closed = known, list(self._sums), steps * self._accelerator.num_processes, Arriving(numbers)
        self._sums = {}

    def read(self) -> Entry | None:
        """The closed entry: means over its steps and all processes, and the `tokens` of all processes. None where
        there is none."""
        if self._closed is None:
            return None
        known, names, count, numbers = self._closed
        self._closed = None
        *sums, tokens = numbers.read()
        return {**known, **{name: one / count for name, one in zip(names, sums, strict=True)}, "tokens": tokens}
