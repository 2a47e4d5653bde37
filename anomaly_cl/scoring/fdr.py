"""Policies by the false discovery rate: what share of the alerts may be false, on average over files."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from anomaly_cl.errors import UsageError
from anomaly_cl.scoring.arrays import finite_vector
from anomaly_cl.scoring.policy import SLACK, Known, ScoredRows, number_in, options_in

RARE = 0.01  # a share of strange rows that many files do not reach
EXAMPLE = "fdr=0.05"
OPTIONS = {"arbitrary": "flag", "tail": "flag", "share": "number"}


def step_up(p_values: ArrayLike, level: float, total: int | None = None, *, arbitrary: bool = False) -> float:
    """The largest p-value that Benjamini and Hochberg (1995) reject at a level, 0.0 if they reject none.

    It is the largest p with p <= level * k / total, where k of the p-values (rows,) are <= p and total counts the rows
    of the file, by default those given; leaving out rows with p > level changes nothing. arbitrary: Benjamini and
    Yekutieli (2001), level / (1 + 1/2 + ... + 1/total), for p-values of any dependence.

    >>> step_up([0.01, 0.02, 0.5, 0.9], 0.05)
    0.02
    """
    ordered = np.sort(finite_vector(p_values))
    total = len(ordered) if total is None else total
    if arbitrary:
        level = level / harmonic(total)
    allowed = level * SLACK * np.arange(1, len(ordered) + 1) / max(total, 1)
    passed = np.flatnonzero(ordered <= allowed)
    return float(ordered[passed[-1]]) if len(passed) else 0.0


def harmonic(n: int) -> float:
    """1 + 1/2 + ... + 1/n; at least 1."""
    return max(float(np.sum(1 / np.arange(1, n + 1))), 1.0)


def calibration_needed(level: float, share: float) -> int:
    """Calibration rows from which a share of strange rows can be alerted at a level: 1 / (n + 1) <= level * share.

    One strange row among m is a share of 1 / m.

    >>> calibration_needed(0.05, 0.001), calibration_needed(0.05, 1 / 500)
    (19999, 9999)
    """
    return max(math.ceil(1 / (level * share) / SLACK) - 1, 1)


@dataclass(frozen=True)
class Fdr:
    """Alert so that, on average over files, at most `level` of the alerts are normal rows.

    Benjamini-Hochberg over all rows of the file. Conformal p-values that share a split calibration depend on each other
    positively, as it allows (Bates, Candes, Lei, Romano and Sesia 2023, Annals of Statistics 51:149, section 2), so the
    level holds exactly, whatever the scores; a single file may lie above it. For a cross-fitted calibration there is no
    such proof, only measurements that keep the level (tests/statistical/test_false_discoveries.py). arbitrary:
    Benjamini-Yekutieli, which holds under any dependence and finds less.

    p-values stop at 1 / (n + 1), so k strange rows among m need level * k / m >= 1 / (n + 1). tail: use `p_tail`,
    which goes on falling beyond the calibration's largest score. It finds rare rows that the plain p-values cannot, but
    it is a model of the tail: at 0.1 % of anomalies, the realised rate was up to 2.4 times the level in simulation
    (docs/thresholds-fdr.md), at 5 % within it. Therefore it is never the default.
    share: the share of strange rows that is expected, checked before scoring.
    """

    level: float
    arbitrary: bool = False
    tail: bool = False
    share: float | None = None
    name: ClassVar[str] = "fdr"

    def __post_init__(self) -> None:
        for name, value in (("fdr", self.level), ("share", self.share)):
            if value is not None and not 0 < value < 1:
                raise UsageError(f"{name} is a rate between 0 and 1", f"it is {value!r}",
                                 f"write for example {EXAMPLE}" + (",share=0.001" if name == "share" else ""))

    @classmethod
    def parse(cls, value: str) -> Self:
        level, options = options_in(value, OPTIONS, EXAMPLE)
        share = number_in(float, options["share"], "share=0.001") if "share" in options else None
        return cls(number_in(float, level, EXAMPLE), "arbitrary" in options, "tail" in options, share)

    def check(self, known: Known) -> None:
        if self.tail and not known.tail:
            raise UsageError(f"{self} needs a calibration whose tail could be fitted", "this model has no tail",
                             f"calibrate on more rows, or write {Fdr(self.level, self.arbitrary, share=self.share)}")
        needed = self.share_needed(known)
        share = 1.0 if self.share is None else self.share
        if needed > share * SLACK:
            more = calibration_needed(self._level(known), share)
            raise UsageError(
                f"{self} can alert only if level * share of strange rows >= 1 / (calibration rows + 1)",
                f"with {known.n_calibration:,} calibration rows the share must be {needed:.3g}, not {share:g}",
                f"calibrate on {more:,} rows or more, raise the level, or add ',tail'",
            )

    def warning(self, known: Known) -> str:
        needed = self.share_needed(known)
        if needed <= RARE or self.share is not None:
            return ""
        level = self._level(known)
        one = "" if not known.n_rows else (
            f"; a single alert among {known.n_rows:,} rows needs {calibration_needed(level, 1 / known.n_rows):,}")
        more = ", and more in a large file," if self.arbitrary and not known.n_rows else ""
        return (f"with {known.n_calibration:,} calibration rows, {self} alerts nothing unless about {100 * needed:.2g} "
                f"% of the rows{more} are stranger than all of them; 0.1 % needs {calibration_needed(level, 0.001):,} "
                f"calibration rows{one}; ',tail' extrapolates instead")

    def share_needed(self, known: Known) -> float:
        """The share of the file that must be stranger than every calibration row before there is any alert."""
        return 0.0 if self.tail else 1 / (known.n_calibration + 1) / self._level(known)

    def may_alert(self, rows: ScoredRows) -> np.ndarray:
        return self._p(rows) <= self.level * SLACK

    def alerts(self, rows: ScoredRows) -> np.ndarray:
        return self._p(rows) <= self._largest(rows)

    def cut(self, rows: ScoredRows) -> dict[str, Any]:
        return {"p_tail_at_most" if self.tail else "p_value_at_most": self._largest(rows)}

    def in_words(self) -> str:
        how = "Benjamini-Yekutieli" if self.arbitrary else "Benjamini-Hochberg"
        return f"at most {100 * self.level:g} % of alerts false on average ({how}{', tail' if self.tail else ''})"

    def __str__(self) -> str:
        share = "" if self.share is None else f",share={self.share!r}"
        return f"{self.name}={self.level!r}" + ",arbitrary" * self.arbitrary + ",tail" * self.tail + share

    def _p(self, rows: ScoredRows) -> np.ndarray:
        return rows.tails() if self.tail else rows.p_values

    def _largest(self, rows: ScoredRows) -> float:
        return step_up(self._p(rows), self.level, rows.n_rows, arbitrary=self.arbitrary)

    def _level(self, known: Known) -> float:
        return self.level / harmonic(known.n_rows) if self.arbitrary and known.n_rows else self.level
