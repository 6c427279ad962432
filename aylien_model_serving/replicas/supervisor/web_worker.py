"""One web worker, as the supervisor sees it: what it wants, and what it has been told."""

from __future__ import annotations

import socket
from collections.abc import Callable

from aylien_model_serving.replicas.supervisor.event_loop import EventLoop, PeerSocket
from aylien_model_serving.rpc.control_messages import HostRequest, Replica, ReplicaUpdate


class WebWorker:
    """The connection of a worker.

    Args:
        loop: tells when it speaks or ends.
        sock: the accepted socket.
        heard: takes its wishes.
        lost: is called when it is gone.
    """

    def __init__(
        self,
        loop: EventLoop,
        sock: socket.socket,
        on_message: Callable[[WebWorker, HostRequest], None],
        on_closed: Callable[[WebWorker], None],
    ) -> None:
        self._peer = PeerSocket(
            loop,
            sock,
            HostRequest,
            on_message=lambda wish: on_message(self, wish),
            on_closed=lambda: on_closed(self),
        )
        self._told: dict[str, list[Replica] | None] = {}

    def subscribe(self, key: str) -> None:
        """Tell it of these replicas from here on, even if they are as they were."""
        self._told[key] = None

    def unsubscribe(self, key: str) -> None:
        """Tell it of these replicas no longer."""
        self._told.pop(key, None)

    def tell(self, replicas_of: Callable[[str], list[Replica]]) -> None:
        """Tell it what has changed; a worker that is slow to listen hears the latest once it does."""
        if self._peer.has_unsent:
            return
        changed: dict[str, list[Replica]] = {}
        for key, device_in_replica in self._told.items():
            replicas = replicas_of(key)
            if replicas != device_in_replica:
                changed[key] = replicas
        if changed:
            self._told.update(changed)
            self._peer.send(ReplicaUpdate(changed))
