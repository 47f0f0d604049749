"""The batches under way, on disk beside the answers: a killed process leaves everything that the next one needs.

A shard is our name for one batch. It is `prepared` (its requests are claimed, nothing that costs was sent), `creating`
(the provider may or may not have it), or `running` (we have the provider's id). A collected shard is deleted.
"""

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, Self

from cotdistill.providers.batch_api import Intent
from cotdistill.records import money
from cotdistill.store.database import Database

CLAIMS_A_COMMIT = 1000


@dataclass(frozen=True)
class Endpoint:
    """The teacher that batches belong to: another teacher's batches cannot be asked about here."""

    provider: str
    base_url: str
    model: str


class Shard(NamedTuple):
    name: str
    state: str
    begun_at: float
    requests: int
    worst_usd: Decimal | None
    newest: str | None
    batch: str | None
    certain: bool


class Claim(NamedTuple):
    """One request of a shard."""

    key: str
    sample: int
    family: str


class BatchState:
    """The tables of batches in the store of answers. Use it from one thread."""

    def __init__(self, path: Path) -> None:
        self._store = Database(path)
        self._unsaved = 0
        self._any_bought: bool | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()

    def begin(self, endpoint: Endpoint) -> str:
        """Begin a new shard in state `prepared`. Returns its name."""
        shard = f"cd{secrets.token_hex(5)}"
        self._change(
            """INSERT INTO batches (state, shard, provider, base_url, model, begun_at)
               VALUES ('prepared', ?, ?, ?, ?, ?)""",
            (shard, endpoint.provider, endpoint.base_url, endpoint.model, time.time()),
        )
        return shard

    def claim(self, shard: str, custom_id: str, claim: Claim) -> None:
        with self._store.changes() as connection:
            connection.execute(
                "INSERT INTO batch_items (key, sample, family, shard, custom_id) VALUES (?, ?, ?, ?, ?)",
                (*claim, shard, custom_id),
            )
        self._unsaved += 1
        if self._unsaved >= CLAIMS_A_COMMIT:
            self.save_claims()

    def save_claims(self) -> None:
        self._store.commit()
        self._unsaved = 0

    def creating(self, shard: str, requests: int, worst_usd: Decimal | None, newest: str | None) -> None:
        """Mark the shard `creating`, on disk before the provider is asked."""
        self._change(
            """UPDATE batches SET state = 'creating', begun_at = ?, requests = ?, worst_usd = ?, newest = ?
               WHERE shard = ?""",
            (time.time(), requests, money(worst_usd), newest, shard),
        )

    def running(self, shard: str, batch: str, *, certain: bool) -> None:
        self._change(
            "UPDATE batches SET state = 'running', batch = ?, certain = ? WHERE shard = ?", (batch, certain, shard)
        )

    def not_ours(self, shard: str, batch: str) -> None:
        """The batch that was taken for this shard's belongs to another: the shard is `creating` again."""
        with self._store.change() as connection:
            connection.execute("INSERT INTO not_our_batches VALUES (?, ?)", (shard, batch))
            connection.execute("UPDATE batches SET state = 'creating', batch = NULL WHERE shard = ?", (shard,))

    def drop(self, shard: str) -> None:
        """Delete a shard that was collected or never created: its requests are free again."""
        with self._store.change() as connection:
            for table in ("batch_items", "not_our_batches", "batches"):
                connection.execute(f"DELETE FROM {table} WHERE shard = ?", (shard,))

    def get(self, shard: str) -> Shard | None:
        return next(self._shards("shard = ?", (shard,)), None)

    def unsettled(self, endpoint: Endpoint) -> list[Shard]:
        """Shards that a process left behind before it knew their batch."""
        place = (endpoint.provider, endpoint.base_url, endpoint.model)
        return list(self._shards("state != 'running' AND provider = ? AND base_url = ? AND model = ?", place))

    def under_way(self, endpoint: Endpoint) -> int:
        """How many requests are in batches that this teacher's provider works on or has answered, and that are not
        collected yet."""
        ((found,),) = self._store.read(
            "SELECT sum(requests) FROM batches WHERE batch IS NOT NULL AND provider = ? AND base_url = ? AND model = ?",
            endpoint.provider,
            endpoint.base_url,
            endpoint.model,
        )
        return int(found or 0)

    def intent(self, shard: Shard) -> Intent:
        taken = self._store.read(
            "SELECT batch FROM batches WHERE batch IS NOT NULL UNION SELECT batch FROM not_our_batches WHERE shard = ?",
            shard.name,
        )
        return Intent(shard.name, shard.requests, shard.begun_at, shard.newest, frozenset(batch for (batch,) in taken))

    def shard_of(self, key: str, sample: int) -> str | None:
        found = self._store.read("SELECT shard FROM batch_items WHERE key = ? AND sample = ?", key, sample)
        return next((shard for (shard,) in found), None)

    def item(self, shard: str, custom_id: str) -> Claim | None:
        found = self._store.read(
            "SELECT key, sample, family FROM batch_items WHERE shard = ? AND custom_id = ?", shard, custom_id
        )
        return Claim(*found[0]) if found else None

    def items(self, shard: str) -> list[Claim]:
        found = self._store.read("SELECT key, sample, family FROM batch_items WHERE shard = ?", shard)
        return [Claim(*row) for row in found]

    def mark_bought(self, claims: list[Claim]) -> None:
        """Mark answers as bought in a batch, before they are stored: none is ever taken for one at full price."""
        with self._store.change() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO batch_answers VALUES (?, ?)", [(claim.key, claim.sample) for claim in claims]
            )

    def bought(self, key: str, sample: int) -> bool:
        """Whether an answer was bought in a batch. In a store without batches no table is searched."""
        if self._any_bought is None:
            self._any_bought = bool(self._store.read("SELECT 1 FROM batch_answers LIMIT 1"))
        if not self._any_bought:
            return False
        return bool(self._store.read("SELECT 1 FROM batch_answers WHERE key = ? AND sample = ?", key, sample))

    def _change(self, statement: str, values: tuple[object, ...]) -> None:
        with self._store.change() as connection:
            connection.execute(statement, values)

    def _shards(self, condition: str, values: tuple[str, ...]) -> Iterator[Shard]:
        columns = "shard, state, begun_at, requests, worst_usd, newest, batch, certain"
        for row in self._store.read(f"SELECT {columns} FROM batches WHERE {condition}", *values):
            name, state, begun_at, requests, worst, newest, batch, certain = row
            worst_usd = None if worst is None else Decimal(worst)
            yield Shard(name, state, begun_at, requests, worst_usd, newest, batch, bool(certain))
