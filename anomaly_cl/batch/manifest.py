"""What a scored file's manifest says of the input and the model."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

from anomaly_cl.batch.events import file_schema
from anomaly_cl.batch.outputs import sha256_of
from anomaly_cl.detectors.artifact import LIBRARIES
from anomaly_cl.detectors.facts import masked_segments
from anomaly_cl.detectors.loading import Detector
from anomaly_cl.scoring.calibration import Calibration
from anomaly_cl.table.files import expand
from anomaly_cl.table.read import RowStream


def manifest_of(
    detector: Detector, stream: RowStream, source: Any, where: str | None, policy: str, n_alerts: int,
    calibration: Calibration,
) -> dict[str, Any]:
    """What a run read, by which model and policy; more is added while it goes on."""
    return {
        "input": described(stream, source, where),
        "model_id": detector.model_id_,
        "rows": {"read": stream.rows_read, "filtered_out": stream.rows_filtered_out,
                 "in": stream.rows_read - stream.rows_filtered_out},
        "policy": policy,
        "alerts": n_alerts,
        "calibration": {"rows": calibration.n_rows_, "tail": calibration.tail_note_,
                        "segments": masked_segments(calibration.segments_, file_schema(detector))},
        "versions": {name: version(name) for name in LIBRARIES},
    }


def described(stream: RowStream, source: Any, where: str | None) -> dict[str, Any]:
    """An input by its name, condition and digests."""
    return {"name": stream.name, "where": where or "", "files": digests(source)}


def digest_of_inputs(manifest: dict[str, Any]) -> str:
    """One digest of all files that the scores depend on, and of the condition on the history."""
    files = [digest for part in ("input", "history", "verdicts") if part in manifest
             for digest in sorted(manifest[part]["files"].values())]
    where = manifest.get("history", {}).get("where", "")
    return hashlib.sha256(("".join(files) + where).encode()).hexdigest()


def digests(source: Any) -> dict[str, str]:
    """SHA-256 of each file that paths mean, or of a table."""
    if isinstance(source, pa.Table):
        return {"table": hashlib.sha256(repr(source.to_pydict()).encode()).hexdigest()}
    paths = [source] if isinstance(source, str | Path) else list(source)
    return {file: sha256_of(file) for path in paths for file in expand(path)}
