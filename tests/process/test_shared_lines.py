"""Lines that processes share: the last are kept, whoever writes, and the file stays small."""

import multiprocessing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aylien_model_serving.process.shared_lines import SharedLines


@given(lines=st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")), max_size=30))
def test_the_last_lines_are_kept_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("lines") / "lines"
    shared = SharedLines(path, 60)
    for line in lines:
        shared.append(line)

    kept = shared.read()

    assert kept == lines[len(lines) - len(kept) :]
    assert sum(len(line) + 1 for line in lines) <= 60 or sum(len(line) + 1 for line in kept) > 60 - 2 * 13
    assert not path.exists() or path.stat().st_size <= 2 * 60
    assert [file.name for file in path.parent.iterdir()] in ([], ["lines"])


def write(path: Path, letter: bytes) -> None:
    for _ in range(200):
        SharedLines(path, 1 << 20).append(letter * 300)


@pytest.mark.processes
def test_lines_of_several_processes_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    writers = [
        multiprocessing.get_context("spawn").Process(target=write, args=(path, letter))
        for letter in (b"a", b"b")
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    lines = SharedLines(path, 1 << 20).read()

    assert sorted(lines) == [b"a" * 300] * 200 + [b"b" * 300] * 200


def test_a_file_that_is_not_there_has_no_lines(tmp_path: Path) -> None:
    assert SharedLines(tmp_path / "nothing", 100).read() == []


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OSError, match="link"):
        SharedLines(tmp_path / "link", 100).append(b"line")
