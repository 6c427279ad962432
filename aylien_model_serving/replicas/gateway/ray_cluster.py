"""Sends messages to an application of Ray Serve, by Ray's handle of it.

The one file that knows Ray's errors: each becomes one that the relay knows.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

from aylien_model_serving.errors import HandlerFailed, Unavailable
from aylien_model_serving.replicas.cluster.applications import DEPLOYMENT
from aylien_model_serving.replicas.gateway.relay import ReplicaGone

logger = logging.getLogger(__name__)


class RayCluster:
    """The replicas of an application; made on the event loop that sends to them.

    Args:
        application: its name.
    """

    def __init__(self, application: str) -> None:
        from ray import serve

        handle: Any = serve.get_deployment_handle(DEPLOYMENT, application)
        self._whole = handle.options(_by_reference=False)
        self._streamed = handle.options(_by_reference=False, stream=True, method_name="stream")

    async def send(self, message: bytes) -> bytes:
        """Return the replies to a message's calls.

        Raises:
            ReplicaGone: the replica was lost.
            Unavailable: the application is gone, or has failed.
            HandlerFailed: Ray could not pass the message on.
        """
        try:
            replies: bytes = await self._whole.remote(message)
            return replies
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            raise ReplicaGone("its replica ended, and cancelled it") from None
        except Exception as error:
            raise _known(error) from error

    async def stream(self, message: bytes) -> AsyncIterator[bytes]:
        """Yield the replies to the one call of a message in parts; raises as `send` does."""
        response = self._streamed.remote(message)
        has_ended = False
        try:
            async for part in response:
                yield part
            has_ended = True
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            raise ReplicaGone("its replica ended, and cancelled it") from None
        except Exception as error:
            has_ended = True
            raise _known(error) from error
        finally:
            if not has_ended:
                response.cancel()


def _is_cancelled() -> bool:
    """Return whether this process's own task is to end, and not the replica's."""
    task = asyncio.current_task()
    cancelling = getattr(task, "cancelling", None)  # from Python 3.11 on
    return cancelling is None or cancelling() > 0


def _known(error: Exception) -> Exception:
    """Return what the relay knows of an error of Ray's."""
    from grpc.aio import AioRpcError
    from ray import exceptions
    from ray.serve import exceptions as of_serve

    if isinstance(error, (exceptions.RayActorError, exceptions.ActorUnavailableError, AioRpcError)):
        return ReplicaGone(f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")
    if isinstance(error, of_serve.RequestCancelledError):
        return ReplicaGone("its replica ended, and cancelled it")
    if isinstance(error, (of_serve.BackPressureError, of_serve.DeploymentUnavailableError)):
        return Unavailable("The model's replicas on Ray take no calls at the moment")
    logger.error("Ray could not pass a message on", exc_info=error)
    return HandlerFailed()
