"""What carries a large body fastest from process to process: `python -m bench.wire`.

Bytes in, bytes out: large vectored writes to a Unix socket, as the runners' wire has them, against a memfd
that is passed over the socket or opened under /proc. Every round times all ways, one after the other; what is
printed is each way's median relative to the socket's. Above 1 the socket is slower.
"""

from __future__ import annotations

import mmap
import os
import socket
import statistics
import struct
import time
from collections.abc import Callable
from io import BytesIO

MEBIBYTES = (1, 8, 64, 256)

#: Seconds that the rounds of one size take, about.
SECONDS = 4.0

#: Bytes that a socket may hold, asked for; the system may allow less.
SEND_BUFFERS = (1 << 18, 1 << 20, 1 << 22)

_HEAD = struct.Struct("<BQQ")
_ACKNOWLEDGED = b"!"

Carry = Callable[[socket.socket, bytes], None]
Fetch = Callable[[socket.socket, int, int], bytes]


def send_all(sock: socket.socket, *buffers: bytes) -> None:
    rest = [memoryview(buffer) for buffer in buffers]
    while rest:
        sent = sock.sendmsg(rest)
        while rest and sent >= len(rest[0]):
            sent -= len(rest.pop(0))
        if rest:
            rest[0] = rest[0][sent:]


def send_with_buffer(size: int) -> Carry:
    def send(sock: socket.socket, body: bytes) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
        send_all(sock, _HEAD.pack(0, len(body), 0), body)

    return send


def receive_into(sock: socket.socket, size: int, _: int) -> bytes:
    memory = BytesIO(bytes(size))
    with memory.getbuffer() as view:
        done = 0
        while done < size:
            done += sock.recv_into(view[done:])
    return memory.getvalue()


def written(body: bytes) -> int:
    """Return a memfd that holds a body."""
    memory = os.memfd_create("body")
    done, view = 0, memoryview(body)
    while done < len(body):
        done += os.write(memory, view[done:])
    return memory


def pass_memory(way: int) -> Carry:
    def carry(sock: socket.socket, body: bytes) -> None:
        memory = written(body)
        try:
            socket.send_fds(sock, [_HEAD.pack(way, len(body), 0)], [memory])
        finally:
            os.close(memory)

    return carry


def name_memory(sock: socket.socket, body: bytes) -> None:
    """Tell where the memory is; it stays open until the receiver has acknowledged it."""
    memory = written(body)
    sock.sendall(_HEAD.pack(NAMED, len(body), memory))
    _open.append(memory)


_open: list[int] = []


def write_again(sock: socket.socket, body: bytes) -> None:
    """Write into memory that both sides hold already, and that takes room for as long as they live."""
    passed = [] if _kept else [os.memfd_create("kept")]
    _kept.extend(passed)
    done, view = 0, memoryview(body)
    while done < len(body):
        done += os.pwrite(_kept[0], view[done:], done)
    head = _HEAD.pack(KEPT, len(body), 0)
    socket.send_fds(sock, [head], passed) if passed else sock.sendall(head)


_kept: list[int] = []


def read_memory(memory: int, size: int) -> bytes:
    """Return what a memfd holds, which is then closed."""
    held = BytesIO(bytes(size))
    with held.getbuffer() as view:
        done = 0
        while done < size:
            done += os.preadv(memory, [view[done:]], done)
    os.close(memory)
    return held.getvalue()


def fetch_passed(_sock: socket.socket, size: int, memory: int) -> bytes:
    return read_memory(memory, size)


def fetch_kept(_sock: socket.socket, size: int, memory: int) -> bytes:
    if not _kept:
        _kept.append(memory)
    return read_memory(os.dup(_kept[0]), size)


def fetch_mapped(_sock: socket.socket, size: int, memory: int) -> bytes:
    with mmap.mmap(memory, size, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE, prot=mmap.PROT_READ) as mapped:
        body = mapped[:]
    os.close(memory)
    return body


def fetch_named(_sock: socket.socket, size: int, number: int) -> bytes:
    return read_memory(os.open(f"/proc/{os.getppid()}/fd/{number}", os.O_RDONLY), size)


SOCKET, PASSED, MAPPED, NAMED, KEPT = range(5)
FETCHES: dict[int, Fetch] = {
    SOCKET: receive_into,
    PASSED: fetch_passed,
    MAPPED: fetch_mapped,
    NAMED: fetch_named,
    KEPT: fetch_kept,
}
CARRIES: dict[str, Carry] = {
    **{f"socket, {size >> 10:,} KiB of buffer": send_with_buffer(size) for size in SEND_BUFFERS},
    "memfd, passed and read": pass_memory(PASSED),
    "memfd, passed and mapped": pass_memory(MAPPED),
    "memfd, opened by its number": name_memory,
    "memfd, kept and written again": write_again,
}


def serve(sock: socket.socket) -> None:
    """Fetch body after body, and acknowledge each."""
    while True:
        head, passed, _, _ = socket.recv_fds(sock, _HEAD.size, 1)
        if not head:
            return
        way, size, number = _HEAD.unpack(head)
        body = FETCHES[way](sock, size, passed[0] if passed else number)
        if len(body) == size and body[0] == body[-1] == 1:
            sock.sendall(_ACKNOWLEDGED)
        del body


def timed(carry: Carry, sock: socket.socket, body: bytes) -> float:
    """Return the seconds from bytes here to bytes there."""
    start = time.perf_counter()
    carry(sock, body)
    if sock.recv(1) != _ACKNOWLEDGED:
        raise RuntimeError("The body did not arrive")
    seconds = time.perf_counter() - start
    while _open:
        os.close(_open.pop())
    return seconds


def measure(sock: socket.socket, size: int) -> dict[str, list[float]]:
    """Return the seconds of each way, in rounds that time all of them."""
    body = b"\x01" * size
    seconds: dict[str, list[float]] = {name: [] for name in CARRIES}
    until = time.monotonic() + SECONDS
    while time.monotonic() < until or len(seconds[next(iter(seconds))]) < 3:
        for name, carry in CARRIES.items():
            seconds[name].append(timed(carry, sock, body))
    return seconds


def report(size: int, seconds: dict[str, list[float]]) -> None:
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    reference = min(value for name, value in medians.items() if name.startswith("socket"))
    for name, median in medians.items():
        rounds = len(seconds[name])
        speed = size / median / 1e9
        print(f"{size >> 20:4} MiB  {name:30} {reference / median:5.2f}  {speed:5.2f} GB/s  {rounds} rounds")


def main() -> None:
    here, there = socket.socketpair()
    child = os.fork()
    if not child:
        here.close()
        serve(there)
        os._exit(0)
    there.close()
    for mebibytes in MEBIBYTES:
        report(mebibytes << 20, measure(here, mebibytes << 20))
    here.close()
    os.waitpid(child, 0)


if __name__ == "__main__":
    main()
