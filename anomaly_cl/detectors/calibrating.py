"""Fitting with a calibration: which models learn from which rows, and whose scores calibrate."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from anomaly_cl.detectors.drift import drift_reference
from anomaly_cl.detectors.row_scorer import Recipe, RowScorer
from anomaly_cl.detectors.scored import segment_texts
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.pretraining.pairs import pairs_among
from anomaly_cl.schema import Schema
from anomaly_cl.scoring.calibration import Calibration
from anomaly_cl.scoring.drift import DriftReference
from anomaly_cl.table.split import CalibrationPlan, CrossFit, Split

CROSS_BELOW = 2_000  # normal rows: where a fifth of them is missed
CROSS_CELLS = 500_000  # and where they have no more cells than this, six models instead of one take little time
PLANS: dict[str, CalibrationPlan] = {"split": Split(), "cross": CrossFit()}


class Fitted(NamedTuple):
    """A scorer, its calibration, what drift is measured against, the rows of its bank as they came in, and how many
    rows did what.
    """

    scorer: RowScorer
    calibration: Calibration
    drift_reference: DriftReference
    reference: pa.Table
    rows: dict[str, int]


def resolve_plan(calibration: str | CalibrationPlan, n_rows: int, schema: Schema) -> CalibrationPlan:
    """The plan that is meant by "split", "cross" or "auto"; raises UsageError for another word."""
    if not isinstance(calibration, str):
        return calibration
    if calibration == "auto":
        width = sum(column.size or 1 for column in schema.learned)
        return PLANS["cross" if n_rows < CROSS_BELOW and n_rows * width <= CROSS_CELLS else "split"]
    if calibration not in PLANS:
        raise UsageError(f"calibration is one of {['auto', *PLANS]}", f"it is {calibration!r}", "choose one of them")
    return PLANS[calibration]


def fit_and_calibrate(
    table: pa.Table, schema: Schema, plan: CalibrationPlan, recipe: Recipe, rng: np.random.Generator
) -> Fitted:
    """Fit the scorer that is kept and those that only calibrate, on normal rows that conform to the schema.

    A calibration row is scored by a scorer that learned nothing from it. It may stand in the scorer's bank, where it is
    left out of its own measurement: a new row meets that bank and one row more, so it scores at most as high.
    """
    drawing, keeping = rng.spawn(2)
    roles, others = plan.roles(table.num_rows, drawing)
    pairs = recipe.pairs and pairs_among(recipe.pairs, roles.reference)
    if recipe.pairs and not pairs:
        raise InputError("pairs train the encoder, which learns from a part of the rows",
                         f"of none of the {len(recipe.pairs.same)} both rows are in it ({len(roles.reference)} of "
                         f"{table.num_rows})", "give more pairs")
    scorer = RowScorer().fit(table, schema, roles, recipe, keeping)
    scores = np.full(table.num_rows, np.nan)
    scores[roles.calibration] = scorer.training_scores(table, roles.calibration)
    for part, stream in zip(others, rng.spawn(len(others)), strict=True):
        other = RowScorer().fit(table, schema, part, recipe.unwatched(), stream)
        scores[part.calibration] = other.training_scores(table, part.calibration)
    calibrated = np.flatnonzero(~np.isnan(scores))
    rows = {"read": table.num_rows, "trimmed": 0, "reference": len(roles.reference), "held_out": len(roles.held_out),
            "bank": len(scorer.bank_positions_), "calibration": len(calibrated), "models": 1 + len(others)}
    rows |= {"pairs": len(pairs.same)} if pairs else {}
    rows |= {"confirmed_anomalies": int(recipe.confirmed.is_anomaly.sum())} if recipe.confirmed else {}
    calibration, drift = calibrate(table.take(calibrated), scores[calibrated], schema, rng.spawn(1)[0])
    return Fitted(scorer, calibration, drift, table.take(scorer.bank_positions_), rows)


def calibrate(
    rows: pa.Table, scores: np.ndarray, schema: Schema, rng: np.random.Generator
) -> tuple[Calibration, DriftReference]:
    """The calibration by normal rows and their scores (rows,), and what later rows are compared with."""
    calibration = Calibration().fit(scores, segment_texts(rows, schema))
    return calibration, drift_reference(rows, scores, schema, rng)
