"""Opens the store that a URL names."""

from __future__ import annotations

from aylien_model_serving.core.secrets import without_passwords
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.jobs.postgres.opened_database import open_database
from aylien_model_serving.jobs.retention import Limits
from aylien_model_serving.jobs.service_identity import ServiceIdentity
from aylien_model_serving.jobs.sqlite.repository import open_file, open_memory
from aylien_model_serving.jobs.store import Store

#: What a URL of a database begins with that machines share.
SHARED = ("postgresql://", "postgres://")

_memory = open_memory()


def is_shared(url: str) -> bool:
    """Return whether other machines may use the store of a URL too."""
    return url.startswith(SHARED)


def open_store(url: str, limits: Limits | None = None, service: ServiceIdentity | None = None) -> Store:
    """Return a store; one that does not work at the moment is opened when it does.

    Args:
        url: "sqlite:///" and a path (which begins with a fourth slash when it is absolute), a plain path,
            "postgresql://" and what libpq expects there, or "memory://", which is one store of each process
            and forgets all jobs when it is closed.
        limits: what is kept.
        service: the one that the store, or its name there, belongs to, if it is to be no other's.

    Raises:
        ConfigurationError: there is no such store, no file can be there, or it is another's.
    """
    if is_shared(url):
        return Store(open_database(url, service), limits=limits)
    name = None if service is None else service.name
    scheme, separator, rest = url.partition("://")
    if not separator:
        return Store(open_file(url, name), limits=limits)
    if scheme == "sqlite" and rest.startswith("/") and rest != "/":
        return Store(open_file(rest[1:], name), limits=limits)
    if url == "memory://":
        return Store(_memory, limits=limits)
    raise ConfigurationError(
        f"MODEL_SERVING_JOBS_URL={without_passwords(repr(url))}: this is no store of jobs; expected a path, "
        "'sqlite:///' and a path, 'postgresql://user:password@host/database', or 'memory://'"
    )
