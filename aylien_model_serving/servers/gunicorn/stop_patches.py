"""The patches by which workers stop without waiting for anything but answers, and end with their master."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from aylien_model_serving.servers.gunicorn import asgi_stop, backlogs, checks, stops
from aylien_model_serving.servers.gunicorn.worker_watch import WorkerWatch

#: The attributes of a worker that keep its watch, and an asgi worker's stop.
_WATCH, _STOP = "model_serving_watch", "model_serving_stop"

#: Modules of the worker classes whose connections are read by whoever answers them.
_WSGI_WORKERS = {f"gunicorn.workers.{name}" for name in ("sync", "gthread", "ggevent")}

#: What is used of `gevent.server.StreamServer`.
_OF_GEVENT_SERVER = ("close", "do_handle", "do_read", "full", "stop_accepting")

#: What follows without these patches.
_WAITS = "a worker's stop waits for idle connections"
_LOSES = "connections that no worker has accepted yet end without an answer at a stop"


def _modules(worker: Any) -> set[str]:
    """Return the modules of a worker's class and of those that it is derived from."""
    return {kind.__module__ for kind in type(worker).__mro__}


def watch_master(worker: Any) -> WorkerWatch | None:
    """Have a worker end with its master, also while it loads the app; for `post_fork`.

    Returns:
        the watch of this process, made at the first call; None for a worker that does not know its master.
    """
    watch: WorkerWatch | None = vars(worker).get(_WATCH)
    if watch is None and hasattr(worker, "ppid"):
        watch = WorkerWatch(worker.ppid)
        setattr(worker, _WATCH, watch)
    elif watch is None:
        checks.warn(checks.members(worker, ["ppid"]), "workers outlive a master that is killed")
    return watch


def patch_asgi(worker: Any) -> None:
    """Have an asgi worker stop our way; before it registers its handlers of signals, in `post_fork`."""
    if "gunicorn.workers.gasgi" not in _modules(worker):
        return
    missing = asgi_stop.missing_members()
    if not hasattr(worker, "handle_exit_signal"):
        missing.append("handle_exit_signal")
    if missing:
        checks.warn(f"ASGIWorker's {', '.join(missing)}", _WAITS)
        return
    stop = asgi_stop.AsgiStop(worker, stops.QUIET_SECONDS)
    worker.handle_exit_signal = stop.begin
    setattr(worker, _STOP, stop)


def patch_stops(worker: Any) -> None:
    """Have a worker wait for answers alone when it stops; for `post_worker_init`."""
    missing = [member for member in ("sockets", "notify", "alive") if not hasattr(worker, member)]
    watch = watch_master(worker)
    if missing or watch is None:
        checks.warn(checks.members(worker, missing or ["ppid"]), _WAITS)
        return
    modules, stop = _modules(worker), vars(worker).get(_STOP)
    if modules & _WSGI_WORKERS:
        watch.take_signals(_wsgi_stop(worker).tick)
    if "gunicorn.workers.ggevent" in modules:
        _wake_gevent(worker)
        _drain_gevent(worker)
    _drain_backlogs(worker, modules)
    if stop is not None:
        _watch_connections(worker, stop)
    worker.notify = partial(_notify, worker, watch, worker.notify)


def _notify(worker: Any, watch: WorkerWatch, original: Callable[[], None]) -> None:
    """Tell the watch of stops without a signal, as after `max_requests`; called about once a second.

    Without its master the worker stops as it does at SIGTERM: gevent's own method would drop all answers.
    """
    if worker.ppid != os.getppid():
        if not watch.is_orphaned:
            checks.logger.error("The master is gone: this worker ends")
        watch.is_orphaned, worker.alive = True, False
    if not worker.alive:
        watch.stop()
    if not watch.is_orphaned:
        original()


def _wsgi_stop(worker: Any) -> stops.WsgiStop:
    response = getattr(sys.modules.get("gunicorn.http.wsgi"), "Response", None)
    if checks.parameters_of(getattr(response, "should_close", None)) != ("self",):
        name = "gunicorn.http.wsgi.Response.should_close(self)"
        checks.warn(name, "answers of a stop keep connections alive")
        response = None
    return stops.WsgiStop(worker.sockets, response)


def _drain_backlogs(worker: Any, modules: set[str]) -> None:
    """Have sync and gthread workers take what nobody has accepted when they stop."""
    members: tuple[str, ...]
    parameters: tuple[str, ...]
    if "gunicorn.workers.gthread" in modules:
        members, parameters = ("set_accept_enabled", "accept", "nr_conns", "worker_connections"), ("enabled",)
        replacement: Any = backlogs.drain_gthread
    elif "gunicorn.workers.sync" in modules:
        members, parameters, replacement = ("run", "handle"), (), backlogs.drain_sync
    else:
        return
    missing = [member for member in members if not hasattr(worker, member)]
    if missing or checks.parameters_of(getattr(worker, members[0])) != parameters:
        checks.warn(checks.members(worker, missing or [members[0]]), _LOSES)
    else:
        setattr(worker, members[0], partial(replacement, worker, getattr(worker, members[0])))


def _drain_gevent(worker: Any) -> None:
    """Have a gevent worker do the same, whose connections may also wait for their greenlet's first turn."""
    module: Any = sys.modules["gunicorn.workers.ggevent"]
    kind = getattr(module, "StreamServer", None)
    missing = [name for name in _OF_GEVENT_SERVER if not hasattr(kind, name)]
    if missing or checks.parameters_of(getattr(worker, "handle", None)) != ("listener", "client", "addr"):
        name = f"StreamServer.{missing[0]}" if missing else "handle(listener, client, addr)"
        checks.warn(f"GeventWorker's {name}", _LOSES)
        return
    module.StreamServer = backlogs.drained_gevent_server(kind, worker)
    worker.handle = backlogs.with_names(worker.handle, worker.sockets)


def _wake_gevent(worker: Any) -> None:
    module: Any = sys.modules["gunicorn.workers.ggevent"]
    if hasattr(getattr(module, "gevent", None), "sleep"):
        module.gevent = stops.looking_up(module.gevent, worker)
    else:
        name = "gunicorn.workers.ggevent.gevent.sleep"
        checks.warn(name, "a gevent worker's stop takes up to two seconds longer")


def _watch_connections(worker: Any, stop: asgi_stop.AsgiStop) -> None:
    loop = vars(worker).get("loop")
    create_server = getattr(loop, "create_server", None)
    if loop is None or create_server is None:
        checks.warn("ASGIWorker.loop", _WAITS)
        return

    async def create(factory: Callable[[], Any], **options: Any) -> Any:
        tracked, listener = stop.tracked(factory), options.get("sock")
        server = await create_server(tracked, **options)
        if listener is None or not hasattr(worker, "nr_conns"):
            return server
        connect = partial(loop.connect_accepted_socket, tracked, ssl=options.get("ssl"))
        return backlogs.DrainedServer(worker, server, listener, connect)

    loop.create_server = create
    loop.call_soon(stop.watch)
