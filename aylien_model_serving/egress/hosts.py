"""Hosts in the one form in which they are compared, resolved and sent: names in ASCII, addresses as such.

Pure. A host that is an address in any spelling that some resolver accepts (127.1, 2130706433, 0x7f.0.0.1) is
taken for that address. The host is checked here since the standard library's `urlsplit` validates neither
names nor IPv4 addresses.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from encodings import idna

from aylien_model_serving.egress.addresses import Address

#: A host that ends in a number is an address or invalid (https://url.spec.whatwg.org/#ends-in-a-number-checker).
_NUMERIC = re.compile(r"(.*\.)?(0x[0-9a-f]*|[0-9]+)\.?")
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?")

#: Full stops of other scripts (RFC 3490, section 3.1).
_DOTS = re.compile("[.\u3002\uff0e\uff61]")

#: Letters that IDNA of 2003 replaces by others, and that of 2008 keeps: each stands for a name of its own
#: (https://www.unicode.org/reports/tr46/#Deviations).
_KEPT = re.compile("([\xdf\u03c2])")

#: Joiners, which IDNA of 2003 drops and that of 2008 permits between certain letters alone.
_JOINERS = re.compile("[\u200c\u200d]")

#: Letters of the longest name, and of its longest part (RFC 1035, section 2.3.4).
_MAX_NAME, _MAX_LABEL = 253, 63


def parse(host: str) -> tuple[str, Address | None]:
    """Return a host in lower-case ASCII, and the address that it is; a name keeps the dot at its end.

    Raises:
        ValueError: it is no host; says what it is not.
    """
    if ":" in host:
        try:
            address = ipaddress.IPv6Address("" if "%" in host else host)  # a zone is link-local
        except ValueError:
            raise ValueError("no IPv6 address") from None
        return str(address), address
    name = _to_ascii(host)
    if _NUMERIC.fullmatch(name):
        try:
            address4 = ipaddress.IPv4Address(socket.inet_aton(name.rstrip(".")))
        except OSError:
            raise ValueError("no address") from None
        return str(address4), address4
    if not _NAME.fullmatch(name) or len(name.rstrip(".")) > _MAX_NAME:
        raise ValueError("no name")
    return name, None


def is_same(one: str, other: str) -> bool:
    """Return whether two hosts, as `parse` returns them, are the same; a dot at the end adds nothing."""
    return one.removesuffix(".") == other.removesuffix(".")


def _to_ascii(host: str) -> str:
    labels = host.lower().split(".") if host.isascii() else map(_label_to_ascii, _DOTS.split(host))
    name = ".".join(labels)
    if any(len(label) > _MAX_LABEL for label in name.split(".")):
        raise ValueError("no name")
    return name


def _label_to_ascii(label: str) -> str:
    """Return one part of a name as IDNA of 2008 writes it (RFC 5891)."""
    if _JOINERS.search(label) or len(label) > _MAX_LABEL:
        raise ValueError("no name")
    try:
        prepared = "".join(
            piece if _KEPT.fullmatch(piece) else idna.nameprep(piece) for piece in _KEPT.split(label)
        )
        if prepared.isascii():
            return prepared.lower()
        return f"xn--{prepared.encode('punycode').decode()}"
    except UnicodeError:
        raise ValueError("no name") from None
