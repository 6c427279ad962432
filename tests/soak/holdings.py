"""What the processes of a service hold, as the kernel tells: memory, threads, descriptors, files."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from aylien_model_serving.testing import processes

MEBIBYTE = 1024 * 1024

_KIBIBYTE = 1024


@dataclass(frozen=True)
class Holding:
    """What one process holds.

    Args:
        resident_bytes: of its memory, without that of files.
        threads: how many.
        descriptors: by what they stand for: sockets, pipes, paths of files.
    """

    resident_bytes: int
    threads: int
    descriptors: Counter[str]

    @classmethod
    def of(cls, pid: int) -> Holding:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        resident_bytes = int(fields["RssAnon"].split()[0]) * _KIBIBYTE
        return cls(resident_bytes, int(fields["Threads"]), _descriptors(pid))

    def faults_since(self, before: Holding, *, slack: int) -> list[str]:
        """Return which threads and descriptors have been left behind since this process held that.

        Args:
            before: what it held.
            slack: how many of each may be more.
        """
        threads, descriptors = self.threads - before.threads, self.descriptors - before.descriptors
        faults = [f"{threads} more threads"] if threads > slack else []
        return [*faults, f"more descriptors: {dict(descriptors)}"] if descriptors.total() > slack else faults

    def __str__(self) -> str:
        mebibytes = self.resident_bytes / MEBIBYTE
        return f"{mebibytes:.1f} MiB, {self.threads} threads, {self.descriptors.total()} descriptors"


def _descriptors(pid: int) -> Counter[str]:
    found: Counter[str] = Counter()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found[str(entry.readlink()).partition(":[")[0]] += 1
        except FileNotFoundError:  # closed meanwhile
            continue
    return found


def holdings(folder: Path) -> dict[str, Holding]:
    """Return what each process of a service holds, by its id and the module that it runs.

    Args:
        folder: the service's own.
    """
    return {f"{pid} {_module(line)}": Holding.of(pid) for pid, line in sorted(processes.of(folder).items())}


def _module(line: str) -> str:
    words = line.split()
    return words[words.index("-m") + 1].rpartition(".replicas.")[2] if "-m" in words else words[0]


def files(folder: Path) -> frozenset[str]:
    """Return the paths of a service's files, below its own folder."""
    return frozenset(str(path.relative_to(folder)) for path in folder.rglob("*"))
