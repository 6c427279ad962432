"""Sends the webhooks of a service's jobs, at least once each, from whichever process is there.

A thread polls the store, and some others send: one slow receiver does not hold up all others.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from aylien_model_serving.errors import BadRequest
from aylien_model_serving.jobs import tracing, webhooks
from aylien_model_serving.jobs.errors import StoreUnavailable
from aylien_model_serving.jobs.job import JobRecord
from aylien_model_serving.jobs.store import Store

logger = logging.getLogger(__name__)

#: Seconds between two polls: a job may end in another process.
_POLL_INTERVAL = 0.5

#: Seconds after which another process sends a webhook that this one has claimed.
_CLAIM_SECONDS = 6 * webhooks.TIMEOUT

#: Webhooks that one process sends at the same time.
_CONCURRENT = 4


class WebhookSender:
    """Sends webhooks.

    Args:
        store: of the jobs.
        service: whose jobs.
        allowed: hosts that webhooks may be sent to.
        secret: key of the signature.
    """

    def __init__(self, store: Store, service: str, allowed: Sequence[str], secret: str) -> None:
        self._store = store
        self._service = service
        self._allowed = allowed
        self._secret = secret
        self._slots = threading.Semaphore(_CONCURRENT)
        self._closed = threading.Event()
        self._threads = ThreadPoolExecutor(_CONCURRENT, thread_name_prefix="model-serving-webhook")

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name="model-serving-webhooks", daemon=True).start()

    def close(self) -> None:
        """Claim no more; what is not sent by the end of the process is sent by another one."""
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                if self._send_next():
                    continue
            except StoreUnavailable:
                pass  # the log has it
            except Exception:
                logger.exception("Webhooks can't be sent")
            self._closed.wait(_POLL_INTERVAL)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _send_next(self) -> bool:
        """Have the webhook sent that is due for longest, and return whether there was one."""
        self._slots.acquire()
        due: list[JobRecord] = []
        try:
            due = self._store.webhooks_due(self._service, 1, _CLAIM_SECONDS, self._store.now())
        finally:
            if not due:
                self._slots.release()
        for job in due:
            self._threads.submit(self._send, job)
        return bool(due)

    def _send(self, job: JobRecord) -> None:
        with tracing.log_lines_of(job):
            self._try(job)

    def _try(self, job: JobRecord) -> None:
        try:
            url = webhooks.check(self._allowed, job.webhook)  # an operator may have changed his mind
            result = self._store.result(self._service, job.id)
            body = webhooks.body_of(job, None if result is None else result[1])
            webhooks.send(url or "", body, self._secret, int(time.time()))
            self._store.webhook_done(job.id)
        except (webhooks.WebhookFailed, BadRequest) as error:
            self._fail(job, error)
        except Exception:
            logger.exception("The webhook of job %s can't be sent", job.id)
        finally:
            self._slots.release()

    def _fail(self, job: JobRecord, error: Exception) -> None:
        logger.warning("The webhook of job %s was not delivered: %s", job.id, error)
        try:
            self._store.webhook_failed(job.id, self._store.now())
        except StoreUnavailable:
            logger.warning("The webhook of job %s is sent again later", job.id)
