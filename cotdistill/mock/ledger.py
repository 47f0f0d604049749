"""What the embedded teacher billed: counts, and on request one line an answer in a file. No texts."""

import hashlib
from collections import Counter
from pathlib import Path
from typing import BinaryIO

import msgspec

from cotdistill.artifacts import outputs
from cotdistill.artifacts.outputs import Place
from cotdistill.errors import CotDistillError
from cotdistill.mock.wire_common import Billed


class Bill(msgspec.Struct, frozen=True):
    """One answer that was computed, and so is paid for. `delivered` is false when the client was gone, or the
    connection cut, before its last byte was sent."""

    id: str
    wire: str
    model: str
    body_sha256: str
    idempotency_key: str | None
    usage: Billed
    status: int
    delivered: bool


class Ledger(Counter[str]):
    """Counts of requests, answers and tokens; with `open`, bills go to a file as well, each at once."""

    _file: BinaryIO | None = None

    def bill(self, billed: Billed) -> None:
        self.update(answers=1, input_tokens=billed.input_tokens, output_tokens=billed.output_tokens)

    def write(self, bill: Bill) -> None:
        if self._file:
            self._file.write(msgspec.json.encode(bill) + b"\n")

    def open(self, path: Path) -> None:
        """Lines are added to what the file holds. Raises UsageError for a file that is no ledger."""
        outputs.check([Place(path, _is_ledger, f"--ledger {path}")])
        try:
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise CotDistillError(f"{path}: cannot write the ledger: {error.strerror}") from None

    def close(self) -> None:
        if self._file:
            self._file.close()


def _is_ledger(path: Path) -> bool:
    """By its first line; an empty file is as good."""
    with path.open("rb") as file:
        line = file.readline(1 << 20)
    try:
        return not line or bool(msgspec.json.decode(line, type=Bill))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
