"""A store of jobs as simple as can be, written without a look at the real one, which is compared with it."""

from dataclasses import dataclass, field

from tests.jobs.stores import LAST_CHANCE, LEASE

RUNNING = ("processing", "streaming")
KEEP = 100.0
REUSED = "reused"


@dataclass
class ModelJob:
    id: str
    route: str
    priority: int
    retries: int
    key: str | None
    status: str = "queued"
    attempts: int = 0
    kills: int = 0
    stop: bool = False
    owner: str | None = None
    until: float = 0.0
    overdue: bool = False
    not_before: float = 0.0
    expires: float = 0.0
    ends: int = 0
    items: dict[int, bytes] = field(default_factory=dict)

    def end(self, status: str, now: float) -> None:
        self.status, self.owner, self.expires = status, None, now + KEEP
        self.ends += 1

    def requeue(self, now: float, pause: float = 0.0) -> None:
        if self.stop:
            self.end("cancelled", now)
            return
        if self.status == "streaming":
            self.items.clear()
        self.status, self.owner, self.not_before = "queued", None, now + pause

    def expire_lease(self, now: float) -> None:
        self.kills += 1
        if self.kills >= self.retries + 2 and not self.stop:
            self.end("failed", now)
        else:
            self.requeue(now)

    def is_expired(self, now: float) -> bool:
        return self.ends > 0 and now >= self.expires

    @property
    def seen(self) -> tuple[str, str, int, int, bool, str | None]:
        """What a client or an owner can see of it."""
        return self.id, self.status, self.attempts, self.kills, self.stop, self.owner


class Model:
    """All jobs, the oldest first; routes are those of one service."""

    def __init__(self) -> None:
        self.jobs: list[ModelJob] = []

    def add(self, job: ModelJob, queue_size: int, now: float) -> str | None:
        """Return the id of the job that is kept, REUSED if its key is of another call, None without room."""
        same = [kept for kept in self.jobs if job.key and kept.key == job.key]
        if same and not same[0].is_expired(now):
            return same[0].id if same[0].route == job.route else REUSED
        if sum(kept.route == job.route and kept.status == "queued" for kept in self.jobs) >= queue_size:
            return None
        self.jobs = [kept for kept in self.jobs if kept not in same]
        self.jobs.append(job)
        return job.id

    def claim(self, routes: list[str], owner: str, now: float) -> ModelJob | None:
        for job in self.jobs:
            if job.route in routes and job.status in RUNNING and job.until <= now:
                if job.overdue:
                    job.expire_lease(now)
                else:
                    job.overdue, job.until = True, now + LAST_CHANCE
        ready = [
            job
            for job in self.jobs
            if job.route in routes and job.status == "queued" and job.not_before <= now
        ]
        if not ready:
            return None
        taken = max(ready, key=lambda job: job.priority)  # of equals, the first
        taken.status, taken.owner, taken.until, taken.overdue = "processing", owner, now + LEASE, False
        taken.attempts += 1
        return taken

    def has_due(self, now: float) -> bool:
        """Return whether a claim would change a job."""
        return any(
            (job.status == "queued" and job.not_before <= now) or (job.status in RUNNING and job.until <= now)
            for job in self.jobs
        )
