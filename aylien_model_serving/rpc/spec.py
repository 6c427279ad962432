"""The specification of what a runner hosts, for another process to build: by import path, never pickled.

A target is named as multiprocessing's spawn names its main module: a script that was started as a file is
loaded again under another name, so that its `if __name__ == "__main__"` block does not run. Knows import, and
nothing of processes and sockets.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.machinery
import importlib.util
import inspect
import os
import sys
from typing import Any

import msgspec

from aylien_model_serving.core.secrets import without_passwords
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.executors.batch_policy import BatchOptions
from aylien_model_serving.executors.ray_options import RayOptions
from aylien_model_serving.rpc.fingerprints import MAIN, fingerprint


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """All that a replica needs to build and serve a handler.

    Args:
        name: the route's name.
        target: "module:qualname" of the handler, or of the class to build it from.
        main: path of the script that is to be loaded as the module `MAIN`, if the target is part of it.
        sys_path: the web worker's `sys.path`.
        folder: the web worker's working directory.
        context: "module:qualname" of the context that the handler gets from its service.
        takes_body: whether the handler is called as `handler(context, fields)`.
        init: keyword arguments that the class is built with.
        replicas: how many processes hold a copy; or how many at least and at most.
        devices: "auto", or the names of devices, assigned in turn; those of a group have commas between them.
        max_queue: calls that may wait for one replica.
        start_timeout: seconds that a replica may take to build and warm up its handler.
        kill_after: seconds after which one run of the handler counts as stuck.
        unresponsive_after: seconds without an answer to a heartbeat after which a replica is sent no calls.
        recycle_after: after how many "calls", or above how many MiB of memory ("mb"), a replica is replaced.
        idle: seconds without a call after which the replicas are unloaded until the next one.
        health: "every" how many seconds the handler's `health()` is asked, and after how many "failures" in a
            row its replica is replaced; None not to ask.
        env: variables of the replicas' environment.
        nice: by how much the replicas stand back behind other processes.
        threads: how many calls may run at once in one replica.
        batching: the limits of a batch, for a handler that takes a list of each field.
        warmup: fields of a call that is made before a replica is ready.
        timeout: seconds that a call may take.
        schema: name of a schema module, or of the request's and the response's schema.
        endpoint: the route's path rule; empty for a model that has none.
        oip: whether it is a model of the Open Inference Protocol.
        methods: the HTTP methods that are answered.
        service: identifies the service among those of one process.
        jobs: URL of the store from which this route's jobs are claimed, if it has any.
        jobs_service: the service whose jobs are claimed.
        jobs_grace: seconds that a job has to stop, once it is cancelled.
        webhook_secret: signs the webhooks of this route's jobs; it is part of neither `key` nor `repr`.
        reports_code: whether its replicas report what they import.
        ray: its replicas on a Ray cluster; None where they are processes of this machine.
        application: the name of its application of Ray Serve.
        streams: the methods that return streams; "" is the handler itself.
        protocol: what a process speaks that serves a whole app; empty for a handler's replica.
        secrets: variables of such a process, which its environment lacks; part of neither `key` nor `repr`.
        generation: how many times the service had reloaded its code.
        version: fingerprint of the code, the generation of the service, and a digest of what has changed.
    """

    name: str
    target: str
    main: str | None = None
    sys_path: tuple[str, ...] = ()
    folder: str = "/"
    context: str | None = None
    takes_body: bool = False
    init: dict[str, Any] = {}
    replicas: int | tuple[int, int] = 1
    devices: str | tuple[str, ...] = "auto"
    max_queue: int = 256
    start_timeout: float = 300.0
    kill_after: float | None = None
    unresponsive_after: float | None = 10.0
    recycle_after: dict[str, float] = {}
    idle: float | None = None
    health: dict[str, float] | None = None
    env: dict[str, str] = {}
    nice: int = 0
    threads: int = 1
    batching: BatchOptions | None = None
    warmup: dict[str, Any] | None = None
    timeout: float | None = None
    schema: str | tuple[str | None, str | None] | None = None
    endpoint: str = "/"
    oip: bool = False
    methods: tuple[str, ...] = ("POST",)
    service: str = "0"
    jobs: str | None = None
    jobs_service: str = ""
    jobs_grace: float = 10.0
    webhook_secret: str | None = None
    reports_code: bool = False
    ray: RayOptions | None = None
    application: str = ""
    streams: tuple[str, ...] = ()
    protocol: str = ""
    secrets: dict[str, str] = {}
    generation: int = 0
    version: str = ""

    @classmethod
    def of_process(
        cls,
        *,
        target: str,
        context: str | None = None,
        generation: int = 0,
        changes: str = "",
        **fields: Any,
    ) -> Spec:
        """Return the spec of a target as this process imports it: with its folder and import path.

        Args:
            target: what `import_name_of` returned.
            context: the same of the context.
            generation: how many times the service has reloaded its code.
            changes: a digest of what has changed of the code that replicas have imported; empty for nothing.
            fields: the other fields.
        """
        batching = fields.get("batching") or BatchOptions()
        names = [*filter(None, (target, context, batching.group_by, batching.size_of))]
        fingerprints = [
            fingerprint(module) for module in dict.fromkeys(name.partition(":")[0] for name in names)
        ]
        return cls(
            target=target,
            context=context,
            main=next(filter(None, map(main_script_of, names)), None),
            sys_path=tuple(os.path.abspath(entry) for entry in sys.path),
            folder=os.getcwd(),
            generation=generation,
            version="-".join(filter(None, ("+".join(fingerprints), str(generation), changes))),
            **fields,
        )

    @property
    def least_replicas(self) -> int:
        """How many processes hold a copy, at least."""
        return self.replicas if isinstance(self.replicas, int) else self.replicas[0]

    @property
    def most_replicas(self) -> int:
        """How many processes hold a copy, at most."""
        return self.replicas if isinstance(self.replicas, int) else self.replicas[1]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, target={self.target!r}, version={self.version!r})"

    @property
    def key(self) -> str:
        """A digest that identifies the spec: equal for specs that are equal but for what is secret.

        Raises:
            ConfigurationError: `init` or `warmup` holds something that MessagePack can't encode.
        """
        jobs = None if self.jobs is None else without_passwords(self.jobs)
        public = msgspec.structs.replace(self, webhook_secret=None, jobs=jobs, secrets={})
        try:
            encoded = msgspec.msgpack.encode(public, order="deterministic")
        except (TypeError, ValueError, OverflowError) as error:
            raise ConfigurationError(
                f"{self.name}: 'init' and 'warmup' travel to another process, and may hold text, numbers, "
                f"bytes, lists and dicts: {error}"
            ) from error
        return hashlib.sha256(encoded).hexdigest()


def import_name_of(target: Any) -> str:
    """Return "module:qualname", by which another process imports the same function or class.

    Raises:
        ConfigurationError: it would import something else, or nothing; the message says what to do.
    """
    qualname = getattr(target, "__qualname__", None)
    module = getattr(target, "__module__", None)
    if isinstance(target, functools.partial):
        raise _import_error(
            target, "a partial has no name there: write a function, or a class that takes 'init'"
        )
    if not isinstance(qualname, str) or not isinstance(module, str):
        kind = type(target).__qualname__
        raise _import_error(
            target, f"an object has no name there: name its class, {kind}, and give it 'init'"
        )
    if qualname.rpartition(".")[2] == "<lambda>":
        raise _import_error(target, "a lambda has no name there: write it as a function with def")
    if "<locals>" in qualname:
        raise _import_error(
            target,
            f"{qualname} is local to a function: move it to the top of its module "
            "(a decorator's function keeps the name of what it wraps by functools.wraps)",
        )
    if not _is_same(_resolve(module, qualname), target):
        raise _import_error(
            target, f"{module}.{qualname} is something else: let its name be the one that it was defined by"
        )
    return f"{importable_name(module, target)}:{qualname}"


def _import_error(target: Any, fix: str) -> ConfigurationError:
    return ConfigurationError(
        f"{_display_name(target)} can't run in a process of its own, which finds it by import: {fix}"
    )


def _display_name(target: Any) -> str:
    """Return a target's name for a message, without the address of an object."""
    name = getattr(target, "__qualname__", None) or f"an instance of {type(target).__qualname__}"
    return str(name)


def _resolve(module: str, qualname: str) -> Any:
    found: Any = sys.modules.get(module)
    for name in qualname.split("."):
        found = getattr(found, name, None)
    return found


def _is_same(found: Any, target: Any) -> bool:
    """Compare two targets; a method that is bound to a class is another object at each access."""
    return found is target or (inspect.ismethod(target) and inspect.ismethod(found) and found == target)


def importable_name(module: str, target: Any) -> str:
    """Return the name under which another process imports a module of this one."""
    if module != "__main__":
        return module
    main = sys.modules["__main__"]
    name = getattr(getattr(main, "__spec__", None), "name", None)
    if name and name != "__main__":  # started by `python -m`
        return str(name)
    if not os.path.isfile(getattr(main, "__file__", None) or ""):
        raise _import_error(
            target, "this program is not a file: put it into a module, and import it from there"
        )
    return MAIN


def main_script_of(name: str) -> str | None:
    """Return the path of the script that a target's name belongs to; None for an importable module."""
    if name.partition(":")[0] != MAIN:
        return None
    file: str = sys.modules[MAIN if MAIN in sys.modules else "__main__"].__file__ or ""
    return os.path.abspath(file)


def load_main(path: str) -> None:
    """Load a script as the module `MAIN`, so that `find` finds what it defines."""
    loader = importlib.machinery.SourceFileLoader(MAIN, path)
    spec = importlib.util.spec_from_file_location(MAIN, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[MAIN] = module
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[MAIN]
        raise


def find(name: str) -> Any:
    """Return what "module:qualname" names; a module's name alone stands for the module.

    Raises:
        ImportError: there is no such module.
        AttributeError: the module has no such name.
    """
    module, _, qualname = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in qualname.split(".") if qualname else ():
        found = getattr(found, part)
    return found
