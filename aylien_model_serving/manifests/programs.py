"""The other programs of a Compose file: PostgreSQL, Redis, Prometheus and Grafana, with their settings.

Pure.
"""

from __future__ import annotations

from typing import Any

from aylien_model_serving.manifests.plan import METRICS_KEY, WEB_PORT, Plan

Document = dict[str, Any]

#: Images of the other programs, at versions that are known to work.
POSTGRES, REDIS = "postgres:17-bookworm", "redis:8-bookworm"
PROMETHEUS, GRAFANA = "prom/prometheus:v3.5.0", "grafana/grafana:12.1.0"

#: MiB of each of the other programs, and of what Redis keeps.
_STORE_MB, _CACHE_MB, _MONITOR_MB = 512, 256, 512

#: The user of PostgreSQL, and its database.
DATABASE = "service"

#: The network of the stores, which has no way to other hosts, and the one of what is reached from outside.
INSIDE, OUTSIDE = "inside", "outside"

#: What keeps a container's programs from more than they need.
CONFINED: Document = {
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "restart": "unless-stopped",
}

#: The file by which Prometheus is given an API key.
_KEY_FILE = f"/run/secrets/{METRICS_KEY}"


def postgres() -> Document:
    """Return the PostgreSQL that keeps jobs."""
    return {
        "image": POSTGRES,
        "environment": {
            "POSTGRES_USER": DATABASE,
            "POSTGRES_DB": DATABASE,
            "POSTGRES_PASSWORD": "${POSTGRES_PASSWORD:?set it in .env}",
        },
        "volumes": ["postgres:/var/lib/postgresql/data"],
        "mem_limit": f"{_STORE_MB}m",
        "shm_size": "128m",
        "stop_grace_period": "60s",
        "healthcheck": {
            "test": ["CMD", "pg_isready", "--username", DATABASE],
            "interval": "5s",
            "timeout": "5s",
            "retries": 20,
        },
        "security_opt": ["no-new-privileges:true"],
        "restart": "unless-stopped",
        "networks": [INSIDE],
    }


def redis() -> Document:
    """Return a Redis that keeps nothing: what it has is a cache, and counts of a minute."""
    words = ["redis-server", "--save", "", "--appendonly", "no", "--maxmemory", f"{_CACHE_MB}mb"]
    return {
        "image": REDIS,
        "command": [*words, "--maxmemory-policy", "allkeys-lru"],
        "user": "999:999",
        "tmpfs": ["/data"],
        "mem_limit": f"{_CACHE_MB * 2}m",
        "networks": [INSIDE],
        **CONFINED,
    }


def prometheus(plan: Plan) -> Document:
    """Return the Prometheus that reads the metrics, for two weeks."""
    words = ["--config.file=/etc/prometheus/prometheus.yaml", "--storage.tsdb.path=/prometheus"]
    return {
        "image": PROMETHEUS,
        "command": [*words, "--storage.tsdb.retention.time=15d"],
        "volumes": ["./prometheus.yaml:/etc/prometheus/prometheus.yaml:ro", "prometheus:/prometheus"],
        "mem_limit": f"{_MONITOR_MB}m",
        "networks": [INSIDE],
        **CONFINED,
        **({} if plan.has_open_metrics else {"secrets": [METRICS_KEY]}),
    }


def grafana() -> Document:
    """Return the Grafana that shows the dashboard."""
    provisioning = "/etc/grafana/provisioning"
    return {
        "image": GRAFANA,
        "environment": {
            "GF_SECURITY_ADMIN_PASSWORD": "${GRAFANA_PASSWORD:?set it in .env}",
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
            "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        },
        "volumes": [
            f"./grafana/datasources.yaml:{provisioning}/datasources/datasources.yaml:ro",
            f"./grafana/dashboards.yaml:{provisioning}/dashboards/dashboards.yaml:ro",
            "../grafana.json:/etc/grafana/dashboards/model-serving.json:ro",
            "grafana:/var/lib/grafana",
        ],
        "ports": ["127.0.0.1:3000:3000"],
        "mem_limit": f"{_MONITOR_MB}m",
        "tmpfs": ["/tmp"],
        "networks": [INSIDE, OUTSIDE],
        **CONFINED,
    }


def scrape_settings(plan: Plan) -> Document:
    """Return the settings of Prometheus: the service is read by the name that the dashboard knows."""
    key = {"authorization": {"type": "Bearer", "credentials_file": _KEY_FILE}}
    scraped: Document = {
        "job_name": plan.name,
        "metrics_path": "/metrics",
        "dns_sd_configs": [{"names": ["web"], "type": "A", "port": WEB_PORT, "refresh_interval": "10s"}],
        **({} if plan.has_open_metrics else key),
    }
    return {"global": {"scrape_interval": "15s"}, "scrape_configs": [scraped]}


def data_sources() -> Document:
    """Return Grafana's settings of where numbers are."""
    source = {"name": "Prometheus", "type": "prometheus", "url": "http://prometheus:9090", "isDefault": True}
    return {"apiVersion": 1, "datasources": [{**source, "access": "proxy"}]}


def dashboards() -> Document:
    """Return Grafana's settings of where dashboards are."""
    folder = {"path": "/etc/grafana/dashboards"}
    return {
        "apiVersion": 1,
        "providers": [{"name": "model-serving", "type": "file", "disableDeletion": True, "options": folder}],
    }
