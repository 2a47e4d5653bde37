"""A process of its own, and the memory that it and its children hold while it runs."""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from apps.benchmark.workers import ONE_THREAD

PROC = Path("/proc")
EVERY = 0.1  # seconds
POINTS = 200  # of a curve that is kept
MEGABYTE = 1e6


@dataclass
class Watched:
    """How a process ended and what it took: seconds, and megabytes resident at most.

    `peak` is the kernel's own mark of the process, or what was seen of it with its children, if that is more: pages
    of mapped files count, and those shared by several processes count in each. `peak_private` is without mapped files,
    as it was seen. `curve` holds (seconds, megabytes).
    """

    exit_code: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    peak: float = 0.0
    peak_private: float = 0.0
    said: str = ""
    curve: list[tuple[float, float]] = field(default_factory=list)

    def see(self, seconds: float, pid: int) -> None:
        sizes = [size for process in _family(pid) if (size := _sizes(process))]
        if sizes:
            resident = sum(size["VmRSS"] for size in sizes)
            self.curve.append((round(seconds, 2), round(resident, 1)))
            self.peak = max(self.peak, resident, sizes[0]["VmHWM"])
            self.peak_private = max(self.peak_private, sum(size["RssAnon"] for size in sizes))


def watch(arguments: Sequence[str]) -> Watched:
    """Run a program with the libraries' own numbers of threads, and look at its memory ten times a second."""
    environment = {name: value for name, value in os.environ.items() if name not in ONE_THREAD}
    found, start, before = Watched(), time.perf_counter(), _children_cpu()
    with tempfile.TemporaryFile() as said, subprocess.Popen(
            arguments, stdout=said, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment) as process:
        try:
            while process.poll() is None:
                found.see(time.perf_counter() - start, process.pid)
                time.sleep(EVERY)
        finally:
            process.kill()
        found.exit_code, found.seconds = process.wait(), time.perf_counter() - start
        said.seek(0)
        found.said = said.read().decode(errors="replace")
    found.cpu = _children_cpu() - before
    found.curve = _thinned(found.curve)
    return found


@contextmanager
def on_cores(number: int) -> Iterator[None]:
    """Keep this process and those that it starts on so many cores, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:number])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _family(pid: int) -> list[int]:
    """A process, and those that descend of it."""
    found = [pid]
    for parent in found:
        try:
            for task in (PROC / str(parent) / "task").iterdir():
                found += map(int, (task / "children").read_text().split())
        except OSError:  # it ended meanwhile
            continue
    return found


def _sizes(pid: int) -> dict[str, float]:
    """Megabytes by the names of /proc/PID/status; empty for a process that ended."""
    try:
        lines = (PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return {}
    return {name: int(value.split()[0]) * 1024 / MEGABYTE for name, _, value in (line.partition(":") for line in lines)
            if name in ("VmRSS", "VmHWM", "RssAnon")}


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _thinned(curve: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most `POINTS` points, each the highest of its part."""
    step = -(-len(curve) // POINTS) or 1
    return [max(curve[start:start + step], key=lambda point: point[1]) for start in range(0, len(curve), step)]
