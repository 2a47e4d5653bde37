"""Model folders become detectors again, of the kind that was saved."""

from __future__ import annotations

from pathlib import Path

from anomaly_cl.detectors.tabular import TabularDetector


def load(folder: str | Path) -> TabularDetector:
    """Read a model folder that `save` or `anomaly-cl fit` wrote; raises ModelError, naming the file at fault."""
    return TabularDetector.load(folder)
