"""Which rows train, which turn distances into surprise, and which calibrate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from anomaly_cl.errors import InputError, UsageError

FEWEST_ROWS = 4
HELD_OUT_SHARE, HELD_OUT_CAP = 0.15, 10_000


@dataclass(frozen=True)
class Roles:
    """Positions of normal rows by what one model does with them: disjoint, each sorted.

    reference rows: features and encoder learn from them. held-out rows: features learn from them, and they stop the
    training; heads that cannot measure their own rows take their surprise from them. calibration rows: nothing is
    learned from them. All of them may stand in the bank that distances are measured to, where each is left out of its
    own measurement.
    """

    reference: np.ndarray
    held_out: np.ndarray
    calibration: np.ndarray

    @property
    def learned(self) -> np.ndarray:
        """Reference and held-out rows, sorted."""
        return np.sort(np.concatenate([self.reference, self.held_out]))


class CalibrationPlan(Protocol):
    """How normal rows give the scores that calibrate."""

    def roles(self, n_rows: int, rng: np.random.Generator) -> tuple[Roles, list[Roles]]:
        """The roles for the model that is kept, and for each further model that only scores calibration rows.

        No row is a calibration row twice. Raises InputError for fewer than four rows.
        """


@dataclass(frozen=True)
class Split:
    """Sets aside a share of the rows, at most `cap`, for calibration alone: one model, exactly valid."""

    share: float = 0.2
    cap: int = 20_000

    def __post_init__(self) -> None:
        if not 0 < self.share < 1 or self.cap < 1:
            raise UsageError("calibration takes a share of the rows between 0 and 1, and at least one row",
                             f"found {self}", "use for example Split(0.2, 20_000)")

    def roles(self, n_rows: int, rng: np.random.Generator) -> tuple[Roles, list[Roles]]:
        _check_rows(n_rows)
        order = rng.permutation(n_rows)
        n_calibration = max(1, min(round(n_rows * self.share), self.cap))
        return _roles(order[n_calibration:], order[:n_calibration], n_rows), []


@dataclass(frozen=True)
class CrossFit:
    """Cross-conformal calibration: each row is scored by a model that learned from the other folds only.

    The model that is kept learns from all rows, and all rows calibrate it (Vovk 2015, "Cross-conformal predictors",
    with one model in the end instead of one a fold; the jackknife of Barber et al. 2021, in folds). Small data lose
    nothing; the guarantee is approximate, on the cautious side, since every fold's model knows less than the last one.
    """

    folds: int = 5

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise UsageError("rows are cut into at least two folds", f"it is {self.folds}", "use for example 5")

    def roles(self, n_rows: int, rng: np.random.Generator) -> tuple[Roles, list[Roles]]:
        _check_rows(n_rows)
        order = rng.permutation(n_rows)
        nobody = np.zeros(0, np.intp)
        parts = np.array_split(order, min(self.folds, n_rows))
        others = [np.concatenate(parts[:i] + parts[i + 1:]) for i in range(len(parts))]
        return _roles(order, nobody, n_rows), [
            _roles(other, part, n_rows) for other, part in zip(others, parts, strict=True)
        ]


def _roles(learned: np.ndarray, calibration: np.ndarray, n_rows: int) -> Roles:
    n_held_out = max(1, min(round(n_rows * HELD_OUT_SHARE), HELD_OUT_CAP))
    return Roles(*(np.sort(part) for part in (learned[n_held_out:], learned[:n_held_out], calibration)))


def _check_rows(n_rows: int) -> None:
    if n_rows < FEWEST_ROWS:
        raise InputError(f"at least {FEWEST_ROWS} normal rows are needed to learn", f"found n_samples = {n_rows}",
                         "give more rows, or check the filter")


def sample_rows(batches: Iterable[pa.RecordBatch], limit: int, rng: np.random.Generator) -> list[pa.RecordBatch]:
    """Return at most `limit` rows drawn evenly from a stream, in their order and in memory bounded by `limit`.

    Every row gets a random rank and the rows with the lowest ranks stay, so the choice does not depend on how the
    stream is cut into batches (reservoir sampling by random keys, Efraimidis & Spirakis 2006, with equal weights).
    """
    kept: list[tuple[np.ndarray, pa.RecordBatch]] = []
    held = 0
    for batch in batches:
        kept.append((rng.random(batch.num_rows), batch))
        held += batch.num_rows
        if held > 2 * limit:
            kept = _lowest(kept, limit)
            held = limit
    return [batch for _, batch in (_lowest(kept, limit) if held > limit else kept)]


def _lowest(kept: list[tuple[np.ndarray, pa.RecordBatch]], limit: int) -> list[tuple[np.ndarray, pa.RecordBatch]]:
    bar = np.partition(np.concatenate([ranks for ranks, _ in kept]), limit - 1)[limit - 1]
    lowest = [(ranks[ranks <= bar], batch.filter(pa.array(ranks <= bar))) for ranks, batch in kept]
    return [(ranks, batch) for ranks, batch in lowest if len(ranks)]
