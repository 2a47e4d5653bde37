"""Sums over the records that an entity had shortly before, as SQL text that DuckDB and Spark run unchanged."""

from __future__ import annotations

from collections.abc import Sequence

from anomaly_cl.features.history_sql import last_days, partition_of


def window_sums_sql(table: str, entities: Sequence[str], values: Sequence[str], days: int, first_row: int = 0) -> str:
    """For each entity column and int64 value column, the sum over the entity's records in [t - days, t).

    The table has `row`, `micros` (int64) and these columns, under names that the code has made. The outputs are `row`
    and {entity}_{value}, int64, of the rows from `first_row` on, by rising row; 0 where nothing was, or without entity.
    """
    windows = ",\n  ".join(
        f"{entity}_w AS ({partition_of(entity)} {last_days(days).bounds})" for entity in entities)
    sums = ",\n  ".join(f"CAST(coalesce(sum({value}) OVER {entity}_w, 0) AS BIGINT) AS {entity}_{value}"
                        for entity in entities for value in values)
    return (f"WITH summed AS (SELECT row,\n  {sums}\nFROM {table} WINDOW {windows})\n"
            f"SELECT * FROM summed WHERE row >= {int(first_row)} ORDER BY row")
