"""The kinds of deviation: what each expects of a record from an entity's past, and how far the record is from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import rankdata

from anomaly_cl.features.history import HistoryPlan
from anomaly_cl.features.history_sql import PAST as WHOLE_PAST
from anomaly_cl.features.history_sql import last_days, last_rows
from anomaly_cl.features.records import numbered
from anomaly_cl.features.shrinkage import shrunk

PAST = WHOLE_PAST.name
PRIOR_RECORDS = 3.0  # how many records of anybody an entity's own past is mixed with
MOST_PRIOR_RECORDS = 1_000.0
IQR_OF_NORMAL, IQR_NOISE = 1.349, 1.36  # of a normal sample: its value in standard deviations, n times its variance
SMALLEST_SPREAD = 0.05  # of the spread over all entities: a customer who always pays the same may pay a little else
ROUNDING = 1e-6  # of an amount: below it, differences are none
UNIT = 1 / 50  # of the median size of an amount: below it, logarithms become linear
CLIPPED = 5.0  # deviations beyond count as this where transforms are compared
MOST_VALUES = 100_000  # of a category or entity whose frequencies are kept
SECONDS_A_DAY = 86_400.0
LEAST_GAP = 1.0  # seconds
TRANSFORMS = ("plain", "log")


@dataclass(frozen=True)
class Deviation:
    """One deviation: its column's name, what it compares, and of which entity.

    kind: "amount" (how many usual spreads from the usual value), "gap" (log of the time since the last record over the
    usual one), "hour" (1 - cosine of the angle to the usual hour, by how regular that is), "activity" (records in so
    many days against the usual number, in its standard deviations), "seen" (log of
    how much likelier a habit would have made this value of `about`).
    """

    name: str
    kind: str
    entity: str
    about: str | None = None
    days: int | None = None


class RecordRows:
    """Records and their history as arrays, each fetched when asked for."""

    def __init__(self, plan: HistoryPlan, records: pa.Table, past: pa.Table):
        self.plan, self.records, self.past = plan, records, past

    def value(self, name: str) -> np.ndarray:
        """Values (rows,) float64 of an amount, NaN where missing."""
        return _numbers(self.records.column(self.plan.record_names[name]))

    def texts(self, name: str) -> pa.ChunkedArray:
        return self.records.column(self.plan.record_names[name])

    @property
    def hour(self) -> np.ndarray:
        """Angle (rows,) of the clock, in radians."""
        return _numbers(self.records.column("hour")) * (np.pi / 12)

    def of(self, entity: str, statistic: str, window: str = PAST, *, amount: str | None = None,
           other: str | None = None) -> np.ndarray:
        """A history column (rows,) float64, NaN where null."""
        return _numbers(self.past.column(
            self.plan.column(entity, statistic, window, amount=amount, other=other).sql_name))

    def order(self, entity: str) -> tuple[np.ndarray, np.ndarray]:
        """Positions of the rows by entity and instant, and whether (rows - 1,) neighbours there are of one entity."""
        codes = numbered(self.texts(entity))[1]
        order = np.lexsort((_numbers(self.records.column("row")), _numbers(self.records.column("micros")), codes))
        codes = codes[order]
        return order, (codes[1:] == codes[:-1]) & (codes[1:] >= 0)


class DeviationKind(Protocol):
    """What is learned of a deviation from normal rows, and computed of any."""

    @staticmethod
    def learn(rows: RecordRows, deviation: Deviation) -> tuple[dict[str, Any], float]:
        """What `values` needs, as JSON values and arrays, and the relevance 0..1."""

    @staticmethod
    def values(rows: RecordRows, deviation: Deviation, settings: Mapping[str, Any]) -> np.ndarray:
        """The deviation (rows,), NaN where the past says nothing."""

    @staticmethod
    def expected(rows: RecordRows, deviation: Deviation, settings: Mapping[str, Any]) -> np.ndarray:
        """What was expected (rows,), NaN where nothing was."""


class _Amount:
    """(value - location) / spread of the entity's past, plain or in logarithms, over all of it or its last rows.

    Which of them is learned: the one under which a normal distribution gives normal rows the highest likelihood.
    Location and spread are trimean and interquartile range, which a few frauds in an unlabelled past hardly move.
    """

    @staticmethod
    def learn(rows: RecordRows, deviation: Deviation) -> tuple[dict[str, Any], float]:
        value = rows.value(str(deviation.about))
        present = value[np.isfinite(value)]
        if not len(present):
            return {"transform": "plain", "window": PAST, "unit": 1.0, "location": 0.0, "spread": 1.0,
                    "relative": 0.0, "floor": 1.0, "spread_records": PRIOR_RECORDS}, 0.0
        best: tuple[float, dict[str, Any], np.ndarray] | None = None
        for transform in TRANSFORMS:
            for window in amount_windows(rows.plan):
                settings = _Amount._anybody(rows, deviation, present, transform, window)
                location, spread = _Amount._usual(rows, deviation, settings)
                likelihood = _log_likelihood(value, location, spread, settings)
                if best is None or likelihood > best[0]:
                    best = likelihood, settings, location
        assert best is not None
        return best[1], rank_correlation(value, best[2]) ** 2

    @staticmethod
    def _anybody(
        rows: RecordRows, deviation: Deviation, present: np.ndarray, transform: str, window: str
    ) -> dict[str, Any]:
        """What holds for anybody: where an entity without a past stands, and how wide an entity's past is."""
        unit = max(float(np.median(np.abs(present))) * UNIT, 1e-12)
        settings: dict[str, Any] = {"transform": transform, "window": window, "unit": unit}
        q1, q2, q3 = np.quantile(_transformed(present, settings), [0.25, 0.5, 0.75])
        # amounts that never vary leave rounding errors, which are no deviations
        wide = max((q3 - q1) / IQR_OF_NORMAL, float(np.std(_transformed(present, settings))) * 1e-3,
                   abs(q2) * ROUNDING, 1e-9)
        n, median, own = _Amount._own(rows, deviation, settings)
        told = np.isfinite(median) & (n >= 20) & (own > 0)
        settings |= {"location": float(q2), "spread": float(wide), "relative": 0.0,
                     "floor": float(SMALLEST_SPREAD * wide), "spread_records": PRIOR_RECORDS}
        if told.any():
            expected = np.full(told.sum(), np.median(own[told]))
            if transform == "plain" and (median[told] > 0).all():
                settings["relative"] = float(np.median(own[told] / median[told]))
                expected = settings["relative"] * median[told]
            settings["spread"] = float(np.median(own[told]))
            settings["spread_records"] = _records_to_believe(own[told] / expected, n[told])
        return settings

    @staticmethod
    def _own(rows: RecordRows, deviation: Deviation, settings: Mapping[str, Any]) -> tuple[np.ndarray, ...]:
        """How many values an entity's past has, and their trimean (Tukey 1977) and spread as transformed (rows,)."""
        of = {statistic: rows.of(deviation.entity, statistic, settings["window"], amount=deviation.about)
              for statistic in ("n", "q1", "median", "q3")}
        q1, q2, q3 = (_transformed(of[name], settings) for name in ("q1", "median", "q3"))
        return np.nan_to_num(of["n"]), (q1 + 2 * q2 + q3) / 4, (q3 - q1) / IQR_OF_NORMAL

    @staticmethod
    def _usual(
        rows: RecordRows, deviation: Deviation, settings: Mapping[str, Any]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Location and spread (rows,), shrunk towards anybody's."""
        n, median, own = _Amount._own(rows, deviation, settings)
        location = shrunk(median, n, settings["location"], PRIOR_RECORDS)
        prior = settings["relative"] * location if settings["relative"] else settings["spread"]
        return location, np.maximum(shrunk(own, n, prior, settings["spread_records"]), settings["floor"])

    @staticmethod
    def values(rows: RecordRows, deviation: Deviation, settings: Mapping[str, Any]) -> np.ndarray:
        location, spread = _Amount._usual(rows, deviation, settings)
        return (_transformed(rows.value(str(deviation.about)), settings) - location) / spread

    @staticmethod
    def expected(rows: RecordRows, deviation: Deviation, settings: Mapping[str, Any]) -> np.ndarray:
        return _back(_Amount._usual(rows, deviation, settings)[0], settings)


class _Gap:
    """Logarithm of the time since the entity's last record, over the mean time between its earlier ones."""

    @staticmethod
    def learn(rows: RecordRows, deviation: Deviation) -> tuple[dict[str, Any], float]:
        gap, age, count = _Gap._own(rows, deviation)
        told = np.isfinite(gap)
        anybody = float(np.median(age[told] / np.maximum(count[told], 1))) if told.any() else SECONDS_A_DAY
        settings = {"seconds": anybody}
        return settings, rank_correlation(gap, _Gap._expected(gap, age, count, settings)) ** 2

    @staticmethod
    def _own(rows: RecordRows, deviation: Deviation) -> tuple[np.ndarray, ...]:
        return tuple(rows.of(deviation.entity, *column) for column in (("since",), ("age",), ("count",)))

    @staticmethod
    def _expected(gap: np.ndarray, age: np.ndarray, count: np.ndarray, settings: Mapping[str, Any]) -> np.ndarray:
        """Mean seconds between earlier records: the present gap, with which the age ends, would expect itself."""
        before = np.nan_to_num(age) - np.nan_to_num(gap)
        return (before + PRIOR_RECORDS * settings["seconds"]) / (np.maximum(count - 1, 0) + PRIOR_RECORDS)

    @staticmethod
    def values(rows: RecordRows, deviation: Deviation, settings: Mapping[str, Any]) -> np.ndarray:
        gap, age, count = _Gap._own(rows, deviation)
        return np.log(np.maximum(gap, LEAST_GAP) / np.maximum(_Gap._expected(gap, age, count, settings), LEAST_GAP))

    @staticmethod
    def expected(rows: RecordRows, deviation: Deviation, settings: Mapping[str, Any]) -> np.ndarray:
        gap, age, count = _Gap._own(rows, deviation)
        return _Gap._expected(gap, age, count, settings)


class _Hour:
    """1 - cosine of the angle between the hour and the entity's usual one, times how concentrated its hours are."""

    @staticmethod
    def learn(rows: RecordRows, deviation: Deviation) -> tuple[dict[str, Any], float]:
        hour = rows.hour
        there = hour[np.isfinite(hour)]
        anybody = {"sin": float(np.sin(there).mean()), "cos": float(np.cos(there).mean())} if len(there) else {
            "sin": 0.0, "cos": 0.0}
        sine, cosine = _Hour._direction(rows, deviation, anybody)
        everyone = np.arctan2(anybody["sin"], anybody["cos"])
        off, off_everyone = (float(np.nanmean(1 - np.cos(hour - angle))) if len(there) else 0.0
                             for angle in (np.arctan2(sine, cosine), everyone))
        return anybody, max(0.0, 1 - off / off_everyone) if off_everyone > 0 else 0.0

    @staticmethod
    def _direction(
        rows: RecordRows, deviation: Deviation, settings: Mapping[str, Any]
    ) -> tuple[np.ndarray, np.ndarray]:
        n = rows.of(deviation.entity, "count", PAST)
        return (shrunk(rows.of(deviation.entity, "hour_sin", PAST), n, settings["sin"], PRIOR_RECORDS),
                shrunk(rows.of(deviation.entity, "hour_cos", PAST), n, settings["cos"], PRIOR_RECORDS))

    @staticmethod
    def values(rows: RecordRows, deviation: Deviation, settings: Mapping[str, Any]) -> np.ndarray:
        sine, cosine = _Hour._direction(rows, deviation, settings)
        return np.hypot(sine, cosine) - (sine * np.sin(rows.hour) + cosine * np.cos(rows.hour))

    @staticmethod
    def expected(rows: RecordRows, deviation: Deviation, settings: Mapping[str, Any]) -> np.ndarray:
        sine, cosine = _Hour._direction(rows, deviation, settings)
        return np.arctan2(sine, cosine) * 12 / np.pi % 24


class _Activity:
    """(records in d days - expected) / sqrt(expected + 1), the expectation from the entity's records before them."""

    @staticmethod
    def learn(rows: RecordRows, deviation: Deviation) -> tuple[dict[str, Any], float]:
        count, age = rows.of(deviation.entity, "count", PAST), np.nan_to_num(rows.of(deviation.entity, "age"))
        days = float((age / SECONDS_A_DAY).sum())
        settings = {"a_day": float(count.sum() / days) if days > 0 else 1.0}
        within, expected = _Activity._counts(rows, deviation, settings)
        # as many deviations as there are windows say nearly the same
        return settings, rank_correlation(within, expected) ** 2 / len(rows.plan.days)

    @staticmethod
    def _counts(
        rows: RecordRows, deviation: Deviation, settings: Mapping[str, Any]
    ) -> tuple[np.ndarray, np.ndarray]:
        days = int(deviation.days or 1)
        within = rows.of(deviation.entity, "count", last_days(days).name)
        before = rows.of(deviation.entity, "count", PAST) - within
        age = np.nan_to_num(rows.of(deviation.entity, "age")) / SECONDS_A_DAY
        prior_days = PRIOR_RECORDS / max(settings["a_day"], 1e-12)
        rate = (before + PRIOR_RECORDS) / (np.maximum(age - days, 0) + prior_days)
        return within, rate * np.minimum(np.maximum(age, 0), days)

    @staticmethod
    def values(rows: RecordRows, deviation: Deviation, settings: Mapping[str, Any]) -> np.ndarray:
        within, expected = _Activity._counts(rows, deviation, settings)
        return (within - expected) / np.sqrt(expected + 1)

    @staticmethod
    def expected(rows: RecordRows, deviation: Deviation, settings: Mapping[str, Any]) -> np.ndarray:
        return _Activity._counts(rows, deviation, settings)[1]


class _Seen:
    """log (N + c p) / (n + c p): how much likelier the value would be if all the entity's N earlier records had it.

    n of them had; p is its share among the normal rows, smoothed for values never seen. It is 0 without a past, so that
    new entities are not strange for being new, and for a habit that is kept; the longer the habit, the stranger a
    break.
    """

    @staticmethod
    def learn(rows: RecordRows, deviation: Deviation) -> tuple[dict[str, Any], float]:
        counted = pc.value_counts(pc.drop_null(rows.texts(str(deviation.about)))).to_pylist()
        counted.sort(key=lambda item: (-item["counts"], item["values"]))
        total = sum(item["counts"] for item in counted)
        settings: dict[str, Any] = {
            "values": [item["values"] for item in counted[:MOST_VALUES]],
            "shares": np.array([item["counts"] / (total + 1) for item in counted[:MOST_VALUES]], np.float64),
            "other": 1 / (total + 1),
        }
        anybody = -np.log(_Seen._shares(rows, deviation, settings))
        surprise = -np.log(_Seen._chance(rows, deviation, settings))
        told = np.isfinite(surprise)
        usual = float(anybody[told].mean()) if told.any() else 0.0
        return settings, max(0.0, 1 - float(surprise[told].mean()) / usual) if usual > 0 else 0.0

    @staticmethod
    def _shares(rows: RecordRows, deviation: Deviation, settings: Mapping[str, Any]) -> np.ndarray:
        texts = rows.texts(str(deviation.about))
        if not settings["values"]:
            return np.full(len(texts), settings["other"])
        found = pc.index_in(texts, value_set=pa.array(settings["values"], texts.type))
        positions = pc.fill_null(found, -1).to_numpy()
        return np.where(positions >= 0, np.asarray(settings["shares"])[positions], settings["other"])

    @staticmethod
    def values(rows: RecordRows, deviation: Deviation, settings: Mapping[str, Any]) -> np.ndarray:
        count, share = rows.of(deviation.entity, "count", PAST), _Seen._shares(rows, deviation, settings)
        habit = (count + PRIOR_RECORDS * share) / (count + PRIOR_RECORDS)
        return np.log(habit / _Seen._chance(rows, deviation, settings))

    @staticmethod
    def _chance(rows: RecordRows, deviation: Deviation, settings: Mapping[str, Any]) -> np.ndarray:
        """(n + c p) / (N + c), NaN where a side is missing."""
        seen = rows.of(deviation.entity, "count", PAST, other=deviation.about)
        count, share = rows.of(deviation.entity, "count", PAST), _Seen._shares(rows, deviation, settings)
        return (seen + PRIOR_RECORDS * share) / (count + PRIOR_RECORDS)

    @staticmethod
    def expected(rows: RecordRows, deviation: Deviation, settings: Mapping[str, Any]) -> np.ndarray:
        return rows.of(deviation.entity, "count", PAST, other=deviation.about)


KINDS: dict[str, DeviationKind] = {"amount": _Amount, "gap": _Gap, "hour": _Hour, "activity": _Activity, "seen": _Seen}


def amount_windows(plan: HistoryPlan) -> tuple[str, ...]:
    """The windows among which the one to compare amounts with is chosen."""
    return PAST, last_rows(plan.rows).name


def amount_deviating(
    to: float, value: float, deviation: float, expected: float, settings: Mapping[str, Any]
) -> float:
    """The amount that would deviate by `to` where a value deviates by `deviation`, not 0, from the expected one."""
    now, usual = _transformed(np.array([value, expected]), settings)
    return float(_back(np.array([usual + (now - usual) * to / deviation]), settings)[0])


def _transformed(values: np.ndarray, settings: Mapping[str, Any]) -> np.ndarray:
    """Amounts as they are, or as sign(x) log(1 + |x| / unit)."""
    if settings["transform"] == "plain":
        return values
    return np.sign(values) * np.log1p(np.abs(values) / settings["unit"])


def _back(values: np.ndarray, settings: Mapping[str, Any]) -> np.ndarray:
    if settings["transform"] == "plain":
        return values
    return np.sign(values) * np.expm1(np.minimum(np.abs(values), 500)) * settings["unit"]


def _records_to_believe(ratios: np.ndarray, n: np.ndarray) -> float:
    """How many records of its own an entity needs before its own spread counts as much as the expected one.

    Empirical Bayes: the variance of log(own / expected) (rows,) is that between entities plus that of an interquartile
    range of n records, 1.36 / n for normal ones. Where entities do not differ beyond chance, the expected spread is
    all there is to know.
    """
    between = float(np.var(np.log(ratios)) - np.mean(IQR_NOISE / n))
    return float(np.clip(IQR_NOISE / max(between, 1e-9), PRIOR_RECORDS, MOST_PRIOR_RECORDS))


def _log_likelihood(
    value: np.ndarray, location: np.ndarray, spread: np.ndarray, settings: Mapping[str, Any]
) -> float:
    """Mean log-density of values under normal distributions after the transform, with its Jacobian."""
    z = np.clip((_transformed(value, settings) - location) / spread, -CLIPPED, CLIPPED)
    slope = 0.0 if settings["transform"] == "plain" else -np.log(settings["unit"] + np.abs(value))
    return float(np.nanmean(-0.5 * z**2 - np.log(spread) + slope))


def rank_correlation(values: np.ndarray, expected: np.ndarray) -> float:
    """Spearman's, of the rows where both are known; 0 where it would be negative or is not defined."""
    told = np.isfinite(values) & np.isfinite(expected)
    if told.sum() < 3:
        return 0.0
    x, y = rankdata(values[told]), rankdata(expected[told])
    if x.min() == x.max() or y.min() == y.max():
        return 0.0
    return max(0.0, float(np.corrcoef(x, y)[0, 1]))


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)
