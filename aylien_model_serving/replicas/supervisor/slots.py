"""One slot for a replica: its states from one start of a process to the next.

Pure: times are passed in, and the process is behind a protocol. Its owner calls `run_due` when it is `due`,
and reports the events of its process.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

from aylien_model_serving.core import start_log
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.process.backoff import LONGEST_PAUSE, Backoff
from aylien_model_serving.replicas.supervisor.child_process import ReplicaProcess
from aylien_model_serving.replicas.supervisor.heartbeat import Heartbeat
from aylien_model_serving.replicas.supervisor.scaling import Activity, activity
from aylien_model_serving.rpc.control_messages import Load, Replica, State
from aylien_model_serving.rpc.spec import Spec

logger = logging.getLogger(__name__)

#: Seconds that a replica which could not be built has to exit by itself.
_EXIT_SECONDS = 1.0

#: Seconds of the longest pause before a gateway is started again, which costs little.
_LONGEST_OF_A_GATEWAY = 3.0

#: States of a replica that has been built.
_BUILT = ("ready", "unresponsive")

#: Characters of an error that are announced: its end, where the exception's message is.
_MAX_ERROR = 2000


class ReplicaSlot:
    """A slot for one replica of a runner: a process that exits is started again, with backoff.

    Args:
        spec: what is hosted.
        number: the slot's number among those of the runner.
        device: as the operator names it.
        launch: starts a process for this slot, and sets its `incarnation`, `socket` and `record`.
        running_since: returns from a flight recorder's path when the oldest run began.
        now: `time.monotonic()` seconds.
    """

    def __init__(
        self,
        spec: Spec,
        number: int,
        device: str,
        launch: Callable[[ReplicaSlot], ReplicaProcess],
        running_since: Callable[[str], float | None],
        now: float,
    ) -> None:
        self.spec = spec
        self.number = number
        self.device = device
        self.incarnation = 0
        self.socket = ""
        self.record = ""
        self.restarts = -1
        self.load: Load | None = None
        self.loaded_mib: float | None = None
        self.unhealthy = ""
        self.process: ReplicaProcess | None = None
        self.state: State = "starting"
        self._launch = launch
        self._running_since = running_since
        self._backoff = Backoff(LONGEST_PAUSE if spec.ray is None else _LONGEST_OF_A_GATEWAY)
        self._error = ""
        self._has_failed = False
        self._reason = ""
        self._ready_at: float | None = None
        self._loads_since = now
        self._heartbeat = Heartbeat(None)
        self._is_load_asked = False
        self._activity: Activity | None = None
        self._is_woken = False
        self.due: float | None = now

    @property
    def is_finished(self) -> bool:
        """Whether it was drained, and its process has exited."""
        return self.state == "draining" and self.process is None

    @property
    def is_built(self) -> bool:
        """Whether it takes calls, or may do so again."""
        return self.state in _BUILT

    def replica(self) -> Replica:
        """Return the replica as it is announced to workers."""
        return Replica(
            number=self.number,
            incarnation=self.incarnation,
            socket=self.socket,
            record=self.record,
            pid=0 if self.process is None else self.process.pid,
            device=self.device,
            state="failed" if self._is_tried_again else self.state,
            restarts=max(0, self.restarts),
            error=self._error,
            version=self.spec.version,
            is_on_demand=self.state == "idle" or (self.state == "starting" and self._is_woken),
        )

    @property
    def _is_tried_again(self) -> bool:
        """Whether a gateway starts that could not reach its cluster before: nobody should wait for it."""
        return self.spec.ray is not None and self.state == "starting" and self._has_failed

    def run_due(self, now: float) -> None:
        """Do what is due."""
        if self.due is None or now < self.due:
            return
        self.due = None
        if self.process is None:
            self._start(now)
        elif self.is_built:
            self._check(now)
        elif self.state == "starting":
            self._fail(f"It was not ready within {self.spec.start_timeout:g} seconds")
            self.process.kill()
        else:
            self.process.kill()

    def _start(self, now: float) -> None:
        self.restarts = 0 if self._is_woken else self.restarts + 1
        self.state = "starting"
        self.load = self.loaded_mib = self._activity = None
        self._is_load_asked = False
        self.unhealthy = ""
        self._ready_at = None
        self._loads_since = now
        self._reason = ""
        try:
            self.process = self._launch(self)
        except (OSError, ConfigurationError) as error:
            self._fail(str(error))
            self._schedule_start(now)

    def _schedule_start(self, now: float) -> None:
        self.due = now + self._backoff.failed(0.0 if self._ready_at is None else now - self._ready_at)

    def _check(self, now: float) -> None:
        """Ask a replica whether it is alive, and kill one that is stuck; else check again when it may be."""
        assert self.process is not None
        if self._heartbeat.beat(now):
            self.process.ask()
        if self.state == "ready" and self._heartbeat.is_unresponsive:
            self._suspend()
        stuck_at = self._stuck_at(now)
        if self._reason:
            self.process.kill()
        else:
            due = min(stuck_at, self._heartbeat.due)
            self.due = due if due < math.inf else None

    def _suspend(self) -> None:
        """Announce that the replica takes no calls until it answers."""
        self.state = "unresponsive"
        self._error = f"has answered no heartbeat for {self._heartbeat.silence:g} seconds"
        logger.error(
            "Replica %d of %s %s: it is sent no calls until it does",
            self.number, self.spec.name, self._error,
        )  # fmt: skip

    def _stuck_at(self, now: float) -> float:
        """Return when the replica may count as stuck; where it does, it has a reason to be killed."""
        limit = self.spec.kill_after
        if limit is None:
            return math.inf
        began = self._running_since(self.record)
        if began is not None and now >= began + limit:
            self._reason = f"was killed: one call took longer than {limit:g} seconds"
        elif self.state == "unresponsive" and self._heartbeat.silence >= limit:
            self._reason = f"was killed: it answered no heartbeat for {self._heartbeat.silence:g} seconds"
        return (now if began is None else began) + limit

    def on_loading(self, now: float) -> None:
        """Start the replica's time to load: it holds the loading lock."""
        if self.state == "starting":
            self._loads_since = now
            self.due = now + self.spec.start_timeout

    def on_ready(self, now: float) -> None:
        """Announce that the replica takes calls."""
        if self.state == "starting":
            self.state = "ready"
            self._is_woken = self._has_failed = False
            self._error = ""
            self._ready_at = now
            self._heartbeat = Heartbeat(self.spec.unresponsive_after)
            self._heartbeat.schedule(now)
            self._check(now)
            start_log.logger.info(
                "Replica %d of %s is ready on %s after %.1f s",
                self.number, self.spec.name, self.device, now - self._loads_since,
            )  # fmt: skip

    def on_heartbeat(self) -> None:
        """Have the replica take calls again, if it did not: it has answered."""
        self._heartbeat.on_answer()
        if self.state == "unresponsive":
            self.state = "ready"
            self._error = ""
            logger.warning("Replica %d of %s answers again", self.number, self.spec.name)

    def ask_load(self) -> None:
        """Ask a ready replica for its load, unless it still owes an answer."""
        if self.state == "ready" and self.process is not None and not self._is_load_asked:
            self._is_load_asked = True
            self.process.ask_load()

    def on_load(self, load: Load) -> None:
        """Take over the load that it has told."""
        self._is_load_asked = False
        self._activity = activity(self.load, load)
        self.load = load

    def take_activity(self) -> Activity | None:
        """Return what it has done between its last two answers; None without one since the last time."""
        found, self._activity = self._activity, None
        return found

    def on_unhealthy(self, reason: str) -> None:
        """Note why its handler has not been well for too long: it is to be replaced."""
        if self.is_built:
            self.unhealthy = reason

    def on_failed(self, text: str, now: float) -> None:
        """Announce that the replica could not be built, or that a gateway's cluster is gone; it will exit."""
        if self.state == "starting" or (self.spec.ray is not None and self.is_built):
            self._fail(text)
            self.due = now + _EXIT_SECONDS

    def _fail(self, text: str) -> None:
        self.state = "failed"
        self._has_failed = True
        self._is_woken = False
        self._error = text[-_MAX_ERROR:]
        last_line = text.strip().rpartition("\n")[2]
        logger.error("Replica %d of %s can't be built: %s", self.number, self.spec.name, last_line)

    def on_exit(self, how: str, now: float) -> None:
        """Announce that the process has exited, and schedule the next start unless this slot was drained."""
        self.process = None
        if self.state in ("draining", "idle"):
            self.due = now if self._is_woken else None
            return
        self._is_woken = False
        if self.state != "failed":
            how = self._error = self._reason or how
            self.state = "waiting"
        self._schedule_start(now)
        assert self.due is not None
        logger.warning(
            "Replica %d of %s %s; it is started again in %.1f seconds",
            self.number, self.spec.name, how, self.due - now,
        )  # fmt: skip

    def drain(self, until: float) -> None:
        """Have the replica finish its calls and exit, by this time at the latest; none follows."""
        is_first, has_calls = self.state not in ("draining", "idle"), self._may_have_calls()
        is_sooner = self.due is not None and until < self.due
        self.state = "draining"
        self._is_woken = False
        self.due = None
        if self.process is None:
            return
        if not has_calls and is_first:
            self.process.kill()
            return
        if is_first or is_sooner:  # for a job to be given back in time
            self.process.drain(until)
        self.due = until

    def _may_have_calls(self) -> bool:
        """Return whether there may be calls to finish; an unresponsive replica has at most those that run."""
        if self.state == "unresponsive":
            return self._running_since(self.record) is not None
        return self.is_built

    def unload(self, until: float) -> None:
        """Have a replica that nobody calls exit, by this time at the latest, until it is woken."""
        self.drain(until)
        self.state = "idle"

    def wake(self, now: float) -> None:
        """Have an idle replica loaded: at once, or when its process has exited."""
        if self.state == "idle":
            self._is_woken = True
            if self.process is None:
                self.due = now
