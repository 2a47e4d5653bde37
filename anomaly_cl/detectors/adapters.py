"""The faces of other libraries: the detector as scikit-learn and PyOD know one, and their detectors as a head of ours.

Ours says higher = stranger, as PyOD does; scikit-learn says lower. The sign is turned here and nowhere else.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from pyod.models.base import BaseDetector
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from anomaly_cl.detectors.fitted import FEWEST
from anomaly_cl.detectors.series import SeriesDetector
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.pretraining.settings import TrainingSettings
from anomaly_cl.table.split import CalibrationPlan

PROBED_ROWS = 64


class SklearnDetector(OutlierMixin, BaseEstimator):
    """The detector with scikit-learn's face: lower scores are stranger, predict gives 1 for normal and -1 for alerts.

    alpha: the share of normal rows that may be alerted; `offset_` is the score at which the calibration puts it. X may
    hold NaN for missing values. The other parameters are those of TabularDetector.
    """

    def __init__(
        self, pretraining: str = "neighbours", *, alpha: float = 0.05, random_state: int = 0,
        training: TrainingSettings | None = None, calibration: str | CalibrationPlan = "auto",
    ):
        self.pretraining = pretraining
        self.alpha = alpha
        self.random_state = random_state
        self.training = training
        self.calibration = calibration

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Learn from normal rows X (rows, columns); y is ignored."""
        if not 0 < self.alpha < 1:
            raise UsageError("alpha is a rate between 0 and 1", f"it is {self.alpha!r}", "choose one, 0.05 say")
        X = validate_data(self, X, dtype="numeric", ensure_all_finite="allow-nan", ensure_min_samples=2)
        self.detector_ = TabularDetector(self.pretraining, self.random_state, training=self.training,
                                         calibration=self.calibration).fit(_floats(X))
        self.offset_ = -threshold_at(self.detector_, self.alpha)
        return self

    def score_samples(self, X: ArrayLike) -> np.ndarray:
        """Minus the fused surprise (rows,): lower is stranger."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype="numeric", ensure_all_finite="allow-nan", reset=False)
        return -self.detector_.decision_function(_floats(X))

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """`score_samples` minus `offset_` (rows,): negative for alerts."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: ArrayLike) -> np.ndarray:
        """1 for normal rows, -1 for alerts (rows,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class PyODDetector(BaseDetector):
    """The detector with PyOD's face: `decision_scores_`, `threshold_`, `labels_` by a contamination, 1 = outlier.

    PyOD's `predict`, `predict_proba` and `predict_confidence` build on these. `decision_scores_` are the scores of the
    training rows, a row of the reference bank being measured to the others only.
    """

    def __init__(
        self, contamination: float = 0.1, pretraining: str = "neighbours", random_state: int = 0,
        training: TrainingSettings | None = None, calibration: str | CalibrationPlan = "auto",
    ):
        super().__init__()  # which would check the contamination here; an estimator checks in fit
        self.contamination = contamination
        self.pretraining = pretraining
        self.random_state = random_state
        self.training = training
        self.calibration = calibration

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Learn from rows X (rows, columns); y is ignored."""
        if not 0 < self.contamination <= 0.5:
            raise UsageError("contamination is a share above 0, at most 0.5", f"it is {self.contamination!r}",
                             "choose one, 0.1 say")
        X = validate_data(self, X, dtype="numeric", ensure_all_finite="allow-nan", ensure_min_samples=2)
        self._set_n_classes(None)
        rows = _floats(X)
        detector = TabularDetector(self.pretraining, self.random_state, training=self.training,
                                   calibration=self.calibration, fit_rows=max(len(rows), FEWEST["fit_rows"]))
        self.detector_ = detector.fit(rows)
        self.decision_scores_ = self.detector_.training_scores(rows)
        self._process_decision_scores()
        return self

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """Fused surprise (rows,): higher is stranger."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype="numeric", ensure_all_finite="allow-nan", reset=False)
        return self.detector_.decision_function(_floats(X))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class OutsideHead:
    """A detector of PyOD or scikit-learn as one more distance head: `extra_heads={"forest": OutsideHead(IForest())}`.

    Raises UsageError where the score of a row depends on the other rows of the batch (PyOD's ECOD and COPOD), since
    then no promise about it can be kept. It cannot be saved in a model folder, which holds no code; pickle works.
    """

    def __init__(self, detector: Any):
        self.detector = detector

    def fit(self, X: ArrayLike) -> Self:
        """Fit a copy of the detector on normal rows (rows, columns)."""
        X = np.asarray(X)
        self.fitted_ = copy.deepcopy(self.detector).fit(X)
        probe = X[:PROBED_ROWS]
        together = self.distances(probe)
        alone = np.concatenate([self.distances(probe[i:i + 1]) for i in range(len(probe))])
        if not np.allclose(together, alone, rtol=1e-6, atol=1e-9):
            raise UsageError(
                "a head scores each row by itself", f"{type(self.detector).__name__} scores a row up to "
                f"{np.abs(together - alone).max():.3g} apart, alone and among others", "choose another detector",
            )
        return self

    def distances(self, X: ArrayLike) -> np.ndarray:
        """Its score (rows,) float64 with our sign: higher = stranger."""
        sign = -1.0 if isinstance(self.fitted_, OutlierMixin) and not isinstance(self.fitted_, BaseDetector) else 1.0
        return sign * np.asarray(self.fitted_.decision_function(np.asarray(X)), np.float64)

    def to_state(self) -> dict[str, Any]:
        raise UsageError("a model folder holds data, no code", f"{type(self.detector).__name__} is of another library",
                         "save without extra heads, or pickle the detector for your own use")

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        raise UsageError("heads of other libraries are never saved", f"found {sorted(state)}", "train the model again")


def threshold_at(detector: TabularDetector, alpha: float) -> float:
    """The smallest score whose p-value is at most alpha, or just above every calibration score if there is none."""
    return detector.calibration_.whole_.threshold(alpha)


def benchmark_detector(seed: int) -> TabularDetector:
    """The default detector, as benchmarks construct one: from a seed, with the same settings for all data."""
    return TabularDetector(random_state=seed)


def benchmark_series_detector(random_state: int = 0, **settings: Any) -> SeriesDetector:
    """The default detector of series, as benchmarks construct one: the same settings for all data."""
    return SeriesDetector(random_state=random_state, **settings)


def _floats(X: ArrayLike) -> np.ndarray:
    X = np.asarray(X, np.float64)
    if np.isinf(X).any():
        raise InputError("numbers must be finite or NaN", f"{int(np.isinf(X).sum())} are infinity",
                         "replace them, by NaN if they mean missing")
    return X
