"""The pool of connections to PostgreSQL, and how long one waits on each of them."""

from __future__ import annotations

import logging
import time
from functools import cache
from typing import TYPE_CHECKING, Any

from aylien_model_serving.errors import ConfigurationError

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg_pool import ConnectionPool

#: Seconds that the server waits for a lock, and works on one statement.
_LOCK_SECONDS, _STATEMENT_SECONDS = 2, 4

#: Seconds for which a client waits for a server that gives no answer at all.
ANSWER_SECONDS = 6.0

#: Seconds for which a connection may have been idle before it is tried out, and is kept at most.
_TRUSTED_SECONDS, _IDLE_SECONDS = 1.0, 60.0

#: PooledConnections of one process at once.
MAX_CONNECTIONS = 4

#: Callers that may wait for a connection. Those who gave up keep their places until there is one.
MAX_WAITING = 1000

#: Seconds between two log lines of the pool.
_LOG_INTERVAL = 60.0

#: What a URL may say otherwise.
_DEFAULTS: dict[str, Any] = {
    "connect_timeout": 3,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "model-serving",
}

_SETTINGS = f"""
    SET statement_timeout = '{_STATEMENT_SECONDS}s';
    SET lock_timeout = '{_LOCK_SECONDS}s';
    SET idle_in_transaction_session_timeout = '{_STATEMENT_SECONDS}s';
    SET default_transaction_isolation = 'read committed';
    SET jit = off;
"""


def parameters_of(url: str) -> dict[str, Any]:
    """Return the parameters of a connection.

    Raises:
        ConfigurationError: psycopg is missing, or it is no URL; it is not repeated, for its password.
    """
    try:
        import psycopg.conninfo
    except ImportError:
        raise ConfigurationError(
            "MODEL_SERVING_JOBS_URL: jobs in PostgreSQL need psycopg: pip install 'model-serving[postgres]'"
        ) from None
    try:
        return {**_DEFAULTS, **psycopg.conninfo.conninfo_to_dict(url), "autocommit": True}
    except psycopg.ProgrammingError:
        raise ConfigurationError(
            "MODEL_SERVING_JOBS_URL: this is no URL of PostgreSQL; expected "
            "postgresql://user:password@host/database, with what is neither a letter nor a digit of the "
            "password percent-encoded"
        ) from None


def open_pool(parameters: dict[str, Any], patience: float) -> ConnectionPool[Any]:
    """Return a pool that opens connections when they are needed.

    Args:
        parameters: of the connections.
        patience: seconds for which it tries to open one.
    """
    import psycopg_pool

    pool = psycopg_pool.ConnectionPool(
        kwargs=parameters,
        connection_class=_connection_class(),
        min_size=0,
        max_size=MAX_CONNECTIONS,
        max_waiting=MAX_WAITING,
        max_idle=_IDLE_SECONDS,
        reconnect_timeout=patience,
        num_workers=1,
        configure=_configure,
        check=_check,
        name="model-serving-jobs",
        open=False,
    )
    pool.open()
    return pool


def _configure(connection: Any) -> None:
    connection.execute(_SETTINGS)
    connection.used_at = time.monotonic()


def _check(connection: Any) -> None:
    """Try a connection out that may have been closed while nobody used it."""
    if time.monotonic() > connection.used_at + _TRUSTED_SECONDS:
        connection.execute("SELECT 1")


@cache
def _connection_class() -> type[Connection]:
    import psycopg

    class BoundedConnection(psycopg.Connection[Any]):
        """A connection on which nobody waits for ever, as for a server that is frozen."""

        used_at = 0.0
        answer_within = ANSWER_SECONDS

        def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
            return super().wait(gen, interval, self.answer_within if timeout is None else timeout)

    logging.getLogger("psycopg.pool").addFilter(_Seldom())
    return BoundedConnection


class _Seldom(logging.Filter):
    """Lets a warning of the pool through that says something new, or the same after a while."""

    def __init__(self) -> None:
        super().__init__()
        self._told: tuple[str, float] = "", 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        message, now = record.getMessage(), time.monotonic()
        text, at = self._told
        if message == text and now < at + _LOG_INTERVAL:
            return False
        self._told = message, now
        return True
