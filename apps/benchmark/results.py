"""One measurement and its file: a job, what came of it, and where that is kept."""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from anomaly_cl.errors import InputError
from apps.benchmark.data import Split, one_class_split, read_set, unclean_split
from apps.benchmark.models import Detector, Model

RUNS = "runs"


@dataclass(frozen=True)
class Job:
    """One model on one data set with one seed; `share` of the training rows are anomalies, None: the clean split."""

    data: Path
    name: str
    model: Model
    seed: int
    share: float | None = None

    def file(self, out: Path) -> Path:
        unclean = "" if self.share is None else f"-unclean-{self.share:g}"
        return out / RUNS / self.data.stem / self.name / f"seed-{self.seed}{unclean}.json"

    def split(self, y: np.ndarray) -> Split:
        return one_class_split(y, self.seed) if self.share is None else unclean_split(y, self.seed, self.share)

    def fitted(self, X: np.ndarray, y: np.ndarray, split: Split) -> Detector:
        """The model, fitted to the training rows of a data set."""
        detector = self.model.make(self.seed)
        detector.fit(X[split.train])
        return detector


@dataclass(frozen=True)
class Result:
    """What came of a job: areas in percent and seconds, or an error; `code` is the digest of the model's program."""

    data: str
    model: str
    seed: int
    share: float | None
    code: str
    date: str
    rows: int = 0
    features: int = 0
    anomalies_in_training: int = 0
    test_rows: int = 0
    test_anomalies: int = 0
    auc_roc: float | None = None
    auc_pr: float | None = None
    fit_seconds: float | None = None
    score_seconds: float | None = None
    warnings: tuple[str, ...] = ()
    error: str = ""

    @classmethod
    def failed(cls, job: Job, error: str) -> Result:
        return cls(job.data.stem, job.name, job.seed, job.share, job.model.code, date.today().isoformat(), error=error)


def measure(job: Job) -> Result:
    """Fit and score; whatever the model raises becomes the result's error, for one model may not end the run."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            return _measure(job, caught)
    except Exception as error:
        return Result.failed(job, f"{type(error).__name__}: {error}")


def _measure(job: Job, caught: list[warnings.WarningMessage]) -> Result:
    X, y = read_set(job.data)
    split = job.split(y)
    train, test, labels = X[split.train], X[split.test], y[split.test]
    start = time.perf_counter()
    detector = job.fitted(X, y, split)
    fitted = time.perf_counter()
    scores = np.asarray(detector.decision_function(test), dtype=np.float64)
    scored = time.perf_counter()
    if scores.shape != labels.shape or not np.isfinite(scores).all():
        raise InputError("each row gets one finite score", f"{scores.shape} scores of {len(labels)} rows, "
                         f"{int((~np.isfinite(scores)).sum())} not finite", "mend the model")
    return Result(
        job.data.stem, job.name, job.seed, job.share, job.model.code, date.today().isoformat(),
        rows=len(train), features=train.shape[1], anomalies_in_training=split.anomalies_in_training,
        test_rows=len(test), test_anomalies=int(labels.sum()),
        auc_roc=100 * float(roc_auc_score(labels, scores)), auc_pr=100 * float(average_precision_score(labels, scores)),
        fit_seconds=fitted - start, score_seconds=scored - fitted,
        warnings=tuple(sorted({f"{warning.category.__name__}: {warning.message}" for warning in caught})),
    )


def write_result(result: Result, file: Path) -> None:
    """Write the result at once or not at all: a run may be stopped at any moment."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(asdict(result), indent=1) + "\n", encoding="utf-8")
    os.replace(part, file)


def read_result(file: Path) -> Result:
    """The result of a file; raises InputError if it is not one."""
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        return Result(**record | {"warnings": tuple(record["warnings"])})
    except (ValueError, TypeError, KeyError) as error:
        raise InputError("a result file holds one result as JSON", f"{file}: {error!r}", "delete it") from error


def read_results(out: Path) -> Iterator[Result]:
    """All results kept in a folder, in the order of their paths."""
    return (read_result(file) for file in sorted((out / RUNS).glob("*/*/*.json")))
