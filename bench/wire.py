"""`python -m bench.wire`: the fastest transport of large bodies between processes.

It compares large vectored writes to a Unix socket, as the replicas' protocol has them, with a memfd that is
passed over the socket or opened under /proc. Every round times all transports, one after the other; the
median of each is printed relative to the socket's. Above 1 the socket is slower.
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

#: Requested sizes of the socket's send buffer in bytes; the system may allow less.
SEND_BUFFERS = (1 << 18, 1 << 20, 1 << 22)

_HEADER = struct.Struct("<BQQ")
_ACKNOWLEDGED = b"!"

Send = Callable[[socket.socket, bytes], None]
Receive = Callable[[socket.socket, int, int], bytes]


def send_all(sock: socket.socket, *buffers: bytes) -> None:
    rest = [memoryview(buffer) for buffer in buffers]
    while rest:
        sent = sock.sendmsg(rest)
        while rest and sent >= len(rest[0]):
            sent -= len(rest.pop(0))
        if rest:
            rest[0] = rest[0][sent:]


def send_with_buffer(size: int) -> Send:
    def send(sock: socket.socket, body: bytes) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
        send_all(sock, _HEADER.pack(0, len(body), 0), body)

    return send


def receive_into(sock: socket.socket, size: int, _: int) -> bytes:
    memory = BytesIO(bytes(size))
    with memory.getbuffer() as view:
        done = 0
        while done < size:
            done += sock.recv_into(view[done:])
    return memory.getvalue()


def write_memfd(body: bytes) -> int:
    """Return a memfd with a body's bytes."""
    memory = os.memfd_create("body")
    done, view = 0, memoryview(body)
    while done < len(body):
        done += os.write(memory, view[done:])
    return memory


def pass_memfd(transport: int) -> Send:
    def send(sock: socket.socket, body: bytes) -> None:
        memory = write_memfd(body)
        try:
            socket.send_fds(sock, [_HEADER.pack(transport, len(body), 0)], [memory])
        finally:
            os.close(memory)

    return send


def name_memfd(sock: socket.socket, body: bytes) -> None:
    """Send the number of a memfd, which stays open until the receiver has acknowledged it."""
    memory = write_memfd(body)
    sock.sendall(_HEADER.pack(NAMED, len(body), memory))
    _open.append(memory)


_open: list[int] = []


def reuse_memory(sock: socket.socket, body: bytes) -> None:
    """Write into a memfd that both sides keep open, whose memory is not freed until they end."""
    passed = [] if _reused else [os.memfd_create("kept")]
    _reused.extend(passed)
    done, view = 0, memoryview(body)
    while done < len(body):
        done += os.pwrite(_reused[0], view[done:], done)
    header = _HEADER.pack(REUSED, len(body), 0)
    socket.send_fds(sock, [header], passed) if passed else sock.sendall(header)


_reused: list[int] = []


def read_memfd(memory: int, size: int) -> bytes:
    """Return the content of a memfd, and close it."""
    content = BytesIO(bytes(size))
    with content.getbuffer() as view:
        done = 0
        while done < size:
            done += os.preadv(memory, [view[done:]], done)
    os.close(memory)
    return content.getvalue()


def receive_passed(_sock: socket.socket, size: int, memory: int) -> bytes:
    return read_memfd(memory, size)


def receive_reused(_sock: socket.socket, size: int, memory: int) -> bytes:
    if not _reused:
        _reused.append(memory)
    return read_memfd(os.dup(_reused[0]), size)


def receive_mapped(_sock: socket.socket, size: int, memory: int) -> bytes:
    with mmap.mmap(memory, size, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE, prot=mmap.PROT_READ) as mapped:
        body = mapped[:]
    os.close(memory)
    return body


def receive_named(_sock: socket.socket, size: int, number: int) -> bytes:
    return read_memfd(os.open(f"/proc/{os.getppid()}/fd/{number}", os.O_RDONLY), size)


SOCKET, PASSED, MAPPED, NAMED, REUSED = range(5)
RECEIVERS: dict[int, Receive] = {
    SOCKET: receive_into,
    PASSED: receive_passed,
    MAPPED: receive_mapped,
    NAMED: receive_named,
    REUSED: receive_reused,
}
SENDERS: dict[str, Send] = {
    **{f"socket, {size >> 10:,} KiB of buffer": send_with_buffer(size) for size in SEND_BUFFERS},
    "memfd, passed and read": pass_memfd(PASSED),
    "memfd, passed and mapped": pass_memfd(MAPPED),
    "memfd, opened by its number": name_memfd,
    "memfd, kept and written again": reuse_memory,
}


def serve(sock: socket.socket) -> None:
    """Receive body after body, and acknowledge each."""
    while True:
        header, passed, _, _ = socket.recv_fds(sock, _HEADER.size, 1)
        if not header:
            return
        transport, size, number = _HEADER.unpack(header)
        body = RECEIVERS[transport](sock, size, passed[0] if passed else number)
        if len(body) == size and body[0] == body[-1] == 1:
            sock.sendall(_ACKNOWLEDGED)
        del body


def timed(send: Send, sock: socket.socket, body: bytes) -> float:
    """Return the seconds that one transfer takes, acknowledgement included."""
    start = time.perf_counter()
    send(sock, body)
    if sock.recv(1) != _ACKNOWLEDGED:
        raise RuntimeError("The body did not arrive")
    seconds = time.perf_counter() - start
    while _open:
        os.close(_open.pop())
    return seconds


def measure(sock: socket.socket, size: int) -> dict[str, list[float]]:
    """Return the seconds of each transport, in rounds that time all of them."""
    body = b"\x01" * size
    seconds: dict[str, list[float]] = {name: [] for name in SENDERS}
    until = time.monotonic() + SECONDS
    while time.monotonic() < until or len(seconds[next(iter(seconds))]) < 3:
        for name, send in SENDERS.items():
            seconds[name].append(timed(send, sock, body))
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
