"""Points in time as the clock and the week show them: cycles only, nothing that grows with time."""

from __future__ import annotations

from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anomaly_cl.features.column_encoder import Block, ColumnEncoder, in_all_spaces, rarity

MICROSECONDS_A_DAY = 86_400_000_000
MICROSECONDS_AN_HOUR = 3_600_000_000
THURSDAY = 3  # 1970-01-01, with Monday as 0
HOURS_A_WEEK = 168
ROWS_A_BIN = 10  # on average, before single hours of the week are told apart


class ClockEncoder(ColumnEncoder):
    """Hour of the day (with its minutes) and weekday, each as cosine and sine, and a missing flag.

    Weekdays are left at 0 if the fit rows span less than a week: every row of the next day would look strange. A
    column with a time zone is read in that zone. The tail is the surprise of the hour of the week (of the day, where
    rows are few), from a histogram smoothed over the neighbouring hours.
    """

    width_ = 5

    def fit(self, array: pa.Array) -> Self:
        days, in_day, missing = clock_of(array)
        present, n_rows, n_missing = ~missing, len(days), int(missing.sum())
        weekdays, hours = (days + THURSDAY) % 7, in_day // MICROSECONDS_AN_HOUR
        seen = days[present]
        self.weekly_ = bool(len(seen) and seen.max() - seen.min() >= 6)
        self.flag_ = rarity(n_missing, n_rows)
        counts = np.bincount((weekdays * 24 + hours)[present], minlength=HOURS_A_WEEK)
        self.surprises_ = np.append(
            _hour_surprises(counts, n_missing, self.weekly_), -np.log((n_missing + 1) / (n_rows + HOURS_A_WEEK + 1))
        )
        self.typical_ = _typical_hour(counts.reshape(7, 24), self.weekly_) if len(seen) else None
        return self

    def transform(self, array: pa.Array) -> Block:
        days, in_day, missing = clock_of(array)
        weekdays, hours = (days + THURSDAY) % 7, in_day // MICROSECONDS_AN_HOUR
        outputs = np.zeros((len(days), 5))
        outputs[:, :2] = _on_circle(in_day / MICROSECONDS_A_DAY)
        if self.weekly_:
            outputs[:, 2:4] = _on_circle(np.arange(7) / 7)[weekdays]
        outputs[missing, :4] = 0
        outputs[missing, 4] = self.flag_
        tail = self.surprises_[np.where(missing, HOURS_A_WEEK, weekdays * 24 + hours)]
        return Block(in_all_spaces(outputs), tail)

    @staticmethod
    def number(array: pa.Array) -> np.ndarray:
        """Microseconds since midnight."""
        _, in_day, missing = clock_of(array)
        return np.where(missing, np.inf, in_day)


def clock_of(array: pa.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Days since 1970, microseconds in the day, and which are missing (day 0, then)."""
    if pa.types.is_timestamp(array.type) and array.type.tz:
        array = pc.local_timestamp(array)
    array = array.cast(pa.timestamp("us"), safe=False)
    missing = array.is_null().to_numpy(zero_copy_only=False)
    microseconds = pc.fill_null(array.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
    return *np.divmod(microseconds, MICROSECONDS_A_DAY), missing


def _on_circle(turns: np.ndarray) -> np.ndarray:
    """Cosine and sine, (rows, 2): of total variance 1 if the turns are uniform."""
    angles = 2 * np.pi * turns
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def _hour_surprises(counts: np.ndarray, n_missing: int, weekly: bool) -> np.ndarray:
    """-log of the smoothed share of each hour of the week, (168,); equal over the days where rows are few."""
    if not weekly or counts.sum() < ROWS_A_BIN * HOURS_A_WEEK:
        counts = np.tile(counts.reshape(7, 24).sum(axis=0), 7) / 7
    smooth = np.roll(counts, 1) / 4 + counts / 2 + np.roll(counts, -1) / 4
    return -np.log((smooth + 1) / (counts.sum() + n_missing + HOURS_A_WEEK + 1))


def _typical_hour(counts: np.ndarray, weekly: bool) -> str:
    """The most frequent hour, and "on weekdays" where nearly all rows (19 in 20) fall on Monday to Friday."""
    hour = f"{counts.sum(axis=0).argmax():02d}:00"
    return f"{hour} on weekdays" if weekly and counts[:5].sum() >= 0.95 * counts.sum() else hour
