"""Tables of Arrow: what is read, what is bounded, what is written."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import struct
from random import Random
from typing import Any

import pytest

from aylien_model_serving import FlaskAppWrapper
from aylien_model_serving.codecs import arrow, frames, json_keys
from aylien_model_serving.errors import InvalidAnswer, MalformedBody, TooManyItems
from tests.with_frames import need_frames


@pytest.fixture(scope="module")
def pyarrow() -> Any:
    need_frames()
    return pytest.importorskip("pyarrow")


@pytest.fixture(scope="module", params=["pandas", "polars"])
def library(request: pytest.FixtureRequest) -> Any:
    need_frames()
    return pytest.importorskip(request.param)


def stream(pyarrow: Any, table: Any, **options: Any) -> bytes:
    written = io.BytesIO()
    with pyarrow.ipc.new_stream(
        written, table.schema, options=pyarrow.ipc.IpcWriteOptions(**options)
    ) as writer:
        writer.write_table(table)
    return written.getvalue()


def read(body: bytes) -> Any:
    return arrow.decode(body, "", name="x").values["x"]


COLUMNS = {
    "n": [1, 2, None],
    "f": [1.5, None, 2.5],
    "s": ["a", "ä" * 20, None],
    "b": [b"\xff", b"", None],
    "t": [True, False, None],
    "d": [dt.date(2020, 1, 2), None, None],
    "w": [dt.datetime(2020, 1, 2, 3, 4, 5), None, None],
}


def test_a_frame_goes_through_a_stream_and_back(library: Any) -> None:
    frame = library.DataFrame({name: COLUMNS[name] for name in ("n", "f", "s", "t", "w")})

    found = arrow.frame_of(read(arrow.encode(frame)), library.DataFrame)

    assert type(found) is library.DataFrame
    assert str(found) == str(frame)


def test_every_plain_type_is_read(pyarrow: Any) -> None:
    table = pyarrow.table({**COLUMNS, "none": pyarrow.nulls(3)})

    assert read(stream(pyarrow, table)).to_pydict() == table.to_pydict()


def test_texts_that_polars_writes_are_read(pyarrow: Any) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(
        {"s": ["x" * 20, None], "c": polars.Series(["u", "v"], dtype=polars.Categorical), "b": [b"a", None]}
    )
    written = io.BytesIO()
    frame.write_ipc_stream(written)

    table = read(written.getvalue())

    assert arrow.frame_of(table, polars.DataFrame).to_dicts() == frame.to_dicts()
    assert table.to_pydict() == frame.to_dict(as_series=False)


def test_a_series_is_a_table_of_one_column(library: Any) -> None:
    body = arrow.encode(library.DataFrame({"a": [1, 2]}))

    assert arrow.frame_of(read(body), library.Series).to_list() == [1, 2]
    with pytest.raises(ValueError, match="one column"):
        arrow.frame_of(read(arrow.encode(library.DataFrame({"a": [1], "b": [1]}))), library.Series)


@pytest.mark.parametrize("coding", ["zstd", "lz4"])
def test_compressed_buffers_are_refused(pyarrow: Any, coding: str) -> None:
    plain = pyarrow.table({"a": [0] * 1000})
    named = pyarrow.table({"a": pyarrow.array(["a"] * 1000).dictionary_encode()})

    for table in (plain, named):
        with pytest.raises(MalformedBody, match="without compression"):
            read(stream(pyarrow, table, compression=coding))


def test_what_is_no_stream_is_refused(pyarrow: Any) -> None:
    body = stream(pyarrow, pyarrow.table(COLUMNS))

    for broken in (b"", b"abc", b"ARROW1\0\0", body[:60], body[: len(body) // 2], b"\xff" * 100):
        with pytest.raises(MalformedBody):
            read(broken)


def test_texts_that_are_not_utf8_are_refused(pyarrow: Any) -> None:
    body = stream(pyarrow, pyarrow.table({"s": ["abcdefgh"]}))

    with pytest.raises(MalformedBody, match="UTF8"):
        read(body.replace(b"abcdefgh", b"\xff" * 8))


def test_time_zones_that_are_no_names_are_refused(pyarrow: Any, library: Any) -> None:
    body = stream(
        pyarrow, pyarrow.table({"w": pyarrow.array([1], pyarrow.timestamp("s", tz="Europe/Dublin"))})
    )

    for zone in (b"Europe/Dubli\xff", "Europe/Dublï".encode()):
        with pytest.raises(MalformedBody):
            read(body.replace(b"Europe/Dublin", zone))
    with pytest.raises(ValueError, match="can't become a frame"):
        arrow.frame_of(read(body.replace(b"Europe/Dublin", b"Europe/Nowhere"[:13])), library.DataFrame)


def test_numbers_that_polars_has_not_are_refused(pyarrow: Any) -> None:
    polars = pytest.importorskip("polars")
    table = read(stream(pyarrow, pyarrow.table({"n": pyarrow.array([1], pyarrow.decimal256(70, 0))})))

    with pytest.raises(ValueError, match="can't become a frame"):
        arrow.frame_of(table, polars.DataFrame)


@pytest.mark.parametrize("kind", ["date32", "timestamp", "duration"])
def test_a_time_that_python_has_not_is_no_answer(kind: str, pyarrow: Any, library: Any) -> None:
    made = pyarrow.date32() if kind == "date32" else getattr(pyarrow, kind)("s")
    table = pyarrow.table({"w": pyarrow.array([2**31 - 1 if kind == "date32" else 2**50], made)})

    with contextlib.suppress(ValueError):  # no frame at all
        frame = arrow.frame_of(read(stream(pyarrow, table)), library.DataFrame)
        with contextlib.suppress(InvalidAnswer):
            assert frames.listed(frame)
        assert json_keys.encode_canonical(frame)


def test_types_that_hold_others_and_those_of_extensions_are_refused(pyarrow: Any) -> None:
    runs = pyarrow.RunEndEncodedArray.from_arrays(pyarrow.array([1000], pyarrow.int32()), pyarrow.array([1]))
    uuid = pyarrow.ExtensionArray.from_storage(pyarrow.uuid(), pyarrow.array([b"0" * 16], pyarrow.binary(16)))
    unknown = pyarrow.field("a", pyarrow.int64(), metadata={"ARROW:extension:name": "mine"})

    for table in (
        pyarrow.table({"a": [[1]]}),
        pyarrow.table({"a": [{"b": 1}]}),
        pyarrow.table({"a": runs}),
        pyarrow.table({"a": uuid}),
        pyarrow.table([pyarrow.array([1])], schema=pyarrow.schema([unknown])),
    ):
        with pytest.raises(MalformedBody, match="The column 'a' is of the type"):
            read(stream(pyarrow, table))


def test_two_columns_of_one_name_are_refused(pyarrow: Any) -> None:
    table = pyarrow.table([pyarrow.array([1]), pyarrow.array([2])], names=["a", "a"])

    with pytest.raises(MalformedBody, match="two columns"):
        read(stream(pyarrow, table))


def test_a_small_stream_that_stands_for_much_is_refused(pyarrow: Any) -> None:
    texts = pyarrow.array(["x" * 10_000])
    named = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 100_000, pyarrow.int8()), texts)

    for table in (pyarrow.table({"a": pyarrow.nulls(2**28)}), pyarrow.table({"a": named})):
        with pytest.raises(TooManyItems, match="256 MiB"):
            read(stream(pyarrow, table))


@pytest.mark.parametrize("kind", ["string_view", "binary_view"])
def test_views_are_counted_by_what_they_show(
    pyarrow: Any, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_SERVING_MAX_DECODED_MB", "0.01")
    views = pyarrow.array(["x" * 3000] * 3).cast(getattr(pyarrow, kind)())

    with pytest.raises(TooManyItems):
        read(stream(pyarrow, pyarrow.table({"a": views})))


def test_a_view_of_a_missing_value_is_not_followed(pyarrow: Any) -> None:
    views = pyarrow.array(["a" * 20, None]).cast(pyarrow.string_view())
    body = bytearray(stream(pyarrow, pyarrow.table({"a": views})))
    first = body.index(struct.pack("<i4s", 20, b"aaaa"))
    body[first + 16 : first + 32] = struct.pack("<i4sii", 100, b"aaaa", 7, 2**30)

    assert read(bytes(body)).to_pydict() == {"a": ["a" * 20, None]}


def test_a_table_that_is_no_frame_is_refused(pyarrow: Any) -> None:
    pandas = pytest.importorskip("pandas")
    days = pyarrow.array([2**30], pyarrow.int32()).cast(pyarrow.date32())

    with pytest.raises(ValueError, match="can't become a frame: year"):
        arrow.frame_of(read(stream(pyarrow, pyarrow.table({"a": days}))), pandas.DataFrame)


@pytest.mark.parametrize("seed", range(20))
def test_bytes_that_are_changed_are_a_table_or_refused(pyarrow: Any, library: Any, seed: int) -> None:
    random = Random(seed)
    body = bytearray(stream(pyarrow, pyarrow.table({**COLUMNS, "none": pyarrow.nulls(3)})))
    for _ in range(3):
        body[random.randrange(len(body))] = random.choice([0, 1, 127, 128, 255])

    with contextlib.suppress(MalformedBody, TooManyItems, ValueError):
        arrow.frame_of(read(bytes(body)), library.DataFrame)


@pytest.mark.parametrize("result", [[1], None, {"a": [1]}], ids=repr)
def test_what_is_no_frame_is_no_answer(pyarrow: Any, result: Any) -> None:
    with pytest.raises(InvalidAnswer, match="no frame"):
        arrow.encode(result)


def test_a_frame_of_mixed_values_is_no_answer(pyarrow: Any) -> None:
    pandas = pytest.importorskip("pandas")

    with pytest.raises(InvalidAnswer, match="table of Arrow"):
        arrow.encode(pandas.DataFrame({"a": [1, "x"]}))


def test_a_handler_takes_and_returns_frames_in_this_format(library: Any) -> None:
    def same(frame: Any) -> Any:
        return frame

    same.__annotations__ = {"frame": library.DataFrame, "return": library.DataFrame}
    client = FlaskAppWrapper.create_app([{"endpoint": "/", "callable": same}]).test_client()
    kinds = {"Content-Type": arrow.MEDIA_TYPE, "Accept": arrow.MEDIA_TYPE}

    answer = client.post("/", data=arrow.encode(library.DataFrame({"a": [1]})), headers=kinds)

    assert answer.content_type == arrow.MEDIA_TYPE
    assert read(answer.data).to_pydict() == {"a": [1]}
    assert client.post("/", json={"frame": [{"a": 1}]}).json == [{"a": 1}]
    assert client.post("/", data=b"abc", headers=kinds).status_code == 400
    operation = client.get("/openapi.json").json["paths"]["/"]["post"]
    assert arrow.MEDIA_TYPE in operation["requestBody"]["content"]
    assert arrow.MEDIA_TYPE in operation["responses"]["200"]["content"]


def test_a_handler_of_two_fields_takes_no_stream(library: Any) -> None:
    def both(frame: Any, other: int) -> None: ...

    both.__annotations__ = {"frame": library.DataFrame, "other": int}
    client = FlaskAppWrapper.create_app([{"endpoint": "/", "callable": both}]).test_client()

    body = arrow.encode(library.DataFrame({"a": [1]}))
    assert client.post("/", data=body, content_type=arrow.MEDIA_TYPE).status_code == 415
