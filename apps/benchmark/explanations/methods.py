"""Ways to say which columns of a row are strange, each a function of a scene and rows."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import pyarrow as pa
from pyod.models.ecod import ECOD

from anomaly_cl.detectors.reasons import BANK_ROWS, contributions, typical_rows
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.errors import UsageError

OURS, SHAP = "ours", "KernelSHAP"
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
    """All contributions that the detector's reasons are the strongest of."""
    table = pa.table(dict(zip(scene.detector.scorer_.encoder_.learned_names_, rows.T, strict=True)))
    return our_contributions(scene.detector, table)


def our_contributions(detector: TabularDetector, table: pa.Table) -> np.ndarray:
    """Falls of the score (rows, columns), as in `FittedDetector.reasons`."""
    scorer, reference = detector.scorer_, detector.reference_
    encoder = scorer.encoder_
    near = reference.take(np.arange(0, reference.num_rows, -(-reference.num_rows // BANK_ROWS)))
    encoded, bank = encoder.transform(table), encoder.transform(near)
    typical = typical_rows(encoded, bank, encoder.column_of_)
    return contributions(scorer.score_encoded, encoded, bank, typical, encoder.column_of_)


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


METHODS: dict[str, Method] = {OURS: ours, SHAP: kernel_shap, "ECOD": ecod, "|z|": z_score, "random": at_random}


def choose(names: Sequence[str] | None = None) -> dict[str, Method]:
    """The methods of these names, all without; raises UsageError for an unknown name, or without shap."""
    if unknown := sorted(set(names or ()) - set(METHODS)):
        raise UsageError(f"methods are among {list(METHODS)}", f"found {unknown}", "correct the names")
    found = {name: method for name, method in METHODS.items() if not names or name in names}
    if SHAP in found and find_spec("shap") is None:
        others = [name for name in METHODS if name != SHAP]
        raise UsageError(f"{SHAP} is that of the package shap", "it is not installed",
                         f"install it (pip install shap), or leave it out with --methods {' '.join(others)}")
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
