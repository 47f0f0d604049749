"""Shows every prompt to the filters that choose among prompts (the best of several copies) before the first is decided
on.

Screened prompts wait in a file without a name meanwhile: verdicts are too dear to be made twice, and a million rows are
too many to hold.
"""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, cast

import msgspec

from cotdistill.errors import CotDistillError
from cotdistill.filters import ChoosingFilter, Filter
from cotdistill.progress import Progress
from cotdistill.stages.filter.screen import Screened, let_consider

_LENGTH_BYTES = 8

Prompts = list[list[Screened]]
"""Some prompts, each as its screened samples."""


def look_ahead(
    screened: Iterable[Prompts], filters: Sequence[tuple[str, Filter]], folder: Path, progress: Progress
) -> Iterator[Prompts]:
    """Yields the same prompts in the same order, once the filters that look ahead have considered all of them; at once
    where there is no such filter."""
    ahead = [(name, cast(ChoosingFilter, one)) for name, one in filters if getattr(one, "looks_ahead", False)]
    if not ahead:
        yield from screened
        return
    with tempfile.TemporaryFile(dir=folder) as spool:
        responses = 0
        for prompts in screened:
            for samples in prompts:
                survivors = [one.judged for one in samples if not one.filter]
                responses += len(samples)
                for name, filter in ahead if survivors else ():
                    let_consider(name, filter, survivors)
            _put(spool, msgspec.msgpack.encode(prompts), folder)
            progress.update(responses, "judged")
        spool.seek(0)
        decoder = msgspec.msgpack.Decoder(Prompts)
        while length := spool.read(_LENGTH_BYTES):
            yield decoder.decode(spool.read(int.from_bytes(length, "big")))


def _put(spool: IO[bytes], data: bytes, folder: Path) -> None:
    try:
        spool.write(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
        spool.flush()
    except OSError as error:
        raise CotDistillError(
            f"{folder}: cannot keep the judged responses between two passes: {error.strerror}"
        ) from None
