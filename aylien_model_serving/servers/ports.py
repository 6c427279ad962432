"""Checks whether a server can listen on a port, and which process has it otherwise.

Read from the tables of proc(5), net/tcp; where there are none, no process is named.
"""

from __future__ import annotations

import errno
import itertools
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from aylien_model_serving.errors import ConfigurationError

_LISTENS = "0A"

#: Ports above one in use that are tried for a free one.
_NEXT = 100


class UnknownHost(ConfigurationError):
    """The host to listen on is no address of this machine."""


def check(host: str, port: int) -> None:
    """Refuse at once what a server refuses after several attempts.

    Args:
        host: the address to listen on.
        port: of TCP; 0 for any that is free.

    Raises:
        UnknownHost: the host is no address.
        ConfigurationError: nobody can listen there: the port is in use, say, or is for the system alone.
    """
    number = _error_of(host, port)
    if number == errno.EADDRINUSE:
        holder, free = _holder_of(port), _free_above(host, port)
        raise ConfigurationError(f"port {port} is in use by {holder}: end that, or choose another one{free}")
    if number == errno.EACCES:
        raise ConfigurationError(f"port {port} is for the system alone: choose one above 1023, such as 8000")
    if number:
        raise ConfigurationError(f"{host}:{port} can't be listened on: {os.strerror(number)}")


def _free_above(host: str, port: int) -> str:
    above = range(port + 1, min(port + _NEXT, 65536))
    free = next((other for other in above if not _error_of(host, other)), None)
    return f", such as {free}" if free else ""


def _error_of(host: str, port: int) -> int:
    """Return the errno of an attempt to listen; 0 where it succeeds."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise UnknownHost(f"{host!r} is no address of this machine: {error.strerror}") from None
    family, kind, protocol, _, address = found[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as error:
            return error.errno or errno.EIO
    return 0


def _holder_of(port: int) -> str:
    """Return the process that listens on a port, by its id and command line."""
    inodes = set(_listening(port))
    for process in Path("/proc").glob("[0-9]*"):
        if inodes & set(_sockets(process)):
            words = _read(process / "cmdline").split("\0")
            program = " ".join(word for word in words[:6] if word)
            return f"process {process.name} ({program[:80]})"
    return "a program of another user"


def _listening(port: int) -> Iterator[str]:
    tables = itertools.chain.from_iterable(
        _read(Path(f"/proc/net/{table}")).splitlines()[1:] for table in ("tcp", "tcp6")
    )
    for line in tables:
        _, local, _, state, *rest = line.split()
        if state == _LISTENS and int(local.rpartition(":")[2], 16) == port:
            yield f"socket:[{rest[5]}]"


def _sockets(process: Path) -> Iterator[str]:
    try:
        for descriptor in (process / "fd").iterdir():
            try:
                yield str(descriptor.readlink())
            except OSError:
                continue  # closed meanwhile
    except OSError:
        return  # another user's, or gone


def _read(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
