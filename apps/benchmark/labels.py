"""Few labels: what some confirmed anomalies add to a detector, and what peers make of the same rows."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import date
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.preprocessing import StandardScaler

from anomaly_cl.detectors.calibrating import CROSS_BELOW
from anomaly_cl.detectors.tabular import NO_PRETRAINING, TabularDetector
from anomaly_cl.errors import UsageError
from anomaly_cl.table.split import CrossFit, Split
from apps.benchmark.data import Split as DataSplit
from apps.benchmark.data import set_aside, unclean_split
from apps.benchmark.models import Model
from apps.benchmark.peers.devnet import DevNet
from apps.benchmark.report import markdown
from apps.benchmark.results import Job, read_results
from apps.benchmark.summary import means, results_frame

UNREFINED = "unrefined"
COUNTS = (5, 20)


@dataclass(frozen=True)
class LabelJob(Job):
    """A model that is also given confirmed anomalies: at most `labels` of the half of them that is not tested."""

    labels: int = 0

    def split(self, y: np.ndarray) -> DataSplit:
        return unclean_split(y, self.seed, 0.0)

    def fitted(self, X: np.ndarray, y: np.ndarray, split: DataSplit) -> Any:
        confirmed = set_aside(y, self.seed)[:self.labels]
        return self.model.make(self.seed).fit_confirmed(X[split.train], X[confirmed])


class Ours:
    """Our detector without pretraining, refined by the confirmed anomalies if there are any.

    Small data are calibrated over two folds: the scores are the same as over five, and only they are measured.
    """

    def __init__(self, seed: int):
        self.seed = seed

    def fit_confirmed(self, X: np.ndarray, anomalies: np.ndarray) -> TabularDetector:
        calibration = CrossFit(2) if len(X) < CROSS_BELOW else Split()
        detector = TabularDetector(NO_PRETRAINING, self.seed, calibration=calibration).fit(X)
        return detector.refine(anomalies, np.ones(len(anomalies))) if len(anomalies) else detector


class Classifier:
    """A classifier or detector with labels, on standardised columns: normal rows are 0, confirmed anomalies 1."""

    def __init__(self, make: Callable[[int], Any], seed: int):
        self.model = make(seed)

    def fit_confirmed(self, X: np.ndarray, anomalies: np.ndarray) -> Self:
        rows, labels = np.concatenate([X, anomalies]), np.repeat([0, 1], [len(X), len(anomalies)])
        self.scaler_ = StandardScaler().fit(X)
        with redirect_stdout(io.StringIO()):  # PyOD's DevNet prints
            self.model.fit(self.scaler_.transform(rows), labels)
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        X = self.scaler_.transform(X)
        if hasattr(self.model, "decision_function"):
            return self.model.decision_function(X)
        return self.model.predict_proba(X)[:, 1]


def devnet_of_pyod(seed: int) -> Any:
    """With torch's global generator seeded, which is what its weights and batches come from."""
    import torch
    from pyod.models.devnet import DevNet

    torch.manual_seed(seed)
    return DevNet(random_seed=seed)


def lightgbm(seed: int) -> Any:
    """With both classes weighing alike, and leaves small enough for the labels at hand."""
    from lightgbm import LGBMClassifier

    return LGBMClassifier(random_state=seed, n_jobs=1, verbose=-1, is_unbalance=True, min_child_samples=2)


def label_models() -> dict[str, Model]:
    """Makers {name: model} of all that learn from labels; LightGBM if it is installed."""
    found = {
        "refined": Model(Ours, "anomaly_cl"), "DevNet": Model(partial(Classifier, DevNet), "apps.benchmark.peers"),
        "DevNet-PyOD": Model(partial(Classifier, devnet_of_pyod), "pyod"),
    }
    if find_spec("lightgbm"):
        found["LightGBM"] = Model(partial(Classifier, lightgbm), "lightgbm")
    return found


def label_jobs(
    sets: Sequence[Path], seeds: Sequence[int], counts: Sequence[int], names: Sequence[str] | None = None
) -> list[LabelJob]:
    """Each model with each number of labels, and our detector without, on the same test rows.

    `names` takes the models of these names only; raises UsageError for an unknown one.
    """
    known = label_models()
    if unknown := sorted(set(names or ()) - {UNREFINED, *known}):
        raise UsageError(f"models are among {[UNREFINED, *known]}", f"found {unknown}", "correct the names")
    jobs = []
    for seed in seeds:
        for data in sets:
            jobs.append(LabelJob(data, UNREFINED, Model(Ours, "anomaly_cl"), seed))
            jobs += [LabelJob(data, f"{name}-{count}", model, seed, labels=count)
                     for count in counts for name, model in known.items()]
    return [job for job in jobs if not names or job.name.rpartition("-")[0] in names or job.name in names]


def write_label_report(out: Path) -> None:
    """Read all results of the folder and write `labels.md` beside them."""
    frame = results_frame(read_results(out))
    lines = means(frame)
    columns = ["AUC-ROC", "AUC-PR", "AUC-ROC odd", "AUC-PR odd", "AUC-ROC even", "AUC-PR even", "median s", "max s"]
    table = markdown(["model and labels", *columns, "sets"], (
        [name, *(f"{line[column]:.2f}" for column in columns), str(line["sets"])]
        for name, line in zip(map(str, lines.index), lines.to_dict("records"), strict=True)
    ))
    names = ["anomaly_cl", "pyod", "torch", *(["lightgbm"] if find_spec("lightgbm") else [])]
    about = (f"{date.today().isoformat()}; {frame['data'].nunique()} sets; "
             + ", ".join(f"{name} {version(name)}" for name in names))
    (out / "labels.md").write_text(f"{about}\n\n{table}\n", encoding="utf-8")
