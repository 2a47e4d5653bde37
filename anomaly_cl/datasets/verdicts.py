"""Verdicts that arrive after the records they are about, as investigations and complaints do."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anomaly_cl.datasets.stream import share, whole_number
from anomaly_cl.errors import InputError, UsageError

SECONDS_A_DAY = 86_400
FRAUD, LEGITIMATE = "fraud", "legitimate"


def simulate_verdicts(
    rows: pa.Table, seed: int, *, key: str = "transaction_id", time: str = "booked_at", label: str = "is_fraud",
    delay_days: float = 7.0, spread_days: float = 0.0, found: float = .8, cleared: float = .01
) -> pa.Table:
    """Verdicts on some of the rows, ordered by the time of the decision, then as the rows are.

    Columns: the key as in `rows`, `verdict` ("fraud" or "legitimate"), `decided_at` (of the type of the time column).
    Rows without a label have no verdict. Equal arguments give equal tables.

    Args:
        rows: a table with a key, a time (timestamp) and a label (1 = fraud, 0 = legitimate).
        delay_days: days from a record to its verdict, at the least.
        spread_days: days that it may take longer, each moment as likely as the other, in whole seconds.
        found: share of the frauds that get a verdict: round(share * frauds), drawn at random.
        cleared: the same of the other rows, which were looked into and found legitimate.

    Raises InputError for a column that is missing, or has missing keys or times, or other labels; UsageError for
    numbers that cannot be meant.
    """
    generator = np.random.Generator(np.random.PCG64(whole_number("seed", seed, 0)))
    for name in (key, time, label):
        if name not in rows.column_names:
            raise InputError(f"the table must have the column {name!r}", f"it has {rows.column_names}",
                             "name the key, the time and the label")
    if not pa.types.is_timestamp(rows[time].type):
        raise InputError(f"{time!r} holds times", f"it holds {rows[time].type}", "name another column")
    for name in (key, time):
        if rows[name].null_count:
            raise InputError(f"each row has a value of {name!r}", f"{rows[name].null_count:,} have none",
                             "fill them in")
    labels = _labels(rows[label], label)
    shares = {1: share("found", found, 1), 0: share("cleared", cleared, 1)}
    judged = np.sort(np.concatenate([_some(np.flatnonzero(labels == value), part, generator)
                                     for value, part in shares.items()]))
    waited = _seconds("delay_days", delay_days) + generator.integers(
        0, _seconds("spread_days", spread_days) + 1, len(judged))
    table = rows.select([key, time]).take(judged)
    decided = pc.add(table[time], pa.array(waited.astype("timedelta64[s]")).cast(pa.duration(rows[time].type.unit)))
    order = np.argsort(decided.cast(pa.int64()).to_numpy(), kind="stable")
    verdicts = pa.array([LEGITIMATE, FRAUD]).take(pa.array(labels[judged].astype(np.int64)))
    return pa.table({key: table[key], "verdict": verdicts, "decided_at": decided}).take(order)


def _labels(column: pa.ChunkedArray, name: str) -> np.ndarray:
    """1.0, 0.0, and NaN where unknown."""
    try:
        labels = column.cast(pa.float64()).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(f"labels in {name!r} are 0 and 1", str(error), "recode them") from error
    if other := set(np.unique(labels[~np.isnan(labels)]).tolist()) - {0.0, 1.0}:
        raise InputError(f"labels in {name!r} are 0 and 1", f"others are {sorted(other)[:5]}", "recode them")
    return labels


def _some(places: np.ndarray, part: float, generator: np.random.Generator) -> np.ndarray:
    return generator.permutation(places)[:round(part * len(places))]


def _seconds(name: str, days: float) -> int:
    if not 0 <= days < 36_500:
        raise UsageError(f"{name} must lie between 0 and 36,500", f"it is {days!r}", "give a number of days")
    return round(days * SECONDS_A_DAY)
