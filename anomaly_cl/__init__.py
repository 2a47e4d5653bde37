"""Anomaly and fraud detection without labels: contrastive encoders, calibrated scores, reasons, and an alert queue."""

from importlib import import_module
from typing import Any

_HOMES = {
    "EventDetector": "anomaly_cl.detectors.events",
    "Schema": "anomaly_cl.schema",
    "SeriesDetector": "anomaly_cl.detectors.series",
    "Shown": "anomaly_cl.batch.investigation",
    "TabularDetector": "anomaly_cl.detectors.tabular",
    "export_onnx": "anomaly_cl.detectors.onnx_export",
    "load": "anomaly_cl.detectors.loading",
    "score_batches": "anomaly_cl.batch.batches",
    "scored_batch_schema": "anomaly_cl.batch.batches",
    "score_file": "anomaly_cl.batch.score",
    "simulate_transactions": "anomaly_cl.datasets.simulate",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that importing the package does not import torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
