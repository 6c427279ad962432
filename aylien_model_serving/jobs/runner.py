"""The executor of a route whose calls are kept as jobs: it answers at once, and workers run them later."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from aylien_model_serving import codecs
from aylien_model_serving.core.messages import Call, Reply
from aylien_model_serving.dispatch.cache_keys import cache_key
from aylien_model_serving.errors import BadRequest
from aylien_model_serving.jobs.job import NewJob
from aylien_model_serving.jobs.store import Store
from aylien_model_serving.jobs.view import show
from aylien_model_serving.rpc import protocol
from aylien_model_serving.rpc.hosted import Hosted

#: What a job's call accepts: JSON, or events where the reply is a stream.
_ACCEPT = "application/json, text/event-stream"

#: Headers that say how to read the body, which has been unpacked by then.
_KEPT = ("content-type",)

_WHOLE = re.compile(r"-?[0-9]{1,7}", re.ASCII)

#: Characters of a client's own name for its job.
_LONGEST_KEY = 256


class EnqueueExecutor:
    """Enqueues calls as jobs.

    Args:
        store: where they are kept.
        template: what all jobs of the route have in common.
        check_webhook: returns the URL that the end may be sent to, or raises what is wrong with it.
        workers: the processes that run the jobs.
    """

    def __init__(
        self,
        store: Store,
        template: Callable[..., NewJob],
        check_webhook: Callable[[str | None], str | None],
        workers: Hosted,
    ) -> None:
        self._store = store
        self._template = template
        self._check_webhook = check_webhook
        self.workers = workers
        self.ready = workers.ready
        self.wake = workers.wake
        self.describe = workers.describe
        self.replicas = workers.replicas

    def is_immediate(self) -> bool:
        return False

    def run(self, arguments: dict[str, Any], call: Call) -> Reply:
        """Enqueue a call, and answer with its job.

        Raises:
            BadRequest: the idempotency key is too long.
            IdempotencyKeyReused: the job of its idempotency key is of another call.
            QueueFull: as many jobs are queued as may be.
            StoreUnavailable: the store does not work.
        """
        key = _key_of(call)
        new = self._template(
            id=uuid.uuid4().hex,
            call=b"".join(protocol.encode_call(0, _stored_call(call), False)),
            caller=call.caller,
            request_id=call.request_id,
            idempotency_key=key,
            fingerprint=None if key is None else cache_key("", call, arguments, ""),
            webhook=self._check_webhook(call.headers.get("x-webhook-url")),
        )
        asked = _priority_of(call)
        if asked is not None and asked < new.priority:
            new = replace(new, priority=asked)
        job, is_new = self._store.enqueue(new, self._store.now())
        if is_new:
            self.wake()
        return Reply(202, codecs.JSON.encode(show(job)), headers=[("Location", f"/status/{job.id}")])

    async def run_async(self, arguments: dict[str, Any], call: Call, *, beside_loop: bool = False) -> Reply:
        return await asyncio.to_thread(self.run, arguments, call)


def _key_of(call: Call) -> str | None:
    key = call.headers.get("idempotency-key")
    if key and len(key) > _LONGEST_KEY:
        raise BadRequest(f"Idempotency-Key: it has more than {_LONGEST_KEY} characters")
    return key or None


def _priority_of(call: Call) -> int | None:
    """Return the priority that a client asks for; it may ask for less than its route has, as for time."""
    text = call.headers.get("x-job-priority", "")
    return int(text) if _WHOLE.fullmatch(text) else None


def _stored_call(call: Call) -> Call:
    """Return a call as it is run later: nobody waits for it, and a job's result is JSON."""
    headers = {name: call.headers[name] for name in _KEPT if name in call.headers}
    return Call(
        call.method,
        call.path,
        call.query,
        {**headers, "accept": _ACCEPT},
        call.body,
        call.path_values,
        call.request_id,
        caller=call.caller,
        parameters=call.parameters,
    )
