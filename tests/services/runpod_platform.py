"""A stand-in of RunPod's job API, from which workers take jobs and to which they send what comes of them."""

from __future__ import annotations

import json
import re
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_PATIENCE = 60.0


class Platform:
    """The queue of one endpoint, and what its worker has told.

    Args:
        url: at which it is reached.
    """

    def __init__(self, url: str) -> None:
        self._changed = threading.Condition()
        self._queue: deque[dict[str, Any]] = deque()
        self._to_stop: list[str] = []
        self.url = url
        self.results: dict[str, dict[str, Any]] = {}
        self.progress: dict[str, list[Any]] = {}
        self.streams: dict[str, list[Any]] = {}
        self.taken: list[str] = []
        self.pings = 0

    def variables(self) -> dict[str, str]:
        """Return the variables by which a worker finds it."""
        base = f"{self.url}/v2/endpoint"
        return {
            "RUNPOD_AI_API_KEY": "of-the-test",
            "RUNPOD_POD_ID": "pod",
            "RUNPOD_PING_INTERVAL": "1000",
            "RUNPOD_WEBHOOK_GET_JOB": f"{base}/job-take/$ID?gpu=none",
            "RUNPOD_WEBHOOK_POST_OUTPUT": f"{base}/job-done/$RUNPOD_POD_ID/$ID?gpu=none",
            "RUNPOD_WEBHOOK_POST_STREAM": f"{base}/job-stream/$RUNPOD_POD_ID/$ID?gpu=none",
            "RUNPOD_WEBHOOK_PING": f"{base}/ping/$RUNPOD_POD_ID?gpu=none",
            "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
            "RUNPOD_SKIP_GPU_CHECK": "true",
        }

    def submit(self, job_id: str, **job_input: Any) -> None:
        """Queue a job."""
        with self._changed:
            self._queue.append({"id": job_id, "input": job_input})
            self._changed.notify_all()

    def stop(self, job_id: str) -> None:
        """Have the worker stop a job."""
        with self._changed:
            self._to_stop.append(job_id)
            self._changed.notify_all()

    def result_of(self, job_id: str) -> dict[str, Any]:
        """Return what the worker has sent as a job's result, once it has."""
        self.wait_until(lambda: job_id in self.results)
        return self.results[job_id]

    def wait_until(self, happened: Any) -> None:
        with self._changed:
            assert self._changed.wait_for(happened, _PATIENCE), "it has not happened"

    def take(self, most: int, seconds: float = 2.0) -> list[dict[str, Any]]:
        with self._changed:
            self._changed.wait_for(lambda: self._queue, seconds)
            jobs = [self._queue.popleft() for _ in range(min(most, len(self._queue)))]
            self.taken += [job["id"] for job in jobs]
            self._changed.notify_all()
        return jobs

    def take_stops(self, seconds: float = 2.0) -> list[str]:
        with self._changed:
            self._changed.wait_for(lambda: self._to_stop, seconds)
            stops, self._to_stop = self._to_stop, []
        return stops

    def receive(self, kind: str, job_id: str, told: dict[str, Any]) -> None:
        with self._changed:
            if kind == "job-stream":
                self.streams.setdefault(job_id, []).append(told["output"])
            elif told.get("status") == "IN_PROGRESS":
                self.progress.setdefault(job_id, []).append(told["output"])
            else:
                self.results[job_id] = told
            self._changed.notify_all()

    def ping(self) -> None:
        with self._changed:
            self.pings += 1
            self._changed.notify_all()


class _Requests(BaseHTTPRequestHandler):
    platform: Platform

    def do_GET(self) -> None:
        [kind] = re.findall(r"/v2/endpoint/([a-z-]+)/pod", self.path)
        if kind == "ping":
            self.platform.ping()
            self._send(200, {})
        elif kind == "job-stop":
            self._send(200, {"jobsToStop": self.platform.take_stops()})
        else:
            most = int((re.findall(r"batch_size=(\d+)", self.path) or ["1"])[0])
            jobs = self.platform.take(most)
            self._send(200 if jobs else 204, jobs if kind == "job-take-batch" else (jobs or [{}])[0])

    def do_POST(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        [(kind, job_id)] = re.findall(r"/v2/endpoint/(job-done|job-stream)/pod/([^?]+)", self.path)
        self.platform.receive(kind, job_id, told)
        self._send(200, {})

    def _send(self, status: int, value: Any) -> None:
        body = b"" if status == 204 else json.dumps(value).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            pass  # the worker has ended

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@contextmanager
def running_platform() -> Iterator[Platform]:
    """Serve the API on a free port of the loopback until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Requests)
    server.daemon_threads = True
    platform = Platform(f"http://127.0.0.1:{server.server_port}")
    server.RequestHandlerClass = type("_Bound", (_Requests,), {"platform": platform})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield platform
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
