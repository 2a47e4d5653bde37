"""What a measured process does: python -m apps.benchmark.speed.task '{"task": "fit_ours", ...}'"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def clock(found: dict[str, Any], name: str) -> Iterator[None]:
    """Seconds on the clock, and seconds computed on all cores."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    found[f"{name}_seconds"] = time.perf_counter() - wall
    found[f"{name}_cpu"] = time.process_time() - cpu


def fit_ours(settings: dict[str, Any], file: str, model: str | None) -> dict[str, Any]:
    """Fit our detector to a file, reading included; save it if a folder is given."""
    from anomaly_cl.detectors.tabular import TabularDetector
    from anomaly_cl.table.read import open_rows
    from apps.benchmark.speed.data import KEY

    found: dict[str, Any] = {}
    with clock(found, "work"):
        schema = open_rows(file).schema.naming(key=KEY)
        quiet = {"enable_progress_bar": False, "accelerator": "cpu"}
        detector = TabularDetector(schema=schema, trainer_options=quiet, **settings).fit(file)
    if model is not None:
        detector.save(model)
    return found | {"bank": detector.reference_.num_rows}


def score_ours(model: str, file: str, out: str, policy: str | None) -> dict[str, Any]:
    """Score a file into a file; the model is loaded apart."""
    from anomaly_cl.batch.score import score_file
    from anomaly_cl.detectors.loading import load

    found: dict[str, Any] = {}
    with clock(found, "load"):
        detector = load(model)
    with clock(found, "work"):
        manifest = score_file(detector, file, out, policy=policy)
    return found | {"scored": manifest["rows"]["scored"], "alerts": manifest["alerts"]}


def fit_peer(peer: str, file: str) -> dict[str, Any]:
    """Fit a detector of PyOD to all rows of a file, in memory before."""
    from apps.benchmark.speed.arrays import Arrays
    from apps.benchmark.speed.contenders import PEERS

    found: dict[str, Any] = {}
    rows, detector = Arrays(Path(file)).reference, PEERS[peer].make()
    with clock(found, "work"):
        detector.fit(rows)
    return found | {"bank": len(rows)}


def score_peer(peer: str, reference: str, file: str, most_rows: int) -> dict[str, Any]:
    """Scores of PyOD's decision_function for the first rows of a file, in memory before."""
    from apps.benchmark.speed.arrays import Arrays
    from apps.benchmark.speed.contenders import PEERS

    found: dict[str, Any] = {}
    arrays, detector = Arrays(Path(reference)), PEERS[peer].make()
    with clock(found, "load"):
        detector.fit(arrays.reference)
    rows = arrays.read(Path(file), most_rows)
    with clock(found, "work"):
        scores = detector.decision_function(rows)
    return found | {"scored": len(scores)}


TASKS = {task.__name__: task for task in (fit_ours, score_ours, fit_peer, score_peer)}


def main() -> None:
    asked = json.loads(sys.argv[1])
    task, result = TASKS[asked.pop("task")], Path(asked.pop("result"))
    result.write_text(json.dumps(task(**asked)), encoding="utf-8")


if __name__ == "__main__":
    main()
