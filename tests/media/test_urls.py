"""The URLs from which files may be fetched: parsing and checks."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aylien_model_serving.media import urls
from aylien_model_serving.media.errors import BadFile


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "0",
        "0x7f.1",
        "0x7F000001",
        "0177.0.0.1",
        "017700000001",
        "2130706433",
        "127.0.0.1.",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:127.0.0.1]",
        "[fe80::1%25eth0]",
        "[2606:4700:4700::1111%251]",
        "169.254.169.254",
        "2852039166",
        "0251.0376.0251.0376",
        "0xA9FEA9FE",
        "4294967295",
    ],
)
def test_a_private_address_is_refused_in_every_spelling(host: str) -> None:
    with pytest.raises(BadFile, match=r"not public|no IPv6 address"):
        urls.parse(f"http://{host}/latest/meta-data")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/a",
        "file:///etc/passwd",
        "gopher://example.com/",
        "https:///a",
        "https://",
        "http://exa mple.com/",
        "http://example.com\\@127.0.0.1/",
        "http://example.com/\r\nHost: inside",
        "http://user:secret@example.com/",
        "http://example.com@127.0.0.1/",
        "http://[::1/",
        "http://example.com:0x50/",
        "http://example.com:70000/",
        "http://example.com:0/",
        "http://a\u200db.example/",
        "http://a\u200cb.example/",
        "http://1.2.3.4.5/",
        "http://999.1.1.1/",
        "http://-a.example/",
        "http://a..b/",
        "http://" + "a" * 64 + ".example/",
        "https://example.com/" + "a" * 9000,
    ],
)
def test_what_is_no_url_of_a_file_is_refused(url: str) -> None:
    with pytest.raises(BadFile):
        urls.parse(url)


@pytest.mark.parametrize(
    ("url", "authority", "port", "path"),
    [
        ("http://example.com", "example.com", 80, "/"),
        ("HTTPS://Example.COM/a%20b?c=d&e=%2F#f", "example.com", 443, "/a%20b?c=d&e=%2F"),
        ("http://example.com:8080/ä?ö=ü", "example.com:8080", 8080, "/%C3%A4?%C3%B6=%C3%BC"),
        ("https://bücher.example/", "xn--bcher-kva.example", 443, "/"),
        ("https://straße.example/", "xn--strae-oqa.example", 443, "/"),
        ("https://βόλος.example/", "xn--nxasmm1c.example", 443, "/"),
        ("https://ＢÜCHER。example/", "xn--bcher-kva.example", 443, "/"),
        ("https://8.8.8.8/", "8.8.8.8", 443, "/"),
        ("http://[2606:4700:4700:0::1111]:81/", "[2606:4700:4700::1111]:81", 81, "/"),
    ],
)
def test_a_url_is_parsed(url: str, authority: str, port: int, path: str) -> None:
    parsed = urls.parse(url)

    assert (parsed.authority, parsed.port, parsed.path) == (authority, port, path)


@given(st.text())
@example("http://[v1.a]/")
@example("http://\ud800/")
@example("http://a/\ud800")
@example("http://0x/")
def test_no_text_breaks_the_parser(text: str) -> None:
    for url in (text, f"http://{text}", f"http://a.example/{text}", f"https://[{text}]/"):
        try:
            parsed = urls.parse(url)
        except BadFile:
            continue
        assert parsed.url.isascii()
        assert urls.parse(parsed.url) == parsed
