"""Temporary folders of a run, which do not pile up where runs are killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

PREFIX = "anomaly_cl-run-"
_YOUNG_SECONDS = 60  # a folder that was just made may not be locked yet


class ScratchFolder:
    """A temporary folder, locked while its process lives; making one removes those of killed processes. Close it."""

    def __init__(self) -> None:
        _remove_abandoned()
        self._folder = TemporaryDirectory(prefix=PREFIX)
        self.path = Path(self._folder.name)
        self._lock = os.open(self.path, os.O_RDONLY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def close(self) -> None:
        """Remove it with all that is in it."""
        self._folder.cleanup()
        os.close(self._lock)


def _remove_abandoned() -> None:
    """Remove folders of this user that no process holds; those of others and what vanishes meanwhile is left alone."""
    for path in Path(gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            facts = path.stat()
            if facts.st_uid != os.geteuid() or facts.st_mtime > time.time() - _YOUNG_SECONDS:
                continue
            lock = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path)
            finally:
                os.close(lock)
