"""The models that are measured, by name: ours, ablations of ours, and peers."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from sklearn.preprocessing import StandardScaler

from anomaly_cl.errors import UsageError

OURS = "ours"
FAST = f"{OURS}-fast"
PLAIN, TRIMMED = f"{OURS}-plain", f"{OURS}-trimmed"  # both without pretraining; the second trims and refits
# models whose loss by anomalies among the training rows is measured
UNCLEAN = (OURS, PLAIN, TRIMMED, "KNN-1", "KNN-5", "IForest")


class Detector(Protocol):
    """Learns from normal rows X (n, features) and scores others, higher = stranger."""

    def fit(self, X: np.ndarray) -> Any: ...

    def decision_function(self, X: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class Model:
    """How a detector is made from a seed (a function that pickles), and the package that its code is in."""

    make: Callable[[int], Any]
    package: str

    @property
    def code(self) -> str:
        """Digest of the package's source and the settings: results of one digest were measured with one program."""
        settings = pickle.dumps(self.make, protocol=4)
        return hashlib.sha256(source_digest(self.package).encode() + settings).hexdigest()[:12]


class Standardised:
    """A detector on columns of mean 0 and standard deviation 1, as learned from the training rows."""

    def __init__(self, detector: Detector):
        self.detector = detector

    def fit(self, X: np.ndarray) -> Self:
        self.scaler_ = StandardScaler().fit(X)
        self.detector.fit(self.scaler_.transform(X))
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        return self.detector.decision_function(self.scaler_.transform(X))


def models() -> dict[str, Model]:
    """All models {name: model}; names of ours come from the package, so new methods and heads join by themselves."""
    from apps.benchmark.ours import our_models  # Lightning takes seconds to import, and peers do without

    return {name: Model(make, "anomaly_cl") for name, make in our_models().items()} | peers()


def peers() -> dict[str, Model]:
    """Published methods {name: model}, with their authors' or library's default settings, on standardised columns."""
    seeded = {"random_state"}
    pyod: dict[str, tuple[str, dict[str, Any], set[str]]] = {
        "KNN-1": ("knn.KNN", {"n_neighbors": 1}, set()),
        "KNN-5": ("knn.KNN", {"n_neighbors": 5, "method": "mean"}, set()),
        "LOF": ("lof.LOF", {"n_neighbors": 20}, set()),
        "IForest": ("iforest.IForest", {"n_estimators": 200}, seeded),
        "ECOD": ("ecod.ECOD", {}, set()),
        "HBOS": ("hbos.HBOS", {}, set()),
        # without components of no variance: PyOD divides by it, and all scores would be infinite on a few sets
        "PCA": ("pca.PCA", {"n_components": 1 - 1e-9}, seeded),
        "OCSVM": ("ocsvm.OCSVM", {}, set()),
        "LUNAR": ("lunar.LUNAR", {}, seeded),
        "DIF": ("dif.DIF", {}, seeded),
    }
    own = {"ICL": "icl.ICL", "NeuTraL": "neutral.NeuTraL", "SLAD": "slad.SLAD"}
    of_pyod = {
        name: Model(partial(standardised, f"pyod.models.{path}", settings, tuple(seed_names)), "pyod")
        for name, (path, settings, seed_names) in pyod.items()
    }
    return of_pyod | {
        name: Model(partial(standardised, f"apps.benchmark.peers.{path}", {}, ("seed",)), "apps.benchmark.peers")
        for name, path in own.items()
    }


def standardised(path: str, settings: dict[str, Any], seed_names: Sequence[str], seed: int) -> Standardised:
    """The detector of class `path` with settings, and the seed under the names it goes by there, if any."""
    module, name = path.rsplit(".", 1)
    return Standardised(getattr(import_module(module), name)(**settings, **dict.fromkeys(seed_names, seed)))


def choose(names: Sequence[str] | None = None) -> dict[str, Model]:
    """The models of these names, all without; raises UsageError for an unknown name."""
    known = peers()
    if not names or not set(names) <= set(known):
        known = models()
    if unknown := sorted(set(names or ()) - set(known)):
        raise UsageError(f"models are among {list(known)}", f"found {unknown}", "correct the names")
    return {name: model for name, model in known.items() if not names or name in names}


@cache
def source_digest(package: str) -> str:
    """Digest of the .py files of an installed package, whatever their dates."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise UsageError("a model's code is in a package", f"found {package!r}", "correct the name")
    folder = Path(spec.submodule_search_locations[0])
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
