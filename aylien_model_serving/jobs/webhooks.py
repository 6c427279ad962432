"""Webhooks: URLs that are told of the end of a job, what they are told, and how they know by whom."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from urllib.parse import SplitResult, urlsplit

from aylien_model_serving import codecs
from aylien_model_serving.errors import BadRequest
from aylien_model_serving.jobs.job import Job
from aylien_model_serving.jobs.view import show

#: Headers of what is told: when, in whole seconds since the epoch, and the signature.
TIMESTAMP, SIGNATURE = "X-Webhook-Timestamp", "X-Webhook-Signature"

#: Bytes of a result that is told; a larger one is fetched by the job's link.
LARGEST_RESULT = 1024 * 1024

#: Seconds that one telling may take, from the look-up of the name to the status of the answer.
TIMEOUT = 10.0


class NotTold(Exception):
    """Nobody took what was to be told."""


def check(allowed: Sequence[str], url: str | None) -> str | None:
    """Return the URL that a client wants to be told of its job's end.

    Args:
        allowed: hosts that may be told.
        url: the value of X-Webhook-Url, if there is one.

    Raises:
        BadRequest: the operator does not allow this host, or it is no URL.
    """
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if host is None or parts.scheme not in ("http", "https") or parts.username is not None:
        raise BadRequest("X-Webhook-Url: a URL like https://example.com/done is expected")
    if any(not "!" <= letter <= "~" for letter in url):
        raise BadRequest("X-Webhook-Url: other letters than those of ASCII have to be percent-encoded")
    if host not in allowed:
        raise BadRequest(f"X-Webhook-Url: this service tells nobody at {host[:100]!r}")
    return url


def body_of(job: Job, result: bytes | None) -> bytes:
    """Return the JSON that tells the end of a job; a large result is left out."""
    return codecs.JSON.encode(show(job, None if result is None or len(result) > LARGEST_RESULT else result))


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """Return the signature: HMAC-SHA256 of the timestamp's digits, a full stop and the body."""
    signed = str(timestamp).encode() + b"." + body
    return "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def tell(url: str, body: bytes, secret: str, now: int) -> None:
    """Send what is to be told; a redirect is not followed, since it may lead to a host that is not allowed.

    Args:
        url: whom.
        body: what.
        secret: key of the signature.
        now: seconds since the epoch.

    Raises:
        NotTold: no answer came in time, or one that is no success.
    """
    parts = urlsplit(url)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "model-serving",
        TIMESTAMP: str(now),
        SIGNATURE: sign(secret, now, body),
    }
    try:
        with closing(_connection(parts)) as connection, _limited(connection):
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", target, body, headers)
            status = connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotTold(f"{type(error).__name__}: {error}") from error
    if not 200 <= status < 300:
        raise NotTold(f"it answered with {status}")


def _connection(parts: SplitResult) -> http.client.HTTPConnection:
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname or "", parts.port, timeout=TIMEOUT)


@contextmanager
def _limited(connection: http.client.HTTPConnection) -> Iterator[None]:
    """End a conversation that goes on for too long, however little the other side sends at a time."""

    def end() -> None:
        with suppress(OSError, AttributeError):  # AttributeError: it is closed already
            connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(TIMEOUT, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
