"""Services whose models are on a Ray cluster of the test's own, and their deployment there."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.services.hosts import gone_in_the_end
from tests.services.ray_cluster import RayCluster
from tests.services.serving import Service, serve

APP, ONE = "tests.services.ray_apps:on_ray()", "tests.services.ray_apps:one()"


@contextmanager
def serving(
    cluster: RayCluster, app: str = APP, version: str = "1", ready: bool = True, **env: str
) -> Iterator[Service]:
    """Serve an app whose models are on a cluster, until the block ends."""
    variables = {**cluster.settings(version), "MODEL_SERVING_SERVICE_NAME": "tests", **env}
    started = serve(app, worker_class="gthread", workers=2, env=variables, args=("--threads", "16"))
    with gone_in_the_end(started) as service:
        if ready:
            service.wait_until(lambda: service.status("/readyz") == 200)
        yield service


def deploy(cluster: RayCluster, app: str = APP, version: str = "1", **env: str) -> str:
    return cluster.command("deploy", app, version=version, env={"MODEL_SERVING_SERVICE_NAME": "tests", **env})
