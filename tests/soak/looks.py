"""What the service of this folder holds at one time, and what of it was left behind since another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.services.raw_http import ask, post
from tests.services.serving import Service
from tests.soak.exchanges import expect, result_of_job
from tests.soak.holdings import MEBIBYTE, Holding, files, holdings
from tests.soak.service import HOSTED, JOB, LOOK, MEASURE

#: How much more a process may have in use: pages in SQLite's cache, and what small caches take.
MOST_IN_USE = {"bytes": 1 * MEBIBYTE, "blocks": 3000}

#: How much more of a warm process's memory may be resident.
MOST_RESIDENT = 5 * MEBIBYTE

#: Threads, descriptors and files by which pools may still grow, as that of connections to the job store.
SLACK = 8


@dataclass(frozen=True)
class Look:
    """What a service holds.

    Args:
        processes: what each holds, as the kernel tells it.
        files: in the service's folder.
        in_use: bytes and blocks that a worker and replicas have in use, as they tell it themselves.
    """

    processes: dict[str, Holding]
    files: frozenset[str]
    in_use: dict[str, dict[str, int]]

    @classmethod
    def at(cls, service: Service) -> Look:
        told = {JOB: result_of_job(service.port, LOOK)}
        for path in (MEASURE, HOSTED):
            told[path] = expect(ask(service.port, post({"text": LOOK}, path=path)), 200).json()
        return cls(holdings(service.folder), files(service.folder), told)

    def weight(self) -> int:
        """Return the bytes that are in use together."""
        return sum(used["bytes"] for used in self.in_use.values())

    def faults_since(self, before: Look, *, is_warm: bool) -> list[str]:
        """Return what has been left behind.

        Args:
            before: what was held then.
            is_warm: whether allocators had grown to their size by then; else resident memory is not compared.
        """
        if self.processes.keys() != before.processes.keys():
            return [f"the processes were {sorted(before.processes)}, and are {sorted(self.processes)}"]
        files = sorted(self.files - before.files)
        faults = [f"new files: {files}"] if len(files) > SLACK else []
        for name, holding in self.processes.items():
            earlier = before.processes[name]
            faults += [f"{name}: {fault}" for fault in holding.faults_since(earlier, slack=SLACK)]
            grown = holding.resident_bytes - earlier.resident_bytes
            if is_warm and grown > MOST_RESIDENT:
                faults.append(f"{name}: memory grew by {grown / MEBIBYTE:.1f} MiB")
        return [*faults, *self._faults_of_use(before)]

    def _faults_of_use(self, before: Look) -> Iterator[str]:
        for path, used in self.in_use.items():
            for unit, most in MOST_IN_USE.items():
                grown = used[unit] - before.in_use[path][unit]
                if grown > most:
                    yield f"{path}: {grown:,} more {unit} are in use"

    def __str__(self) -> str:
        lines = [f"{name}: {holding}" for name, holding in self.processes.items()]
        lines += [
            f"{path}: {used['bytes']:,} bytes and {used['blocks']:,} blocks in use"
            for path, used in self.in_use.items()
        ]
        return "\n".join([*lines, f"{len(self.files)} files"])
