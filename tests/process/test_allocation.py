"""Mapped files have their room before they are written to."""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aylien_model_serving.process import allocation

SIZE = 200_000


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield opened
    os.close(opened)


def failing(number: int) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def without_allocation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fallocate")


def with_refusing_filesystem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "posix_fallocate", failing(errno.EOPNOTSUPP))


def as_it_is(_: pytest.MonkeyPatch) -> None:
    """Leave the system's own."""


@pytest.mark.parametrize("system", [as_it_is, without_allocation, with_refusing_filesystem])
def test_a_file_has_all_its_blocks_and_keeps_what_it_held(
    descriptor: int, system: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    system(monkeypatch)
    os.write(descriptor, b"kept")

    with allocation.mapped(descriptor, SIZE) as memory:
        assert memory[:5] == b"kept\0"
        memory[-1] = 1

    status = os.fstat(descriptor)
    assert status.st_size == SIZE
    assert status.st_blocks * 512 >= SIZE


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_an_error(descriptor: int, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "posix_fallocate", failing(number))

    with pytest.raises(OSError, match=os.strerror(number)) as raised:
        allocation.mapped(descriptor, SIZE)

    assert allocation.is_full(raised.value)
    assert not allocation.is_full(OSError(errno.EACCES, "no"))
    assert not allocation.is_full(ValueError())
