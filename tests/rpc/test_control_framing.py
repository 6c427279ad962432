"""Length-prefixed messages, however their bytes are cut."""

import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aylien_model_serving.rpc.control_framing import MAX_MESSAGE, MessageDecoder, MessageError, encode


class Note(msgspec.Struct):
    text: str


@given(st.lists(st.text()), st.integers(1, 64))
def test_messages_come_back_however_their_bytes_are_cut(texts: list[str], size: int) -> None:
    sent = b"".join(encode(Note(text)) for text in texts)
    decoder = MessageDecoder(Note)

    came = [note for start in range(0, len(sent), size) for note in decoder.feed(sent[start : start + size])]

    assert [note.text for note in came] == texts


def test_the_length_is_four_bytes_in_network_order() -> None:
    assert encode({"a": 1}) == b"\x00\x00\x00\x04\x81\xa1a\x01"


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">I", MAX_MESSAGE + 1),
        struct.pack(">I", 1) + b"\xc1",
        encode({"text": 1}),
        encode({"texts": "a"}),
    ],
)
def test_an_invalid_message_is_an_error(data: bytes) -> None:
    with pytest.raises(MessageError):
        MessageDecoder(Note).feed(data)


def test_unknown_fields_are_ignored() -> None:
    assert MessageDecoder(Note).feed(encode({"text": "a", "further": 1})) == [Note("a")]
