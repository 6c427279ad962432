"""Files from URLs, and never from inside.

A name is resolved once, and the address that was checked is the one that is connected to; TLS still
verifies the name. Each redirect is a URL like the first. Proxies of the environment are not used: they would
resolve the name again.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urljoin

from aylien_model_serving.core.settings import Settings
from aylien_model_serving.egress import addresses, connector
from aylien_model_serving.egress.connector import Budget, Connect, Excess, Receiving, Resolve, Source
from aylien_model_serving.media import urls
from aylien_model_serving.media.trouble import BadFile, NotFetched, TooLarge

MAX_REDIRECTS = 5

#: Addresses of one name that are tried.
MAX_ADDRESSES = 4

#: Bytes of headers and framing that may come beside a file's own.
_OVERHEAD = 256 * 1024

_PIECE = 64 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Fetched(NamedTuple):
    """A file from a URL."""

    content: bytes
    content_type: str


@lru_cache(maxsize=1)
def _trust() -> ssl.SSLContext:
    """Return the system's trust, which takes tens of milliseconds to read."""
    return ssl.create_default_context()


@dataclass(frozen=True)
class Fetcher:
    """Fetches files over HTTP/1.1.

    Args:
        max_bytes: of a file.
        seconds: for all, from the first name to the last byte.
        resolve: tells the addresses of a name.
        connect: connects to an address.
        trust: whom TLS trusts.
        clock: tells the time in seconds.
    """

    max_bytes: int
    seconds: float
    resolve: Resolve = connector.resolve
    connect: Connect = connector.connect
    trust: Callable[[], ssl.SSLContext] = _trust
    clock: Callable[[], float] = time.monotonic

    def fetch(self, url: str) -> Fetched:
        """Return the file at a URL.

        Raises:
            NotFetched: it can't be had, or it may not be asked for.
            TooLarge: it has more than `max_bytes`.
        """
        budget = Budget(self.seconds, self.clock)
        try:
            for _ in range(MAX_REDIRECTS + 1):
                found = self._get(urls.parse(url), budget)
                if isinstance(found, Fetched):
                    return found
                url = urljoin(url, found)
        except (NotFetched, TooLarge):
            raise
        except BadFile as error:
            raise NotFetched(str(error)) from None
        except TimeoutError as error:
            raise NotFetched(f"fetching took longer than {self.seconds:g} s") from error
        except Excess as error:
            raise TooLarge(self._excess()) from error
        except ssl.SSLCertVerificationError as error:
            raise NotFetched(f"the server's certificate is not trusted: {error.verify_message}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NotFetched("the server at the URL can't be reached, or does not speak HTTP") from error
        raise NotFetched(f"the URL is redirected more than {MAX_REDIRECTS} times")

    def _get(self, target: urls.Target, budget: Budget) -> Fetched | str:
        """Ask for one URL and return the file, or where the server sends us instead."""
        with closing(self._reach(target, budget)) as sock:
            sock.settimeout(budget.left())
            sock.sendall(_request(target))
            receiving = Receiving(sock, budget, self.max_bytes + _OVERHEAD)
            source: Any = Source(receiving)  # a response asks its socket for `makefile` alone
            with http.client.HTTPResponse(source, method="GET") as response:
                response.begin()
                location = response.headers.get("Location")
                if response.status in _REDIRECTS and location:
                    return location
                return self._read(response)

    def _reach(self, target: urls.Target, budget: Budget) -> socket.socket:
        """Return a connection to the first address that answers; all of them were checked before."""
        problem: OSError | None = None
        for address in self._addresses(target, budget)[:MAX_ADDRESSES]:
            try:
                sock = self.connect(address, target.port, budget.left())
                break
            except OSError as error:
                problem = error
        else:
            raise problem or OSError("no address")
        if not target.secure:
            return sock
        try:
            sock.settimeout(budget.left())
            return self.trust().wrap_socket(sock, server_hostname=target.host.rstrip("."))
        except BaseException:
            sock.close()
            raise

    def _addresses(self, target: urls.Target, budget: Budget) -> list[str]:
        """Return the addresses of a host, if all of them are public: a name with one inside is a trap."""
        if target.address is not None:
            return [str(target.address)]
        try:
            found = self.resolve(target.host, target.port, budget.left())
        except TimeoutError:
            raise
        except OSError as error:
            raise NotFetched("the URL's host has no address") from error
        if not all(addresses.is_public(ipaddress.ip_address(address)) for address in found):
            raise NotFetched(addresses.REFUSED)
        return found

    def _read(self, response: http.client.HTTPResponse) -> Fetched:
        if response.status != 200:
            raise NotFetched(f"the server at the URL answers {response.status}")
        if response.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
            raise NotFetched("the server at the URL answers with a compressed body, unasked")
        declared = response.length
        if declared is not None and declared > self.max_bytes:
            raise TooLarge(self._excess())
        content = bytearray()
        while piece := response.read(_PIECE):
            content += piece
            if len(content) > self.max_bytes:
                raise TooLarge(self._excess())
        if declared is not None and len(content) < declared:
            raise NotFetched("the answer of the server at the URL ends early")
        return Fetched(bytes(content), response.headers.get("Content-Type", ""))

    def _excess(self) -> str:
        return f"the file at the URL is larger than the {self.max_bytes:,} bytes that are fetched here"


def _request(target: urls.Target) -> bytes:
    lines = (
        f"GET {target.path} HTTP/1.1",
        f"Host: {target.authority}",
        "User-Agent: model-serving",
        "Accept: */*",
        "Accept-Encoding: identity",
        "Connection: close",
    )
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode("ascii")


def fetch(url: str) -> Fetched:
    """Return the file at a URL, within the operator's limits.

    Raises:
        NotFetched: it can't be had, or URLs are not fetched here.
        TooLarge: it is over the limit.
    """
    settings = Settings.load()
    if not settings.url_fetch:
        raise NotFetched("files are not fetched from URLs here")
    return Fetcher(settings.url_max_bytes, settings.url_timeout).fetch(url)
