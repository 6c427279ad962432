"""Whether a cluster's head is there."""

import socket
import threading

from aylien_model_serving.replicas.gateway import head_watch


def test_a_head_is_there_while_somebody_listens_at_its_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as head:
        address = f"127.0.0.1:{head.getsockname()[1]}"
        was_there = head_watch.is_there(address)

    assert was_there
    assert not head_watch.is_there(address)


def test_it_is_told_when_the_head_goes_and_when_it_is_back() -> None:
    gone, back = threading.Event(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as head:
        port = head.getsockname()[1]
        watch = head_watch.HeadWatch(f"127.0.0.1:{port}", gone.set, back.set)
        watch.start()
    try:
        assert gone.wait(10)
        assert not back.is_set()
        with socket.create_server(("127.0.0.1", port)):
            assert back.wait(10)
    finally:
        watch.end()
