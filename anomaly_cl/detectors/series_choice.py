"""Whether a table is made of series: told by its columns, and by the pace of its rows."""

from __future__ import annotations

import pyarrow as pa

from anomaly_cl.detectors.series_scorer import LEAST_LENGTH, LEAST_WINDOWS
from anomaly_cl.errors import InputError
from anomaly_cl.features.series_grid import plan_grid, regular_series
from anomaly_cl.schema import Kind, Role, Schema

LEAST_STEADY = 0.9  # share of the rows that follow one another a step apart


def has_series_columns(schema: Schema) -> bool:
    """Whether a schema has a time and no key, at most one entity, and learns from numbers only, of at least one."""
    learned = schema.with_role(Role.FEATURE, Role.SEGMENT)
    return (schema.only(Role.TIME) is not None and schema.only(Role.KEY) is None
            and len(schema.with_role(Role.ENTITY)) <= 1
            and bool(learned) and all(column.kind is Kind.NUMERIC for column in learned))


def is_series(rows: pa.Table, schema: Schema) -> bool:
    """Whether rows that conform to such a schema are series: nearly all of an entity's follow one another a step apart.

    Transactions are not: they come at any time, and one a day of some customers leaves gaps.
    """
    entities, channels = schema.with_role(Role.ENTITY), schema.with_role(Role.FEATURE)
    entity, time = entities[0].name if entities else None, schema.only(Role.TIME)
    try:
        plan = plan_grid(rows, entity, str(time), [column.name for column in channels])
    except InputError:  # no regular pace
        return False
    series, report = regular_series(rows, plan)
    astray = report.gaps + report.cuts + report.duplicates + report.resampled + len(report.rejected)
    longest = max(len(each.values) for each in series)
    return longest >= LEAST_WINDOWS * LEAST_LENGTH and astray <= (1 - LEAST_STEADY) * rows.num_rows


def series_by(schema: Schema) -> Schema | None:
    """The schema with its only category as entity, if it is then one of series."""
    categories = [column for column in schema.with_role(Role.FEATURE) if column.kind is Kind.CATEGORICAL]
    if len(categories) != 1 or schema.with_role(Role.ENTITY):
        return None
    named = schema.naming(entities=[categories[0].name])
    return named if has_series_columns(named) else None
