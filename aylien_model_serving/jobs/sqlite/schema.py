"""The tables of jobs in SQLite, version by version.

A step is never edited after it was released: what changes is another step at the end. The version
is the file's `user_version`. Columns bear the names of `JobRecord`'s fields; bodies lie in tables of their
own, so that queries for many jobs stay small.
"""

from __future__ import annotations

import itertools
import sqlite3

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.jobs import clock
from aylien_model_serving.jobs.clock import Clock
from aylien_model_serving.jobs.errors import StoreUnavailable
from aylien_model_serving.process import boot

_JOBS = (
    """CREATE TABLE jobs (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        service TEXT NOT NULL,
        route TEXT NOT NULL,
        status TEXT NOT NULL,
        created_at REAL NOT NULL,
        queued_at REAL NOT NULL,
        priority INTEGER NOT NULL,
        retries INTEGER NOT NULL,
        timeout REAL NOT NULL,
        keep REAL NOT NULL,
        idempotency_key TEXT,
        fraction REAL NOT NULL,
        message TEXT,
        error TEXT,
        started_at REAL,
        finished_at REAL,
        not_before REAL,
        attempts INTEGER NOT NULL,
        kills INTEGER NOT NULL,
        cancel_requested INTEGER NOT NULL,
        lease_owner TEXT,
        lease_until REAL,
        expires_at REAL,
        reply BLOB
    )""",
    "CREATE TABLE calls (number INTEGER PRIMARY KEY REFERENCES jobs ON DELETE CASCADE, body BLOB NOT NULL)",
    "CREATE TABLE bodies (number INTEGER PRIMARY KEY REFERENCES jobs ON DELETE CASCADE, body BLOB NOT NULL)",
    """CREATE TABLE items (
        number INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,
        position INTEGER NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (number, position)
    )""",
    # Every index ends with the row's number, by which pages and claims are ordered.
    "CREATE INDEX jobs_all ON jobs (service)",
    "CREATE INDEX jobs_by_status ON jobs (service, status)",
    "CREATE INDEX jobs_by_route ON jobs (service, route)",
    "CREATE INDEX jobs_by_route_and_status ON jobs (service, route, status)",
    "CREATE INDEX jobs_ready ON jobs (service, route, priority DESC)"
    " WHERE status = 'queued' AND not_before IS NULL",
    "CREATE INDEX jobs_resting ON jobs (service, route, not_before) WHERE not_before IS NOT NULL",
    "CREATE INDEX jobs_leased ON jobs (service, route, lease_until) WHERE lease_until IS NOT NULL",
    "CREATE INDEX jobs_expiring ON jobs (expires_at) WHERE expires_at IS NOT NULL",
    "CREATE UNIQUE INDEX jobs_by_key ON jobs (service, route, idempotency_key)"
    " WHERE idempotency_key IS NOT NULL",
)

_WEBHOOKS = (
    "ALTER TABLE jobs ADD COLUMN webhook TEXT",
    "ALTER TABLE jobs ADD COLUMN webhook_due REAL",
    "ALTER TABLE jobs ADD COLUMN webhook_tries INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX jobs_to_tell ON jobs (service, webhook_due) WHERE webhook_due IS NOT NULL",
)

_CALLERS = (
    "ALTER TABLE jobs ADD COLUMN caller TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE jobs ADD COLUMN fingerprint TEXT",
    "DROP INDEX IF EXISTS jobs_by_key",
    "CREATE UNIQUE INDEX jobs_by_key ON jobs (service, caller, idempotency_key, route)"
    " WHERE idempotency_key IS NOT NULL",
    # Where the service has no keys, these are empty.
    "CREATE INDEX jobs_of_caller ON jobs (service, caller) WHERE caller <> ''",
    "CREATE INDEX jobs_of_caller_by_status ON jobs (service, caller, status) WHERE caller <> ''",
    "CREATE INDEX jobs_of_caller_by_route ON jobs (service, caller, route) WHERE caller <> ''",
    "CREATE INDEX jobs_of_caller_by_route_and_status ON jobs (service, caller, route, status)"
    " WHERE caller <> ''",
)

_CLOCKS = (
    "ALTER TABLE jobs ADD COLUMN overdue INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE jobs ADD COLUMN wall_ahead REAL NOT NULL DEFAULT 0",
    # The store's time when the monotonic clock was at zero, of each boot of the machine.
    "CREATE TABLE clocks (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, began REAL NOT NULL)",
    "INSERT INTO clocks VALUES (0, '', 0)",  # of no boot: it is there to be written
)

_REQUEST_IDS = ("ALTER TABLE jobs ADD COLUMN request_id TEXT NOT NULL DEFAULT ''",)

_OWNER = ("CREATE TABLE owner (number INTEGER PRIMARY KEY CHECK (number = 1), service TEXT NOT NULL)",)

#: Clocks that are remembered: containers of some kinds have one each.
_MAX_CLOCKS = 1000

#: What leads from each version to the following one; a file without tables has version 0.
STEPS: tuple[tuple[str, ...], ...] = (_JOBS, _WEBHOOKS, _CALLERS, _CLOCKS, _REQUEST_IDS, _OWNER)


def prepare(db: sqlite3.Connection, path: str, service: str | None) -> None:
    """Bring a file to the last version; what another process does at the same time is waited for.

    Args:
        db: a connection without a transaction.
        path: for messages.
        service: the one that the file belongs to from now on; None for whoever only looks into it.

    Raises:
        ConfigurationError: the file is another program's or another service's, or can't be shared.
        StoreUnavailable: it is of a later version.
    """
    version = _version(db, path)
    if version == 0:
        _free_pages_by_steps(db)
    (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise ConfigurationError(
            f"{path} lies where processes can't share a SQLite file: name one on a local disk"
        )
    if version < len(STEPS):
        _migrate(db, path)
    if service is not None:
        _own(db, path, service)


def _own(db: sqlite3.Connection, path: str, service: str) -> None:
    """Have a file belong to a service; its name alone counts, wherever and however often it is started."""
    owner = _owner(db)
    if owner is None:
        db.execute("INSERT OR IGNORE INTO owner VALUES (1, ?)", (service,))  # another process may be quicker
        owner = _owner(db)
    if owner != service:
        raise ConfigurationError(
            f"MODEL_SERVING_JOBS_URL: {path} keeps the jobs of the service {owner!r}, and this one is "
            f"{service!r}. Name a file of its own, or, if this one is to go on with those jobs, set "
            f"MODEL_SERVING_SERVICE_NAME={owner}"
        )


def _owner(db: sqlite3.Connection) -> str | None:
    row = db.execute("SELECT service FROM owner").fetchone()
    return None if row is None else str(row[0])


def clock_of(db: sqlite3.Connection) -> Clock:
    """Return the clock of a file, which all processes of this boot share; the first of them begins it."""
    if not boot.clock_id():
        return clock.wall
    began = _began(db)
    if began is None:
        db.execute("BEGIN IMMEDIATE")
        began = _began(db)
        if began is None:
            began = _begin(db)
        db.execute("COMMIT")
    return clock.begun_at(began)


def _began(db: sqlite3.Connection) -> float | None:
    row = db.execute("SELECT began FROM clocks WHERE id = ?", (boot.clock_id(),)).fetchone()
    return None if row is None else float(row[0])


def _begin(db: sqlite3.Connection) -> float:
    """Begin a clock that is not behind the last job."""
    last = db.execute("SELECT created_at FROM jobs ORDER BY number DESC LIMIT 1").fetchone()
    began = clock.begin(last[0] if last else 0.0)
    added = db.execute("INSERT INTO clocks (id, began) VALUES (?, ?)", (boot.clock_id(), began))
    db.execute("DELETE FROM clocks WHERE number BETWEEN 1 AND ?", ((added.lastrowid or 0) - _MAX_CLOCKS,))
    return began


def touch(db: sqlite3.Connection) -> None:
    """Write what is there, for whoever asks whether writing works."""
    db.execute("UPDATE clocks SET began = began WHERE id = ''")


def create(db: sqlite3.Connection) -> None:
    """Make the tables in a database that is empty and nobody else's, such as one in memory."""
    _free_pages_by_steps(db)
    for statement in itertools.chain(*STEPS):
        db.execute(statement)


def _free_pages_by_steps(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # has an effect before the first table alone


def _version(db: sqlite3.Connection, path: str) -> int:
    version: int
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > len(STEPS):
        raise StoreUnavailable("The job store's file is of a later version") from ConfigurationError(
            f"it holds jobs in version {version}, and this program knows versions up to {len(STEPS)}: "
            "run the model-serving that wrote it, or name another file in MODEL_SERVING_JOBS_URL"
        )
    if version == 0 and db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall():
        raise ConfigurationError(
            f"{path} is another program's database: name another file in MODEL_SERVING_JOBS_URL"
        )
    return version


def _migrate(db: sqlite3.Connection, path: str) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        # Read again behind the lock: another process may have been quicker.
        for number, step in enumerate(STEPS[_version(db, path) :], _version(db, path) + 1):
            for statement in step:
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {number}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
