"""Gunicorn's settings for a model service; each can be overridden on the command line."""

from pathlib import Path

from aylien_model_serving import gunicorn_hooks

bind = "0.0.0.0:8000"
workers = 2
worker_class = "gevent"

# Longer than the idle time of common load balancers, 60 s: else they meet connections that are being closed.
keepalive = 65

# Seconds that requests in flight are given to end after SIGTERM; Kubernetes kills after 30.
graceful_timeout = 25

# Seconds without a sign of life after which a sync worker is killed: models may take long.
timeout = 120

# Memory, so that a slow disk never stalls the workers' heartbeat.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None

control_socket_disable = gunicorn_hooks.control_socket_disable
logger_class = gunicorn_hooks.logger_class
access_log_format = gunicorn_hooks.access_log_format

on_starting = gunicorn_hooks.on_starting
on_reload = gunicorn_hooks.on_reload
post_worker_init = gunicorn_hooks.post_worker_init
worker_exit = gunicorn_hooks.worker_exit
on_exit = gunicorn_hooks.on_exit
