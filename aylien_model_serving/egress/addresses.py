"""Which addresses belong to the public internet.

Pure. The networks are those of https://www.iana.org/assignments/iana-ipv4-special-registry and
https://www.iana.org/assignments/iana-ipv6-special-registry. The table is kept here since `is_global` of the
standard library's `ipaddress` differs from one release of Python to the next
(https://github.com/python/cpython/issues/113171), and knows nothing of NAT64 or of a cloud's own addresses.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address

_NOT_PUBLIC_4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by carriers' customers
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's own services, as its virtual machines see them
        "169.254.0.0/16",  # link-local, clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)

#: All that is assigned for unicast (RFC 4291, section 2.4) ...
_UNICAST_6 = IPv6Network("2000::/3")

#: ... but these.
_NOT_PUBLIC_6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, whose relays lead anywhere
        "3fff::/20",  # documentation
    )
)

#: Forms of an IPv4 address, in the last four bytes: IPv4-mapped, and NAT64 (RFC 6052), by which networks
#: without IPv4 reach the rest.
_EMBEDDING = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))


def is_public(address: Address) -> bool:
    """Return whether an address is one that anybody on the internet can reach."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    if any(address in network for network in _EMBEDDING):
        return is_public(IPv4Address(address.packed[-4:]))
    return address in _UNICAST_6 and not any(address in network for network in _NOT_PUBLIC_6)
