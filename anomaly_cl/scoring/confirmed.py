"""Heads that know some confirmed anomalies: is a row nearer to them than to normal rows, and does it look like them?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.linear_model import LogisticRegression

from anomaly_cl.scoring.arrays import finite_matrix
from anomaly_cl.scoring.neighbours import ExactNeighbours

NORMAL_NEIGHBOURS = 5
CLOSEST = 0.01  # of the median distance between normal neighbours: what lies nearer counts as this near
MOST_NORMAL_ROWS = 4_096  # that the separating plane is fitted to
FARTHEST = 10.0  # standard deviations, beyond which a value pulls no more at the plane
REGULARISATION = 0.1


class NearConfirmedHead:
    """log distance to normal rows, minus log distance to the nearest confirmed anomaly.

    The mean over the five nearest normal rows; the logarithms make it the log ratio that the soft triplet loss trains.
    """

    def __init__(self, anomalies: ArrayLike):
        self.anomalies = np.asarray(anomalies)

    def fit(self, X: ArrayLike) -> Self:
        """Keep normal rows (rows, columns) beside the anomalies."""
        self.bank_, self.anomalies_ = np.array(finite_matrix(X, fewest=1)), finite_matrix(self.anomalies, fewest=1)
        self._index()
        own = self.normal_index_.query(self.bank_, 2)[0][:, -1]
        self.closest_ = max(CLOSEST * float(np.median(own[own > 0])) if (own > 0).any() else CLOSEST, 1e-100)
        return self

    def distances(self, X: ArrayLike) -> np.ndarray:
        X = finite_matrix(X, columns=self.bank_.shape[1])
        near = self.normal_index_.query(X, NORMAL_NEIGHBOURS)[0].T  # added row by row: np.mean may add in another order
        normal = sum(near, start=np.zeros(())) / len(near)
        confirmed = self.anomaly_index_.query(X, 1)[0][:, 0]
        return np.log(np.maximum(normal, self.closest_)) - np.log(np.maximum(confirmed, self.closest_))

    def _index(self) -> None:
        self.normal_index_, self.anomaly_index_ = ExactNeighbours(self.bank_), ExactNeighbours(self.anomalies_)

    def to_state(self) -> dict[str, Any]:
        return {"bank": self.bank_, "anomalies": self.anomalies_, "closest": self.closest_}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        head = cls(state["anomalies"])
        head.bank_, head.anomalies_ = np.asarray(state["bank"]), np.asarray(state["anomalies"])
        head.closest_ = float(state["closest"])
        head._index()
        return head


class LikeConfirmedHead:
    """Side of a plane between normal rows and confirmed anomalies: the log odds of a ridge-penalised logistic model.

    Both classes weigh alike, however few the anomalies are (King and Zeng 2001, "Logistic regression in rare events
    data", section 4.2).
    """

    def __init__(self, anomalies: ArrayLike):
        self.anomalies = np.asarray(anomalies)

    def fit(self, X: ArrayLike) -> Self:
        """Learn the plane from normal rows (rows, columns), at most 4,096 of them, evenly spaced."""
        X = finite_matrix(X, fewest=1).astype(np.float64)
        anomalies = finite_matrix(self.anomalies, columns=X.shape[1], fewest=1).astype(np.float64)
        n_kept = min(len(X), MOST_NORMAL_ROWS)
        X = X[np.arange(n_kept) * len(X) // n_kept]
        self.centre_, spread = X.mean(axis=0), X.std(axis=0)
        self.scale_ = np.where(spread > 0, spread, 1.0)
        rows = np.concatenate([self._standard(X), self._standard(anomalies)])
        model = LogisticRegression(C=REGULARISATION, class_weight="balanced", max_iter=1_000)
        model.fit(rows, np.repeat([0, 1], [len(X), len(anomalies)]))
        self.weights_, self.intercept_ = model.coef_[0], float(model.intercept_[0])
        return self

    def distances(self, X: ArrayLike) -> np.ndarray:
        X = self._standard(finite_matrix(X, columns=len(self.weights_)).astype(np.float64))
        odds = np.full(len(X), self.intercept_)
        for weight, column in zip(self.weights_, X.T, strict=True):  # a matrix product rounds by the number of rows
            odds += weight * column
        return odds

    def _standard(self, X: np.ndarray) -> np.ndarray:
        return np.clip((X - self.centre_) / self.scale_, -FARTHEST, FARTHEST)

    def to_state(self) -> dict[str, Any]:
        return {"centre": self.centre_, "scale": self.scale_, "weights": self.weights_, "intercept": self.intercept_}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        head = cls(np.empty((0, len(state["weights"]))))
        head.centre_, head.scale_ = np.asarray(state["centre"]), np.asarray(state["scale"])
        head.weights_, head.intercept_ = np.asarray(state["weights"]), float(state["intercept"])
        return head
