"""The store's tables, and how a file gets them: new, or out of an older version."""

import sqlite3
from pathlib import Path

from cotdistill.errors import CotDistillError

SCHEMA_VERSION = 3
"""Raised when the tables change; SQLite keeps it as `user_version`, 0 in a new file. 1: no `spending`; 2: no `run` in
it."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT NOT NULL,          -- sha256 of what was sent
    sample INTEGER NOT NULL,    -- index among the answers to it
    family TEXT NOT NULL,       -- the same key without the output cap: answers that differ in nothing else
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    stored_at REAL NOT NULL,    -- Unix time
    raw BLOB NOT NULL,          -- the provider's JSON, zlib
    PRIMARY KEY (key, sample)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS families ON answers (family, sample);
CREATE TABLE IF NOT EXISTS spending (   -- what was paid for, kept when its answer is pruned
    at REAL NOT NULL,           -- Unix time
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    stage TEXT NOT NULL,        -- generate, filter, evaluate; empty in what was stored before there was this table
    recipe TEXT NOT NULL,       -- empty for a command of its own
    key TEXT,                   -- of the answer; null for an attempt without one
    sample INTEGER,
    cost_usd TEXT,              -- null where it is not known
    worst_usd TEXT,             -- what it cost at most, where the cost is not known
    run TEXT NOT NULL DEFAULT ''    -- which run of the recipe paid; runs of one recipe may go on at once
);
CREATE INDEX IF NOT EXISTS spending_by_time ON spending (at);
CREATE TABLE IF NOT EXISTS batches (
    shard TEXT PRIMARY KEY,             -- our name; in the batch's metadata and before each custom_id
    provider TEXT NOT NULL,
    base_url TEXT NOT NULL,
    model TEXT NOT NULL,
    state TEXT NOT NULL,
    begun_at REAL NOT NULL,             -- Unix time
    requests INTEGER NOT NULL DEFAULT 0,
    worst_usd TEXT,                     -- what it may cost at most, where --max-cost was given
    newest TEXT,                        -- the provider's newest batch before ours
    batch TEXT,                         -- the provider's id
    certain INTEGER NOT NULL DEFAULT 0  -- 0: found by its size and time, not yet by its contents
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batch_items (
    key TEXT NOT NULL,
    sample INTEGER NOT NULL,
    family TEXT NOT NULL,
    shard TEXT NOT NULL,
    custom_id TEXT NOT NULL,
    PRIMARY KEY (key, sample)           -- a request is in one batch at a time
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS batch_items_by_shard ON batch_items (shard, custom_id);
CREATE TABLE IF NOT EXISTS not_our_batches (shard TEXT NOT NULL, batch TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS batch_answers (  -- answers that cost half
    key TEXT NOT NULL,
    sample INTEGER NOT NULL,
    PRIMARY KEY (key, sample)
) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS batch_answers_go_with_their_answers AFTER DELETE ON answers BEGIN
    DELETE FROM batch_answers WHERE key = OLD.key AND sample = OLD.sample;
END;
"""

_FROM_1 = """
INSERT INTO spending (at, provider, model, stage, recipe, key, sample)
    SELECT stored_at, provider, model, '', '', key, sample FROM answers;
"""
"""What was bought before has no cost on record: it is computed from the answer as long as that is there."""

_FROM_2 = "ALTER TABLE spending ADD COLUMN run TEXT NOT NULL DEFAULT '';\n"

_UPGRADES = {1: _FROM_1, 2: _FROM_2}
"""By the version of a file, what makes it today's once the tables that it lacks are there."""

_OURS = {"answers", "batches", "batch_items", "not_our_batches", "batch_answers", "spending"}


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables that the file lacks. Another process may do the same now. Raises CotDistillError for a store of
    another version."""
    if _version(connection, path, "DEFERRED") == SCHEMA_VERSION:
        connection.rollback()
        return
    connection.rollback()
    try:
        version = _version(connection, path, "IMMEDIATE")
        for statement in _statements(_SCHEMA + _UPGRADES.get(version, "")):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.commit()
    except (sqlite3.Error, CotDistillError):
        connection.rollback()
        raise


def _version(connection: sqlite3.Connection, path: Path, transaction: str) -> int:
    """Of the file, 0 where it is new. The transaction stays open: version and tables are of one moment, because between
    two statements without one another process may have made all of them."""
    connection.execute(f"BEGIN {transaction}")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    # Until its version is set, a file is new: a run that was killed in between left some of our tables at most.
    foreign = not version and ("answers" in tables or not tables <= _OURS)
    if foreign or version > SCHEMA_VERSION:
        raise CotDistillError(
            f"{path}: a store of another version of cotdistill (tables {version}, expected {SCHEMA_VERSION}); "
            f"use that version, or give another --cache"
        )
    return int(version)


def _statements(script: str) -> list[str]:
    """`executescript` would commit what is open; so one by one."""
    found, one = [], ""
    for line in script.splitlines(keepends=True):
        one += line
        if sqlite3.complete_statement(one):
            found.append(one)
            one = ""
    return found
