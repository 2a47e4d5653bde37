"""Do the two parts of a record belong together?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from anomaly_cl.errors import InputError
from anomaly_cl.scoring.arrays import finite_matrix

BANK_ROWS = 512  # a mean of exponentials over more of them hardly changes
CELLS = 1 << 20  # pairs of parts compared at once: what bounds the memory


class MismatchHead:
    """How much worse a part fits its partner than the parts of other records do: minus their mutual information.

    A row is [a, b], both halves of one width, and a . b their similarity, as CLIP was trained to judge it. Then
    a . b - log mean over bank rows j of exp(a . b_j) estimates log p(b | a) / p(b), up to a constant of a (van den Oord
    et al. 2018, "Representation learning with contrastive predictive coding", section 2.3); the distance is minus the
    mean of that and its mirror image. It does not see whether a or b is rare by itself: a marginal head must.
    """

    def fit(self, X: ArrayLike) -> Self:
        """Keep at most 512 normal rows (rows, 2 * d), evenly spaced, as the bank."""
        X = finite_matrix(X, fewest=1)
        if X.shape[1] % 2:
            raise InputError("a row has two halves of one width", f"the rows have {X.shape[1]} columns",
                             "give the projections of both towers")
        n_kept = min(len(X), BANK_ROWS)
        self.bank_ = np.array(X[np.arange(n_kept) * len(X) // n_kept], dtype=np.float64)
        return self

    def distances(self, X: ArrayLike) -> np.ndarray:
        X = finite_matrix(X, columns=self.bank_.shape[1])
        step = max(1, CELLS // len(self.bank_))
        parts = [self._distances(X[start:start + step].astype(np.float64)) for start in range(0, len(X), step)]
        return np.concatenate(parts) if parts else np.empty(0)

    def _distances(self, X: np.ndarray) -> np.ndarray:
        half = X.shape[1] // 2
        (a, b), (bank_a, bank_b) = np.split(X.T, 2), np.split(self.bank_.T, 2)
        together = sum(a * b, start=np.zeros(()))
        to_others = []
        for part, others in ((a, bank_b), (b, bank_a)):
            similarity = np.zeros((len(self.bank_), X.shape[0]))
            for column in range(half):  # column by column: a matrix product rounds differently for each number of rows
                similarity += others[column][:, None] * part[column]
            to_others.append(_log_mean_exp(similarity))
        return (to_others[0] + to_others[1]) / 2 - together

    def to_state(self) -> dict[str, Any]:
        return {"bank": self.bank_}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        head = cls()
        head.bank_ = np.asarray(state["bank"])
        return head


def _log_mean_exp(similarity: np.ndarray) -> np.ndarray:
    """log of the mean over the bank of exp(similarity (bank, rows)) (rows,)."""
    most = similarity.max(axis=0)
    total = np.zeros(similarity.shape[1])
    for line in np.exp(similarity - most):  # np.sum may add in another order for a single row
        total += line
    return most + np.log(total / len(similarity))
