"""What this process's device can do."""

import os
import shutil

import torch


def has_bfloat16() -> bool:
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    fast = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(fast and fast())


def has_compiler() -> bool:
    """Whether kernels written in Triton start here: it compiles a few lines of C for each, with $CC, gcc or clang
    (`triton/runtime/build.py`). Images that are made to run torch have none of them."""
    return any(shutil.which(name) for name in (os.environ.get("CC", ""), "gcc", "clang") if name)


class Arriving:
    """Some numbers of a device on their way to the processor."""

    def __init__(self, numbers: torch.Tensor) -> None:
        self._copied = numbers.to("cpu", non_blocking=True)
        self._done = torch.cuda.Event() if numbers.is_cuda else None  # type: ignore[no-untyped-call]
        if self._done is not None:
            self._done.record()

    def read(self) -> list[float]:
        """Waits for what had been asked of the GPU before the copy, not for what was asked of it since."""
        if self._done is not None:
            self._done.synchronize()
        return [float(number) for number in self._copied.tolist()]
