"""Query strings and HTML forms: names to text, to lists of text, to bytes."""

from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aylien_model_serving.codecs import forms
from aylien_model_serving.errors import MalformedBody, TooManyItems


@given(st.dictionaries(st.text(), st.text() | st.lists(st.text(), min_size=2)))
def test_a_query_string_gives_back_what_was_written_into_it(fields: dict[str, Any]) -> None:
    found = forms.decode_query(urlencode(fields, doseq=True, errors="surrogatepass") if fields else "")

    assert found.textual
    assert found.values == fields


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("", {}),
        ("a=", {"a": ""}),
        ("a", {"a": ""}),
        ("a=1&a=2&b=3", {"a": ["1", "2"], "b": "3"}),
        ("a=x+y%26%C3%A9", {"a": "x y&é"}),
        ("a=\xc3\xa9%C3%A9&\xc3\xa9=1", {"a": "éé", "é": "1"}),  # UTF-8 as servers pass it, a letter a byte
        ("__class__=1&def=2", {"__class__": "1", "def": "2"}),
    ],
)
def test_a_query_string_is_read(query: str, values: dict[str, Any]) -> None:
    assert forms.decode_query(query).values == values


@pytest.mark.parametrize("query", ["a=%FF", "a=\xff", "%FF=a", "a=%C3"])
def test_a_query_string_that_is_not_utf_8_is_refused(query: str) -> None:
    with pytest.raises(MalformedBody, match="The fields are not UTF-8"):
        forms.decode_query(query)


@pytest.mark.parametrize(
    "query", ["&".join(f"a{n}=1" for n in range(forms.MAX_PARTS + 1)), "&" * forms.MAX_PARTS]
)
def test_a_query_string_with_too_many_fields_is_refused(query: str) -> None:
    with pytest.raises(TooManyItems, match="more than 1,000 fields"):
        forms.decode_query(query)


def test_a_form_is_read_as_text() -> None:
    found = forms.decode_urlencoded(b"text=Guten+Tag&n=3", "")

    assert found.textual
    assert found.values == {"text": "Guten Tag", "n": "3"}


@pytest.mark.parametrize("body", [b'{"text": "a=b"}', b'\n {"text": "a=b"}'])
def test_json_under_a_forms_media_type_is_read_as_json(body: bytes) -> None:
    found = forms.decode_urlencoded(body, "")

    assert not found.textual
    assert found.values == {"text": "a=b"}


@pytest.mark.parametrize("body", [b"", b"  ", b"[1]", b'{"text"', b"text=\xff"])
def test_a_form_without_readable_fields_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedBody):
        forms.decode_urlencoded(body, "")


def boundary_form(*parts: tuple[str, bytes]) -> bytes:
    """Return a multipart body with the boundary `xx`; each part is its header's parameters and content."""
    written = [
        f"--xx\r\nContent-Disposition: form-data; {parameters}\r\n\r\n".encode() + content + b"\r\n"
        for parameters, content in parts
    ]
    return b"".join([*written, b"--xx--\r\n"])


MULTIPART = 'multipart/form-data; boundary="xx"'


def test_a_multipart_form_gives_text_and_the_bytes_of_files() -> None:
    body = boundary_form(
        ('name="text"', b"Hello"),
        ('name="image"; filename="a.png"', b"\x89PNG\r\n\x00"),
        ('name="text"', b"World"),
    )

    found = forms.decode_multipart(body, MULTIPART)

    assert found.textual
    assert found.values == {"text": ["Hello", "World"], "image": b"\x89PNG\r\n\x00"}


def test_a_large_file_arrives_whole() -> None:
    content = bytes(range(256)) * 4096

    found = forms.decode_multipart(boundary_form(('name="a"; filename="b"', content)), MULTIPART)

    assert found.values == {"a": content}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (boundary_form(('name="a"', b"b")), "multipart/form-data"),
        (b"", MULTIPART),
        (b"nothing that ends", MULTIPART),
        (boundary_form(('name="a"', b"b"))[:-10], MULTIPART),
        (boundary_form(("", b"b")), MULTIPART),
        (boundary_form((f'name="a"; filename="{"b" * 8192}"', b"b")), MULTIPART),
        (boundary_form((f'name="{"a" * 100_000}"', b"b")), MULTIPART),
        (boundary_form(('name="a"', b"\xff")), MULTIPART),
        (boundary_form(('name="?"', b"b")).replace(b"?", b"\xff"), MULTIPART),
    ],
    ids=[
        "no boundary",
        "empty",
        "no part",
        "cut off",
        "no name",
        "long header",
        "longer",
        "not UTF-8",
        "its name",
    ],
)
def test_a_multipart_body_that_cant_be_read_is_refused(body: bytes, content_type: str) -> None:
    with pytest.raises(MalformedBody, match="multipart body"):
        forms.decode_multipart(body, content_type)
