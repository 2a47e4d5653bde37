"""Real series as they come, put on regular grids: what was moved, averaged, missing or refused is counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.features.records import numbered
from anomaly_cl.table.casting import is_number, plain

LONGEST_GAP = 10  # steps without a row, by default, before a series is cut in two
LARGEST_TIME = 2**60  # 36,000 years in microseconds; differences of two and half a step more fit 64 bits
LEAST_REGULAR = 0.5  # of irregular (Poisson) arrivals a third of the waits would pass for whole steps
PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000}

NO_TIME = "the time is missing"
NOT_FINITE = "the time is not a finite whole number"
TOO_FAR = "the time is too far from zero"
NO_ENTITY = "the entity is missing"


@dataclass(frozen=True)
class GridPlan:
    """How rows become series: `step_us` is in microseconds, or in units of the time column where that is a counter.

    A series is cut where more than `longest_gap` successive steps have no row.
    """

    entity: str | None
    time: str
    channels: tuple[str, ...]
    step_us: int
    longest_gap: int = LONGEST_GAP

    def __post_init__(self) -> None:
        if not self.channels:
            raise UsageError("a series needs at least one channel", "none is given", "name numeric columns")
        if not 0 < self.step_us <= LARGEST_TIME:
            raise UsageError("a step must be a positive number of microseconds", f"it is {self.step_us}",
                             "give the time between two measurements")
        if not 0 <= self.longest_gap <= LARGEST_TIME:
            raise UsageError("the longest gap is a number of steps, 0 or more", f"it is {self.longest_gap}",
                             "give such a number")


@dataclass(frozen=True)
class RegularSeries:
    """A stretch of one entity: values (time, channels) float64, NaN where nothing was measured.

    Step i lies at `start_us` + i * step. Row `row_numbers[j]` of the table is at step `steps[j]`; both (rows,) int64,
    in order of time.
    """

    entity: str | None
    start_us: int
    values: np.ndarray
    row_numbers: np.ndarray
    steps: np.ndarray


@dataclass(frozen=True)
class GridReport:
    """What became of the rows: `rows` were given, all are placed but the `rejected` (row number, rule).

    `resampled` rows lay more than a quarter of a step off the grid; `duplicates` are those beyond the first at their
    step; `gaps` are runs of steps without a row inside a stretch, `cuts` those so long that they end one.
    `missing_cells` and `infinite_cells` are by channel; an infinite cell counts as not measured.
    """

    rows: int
    steps: int
    resampled: int
    duplicates: int
    gaps: int
    cuts: int
    missing_cells: dict[str, int]
    infinite_cells: dict[str, int]
    rejected: tuple[tuple[int, str], ...]

    def lines(self) -> list[str]:
        """The report as text, a line a finding; findings of nothing are left out."""
        text = [f"{self.rows:,} rows on {self.steps:,} steps"]
        counted = [(self.resampled, "rows more than a quarter of a step off the grid, moved to the nearest step"),
                   (self.duplicates, "rows at a step that has one already, averaged"),
                   (self.gaps, "gaps"), (self.cuts, "gaps so long that the series is cut there")]
        text += [f"{count:,} {what}" for count, what in counted if count]
        text += [f"{name}: {count:,} of {self.steps:,} steps without a value"
                 for name, count in self.missing_cells.items() if count]
        text += [f"{name}: {count:,} infinite values, taken as not measured"
                 for name, count in self.infinite_cells.items() if count]
        rules = [rule for _, rule in self.rejected]
        return text + [f"{rules.count(rule):,} rows rejected: {rule}" for rule in dict.fromkeys(rules)]


def plan_grid(
    table: pa.Table, entity: str | None, time: str, channels: Sequence[str], longest_gap: int = LONGEST_GAP
) -> GridPlan:
    """The plan whose step is the (lower) median difference of successive times within entities.

    Where fewer than half of the differences are exactly that, it is refined to time passed over steps passed: a median
    of jittered times is off by enough to drift over a long series.

    Raises InputError if a column is missing or a channel is not numeric, if there are fewer than 3 times of one
    entity, if the median is 0, or if less than half of the differences are whole steps, to a quarter of one.
    """
    _check_columns(table, entity, time, channels)
    instants, groups, _, rules = _placed_rows(table, entity, time)
    order = np.lexsort((instants, groups))
    order = order[(rules == "")[order]]
    instants, groups = instants[order], groups[order]
    waits = np.diff(instants)[np.diff(groups) == 0]
    remedy = "name the right time and entity columns, or resample the file and try again"
    if len(waits) == 0 or np.bincount(groups).max() < 3:
        raise InputError("a series needs at least 3 times of one entity", f"{time!r} has fewer", remedy)
    step = int(np.partition(waits, (len(waits) - 1) // 2)[(len(waits) - 1) // 2])
    if step == 0:
        raise InputError("successive times of an entity must differ",
                         f"half of the differences of {time!r} are 0", remedy)
    off = np.abs(waits - np.maximum(_nearest(waits, step), 1) * step)
    regular = float(np.mean((off <= step / 4)[waits > 0]))
    if regular < LEAST_REGULAR:
        raise InputError("times must follow a regular step",
                         f"only {regular:.0%} of the differences of {time!r} are multiples of their median, {step}",
                         remedy)
    return GridPlan(entity, time, tuple(channels), _refined(step, waits, longest_gap), longest_gap)


def regular_series(table: pa.Table, plan: GridPlan) -> tuple[list[RegularSeries], GridReport]:
    """The table's series on regular grids, by entity (in order of its text) and time, and what became of the rows.

    Each row goes to the nearest step of its stretch's grid, which has the median phase of the stretch's rows; rows of
    one step are averaged, channel by channel. Rows come in any order: the values do not depend on it. A time without
    a zone is read as UTC; one with a zone is an instant, so that a change of clocks leaves no gap.
    """
    _check_columns(table, plan.entity, plan.time, plan.channels)
    instants, groups, names, rules = _placed_rows(table, plan.entity, plan.time)
    rejected = tuple((int(row), rules[row]) for row in np.flatnonzero(rules != ""))
    order = np.lexsort((instants, groups))
    order = order[(rules == "")[order]]
    instants, groups = instants[order], groups[order]
    new_entity = np.diff(groups, prepend=-1) != 0
    skipped = _nearest(np.diff(instants, prepend=instants[:1]), plan.step_us) - 1
    first = new_entity | (skipped > plan.longest_gap)
    stretch = np.cumsum(first) - 1
    starts, steps, off = _grid_steps(instants, stretch, np.flatnonzero(first), plan.step_us)

    bounds = np.append(np.flatnonzero(first), len(order))
    lengths = steps[bounds[1:] - 1] + 1
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    cells = offsets[stretch] + steps
    values, infinite = _averages(table, plan.channels, order, cells, int(offsets[-1]))
    series = [
        RegularSeries(names[groups[low]], int(start), values[offsets[i]:offsets[i + 1]], order[low:high],
                      steps[low:high])
        for i, (start, low, high) in enumerate(zip(starts, bounds[:-1], bounds[1:], strict=True))
    ]
    moves = np.diff(cells)[~first[1:]]
    report = GridReport(
        rows=table.num_rows, steps=len(values), resampled=int((4 * off > plan.step_us).sum()),
        duplicates=int((moves == 0).sum()), gaps=int((moves > 1).sum()), cuts=int((first & ~new_entity).sum()),
        missing_cells=dict(zip(plan.channels, np.isnan(values).sum(axis=0).tolist(), strict=True)),
        infinite_cells=infinite, rejected=rejected,
    )
    return series, report


def fill_short(values: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Values (time, channels) with runs of at most `longest` NaN interpolated, and what was measured, the same shape.

    Longer runs stay NaN, and so do those at either end, which have a neighbour on one side only.
    """
    filled, observed = np.array(values, np.float64), ~np.isnan(values)
    for channel in range(filled.shape[1]):
        known = np.flatnonzero(observed[:, channel])
        runs = np.diff(known) - 1
        short = (runs > 0) & (runs <= longest)
        left, runs = known[:-1][short], runs[short]
        before = np.repeat(left, runs)
        ahead = np.arange(len(before)) - np.repeat(np.cumsum(runs) - runs, runs) + 1
        share = ahead / np.repeat(runs + 1, runs)
        after = before + np.repeat(runs + 1, runs)
        filled[before + ahead, channel] = filled[before, channel] * (1 - share) + filled[after, channel] * share
    return filled, observed


def _check_columns(table: pa.Table, entity: str | None, time: str, channels: Sequence[str]) -> None:
    for name in [*([entity] if entity is not None else []), time, *channels]:
        if table.column_names.count(name) != 1:
            raise InputError(f"column {name!r} must be there once", f"the table has {table.column_names}",
                             "correct the name")
    for name in channels:
        kind = plain(table[name].combine_chunks()).type
        if not is_number(kind):
            raise InputError(f"channel {name!r} must be numeric", f"it is {kind}", "leave it out or convert it")


def _placed_rows(
    table: pa.Table, entity: str | None, time: str
) -> tuple[np.ndarray, np.ndarray, list[str | None], np.ndarray]:
    """Times and entity numbers (rows,) int64, the entities' names in order, and each row's broken rule or ""."""
    instants, rules = _times(plain(table[time].combine_chunks()), time)
    if entity is None:
        return instants, np.zeros(len(instants), np.int64), [None], rules
    names, groups = numbered(pa.chunked_array([plain(table[entity].combine_chunks()).cast(pa.string())]))
    rules[(groups < 0) & (rules == "")] = NO_ENTITY
    ranked = np.array(pc.sort_indices(names), np.int64)
    ranks = np.zeros(len(names), np.int64)
    ranks[ranked] = np.arange(len(names))
    groups = np.where(groups < 0, 0, ranks[groups] if len(names) else 0)
    return instants, groups, names.take(pa.array(ranked)).to_pylist(), rules


def _times(array: pa.Array, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Microseconds or counts (rows,) int64, 0 where a rule is broken, and the rules (rows,) object, "" where none."""
    rules = np.full(len(array), "", object)
    kind, factor, divisor = array.type, 1, 1
    if pa.types.is_date(kind):
        array = array.cast(pa.timestamp("s"))
        kind = array.type
    if pa.types.is_floating(kind):
        numbers = array.cast(pa.float64()).to_numpy(zero_copy_only=False)
        bad = ~(np.isfinite(numbers) & (numbers == np.floor(numbers)))
        rules[bad] = NOT_FINITE
        array = pa.array(np.clip(np.where(bad, 0, numbers), -2.0**62, 2.0**62).astype(np.int64), mask=_nulls(array))
    elif pa.types.is_timestamp(kind):
        factor, divisor = 1_000_000 // PER_SECOND.get(kind.unit, 1_000_000), 1_000 if kind.unit == "ns" else 1
        array = array.cast(pa.int64())
    elif kind == pa.uint64():
        array = pc.min_element_wise(array, pa.scalar(2**62, pa.uint64()), skip_nulls=False).cast(pa.int64())
    elif not pa.types.is_integer(kind):
        raise InputError(f"the time column {name!r} must hold times or whole numbers", f"it is {kind}",
                         "convert it, or name another column")
    missing = _nulls(array)
    times = pc.fill_null(array.cast(pa.int64()), 0).to_numpy(zero_copy_only=False) // divisor
    far = (times > LARGEST_TIME // factor) | (times < -LARGEST_TIME // factor)
    rules[far] = TOO_FAR
    rules[missing] = NO_TIME
    return np.where(rules == "", times, 0) * factor, rules


def _nulls(array: pa.Array) -> np.ndarray:
    return np.array(array.is_null(), dtype=bool)


def _refined(step: int, waits: np.ndarray, longest_gap: int) -> int:
    if 2 * (waits == step).sum() >= len(waits):
        return step
    passed = _nearest(waits, step)
    near = passed <= longest_gap + 1
    return int(np.rint(waits[near].sum() / passed[near].sum()))


def _nearest(differences: np.ndarray, step: int) -> np.ndarray:
    """The number of steps nearest to each difference; halves go up."""
    whole, rest = np.divmod(differences, step)
    return whole + (rest >= step - rest)


def _grid_steps(
    instants: np.ndarray, stretch: np.ndarray, first: np.ndarray, step: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The start of each stretch's grid, and each row's step on it and distance from it, for rows in order of time."""
    since = instants - instants[first][stretch]
    phases = since - _nearest(since, step) * step
    counts = np.diff(np.append(first, len(instants)))
    phase = phases[np.lexsort((phases, stretch))][first + (counts - 1) // 2]
    since = since - phase[stretch]
    steps = _nearest(since, step)
    off = np.abs(since - steps * step)
    lowest = steps[first]
    return instants[first] + phase + lowest * step, steps - lowest[stretch], off


def _averages(
    table: pa.Table, channels: tuple[str, ...], order: np.ndarray, cells: np.ndarray, n_cells: int
) -> tuple[np.ndarray, dict[str, int]]:
    """The mean (cells, channels) of the measured values of each cell's rows, and the infinite ones by channel."""
    means, infinite = np.full((n_cells, len(channels)), np.nan), {}
    for channel, name in enumerate(channels):
        array = plain(table[name].combine_chunks()).cast(pa.float64(), safe=False)
        numbers = array.to_numpy(zero_copy_only=False)[order]
        infinite[name] = int(np.isinf(numbers).sum())
        measured = np.isfinite(numbers)
        at, numbers = cells[measured], numbers[measured]
        counts = np.bincount(at, minlength=n_cells)
        single = counts[at] == 1
        means[at[single], channel] = numbers[single]
        at, numbers = at[~single], numbers[~single]
        rank = np.lexsort((numbers, at))  # summed in order of value: the rows' order leaves no trace in the last bit
        at, numbers = at[rank], numbers[rank]
        shared = np.unique(at)
        means[shared, channel] = np.bincount(np.searchsorted(shared, at), numbers / counts[at], len(shared))
    return means, infinite
