"""Webhooks: the URLs that a job may be sent to at its end, what is sent, and its signature."""

from __future__ import annotations

import hashlib
import hmac
import http.client
from collections.abc import Sequence
from urllib.parse import urlsplit

from aylien_model_serving import codecs
from aylien_model_serving.egress.connector import Connector, any_address
from aylien_model_serving.egress.deadline import Deadline
from aylien_model_serving.egress.http_client import HTTPClient
from aylien_model_serving.egress.parsed_url import PORTS, ParsedURL
from aylien_model_serving.errors import BadRequest
from aylien_model_serving.jobs.job import JobRecord
from aylien_model_serving.jobs.view import show

#: Headers of a webhook: when it was sent, in whole seconds since the epoch, and the signature.
TIMESTAMP, SIGNATURE = "X-Webhook-Timestamp", "X-Webhook-Signature"

#: Bytes of a result that is sent; a larger one is fetched by the job's link.
LARGEST_RESULT = 1024 * 1024

#: Seconds that one delivery may take, from the look-up of the name to the status of the answer.
TIMEOUT = 10.0


class WebhookFailed(Exception):
    """A webhook was not delivered."""


def check(allowed: Sequence[str], url: str | None) -> str | None:
    """Return the URL that a client wants its job to be sent to.

    Args:
        allowed: hosts that webhooks may be sent to.
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


def body_of(job: JobRecord, result: bytes | None) -> bytes:
    """Return the JSON of a job that has ended; a large result is left out."""
    return codecs.JSON.encode(show(job, None if result is None or len(result) > LARGEST_RESULT else result))


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """Return the signature: HMAC-SHA256 of the timestamp's digits, a full stop and the body."""
    signed = str(timestamp).encode() + b"." + body
    return "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def send(url: str, body: bytes, secret: str, now: int) -> None:
    """Send a webhook; a redirect is not followed, since it may lead to a host that is not allowed.

    Args:
        url: where to.
        body: what, from `body_of`.
        secret: key of the signature.
        now: seconds since the epoch.

    Raises:
        WebhookFailed: no answer came in time, or one that is no success.
    """
    headers = {
        "Content-Type": "application/json",
        TIMESTAMP: str(now),
        SIGNATURE: sign(secret, now, body),
    }
    try:
        with _CLIENT.send("POST", _parsed(url), Deadline(TIMEOUT), headers, body) as response:
            status = response.status
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise WebhookFailed(f"{type(error).__name__}: {error}") from error
    if not 200 <= status < 300:
        raise WebhookFailed(f"it answered with {status}")


#: Every address is permitted, since the operator has listed the host; of an answer the status alone is read.
_CLIENT = HTTPClient(Connector(any_address), max_bytes=0)


def _parsed(url: str) -> ParsedURL:
    """Return the parts of a URL that has passed `check`."""
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    port = PORTS[parts.scheme] if parts.port is None else parts.port
    return ParsedURL(parts.scheme == "https", parts.hostname or "", port, path)
