"""A service on one host: the Compose file, and what lies beside it.

Pure. What is secret is named, and read by Compose from the file `.env`.
"""

from __future__ import annotations

from typing import Any

from aylien_model_serving.manifests.plan import (
    HOME,
    METRICS_KEY,
    REDIS_URL,
    TEMPORARY,
    UNROUTE_SECONDS,
    USER_ID,
    Plan,
    Tier,
    environment,
    secret_variables,
)
from aylien_model_serving.manifests.programs import (
    CONFINED,
    DATABASE,
    INSIDE,
    OUTSIDE,
    dashboards,
    data_sources,
    grafana,
    postgres,
    prometheus,
    redis,
    scrape_settings,
)

Document = dict[str, Any]


def files(plan: Plan) -> dict[str, Document]:
    """Return the documents of each file."""
    return {
        "compose.yaml": _compose(plan),
        "prometheus.yaml": scrape_settings(plan),
        "grafana/datasources.yaml": data_sources(),
        "grafana/dashboards.yaml": dashboards(),
    }


def variables_file(plan: Plan) -> str:
    """Return the example of the file `.env`: the names of what is secret, without values."""
    names = ["MODEL_SERVING_API_KEYS", "GRAFANA_PASSWORD"]
    if plan.workload.has_jobs:
        names.append("POSTGRES_PASSWORD")
    if "MODEL_SERVING_WEBHOOK_SECRET" in secret_variables(plan, plan.web):
        names.append("MODEL_SERVING_WEBHOOK_SECRET")
    if not plan.has_open_metrics:
        names.append("METRICS_KEY")
    head = "# Copy it to .env, and give each a value of letters and digits; METRICS_KEY is an API key.\n"
    return head + "".join(f"{name}=\n" for name in names)


def _compose(plan: Plan) -> Document:
    workload = plan.workload
    services = {tier.name: _tier(plan, tier) for tier in plan.tiers}
    if workload.has_jobs:
        services["postgres"] = postgres()
    if workload.shares_counts:
        services["redis"] = redis()
    services |= {"prometheus": prometheus(plan), "grafana": grafana()}
    volumes = [*(["postgres"] if workload.has_jobs else []), "prometheus", "grafana"]
    secrets = {} if plan.has_open_metrics else {"secrets": {METRICS_KEY: {"environment": "METRICS_KEY"}}}
    return {
        "name": plan.name,
        "services": services,
        "networks": {INSIDE: {"internal": True}, OUTSIDE: {}},
        "volumes": dict.fromkeys(volumes),
        **secrets,
    }


def _tier(plan: Plan, tier: Tier) -> Document:
    published = [f"127.0.0.1:{port}:{port}" for port in tier.ports.values()]
    ports = {"ports": published} if tier.name == "web" else {}
    after = {"depends_on": {"postgres": {"condition": "service_healthy"}}} if plan.workload.has_jobs else {}
    return {
        "image": plan.image,
        "command": ["model-serving", *tier.arguments],
        "user": f"{USER_ID}:{USER_ID}",
        "environment": {**environment(plan, tier), **_secrets(plan, tier)},
        "tmpfs": [f"{TEMPORARY}:uid={USER_ID},mode=0700", f"{HOME}:uid={USER_ID},mode=0700"],
        "init": True,
        "mem_limit": f"{tier.memory_mb}m",
        "stop_grace_period": f"{UNROUTE_SECONDS + tier.stop}s",
        "healthcheck": _healthcheck(tier),
        "networks": [INSIDE, OUTSIDE],
        **CONFINED,
        **ports,
        **after,
        **_gpus(tier),
    }


def _secrets(plan: Plan, tier: Tier) -> dict[str, str]:
    """Return the secret variables, whose values Compose takes from `.env`, or stops without."""
    password = "${POSTGRES_PASSWORD:?set it in .env}"
    known = {
        "MODEL_SERVING_JOBS_URL": f"postgresql://{DATABASE}:{password}@postgres/{DATABASE}",
        REDIS_URL: "redis://redis:6379/0",
    }
    return {name: known.get(name, f"${{{name}:?set it in .env}}") for name in secret_variables(plan, tier)}


def _healthcheck(tier: Tier) -> Document:
    program = f"import urllib.request as r; r.urlopen('http://127.0.0.1:{tier.port}/readyz', timeout=3)"
    return {
        "test": ["CMD", "python", "-c", program],
        "interval": "10s",
        "timeout": "5s",
        "retries": 3,
        "start_period": f"{tier.loading}s",
    }


def _gpus(tier: Tier) -> Document:
    if not tier.gpus:
        return {}
    device = {"driver": "nvidia", "count": tier.gpus, "capabilities": ["gpu"]}
    return {"deploy": {"resources": {"reservations": {"devices": [device]}}}}
