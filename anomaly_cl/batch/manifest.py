"""What a scored file's manifest says of the input and the model."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

from anomaly_cl.batch.events import file_schema
from anomaly_cl.batch.outputs import sha256_of
from anomaly_cl.detectors.artifact import LIBRARIES
from anomaly_cl.detectors.facts import masked_segments
from anomaly_cl.detectors.loading import Detector
from anomaly_cl.errors import InputError
from anomaly_cl.scoring.calibration import Calibration
from anomaly_cl.table.files import expand
from anomaly_cl.table.raw import reading
from anomaly_cl.table.read import RowStream

Stamp = tuple[int, int, int]


def manifest_of(
    detector: Detector, stream: RowStream, files: InputFiles, where: str | None, policy: str, n_alerts: int,
    calibration: Calibration,
) -> dict[str, Any]:
    """What a run read, by which model and policy; more is added while it goes on."""
    return {
        "input": described(stream, files, where),
        "model_id": detector.model_id_,
        "rows": {"read": stream.rows_read, "filtered_out": stream.rows_filtered_out,
                 "in": stream.rows_read - stream.rows_filtered_out},
        "policy": policy,
        "alerts": n_alerts,
        "calibration": {"rows": calibration.n_rows_, "tail": calibration.tail_note_,
                        "segments": masked_segments(calibration.segments_, file_schema(detector))},
        "versions": {name: version(name) for name in LIBRARIES},
    }


def scored_by(detector: Detector) -> dict[str, Any]:
    """What computes scores: the model, and the libraries by their versions."""
    return {"model": detector.model_id_} | {name: version(name) for name in LIBRARIES}


def described(stream: RowStream, files: InputFiles, where: str | None) -> dict[str, Any]:
    """An input by its name, condition and digests."""
    return {"name": stream.name, "where": where or "", "files": files.digests()}


def digest_of_inputs(manifest: dict[str, Any]) -> str:
    """One digest of all files that the scores depend on, and of the condition on the history."""
    files = [digest for part in ("input", "history", "verdicts") if part in manifest
             for digest in sorted(manifest[part]["files"].values())]
    where = manifest.get("history", {}).get("where", "")
    return hashlib.sha256(("".join(files) + where).encode()).hexdigest()


@dataclass(frozen=True)
class InputFiles:
    """The files that paths mean, with what tells that one was changed; or a table."""

    stamps: dict[str, Stamp]
    table: pa.Table | None = None

    @classmethod
    def of(cls, source: Any) -> InputFiles:
        """Those there are now, of a path, a list of paths, a table or None."""
        if isinstance(source, pa.Table):
            return cls({}, source)
        paths = [source] if isinstance(source, str | Path) else [] if source is None else list(source)
        return cls({file: _stamp(file) for path in paths for file in expand(path)})

    def digests(self) -> dict[str, str]:
        """SHA-256 of each file, or of the table. Raises InputError if a file is not what it was."""
        if self.table is not None:
            return {"table": hashlib.sha256(repr(self.table.to_pydict()).encode()).hexdigest()}
        found = {}
        for file, stamp in self.stamps.items():
            with reading(file, "a file"):
                found[file] = sha256_of(file)
            if _stamp(file) != stamp:
                raise InputError("files stay as they are while they are scored", f"{file} was changed meanwhile",
                                 "run again when nothing writes to it")
        return found


def _stamp(file: str) -> Stamp:
    with reading(file, "a file"):
        facts = os.stat(file)
    return facts.st_ino, facts.st_size, facts.st_mtime_ns
