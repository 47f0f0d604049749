"""The file of one batch while it is written: on disk, because a batch may be larger than memory should be."""

from decimal import Decimal
from pathlib import Path

from cotdistill.providers.batch_api import Frame


class ShardFile:
    """`worst_usd` is what its requests may cost at most. Only its owner may read it: prompts can be confidential."""

    def __init__(self, shard: str, path: Path, frame: Frame) -> None:
        self.shard, self.path, self.frame = shard, path, frame
        self.requests = 0
        self.worst_usd = Decimal(0)
        path.unlink(missing_ok=True)  # of a run that was killed
        path.touch(mode=0o600)
        self._file = path.open("wb")
        self._bytes = self._file.write(frame.before)

    def size_with(self, line: bytes) -> int:
        return self._bytes + len(self.frame.between) + len(line) + len(self.frame.after)

    def add(self, line: bytes, worst_usd: Decimal) -> None:
        self._bytes += self._file.write(self.frame.between + line if self.requests else line)
        self.requests += 1
        self.worst_usd += worst_usd

    def finish(self) -> None:
        self._file.write(self.frame.after)
        self._file.close()
