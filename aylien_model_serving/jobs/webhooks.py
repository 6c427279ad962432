"""Webhooks: the URLs that a job may be sent to at its end, what is sent, and its signature."""

from __future__ import annotations

import hashlib
import hmac
import http.client
from collections.abc import Sequence
from urllib.parse import urlsplit

from aylien_model_serving import codecs
from aylien_model_serving.egress import allow_list, hosts
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
        allowed: entries of the operator's list, as `egress.allow_list` reads them.
        url: the value of X-Webhook-Url, if there is one.

    Raises:
        BadRequest: the operator does not allow this scheme, host and port, or it is no URL.
    """
    if url is None:
        return None
    if any(not "!" <= letter <= "~" for letter in url):
        raise BadRequest("X-Webhook-Url: other letters than those of ASCII have to be percent-encoded")
    try:
        parsed = _parsed(url)
    except ValueError:
        raise BadRequest("X-Webhook-Url: a URL like https://example.com/done is expected") from None
    if not allow_list.permits(allowed, parsed):
        place = f"{parsed.scheme}://{parsed.authority}"
        raise BadRequest(f"X-Webhook-Url: this service tells nobody at {place[:100]!r}")
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
    """Return the parts of a URL.

    Raises:
        ValueError: it is none of http or https, or holds a user name.
    """
    parts = urlsplit(url)
    if parts.scheme not in PORTS or "@" in parts.netloc or parts.port == 0 or "\\" in url:
        raise ValueError("no URL of http or https")
    host, address = hosts.parse(parts.hostname or "")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return ParsedURL(parts.scheme == "https", host, parts.port or PORTS[parts.scheme], path, address)
