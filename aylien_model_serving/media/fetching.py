"""Files from URLs that clients name, and never from inside the operator's network.

Each redirect is a URL like the first, and is checked in the same way.
"""

from __future__ import annotations

import http.client
import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote, urljoin

from aylien_model_serving.core.settings import Settings
from aylien_model_serving.egress import connector
from aylien_model_serving.egress.addresses import is_public
from aylien_model_serving.egress.connector import (
    AddressNotPermitted,
    Connect,
    ConnectionFailed,
    Connector,
    HostNotFound,
    Resolve,
)
from aylien_model_serving.egress.deadline import Deadline
from aylien_model_serving.egress.http_client import HTTPClient, ResponseTooLarge
from aylien_model_serving.media import urls
from aylien_model_serving.media.errors import BadFile, NotFetched, TooLarge

logger = logging.getLogger(__name__)

MAX_REDIRECTS = 5

#: The message for a name that has no address, or one that is not public, or that refuses the connection:
#: which of these it is would tell which names exist inside.
_UNREACHABLE = "the URL's host can't be reached from here, or is not public"

#: Bytes that are read at once.
_CHUNK = 64 * 1024

_ASCII = "".join(map(chr, range(128)))

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class FetchedFile(NamedTuple):
    """A file from a URL."""

    content: bytes
    content_type: str


@dataclass(frozen=True)
class Fetcher:
    """Fetches files by HTTP.

    Args:
        max_bytes: of a file.
        seconds: for all, from the first look-up of a name to the last byte.
        resolve: returns the addresses of a name.
        connect: connects to an address.
        trust: returns the certificate authorities that TLS trusts.
        clock: returns the time in seconds.
    """

    max_bytes: int
    seconds: float
    resolve: Resolve = connector.resolve
    connect: Connect = connector.connect
    trust: Callable[[], ssl.SSLContext] = connector.system_trust
    clock: Callable[[], float] = time.monotonic

    def fetch(self, url: str) -> FetchedFile:
        """Return the file at a URL.

        Raises:
            NotFetched: it can't be had, or may not be requested.
            TooLarge: it has more than `max_bytes`.
        """
        try:
            return self._follow(url)
        except (NotFetched, TooLarge):
            raise
        except BadFile as error:
            raise NotFetched(str(error)) from None
        except TimeoutError as error:
            raise NotFetched(f"fetching took longer than {self.seconds:g} s") from error
        except ResponseTooLarge as error:
            raise TooLarge(self._excess()) from error
        except (HostNotFound, AddressNotPermitted, ConnectionFailed) as error:
            logger.info("No file is fetched from the host that a client named: %s", error)
            raise NotFetched(_UNREACHABLE) from error
        except ssl.SSLCertVerificationError as error:
            raise NotFetched(f"the server's certificate is not trusted: {error.verify_message}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NotFetched("the server at the URL does not speak HTTP, or not to its end") from error

    def _follow(self, url: str) -> FetchedFile:
        """Return the file at a URL or at the end of its redirects, of which each is a URL like the first."""
        deadline = Deadline(self.seconds, self.clock)
        guarded = Connector(is_public, self.resolve, self.connect, self.trust)
        client = HTTPClient(guarded, self.max_bytes)
        for _ in range(MAX_REDIRECTS + 1):
            with client.send("GET", urls.parse(url), deadline, {"Accept": "*/*"}) as response:
                location = response.headers.get("Location")
                if response.status not in _REDIRECTS or not location:
                    return self._read(response)
            url = urljoin(url, _text_of(location))
        raise NotFetched(f"the URL is redirected more than {MAX_REDIRECTS} times")

    def _read(self, response: http.client.HTTPResponse) -> FetchedFile:
        if response.status != 200:
            raise NotFetched(f"the server at the URL answers {response.status}")
        if response.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
            raise NotFetched("the server at the URL answers with a compressed body, unasked")
        declared = response.length
        if declared is not None and declared > self.max_bytes:
            raise TooLarge(self._excess())
        content = bytearray()
        while chunk := response.read(_CHUNK):
            content += chunk
            if len(content) > self.max_bytes:
                raise TooLarge(self._excess())
        if declared is not None and len(content) < declared:
            raise NotFetched("the answer of the server at the URL ends early")
        return FetchedFile(bytes(content), response.headers.get("Content-Type", ""))

    def _excess(self) -> str:
        return f"the file at the URL is larger than the {self.max_bytes:,} bytes that are fetched here"


def _text_of(location: str) -> str:
    """Return a Location as its server meant it: `http.client` reads a header as Latin-1, whatever it is in.

    Bytes that are no UTF-8 are percent-encoded as they are.
    """
    sent = location.encode("latin-1", "replace")
    try:
        return sent.decode()
    except UnicodeDecodeError:
        return quote(sent, safe=_ASCII)


def fetch(url: str) -> FetchedFile:
    """Return the file at a URL, within the operator's limits.

    Raises:
        NotFetched: it can't be had, or URLs are not fetched here.
        TooLarge: it is over the limit.
    """
    settings = Settings.load_public("url_fetch", "url_max_mb", "url_timeout")
    if not settings.url_fetch:
        raise NotFetched("files are not fetched from URLs here")
    return Fetcher(settings.url_max_bytes, settings.url_timeout).fetch(url)
