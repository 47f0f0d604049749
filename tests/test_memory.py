"""What a run needs, before it begins."""

import mmap

import pytest
import torch

from cotdistill.students import memory


def hold(size: int) -> None:
    """So many bytes from the system for a moment, and not from what this process holds unused from before."""
    with mmap.mmap(-1, size) as pages:
        for page in range(0, size, mmap.PAGESIZE):
            pages[page] = 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="on a GPU torch counts")
def test_a_peak_is_seen_however_short_it_was_and_an_older_one_is_not() -> None:
    hold(160_000_000)
    with memory.peak_bytes() as peak:
        before = peak()
        hold(80_000_000)
        assert 75e6 < peak() - before < 90e6, "of the 80 MB that were held, not the 160 MB before"
