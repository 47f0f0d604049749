"""The file of one batch while it is written: on disk, because a batch may be larger than memory should be."""

from decimal import Decimal
from pathlib import Path

from cotdistill.providers.batch_api import FileFraming


class ShardFile:
    """`worst_usd` is what its requests may cost at most. Only its owner may read it: prompts can be confidential."""

    def __init__(self, shard: str, path: Path, framing: FileFraming) -> None:
        self.shard, self.path, self.framing = shard, path, framing
        self.requests = 0
        self.worst_usd = Decimal(0)
        path.unlink(missing_ok=True)  # of a run that was killed
        path.touch(mode=0o600)
        self._file = path.open("wb")
        self._bytes = self._file.write(framing.before)

    def size_with(self, line: bytes) -> int:
        return self._bytes + len(self.framing.between) + len(line) + len(self.framing.after)

    def add(self, line: bytes, worst_usd: Decimal) -> None:
        self._bytes += self._file.write(self.framing.between + line if self.requests else line)
        self.requests += 1
        self.worst_usd += worst_usd

    def finish(self) -> None:
        self._file.write(self.framing.after)
        self._file.close()
