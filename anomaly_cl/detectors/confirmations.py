"""Verdicts that came late, joined to the scores of a detector that knows none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logit

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.features.verdict_counts import Lags, VerdictHistory, verdict_counts
from anomaly_cl.scoring.arrays import finite_vector
from anomaly_cl.scoring.calibration import Calibration
from anomaly_cl.scoring.compromise import Compromise, fit_compromise
from anomaly_cl.scoring.noisy_or import FEWEST_FRAUDS, Joined, NoisyOr

DAYS = Lags(step=86_400_000_000, steps=70)  # ten weeks, in microseconds
ONE_CLASS = "one-class"
CALIBRATION_CAP = 20_000
ROWS_AT_ONCE = 262_144  # whose counts of 70 days take 150 MB
CLOSEST = 1e-15  # to probability 0 and 1, for log odds


class Confirmations:
    """What verdicts on earlier records of its entities say of a record, together with its one-class score.

    For each entity role a hidden Markov model of compromise reads the verdicts known at the record's instant
    (`scoring.compromise`); the probabilities and the one-class score are causes of a calibrated noisy-or
    (`scoring.noisy_or`). Settings: the ages of verdicts that are read, and the share of the rows with verdicts that
    learns nothing, and calibrates p-values.
    """

    def __init__(self, lags: Lags = DAYS, calibration_share: float = 0.3):
        if not 0 < calibration_share < 1:
            raise UsageError("calibration takes a share of the rows between 0 and 1", f"it is {calibration_share}",
                             "use for example 0.3")
        self.lags, self.calibration_share = lags, calibration_share

    def fit(self, scores: ArrayLike, entities: Mapping[str, ArrayLike], history: VerdictHistory, known_at: int,
            rng: np.random.Generator) -> Self:
        """Learn from records (n,) with verdicts, as far as these were known at the instant `known_at`.

        Args:
            scores: one-class score (n,), higher = stranger, of a detector that did not learn from the record or left
                it out; NaN where it is only history. The others should be all records of some weeks: where only
                alerts have verdicts, probabilities are those of alerts.
            entities: {role: code (n,)} of the record's entities, one role or more; negative where missing.
            history: the instants and verdicts (n,) of the records.
            rng: draws the calibration rows.

        Raises InputError if fewer than 20 known frauds are left to learn from, or no legitimate record calibrates.
        """
        if not entities or ONE_CLASS in entities:
            raise UsageError(f"verdicts belong to entity roles, none named {ONE_CLASS!r}", f"found {list(entities)}",
                             "name the columns of entities")
        scores = np.asarray(scores, np.float64)
        fraud, legitimate = history.known(known_at)
        scored = np.flatnonzero(~np.isnan(scores) & (fraud | legitimate))
        order = rng.permutation(scored)
        n_calibration = round(len(order) * self.calibration_share)
        calibrating, learning = order[:n_calibration], np.sort(order[n_calibration:])
        calibrating = np.sort(calibrating[legitimate[calibrating]][:CALIBRATION_CAP])
        if fraud[learning].sum() < FEWEST_FRAUDS or not len(calibrating):
            raise InputError(f"confirmations are learned from {FEWEST_FRAUDS} frauds and calibrated on legitimate rows",
                             f"known are {int(fraud[learning].sum())} and {len(calibrating)}",
                             "wait for more verdicts, or fit without them")
        self.compromise_ = {role: self._fit_role(codes, history, known_at) for role, codes in entities.items()}
        used = np.concatenate([learning, calibrating])
        own = {role: np.asarray(codes)[used] for role, codes in entities.items()}
        causes = {ONE_CLASS: scores[used], **self._risks(own, history.instants[used], history, entities)}
        n_learning = len(learning)
        self.noisy_or_ = NoisyOr().fit({cause: values[:n_learning] for cause, values in causes.items()},
                                       fraud[learning])
        held_out = self.noisy_or_({cause: values[n_learning:] for cause, values in causes.items()})
        self.calibration_ = Calibration().fit(held_out.score)
        return self

    def join(self, scores: ArrayLike, entities: Mapping[str, ArrayLike], instants: ArrayLike, history: VerdictHistory,
             history_entities: Mapping[str, ArrayLike]) -> Joined:
        """The one-class scores (rows,) joined with what was known of the rows' entities at their instants (rows,).

        `history` (n,), with `history_entities` {role: code (n,)}, may hold the rows themselves and later records: only
        verdicts decided by a row's instant are read. `calibration_` turns the joined score into p-values.
        """
        return self.join_risks(scores, self.risks(entities, instants, history, history_entities))

    def risks(self, entities: Mapping[str, ArrayLike], instants: ArrayLike, history: VerdictHistory,
              history_entities: Mapping[str, ArrayLike]) -> dict[str, np.ndarray]:
        """What was known of each role's entity at the rows' instants (rows,): log odds {role: (rows,)} that it is
        compromised and the next record a fraud.
        """
        if set(entities) != set(self.compromise_) or set(history_entities) != set(self.compromise_):
            raise InputError(f"the entity roles are {sorted(self.compromise_)}",
                             f"given are {sorted(entities)}, in the history {sorted(history_entities)}",
                             "give the codes of each")
        return self._risks(entities, instants, history, history_entities)

    def untold_risks(self) -> dict[str, float]:
        """The risk {role: log odds} of an entity of which no verdict is known."""
        none = np.zeros((self.lags.steps, 1), np.int64)
        return {role: _log_odds(model.probability(none, none)).item() for role, model in self.compromise_.items()}

    def join_risks(self, scores: ArrayLike, risks: Mapping[str, np.ndarray]) -> Joined:
        """One-class scores (rows,) and `risks` of the same rows, each row by itself."""
        return self.noisy_or_({ONE_CLASS: finite_vector(scores), **risks})

    def to_state(self) -> dict[str, Any]:
        return {"step": self.lags.step, "steps": self.lags.steps, "calibration_share": self.calibration_share,
                "compromise": {role: model.to_state() for role, model in self.compromise_.items()},
                "noisy_or": self.noisy_or_.to_state(), "calibration": self.calibration_.to_state()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        confirmations = cls(Lags(int(state["step"]), int(state["steps"])), float(state["calibration_share"]))
        confirmations.compromise_ = {role: Compromise.from_state(each) for role, each in state["compromise"].items()}
        confirmations.noisy_or_ = NoisyOr.from_state(state["noisy_or"])
        confirmations.calibration_ = Calibration.from_state(state["calibration"])
        return confirmations

    def _fit_role(self, codes: ArrayLike, history: VerdictHistory, known_at: int) -> Compromise:
        codes = np.asarray(codes, np.int64)
        each = np.unique(codes[codes >= 0])
        now = np.full(len(each), known_at)
        return fit_compromise(*verdict_counts(history, codes, each, now, self.lags))

    def _risks(self, entities: Mapping[str, ArrayLike], instants: ArrayLike, history: VerdictHistory,
               history_entities: Mapping[str, ArrayLike]) -> dict[str, np.ndarray]:
        times = np.asarray(instants, np.int64)
        order = np.argsort(times, kind="stable")  # rows of one time share the part of the history that is read
        risks = {}
        for role, model in self.compromise_.items():
            codes, probability = np.asarray(entities[role], np.int64), np.empty(len(times))
            for start in range(0, len(order), ROWS_AT_ONCE):
                part = order[start:start + ROWS_AT_ONCE]
                counts = verdict_counts(history, history_entities[role], codes[part], times[part], self.lags)
                probability[part] = model.probability(*counts)
            risks[role] = _log_odds(probability)
        return risks


def _log_odds(probability: np.ndarray) -> np.ndarray:
    return np.asarray(logit(np.clip(probability, CLOSEST, 1 - CLOSEST)))
