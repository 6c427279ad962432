"""A URL in the parts that a connection and a request need."""

from __future__ import annotations

from typing import NamedTuple

from aylien_model_serving.egress.addresses import Address

PORTS = {"http": 80, "https": 443}


class ParsedURL(NamedTuple):
    """A URL of http or https.

    Args:
        secure: whether TLS is used.
        host: a name in ASCII, or an address.
        port: the port to connect to.
        path: path and query, as they are sent.
        address: the host, if it is an address that needs no resolver.
    """

    secure: bool
    host: str
    port: int
    path: str
    address: Address | None = None

    @property
    def scheme(self) -> str:
        return "https" if self.secure else "http"

    @property
    def authority(self) -> str:
        """Host and port as the header Host has them (RFC 9110, section 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole URL, without a fragment."""
        return f"{self.scheme}://{self.authority}{self.path}"
