"""Gunicorn's settings for a model service; each can be overridden on the command line."""

from aylien_model_serving import gunicorn_hooks
from aylien_model_serving.servers import commands

# Only this machine reaches it; MODEL_SERVING_HOST=0.0.0.0 or --bind 0.0.0.0:8000 opens it to others.
bind = gunicorn_hooks.bind_address()
workers = 2
worker_class = commands.DEFAULT_CLASS

keepalive = gunicorn_hooks.keepalive
graceful_timeout = gunicorn_hooks.graceful_timeout
timeout = gunicorn_hooks.timeout
worker_tmp_dir = gunicorn_hooks.worker_tmp_dir
control_socket_disable = gunicorn_hooks.control_socket_disable
logger_class = gunicorn_hooks.logger_class
access_log_format = gunicorn_hooks.access_log_format

on_starting = gunicorn_hooks.on_starting
when_ready = gunicorn_hooks.when_ready_to_tell
on_reload = gunicorn_hooks.on_reload
post_fork = gunicorn_hooks.post_fork
post_worker_init = gunicorn_hooks.post_worker_init
post_request = gunicorn_hooks.post_request
worker_exit = gunicorn_hooks.worker_exit
child_exit = gunicorn_hooks.child_exit
on_exit = gunicorn_hooks.on_exit
