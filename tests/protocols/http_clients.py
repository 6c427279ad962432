"""The service's own HTTP, with JSON and with binary messages."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError

from google.protobuf.json_format import MessageToDict

from tests.protocols.cases import KINDS, Found, Refused
from tests.protocols.protocol_messages_pb2 import Finding, Reading

#: Seconds that an answer may take on a busy machine.
SECONDS = 60.0


def post(url: str, body: bytes, headers: Mapping[str, str]) -> bytes | Refused:
    """Return the body of the answer, or the error that it tells."""
    request = urllib.request.Request(url, body, dict(headers))
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as response:
            received: bytes = response.read()
            return received
    except HTTPError as error:
        with error:
            return Refused(KINDS[error.code], json.loads(error.read())["error"])


def found_in(message: Finding) -> Found:
    """Return the fields of a message, those that have their default included."""
    fields = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return Found(fields)


class JSONClient:
    """Sends JSON, and reads JSON.

    Args:
        url: of the service.
    """

    def __init__(self, url: str) -> None:
        self._url = f"{url}/examine"

    def ask(self, fields: Mapping[str, Any]) -> Found | Refused:
        answer = post(self._url, json.dumps(fields).encode(), {"Content-Type": "application/json"})
        return answer if isinstance(answer, Refused) else Found(json.loads(answer))


class MessageClient:
    """Sends binary messages, and reads such.

    Args:
        url: of the service.
    """

    def __init__(self, url: str) -> None:
        self._url = f"{url}/examine"

    def ask(self, fields: Mapping[str, Any]) -> Found | Refused:
        kind = "application/x-protobuf"
        body = Reading(**fields).SerializeToString()
        answer = post(self._url, body, {"Content-Type": kind, "Accept": kind})
        return answer if isinstance(answer, Refused) else found_in(Finding.FromString(answer))
