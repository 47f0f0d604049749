"""What a run needs, before it begins."""

import pytest
import torch

from cotdistill.students import memory


@pytest.mark.skipif(torch.cuda.is_available(), reason="on a GPU torch counts")
def test_a_peak_is_seen_however_short_it_was_and_an_older_one_is_not() -> None:
    torch.ones(40_000_000)
    with memory.peak_bytes() as peak:
        before = peak()
        torch.ones(20_000_000)
        assert 75e6 < peak() - before < 90e6, "of the 80 MB that were held, not the 160 MB before"
