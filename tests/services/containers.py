"""Containers of a test's own, made by the kernel alone: what a pod's manifest says of one, without an engine.

A mount namespace with a read-only root and the manifest's volumes, a network namespace, a user without
capabilities, and a control group with the memory. Run as a module, it is what starts in them.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from tests.services.hosts import wait_until
from tests.services.serving import PROJECT
from tests.with_packages import lack

#: What makes the namespaces.
_UNSHARE = ["unshare", "--mount", "--net", "--propagation", "private"]

#: Where folders are kept while a volume takes the place above them.
_ASIDE = Path("/mnt")

#: ioctl(2) of netdevice(7): set the flags of an interface, to be up.
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1

#: Files of a control group, of version 2 or 1: its limit, and the most memory that it has had.
_LIMITS = ("memory.max", "memory.limit_in_bytes")
_PEAKS = ("memory.peak", "memory.max_usage_in_bytes")

#: Seconds that a question may take.
_ASK_SECONDS = 30


class Container(NamedTuple):
    """What runs in a container.

    Args:
        process: the first one in it.
        group: its control group.
        log: what it has written.
    """

    process: subprocess.Popen[bytes]
    group: Path
    log: Path

    def ask(self, path: str, *words: str, port: int = 8000) -> tuple[int, str]:
        """Return status and body of a request from within; status 0 without an answer.

        Args:
            path: of the URL.
            words: further arguments of curl.
            port: of the container.
        """
        curl = ["curl", "--silent", "--max-time", "10", "--write-out", "\n%{http_code}", *words]
        inside = ["nsenter", f"--target={self.process.pid}", "--net"]
        command = [*inside, *curl, f"http://127.0.0.1:{port}{path}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_SECONDS)
        body, _, status = done.stdout.rpartition("\n")
        return int(status or 0), body

    def pids(self) -> list[int]:
        """Return the processes in it."""
        return [int(line) for line in (self.group / "cgroup.procs").read_text().split()]

    def most_memory(self) -> int:
        """Return the bytes that its processes have had at the most."""
        return int(_first(self.group, _PEAKS).read_text())


@contextmanager
def container(pod: Mapping[str, Any], secrets: Mapping[str, str]) -> Iterator[Container]:
    """Run the only container of a pod until the block ends.

    Args:
        pod: the pod's specification.
        secrets: what the Secret holds.
    """
    with tempfile.TemporaryDirectory(prefix="pod-") as name, _group(pod) as group:
        folder = Path(name)
        log, specification = folder / "log", folder / "pod.json"
        given = {"pod": pod, "secrets": dict(secrets), "group": str(group), "program": sys.executable}
        specification.write_text(json.dumps(given))
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*_UNSHARE, sys.executable, "-m", __name__, str(specification)],
                cwd=PROJECT,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        found = Container(process, group, log)
        try:
            yield found
        finally:
            process.kill()
            process.wait()
            for pid in found.pids():
                with suppress(ProcessLookupError):
                    os.kill(pid, 9)
            wait_until(lambda: not found.pids())


@contextmanager
def _group(pod: Mapping[str, Any]) -> Iterator[Path]:
    """Make a control group with the memory of a pod's container."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "nsenter", "setpriv", "curl"))):
        lack("a container of the test's own takes root, and unshare, nsenter and setpriv of util-linux")
    text = pod["containers"][0]["resources"]["limits"]["memory"]
    limit = int(text.removesuffix("Mi")) * 2**20
    group = _memory_folder() / f"model-serving-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        lack(f"no control group can be made here: {error}")
    try:
        _limit(group, limit)
        yield group
    finally:
        group.rmdir()


def _limit(group: Path, limit: int) -> None:
    try:
        _first(group, _LIMITS).write_text(str(limit))
    except OSError as error:
        lack(f"a control group has no limit of memory here: {error}")


def _memory_folder() -> Path:
    """Return the folder of this process's own group of version 1, or the root of version 2."""
    root = Path("/sys/fs/cgroup")
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            own = root / "memory" / path.lstrip("/")
            return own if own.is_dir() else root / "memory"
    return root


def _first(group: Path, names: tuple[str, ...]) -> Path:
    return next((group / name for name in names if (group / name).exists()), group / names[0])


def main(specification: Path) -> None:
    """Become the container's program, within namespaces that are made already."""
    given = json.loads(specification.read_text())
    pod = given["pod"]
    only = pod["containers"][0]
    (Path(given["group"]) / "cgroup.procs").write_text(str(os.getpid()))
    _loopback_up()
    volumes = {volume["name"]: volume["emptyDir"]["sizeLimit"] for volume in pod["volumes"]}
    mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in only["volumeMounts"]}
    _mount(mounts, pod["securityContext"]["fsGroup"])
    environ = {one["name"]: _value(one, given["secrets"]) for one in only["env"]}
    environ = {name: text for name, text in environ.items() if text is not None}
    environ["PATH"] = f"{Path(given['program']).parent}:/usr/bin:/bin"
    command = [*_as_user(pod["securityContext"]), *only["command"], *only["args"]]
    os.execvpe(command[0], command, environ)


def _value(one: Mapping[str, Any], secrets: Mapping[str, str]) -> str | None:
    """Return a variable's text, from the Secret where it is there; None for one that may be missing."""
    if "value" in one:
        return str(one["value"])
    named = one["valueFrom"]["secretKeyRef"]
    return secrets.get(named["key"]) if named.get("optional") else secrets[named["key"]]


def _as_user(context: Mapping[str, Any]) -> list[str]:
    user, group = context["runAsUser"], context["runAsGroup"]
    words = ["setpriv", f"--reuid={user}", f"--regid={group}", f"--groups={context['fsGroup']}"]
    return [*words, "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))


def _mount(volumes: Mapping[str, str], group: int) -> None:
    """Make the root read-only but for the volumes, as a kubelet mounts them, with all that the image has."""
    image = {Path(sys.base_prefix), Path(sys.prefix), PROJECT}
    hidden = {path for folder in image for path in folder.parents if not path.stat().st_mode & 0o001}
    _tmpfs(_ASIDE, "mode=755")
    kept = {folder: _ASIDE / str(number) for number, folder in enumerate(sorted(image))}
    for folder, aside in kept.items():
        aside.mkdir()
        _run("mount", "--bind", str(folder), str(aside))
    for path in hidden:  # homes of this machine's users, which no image has
        _tmpfs(path, "mode=755")
    for name, size in volumes.items():
        if not Path(name).is_dir():  # the place of a volume is made in the image, never on this machine
            _tmpfs(Path(name).parent, "mode=755")
            Path(name).mkdir()
        _tmpfs(Path(name), f"size={size.removesuffix('i')},gid={group},mode=2777")
    for folder, aside in kept.items():
        folder.mkdir(parents=True, exist_ok=True)
        _run("mount", "--bind", str(aside), str(folder))
    places = {Path(name).parent for name in volumes} & {Path(path) for path in _mounted()}
    for folder in {*image, *hidden, *places, _ASIDE, Path("/")}:
        _run("mount", "-o", "remount,bind,ro", str(folder))
    os.chdir(PROJECT)


def _mounted() -> list[str]:
    return [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]


def _tmpfs(place: Path, options: str) -> None:
    _run("mount", "-t", "tmpfs", "-o", options, "none", str(place))


def _run(*words: str) -> None:
    subprocess.run(words, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
