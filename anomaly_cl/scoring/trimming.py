"""Which training rows are probably anomalies, found without labels: rows far outside the tail that the others foretell.

Anomalies that slipped into the training rows vouch for each other: each is the near neighbour of the next, and a model
that keeps them calls such anomalies normal. So a row is measured to a neighbour further away than a group of them can
reach (large k), and is taken for an anomaly where more rows lie that far out than the body of the rows lets expect.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import pairwise_distances_chunked

from anomaly_cl.errors import InputError
from anomaly_cl.scoring.arrays import finite_matrix

AUTO = "auto"
REACHES = (0.02, 0.1)  # the neighbours measured to, as shares of the rows: past groups up to this size
FEWEST_NEIGHBOURS = 5
LIMIT = 4.0  # standard deviations that a column counts for at most
BANK_ROWS = 2_000  # measured to at most, drawn evenly: a neighbour at a share of the rows needs no more
BODY = (0.7, 0.85)  # quantiles between which rows are normal, whatever slipped in
FEWEST_BETWEEN = 10  # different values there without which nothing is foretold
MOST = 0.1  # of the rows: a larger group is a kind of normal rows
SPARED = 3  # rows too many that are put down to chance


def strangeness(X: ArrayLike, kept: np.ndarray, rng: np.random.Generator, *, share: float = 0.0) -> np.ndarray:
    """How far each row lies from the rows kept, in nats of the tail that the body of all rows foretells; (rows,).

    X: (rows, columns), each column standardised; kept: bool (rows,), two or more. No column counts for more than four
    standard deviations: a rare value in one of many columns marks a rare kind of normal rows more often than an
    anomaly. The distance is that to the k-th neighbour (Ramaswamy, Rastogi and Shim 2000) other than the row itself,
    among kept rows drawn evenly (Sugiyama and Borgwardt 2013), so that k stands for a share of the rows: 2 and 10 %, or
    `share` where that is more. The tail of its logarithm is exponential (distances have a Pareto tail) at the rate
    found between the quantiles .7 and .85, of all rows but the `share` furthest. The larger of both surprises counts.
    """
    rows = np.clip(finite_matrix(X, fewest=2), -LIMIT, LIMIT)
    if kept.sum() < 2:
        raise InputError("rows are measured to at least two that are kept", f"{kept.sum()} are", "keep more")
    bank = np.flatnonzero(kept)
    if len(bank) > BANK_ROWS:
        bank = np.sort(rng.choice(bank, BANK_ROWS, replace=False))
    ks = [min(max(FEWEST_NEIGHBOURS, round(reach * len(bank))), len(bank) - 1)
          for reach in (REACHES[0], max(REACHES[1], share))]
    return np.max([_surprise(logs, share) for logs in _log_distances(rows, bank, ks).T], axis=0)


def strange_rows(strange: np.ndarray, contamination: str | float) -> np.ndarray:
    """Mask (rows,) of the rows to leave out, by `strangeness` (rows,), higher = stranger.

    A share leaves out that share of the rows, the strangest. "auto" leaves out all rows beyond the point where the
    number found exceeds twice the number expected by most: there the density of the rows is twice that expected of
    normal ones, so the local false discovery rate (Efron 2004, "Large-scale simultaneous hypothesis testing", section
    3) is a half. Nothing is left out where this excess may be chance, or where it is more than a tenth of the rows.
    """
    n = len(strange)
    order = np.argsort(strange, kind="stable")
    mask = np.zeros(n, bool)
    if contamination != AUTO:
        mask[order[n - round(float(contamination) * n):]] = True
        return mask
    found = n - np.arange(n)
    expected = len(REACHES) * n * np.exp(-strange[order])
    gain = found - 2 * expected - np.sqrt(expected) - SPARED
    gain[strange[order] <= -np.log(1 - BODY[1])] = 0
    best = int(gain.argmax())
    if gain[best] > 0:
        mask = strange >= strange[order[best]]
    return mask if mask.sum() <= MOST * n else np.zeros(n, bool)


def _log_distances(X: np.ndarray, bank: np.ndarray, ks: Sequence[int]) -> np.ndarray:
    """log of the distance (rows, ks) to the k-th nearest other row of the bank."""
    X = X - np.median(X, axis=0)  # small numbers round less
    own = np.full(len(X), -1)
    own[bank] = np.arange(len(bank))
    distances = np.concatenate(list(_kth(X, X[bank], own, ks)))
    positive = distances[distances > 0]
    floor = 1e-6 * np.median(positive) if len(positive) else 1.0
    return np.log(np.maximum(distances, floor))


def _kth(X: np.ndarray, bank: np.ndarray, own: np.ndarray, ks: Sequence[int]) -> Iterator[np.ndarray]:
    def reduce(distances: np.ndarray, start: int) -> np.ndarray:
        place = own[start:start + len(distances)]
        inside = np.flatnonzero(place >= 0)
        distances[inside, place[inside]] = np.inf
        at = [k - 1 for k in ks]
        return np.partition(distances, at, axis=1)[:, at]

    yield from pairwise_distances_chunked(X, bank, reduce_func=reduce, working_memory=64)


def _surprise(logs: np.ndarray, share: float) -> np.ndarray:
    """-log of the share of rows expected beyond each value (rows,), by the tail of the body of all but the `share`
    furthest. Where the body has too few values to foretell anything, the rows are only put in order, from 0 to 1.
    """
    low, high = np.quantile(logs, [quantile * (1 - share) for quantile in BODY])
    between = logs[(logs > low) & (logs <= high)]
    if len(np.unique(between)) < FEWEST_BETWEEN:
        return np.searchsorted(np.unique(logs), logs) / len(logs)
    scale = (high - low) / np.log((1 - BODY[0]) / (1 - BODY[1]))
    scale *= 1 + 1 / np.sqrt(len(between))  # its standard error, to be on the side that trims less
    return (logs - low) / scale - np.log(1 - BODY[0])
