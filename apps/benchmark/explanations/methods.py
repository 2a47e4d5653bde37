"""Ways to say which columns of a row are strange, each a function of a scene and rows."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import pyarrow as pa
from pyod.models.ecod import ECOD

from anomaly_cl.detectors.reasons import BANK_ROWS, cells_of, encoded_of
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.errors import UsageError
from anomaly_cl.scoring.explain import falls, typical_rows

OURS, FALLS, SHAP = "ours", "ours, falls alone", "KernelSHAP"
BACKGROUND = 25  # normal rows that SHAP replaces columns by


@dataclass(frozen=True)
class Scene:
    """A fitted detector, the normal rows (n, columns) that it learned from, and a seed."""

    detector: TabularDetector
    normal: np.ndarray
    seed: int


Method = Callable[[Scene, np.ndarray], np.ndarray]
"""Contributions (rows, columns) to the strangeness of rows, higher = more; of a row alone, never of its batch."""


def ours(scene: Scene, rows: np.ndarray) -> np.ndarray:
    """All contributions, of which the detector's reasons are the strongest."""
    return scene.detector.contributions(_table(scene, rows))


def falls_alone(scene: Scene, rows: np.ndarray) -> np.ndarray:
    """Half of what a contribution is: the fall of the score when a column takes its typical value."""
    detector, step = scene.detector, -(-scene.detector.reference_.num_rows // BANK_ROWS)
    encoder, bank_rows = detector.scorer_.encoder_, np.arange(0, scene.detector.reference_.num_rows, step)
    here, bank = (cells_of(encoder.transform(table), encoder.column_of_, np.zeros((table.num_rows, 0)))
                  for table in (_table(scene, rows), detector.reference_.take(bank_rows)))
    typical = bank.composed(typical_rows(here, bank))
    return falls(lambda cells: detector.scorer_.score_encoded(encoded_of(cells)), here, typical)


def _table(scene: Scene, rows: np.ndarray) -> pa.Table:
    return pa.table(dict(zip(scene.detector.scorer_.encoder_.learned_names_, rows.T, strict=True)))


def kernel_shap(scene: Scene, rows: np.ndarray) -> np.ndarray:
    """SHAP values of the detector's score by `KernelExplainer` with its default number of samples."""
    import shap

    normal = np.random.default_rng(scene.seed).permutation(scene.normal)[:BACKGROUND]
    with _global_seed(scene.seed):
        explainer = shap.KernelExplainer(scene.detector.decision_function, normal)
        return np.asarray(explainer.shap_values(rows, silent=True))


def ecod(scene: Scene, rows: np.ndarray) -> np.ndarray:
    """ECOD's tail surprise of each column, each row scored alone, for it depends on the batch."""
    model, found = ECOD().fit(scene.normal), []
    for row in rows:
        model.decision_function(row[None])
        found.append(model.O[-1])
    return np.stack(found)


def z_score(scene: Scene, rows: np.ndarray) -> np.ndarray:
    """Distance of each value from the mean of the normal ones, in their standard deviations."""
    spread = scene.normal.std(axis=0)
    return np.abs(rows - scene.normal.mean(axis=0)) / np.where(spread > 0, spread, 1.0)


def at_random(scene: Scene, rows: np.ndarray) -> np.ndarray:
    return np.random.default_rng(scene.seed).random(rows.shape)


METHODS: dict[str, Method] = {
    OURS: ours, FALLS: falls_alone, SHAP: kernel_shap, "ECOD": ecod, "|z|": z_score, "random": at_random,
}


def choose(names: Sequence[str] | None = None) -> dict[str, Method]:
    """The methods of these names, all without; raises UsageError for an unknown name, or without shap."""
    if unknown := sorted(set(names or ()) - set(METHODS)):
        raise UsageError(f"methods are among {list(METHODS)}", f"found {unknown}", "correct the names")
    found = {name: method for name, method in METHODS.items() if not names or name in names}
    if SHAP in found and find_spec("shap") is None:
        others = [name for name in METHODS if name != SHAP]
        raise UsageError(f"{SHAP} is that of the package shap", "it is not installed",
                         f"install it (pip install shap), or leave it out with --methods {shlex.join(others)}")
    return found


@contextlib.contextmanager
def _global_seed(seed: int) -> Iterator[None]:
    """SHAP draws from NumPy's global stream."""
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)
