"""Tables of series: which columns are channels, and steps as rows that can be judged one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from anomaly_cl.detectors.reasons import MOST_REASONS, shown
from anomaly_cl.detectors.series_training import Stretch
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.features.series_grid import GridPlan, GridReport, RegularSeries, fill_short, plan_grid, regular_series
from anomaly_cl.schema import Column, Kind, Role, Schema
from anomaly_cl.table.zones import zone_of

SURPRISE = "surprise of "  # opens the names of what a scorer says of a channel
USUAL = "usual "  # opens the names of what a channel usually shows
UNMEASURED = "no window without long gaps covers this step"


class Gridded(NamedTuple):
    """Series on regular grids, their short gaps filled, and what became of the rows."""

    series: list[RegularSeries]
    stretches: list[Stretch]
    report: GridReport


@dataclass(frozen=True)
class SeriesSchema:
    """The columns of step rows: those that name a step, its channels, and for each what the scorer says of it."""

    base: Schema

    def __post_init__(self) -> None:
        if self.base.only(Role.TIME) is None:
            raise UsageError("a series has a time", "no column has the role time", "give one, as time=")

    @property
    def entity(self) -> str | None:
        held = self.base.with_role(Role.ENTITY)
        return held[0].name if held else None

    @property
    def time(self) -> str:
        return str(self.base.only(Role.TIME))

    @property
    def channels(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.base.columns if column.role is Role.FEATURE)

    @property
    def schema(self) -> Schema:
        """The schema of step rows: the surprise of each channel is learned from, its readings are not."""
        made = [Column(SURPRISE + name, Kind.NUMERIC, "double", Role.FEATURE, "how strange the channel is")
                for name in self.channels]
        return Schema((*(replace(column, role=Role.IGNORE) if column.role is Role.FEATURE else column
                         for column in self.base.columns), *made))

    def in_zone_of(self, source: Any) -> SeriesSchema:
        """The same with times read as instants, if those of the source have a zone; see `zone_of`."""
        zone = zone_of(source, self.time)
        if zone is None:
            return self
        return SeriesSchema(Schema(tuple(
            replace(column, type=str(pa.timestamp("us", zone))) if column.role is Role.TIME else column
            for column in self.base.columns)))

    def plan(self, table: pa.Table) -> GridPlan:
        """The grid that normal rows suggest; see `plan_grid`."""
        return plan_grid(table, self.entity, self.time, self.channels)


def series_schema(
    schema: Schema, entity: str | None, time: str | None, channels: Sequence[str] | None
) -> SeriesSchema:
    """The schema of a series: one time, at most one entity, and numbers as channels; other columns are ignored.

    `channels` None: all numbers that may be learned from. Raises UsageError without a time or a channel.
    """
    named = schema.naming(entities=[entity] if entity else [], time=time)
    chosen = [column.name for column in named.columns if column.role is Role.FEATURE and column.kind is Kind.NUMERIC]
    if channels is not None:
        for name in channels:
            if named[name].kind is not Kind.NUMERIC:
                raise UsageError(f"channel {name!r} must be numeric", f"it is {named[name].kind.value}", "leave it out")
        chosen = list(channels)
    entities = [column.name for column in named.with_role(Role.ENTITY)]
    if len(entities) > 1:
        raise UsageError("a series belongs to one entity", f"the schema has {entities}", "choose one, as entity=")
    if not chosen:
        raise UsageError("a series has at least one numeric channel", "there is none left to learn from",
                         "name some, as channels=")
    kept = (Role.TIME, Role.ENTITY, Role.LABEL)
    columns = tuple(
        replace(column, role=Role.FEATURE, missing="allow") if column.name in chosen
        else column if column.role in kept else replace(column, role=Role.IGNORE)
        for column in named.columns
    )
    made = SeriesSchema(Schema(columns))
    if taken := [name for name in made.schema.names if made.schema.names.count(name) > 1]:
        raise InputError("columns are named otherwise than what is made of them", f"found {taken}", "rename them")
    return made


def gridded(table: pa.Table, plan: GridPlan, pooled: str = "") -> Gridded:
    """Rows that conform to a schema as regular series."""
    series, report = regular_series(table, plan)
    stretches = [Stretch(pooled if each.entity is None else each.entity, fill_short(each.values, plan.longest_gap)[0])
                 for each in series]
    return Gridded(series, stretches, report)


def step_rows(
    table: pa.Table, schema: SeriesSchema, grid: Gridded, surprise: Sequence[np.ndarray], usual: dict[str, np.ndarray]
) -> tuple[pa.Table, np.ndarray]:
    """Rows with the surprise (steps, channels) of their steps and what is usual, and which of the table they are.

    A row is left out where nothing can be said of its step; in the order of the table.
    """
    rows = np.concatenate([each.row_numbers for each in grid.series] or [np.zeros(0, np.int64)])
    columns = np.concatenate([said[each.steps] for said, each in zip(surprise, grid.series, strict=True)]
                             or [np.zeros((0, len(schema.channels)))])
    entities = np.repeat(np.arange(len(grid.series)), [len(each.row_numbers) for each in grid.series])
    known = ~np.isnan(columns).all(axis=1)
    order = np.flatnonzero(known)[np.argsort(rows[known], kind="stable")]
    chosen = rows[order]
    names = [stretch.entity for stretch in grid.stretches]
    result = table.take(chosen)
    for channel, name in enumerate(schema.channels):
        result = result.append_column(SURPRISE + name, pa.array(columns[order, channel], from_pandas=True))
    for channel, name in enumerate(schema.channels):
        centres = np.array([usual.get(entity, usual[""])[channel] for entity in names])
        result = result.append_column(USUAL + name, pa.array(centres[entities[order]]))
    return result, chosen


def surprise_matrix(rows: pa.Table | pa.RecordBatch, channels: Sequence[str]) -> np.ndarray:
    """Surprise (rows, channels) of step rows; NaN where a channel was not measured."""
    return np.stack([np.asarray(rows.column(SURPRISE + name).to_numpy(zero_copy_only=False)
                                if isinstance(rows, pa.RecordBatch) else rows.column(SURPRISE + name).to_numpy(),
                                float) for name in channels], axis=1)


def channel_reasons(
    rows: pa.Table | pa.RecordBatch, channels: Sequence[str], power: float, score: np.ndarray
) -> list[list[dict[str, Any]]]:
    """For each step row its strangest channels: column, contribution (its share of the score), value, typical."""
    powers = np.nan_to_num(surprise_matrix(rows, channels)) ** power
    total = powers.sum(axis=1, keepdims=True)
    shares = np.where(total > 0, powers / np.where(total > 0, total, 1), 0) * score[:, None]
    found = []
    for row, share in enumerate(shares):
        strongest = [int(j) for j in np.argsort(-share, kind="stable")[:MOST_REASONS] if share[j] > 0.01 * score[row]]
        found.append([{"column": channels[j], "contribution": float(share[j]),
                       "value": shown(rows.column(channels[j])[row].as_py()),
                       "typical": shown(rows.column(USUAL + channels[j])[row].as_py())} for j in strongest])
    return found
