"""One web worker, as the supervisor sees it: the specs that it subscribes to, and what was sent to it last.

Knows the connection and its messages, and nothing of slots, versions and processes.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from aylien_model_serving.replicas.supervisor.event_loop import EventLoop, PeerSocket
from aylien_model_serving.rpc.control_messages import HostRequest, ReloadAnswer, Replica, ReplicaUpdate


class WebWorker:
    """A worker's connection and its subscriptions.

    Args:
        loop: watches the socket.
        sock: the accepted socket.
        on_message: called with each of its requests.
        on_closed: called when it has disconnected.
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
            on_message=lambda request: on_message(self, request),
            on_closed=lambda: on_closed(self),
        )
        self._sent: dict[str, list[Replica] | None] = {}

    def subscribe(self, key: str) -> None:
        """Send it the replicas of a spec from here on, even if they have not changed."""
        self._sent[key] = None

    def unsubscribe(self, key: str) -> None:
        """Send it the replicas of a spec no longer."""
        self._sent.pop(key, None)

    def send_answer(self, answer: ReloadAnswer) -> None:
        """Answer what it has asked about a reload."""
        self._peer.send(ReplicaUpdate({}, answer))

    def send_updates(self, replicas_of: Callable[[str], list[Replica]]) -> None:
        """Send it what has changed; a worker that is slow to read gets the latest state once it has read."""
        if self._peer.has_unsent:
            return
        changed: dict[str, list[Replica]] = {}
        for key, sent in self._sent.items():
            replicas = replicas_of(key)
            if replicas != sent:
                changed[key] = replicas
        if changed:
            self._sent.update(changed)
            self._peer.send(ReplicaUpdate(changed))
