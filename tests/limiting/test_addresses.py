"""Which address is a request's client: what is believed of whom."""

from __future__ import annotations

import pytest

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.limiting.addresses import ClientAddresses, network_of

PROXY, INNER = "10.0.0.1", "10.0.0.2"


@pytest.mark.parametrize(
    ("trusted", "remote", "forwarded", "client"),
    [
        ([], PROXY, "1.2.3.4", PROXY),
        ([PROXY], "9.9.9.9", "1.2.3.4", "9.9.9.9"),
        ([PROXY], PROXY, "1.2.3.4", "1.2.3.4"),
        ([PROXY], PROXY, "", PROXY),
        ([PROXY], PROXY, "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        (["10.0.0.0/8"], PROXY, f"6.6.6.6, 1.2.3.4, {INNER}", "1.2.3.4"),
        (["10.0.0.0/8"], PROXY, f"{INNER}, {INNER}", INNER),
        ([PROXY], PROXY, "1.2.3.4:5678", "1.2.3.4"),
        ([PROXY], PROXY, "[2001:db8::1]:80", "2001:db8::/64"),
        ([PROXY], PROXY, "unknown", PROXY),
        ([PROXY], PROXY, "1.2.3.4, _hidden", PROXY),
        (["unix"], "", "1.2.3.4", "1.2.3.4"),
        ([PROXY], "", "1.2.3.4", ""),
        (["unix"], "9.9.9.9", "1.2.3.4", "9.9.9.9"),
        (["::1"], "::1", "1.2.3.4", "1.2.3.4"),
        ([PROXY], f"::ffff:{PROXY}", "1.2.3.4", "1.2.3.4"),
    ],
)
def test_the_client_is_the_last_address_that_no_trusted_proxy_has(
    trusted: list[str], remote: str, forwarded: str, client: str
) -> None:
    assert ClientAddresses(trusted).of(remote, forwarded) == client


def test_what_is_remembered_of_an_address_is_short() -> None:
    network_of.cache_clear()
    trusting = ClientAddresses([PROXY])

    clients = {trusting.of(PROXY, "1" * 60_000), trusting.of(PROXY, f"::1%{'z' * 60_000}")}

    assert clients == {PROXY}
    assert len(trusting.of("a" * 60_000, "")) == 64


def test_no_more_than_sixteen_entries_are_read() -> None:
    entries = ", ".join(["1.2.3.4", *[PROXY] * 40])

    assert ClientAddresses([PROXY]).of(PROXY, entries) == PROXY


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("", ""),
        ("x" * 100, "x" * 64),
    ],
)
def test_addresses_of_one_client_are_one(address: str, network: str) -> None:
    assert network_of(address) == network


def test_what_is_no_proxy_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"networks like 10\.0\.0\.0/8.*this is '\*'"):
        ClientAddresses(["*"])
