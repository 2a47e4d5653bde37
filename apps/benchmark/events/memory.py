"""How much memory this process took at most."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

STATUS, PEAK = Path("/proc/self/status"), "VmHWM:"


def peak_megabytes() -> float:
    """Peak resident size so far, in millions of bytes; where there is no /proc, at least that of the parent process."""
    if STATUS.exists():
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith(PEAK))
        return int(line.split()[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
