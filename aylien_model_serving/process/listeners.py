"""The sockets on which this process listens, and whether only this machine reaches them.

Standard library only. A server tells an application the address of the connection, which is a loopback
address for a local client of a service that listens everywhere. What it listens on stands in the tables of
proc(5), net/tcp, net/tcp6 and net/unix; the sockets themselves are not touched, since most are others'.
"""

from __future__ import annotations

import ipaddress
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_LISTENS = "0A"

#: The flags of a Unix socket that is listened on: __SO_ACCEPTCON.
_ACCEPTS = "00010000"


class Listener(NamedTuple):
    """A socket that is listened on.

    Args:
        host: its address; "" for a Unix socket.
        port: of TCP; 0 for a Unix socket.
    """

    host: str
    port: int


def is_loopback(host: str) -> bool:
    """Return whether an address is a loopback one, or a name stands for one (RFC 6761, section 6.3)."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def of_process() -> list[Listener] | None:
    """Return the sockets that this process listens on; None where the system has no proc(5)."""
    try:
        descriptors = os.listdir("/proc/self/fd")
    except OSError:
        return None
    own = set(_sockets(descriptors))
    tcp = [*_lines("tcp", _LISTENS), *_lines("tcp6", _LISTENS)]
    found = [_listener(line[1]) for line in tcp if line[3] == _LISTENS and int(line[9]) in own]
    unix = [line for line in _lines("unix", _ACCEPTS) if line[3] == _ACCEPTS and int(line[6]) in own]
    return found + [Listener("", 0)] * len(unix)


def _sockets(descriptors: Iterable[str]) -> Iterator[int]:
    """Yield the inodes of those file descriptors of this process that are sockets."""
    for descriptor in descriptors:
        try:
            found = os.fstat(int(descriptor))
        except OSError:  # closed meanwhile
            continue
        if stat.S_ISSOCK(found.st_mode):
            yield found.st_ino


def _lines(table: str, word: str) -> list[list[str]]:
    """Return those lines of a table that have a word: a busy machine has a hundred thousand others."""
    try:
        with open(f"/proc/self/net/{table}", errors="replace") as file:
            return [line.split() for line in file if f" {word} " in line]
    except OSError:
        return []


def _listener(local: str) -> Listener:
    """Read an address of the tables: words of 32 bits in the machine's byte order, and the port."""
    digits, _, port = local.partition(":")
    raw = bytes.fromhex(digits)
    step = -1 if sys.byteorder == "little" else 1
    words = (raw[at : at + 4][::step] for at in range(0, len(raw), 4))
    return Listener(str(ipaddress.ip_address(b"".join(words))), int(port, 16))
