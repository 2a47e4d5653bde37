"""Policies meet a detector: what it knows before scoring, and its scored rows as the arrays that a policy reads."""

from __future__ import annotations

import warnings

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anomaly_cl.detectors.scored import Scores, segment_texts
from anomaly_cl.errors import PolicyWarning, UsageError
from anomaly_cl.schema import Role, Schema
from anomaly_cl.scoring.calibration import Calibration
from anomaly_cl.scoring.policy import Known, Policy, ScoredRows
from anomaly_cl.scoring.thresholds import Alpha, parse_policy

DEFAULT_POLICY = Alpha(0.01)


def known_before(calibration: Calibration, schema: Schema, n_rows: int | None = None) -> Known:
    """What is known before scoring `n_rows` rows, or a stream of them (None)."""
    return Known(calibration.most_compared_, n_rows, tail=calibration.has_tail_,
                 times=schema.only(Role.TIME) is not None, segments=schema.only(Role.SEGMENT) is not None)


def resolve(policy: str | Policy | None, known: Known) -> Policy:
    """The policy meant by a text, or the default, alpha=0.01.

    Raises UsageError if it can never alert or lacks a column. Warns (PolicyWarning) of what else should be known
    before scoring, and of a default that can never alert.
    """
    chosen = DEFAULT_POLICY if policy is None else parse_policy(policy) if isinstance(policy, str) else policy
    try:
        chosen.check(known)
        said = chosen.warning(known)
    except UsageError as error:
        if policy is not None:
            raise
        said = f"no row can be alerted at the default policy: {error}"
    if said:
        warnings.warn(said, PolicyWarning, stacklevel=4)
    return chosen


def scored_rows(
    scores: Scores, rows: pa.Table | pa.RecordBatch, schema: Schema, n_calibration: int
) -> ScoredRows:
    """Scored rows as a policy reads them; times are those of a clock on the wall where they have a time zone."""
    time = schema.only(Role.TIME)
    return ScoredRows(
        scores.p_value, scores.score, scores.p_tail, None if time is None else _times(rows.column(time)),
        segment_texts(rows, schema), n_calibration=n_calibration,
    )


def _times(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    local = pc.local_timestamp(column) if getattr(column.type, "tz", None) else column
    return np.asarray(local.cast(pa.timestamp("us"), safe=False).to_numpy(zero_copy_only=False), "datetime64[us]")
